# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Facts are read as they stand, or refused with the way out; one file for each model of the published set."""

import pytest
import yaml

from hf_elmo import pretrained
from hf_elmo.conversion.known_models import KNOWN_MODELS
from hf_elmo.model_cards.facts import FACTS, load_facts, names
from hf_elmo.model_cards.rendering import render_card


@pytest.fixture
def change(tmp_path):
    """Writes the facts of elmo-original with something changed; returns the file."""

    def write(**changes):
        facts = yaml.safe_load((FACTS / "elmo-original.yaml").read_text(encoding="utf-8"))
        facts = {key: value for key, value in (facts | changes).items() if value != "GONE"}
        path = tmp_path / "facts.yaml"
        path.write_text(yaml.safe_dump(facts, allow_unicode=True), encoding="utf-8")
        return path

    return write


def test_the_published_set_is_complete():
    facts = [load_facts(name) for name in names()]
    assert {item.known_model for item in facts} - {None} == set(KNOWN_MODELS)
    trained = {item.name for item in facts if item.origin == "trained"}
    assert trained == {"elmo-mini-en", "bert-mini-en"} <= set(pretrained.names())
    assert [item.name for item in facts] == list(names())


@pytest.mark.parametrize(
    ("asked", "name"),
    [("elmo-small", "elmo-small"), ("small", "elmo-small"), ("5.5B", "elmo-original-5.5b"), ("pubmed", "elmo-pubmed")],
)
def test_names_of_the_converter_are_understood(asked, name):
    assert load_facts(asked).name == name


def test_facts_of_a_file_are_rendered(change):
    path = change(name="elmo-mine", citations=["elmo", "bert"])
    text = render_card(path)
    assert "# elmo-mine\n" in text and "devlin-etal-2019-bert" in text and "peters-etal-2018-deep" in text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"licens": "mit"}, "unknown fact 'licens'; did you mean 'license'?"),
        ({"xyz": 1}, "unknown fact 'xyz'; there are name, kind"),
        ({"license": "GONE"}, "lacks 'license'"),
        ({"license": 3}, "license must be a text, not 3; leave out what is not known"),
        ({"figures": ""}, "figures must be a text, not ''; leave out what is not known"),
        ({"tags": "elmo"}, "tags must be a list, not 'elmo'"),
        ({"tags": [1]}, r"tags\[0\] must be a text, not 1"),
        ({"summary": "A model."}, "summary must have a text for each of en, zh"),
        ({"summary": {"en": "A", "zh": "B", "de": "C"}}, "summary must have a text for each of en, zh"),
        ({"summary": {"en": "A", "zh": ""}}, "summary.zh must be a text"),
        ({"limits": [{"en": "A"}]}, r"limits\[0\] must have a text for each"),
        ({"kind": "gpt"}, "kind of elmo-original is 'gpt'; needed is elmo or bert"),
        ({"origin": "found"}, "origin of elmo-original is 'found'; needed is trained or converted"),
        ({"known_model": "GONE"}, "known_model is for converted models, and needed there"),
        ({"evaluations": [{"task": "x"}]}, r"evaluations\[0\] lacks 'task_name'"),
        ({"evaluations": [{"taks": "x"}]}, r"evaluations\[0\]: unknown fact 'taks'; did you mean 'task'?"),
        ({"evaluations": ["x"]}, r"evaluations\[0\] holds str; needed are names with values"),
        ({"training_texts": [{"text": {"en": "A", "zh": "B"}}]}, r"training_texts\[0\] lacks 'part'"),
    ],
)
def test_wrong_facts_are_refused(changes, message, change):
    with pytest.raises(ValueError, match=message):
        load_facts(change(**changes))


def test_what_cannot_be_read_is_refused(tmp_path):
    for name, message in (
        ("elmo-orginal", "did you mean 'elmo-original'?"),
        ("gpt", "there are bert-mini-en, elmo-med"),
    ):
        with pytest.raises(ValueError, match=f"there is no card for '{name}'; {message}"):
            load_facts(name)
    with pytest.raises(OSError, match="no such facts file"):
        load_facts(tmp_path / "none.yaml")
    (tmp_path / "a.yaml").write_text("a: [")
    with pytest.raises(ValueError, match="is no YAML"):
        load_facts(tmp_path / "a.yaml")
    (tmp_path / "a.yaml").write_text("- a")
    with pytest.raises(ValueError, match="holds list; needed are names with values"):
        load_facts(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ unknown }}", "'unknown' is undefined"),
        ("{{ 3 | rounded }}", "3 has no source"),
        ("{{ cited('none.x') }}", "cites nothing as 'none.x'"),
        ("{% if %}", "Expected an expression"),
    ],
)
def test_texts_that_cannot_be_computed_are_refused(text, message, change):
    with pytest.raises(ValueError, match=message):
        render_card(change(structure={"en": text, "zh": text}))
