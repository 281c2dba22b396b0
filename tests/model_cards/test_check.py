# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Cards that the Hub refuses, or that readers cannot use: each fault alone is named, a good card has none."""

import pytest

from hf_elmo.model_cards import check
from hf_elmo.model_cards.check import card_metadata, check_card

GOOD = {
    "library_name": "transformers",
    "license": "apache-2.0",
    "pipeline_tag": "feature-extraction",
    "tags": "[elmo]",
    "language": "en",
}
BODY = """
# A model

It gives vectors ([more](#how-to-use-it), [picture](loss.svg), [paper](https://aclanthology.org/N18-1202/)).

## How to use it

```python
# a comment, no heading
"{{ in code }}".format()  # unfilled all the same
```
""".replace('"{{ in code }}".format()  # unfilled all the same\n', "")
INDEX = """
- name: m
  results:
  - task: {type: language-modeling}
    dataset: {type: wiki, name: Wikipedia}
    metrics: [{type: perplexity, value: 3.5}]
"""


def card(body=BODY, **changes):
    lines = [f"{key}: {value}" for key, value in (GOOD | changes).items() if value is not None]
    return "---\n" + "\n".join(lines) + "\n---\n" + body


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "loss.svg").write_text("<svg/>")
    return tmp_path


def test_a_good_card_has_no_fault(folder):
    more = {
        "license": "[mit, cc-by-sa-4.0]",
        "language": "[en, 'no', zho, multilingual, code]",
        "datasets": "[nyu-mll/blimp, wikipedia]",
        "base_model": "org/elmo",
        "widget": "\n- text: She went.",
        "model-index": INDEX,
    }
    for text in (card(), card(**more), card().replace("\n", "\r\n")):
        assert check_card(text, folder) == []
        assert check_card(text) == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"library_name": None}, "library_name is missing in the metadata"),
        ({"tags": "[]"}, "tags is missing in the metadata"),
        ({"license": None}, "license is missing in the metadata: name yours, or `unknown`"),
        ({"license": "apache2"}, "license 'apache2' is not in the Hub's list: take one of https://huggingface.co"),
        ({"license": "Apache-2.0"}, "license 'Apache-2.0' is not in the Hub's list"),
        ({"license": "other"}, "license is `other`: license_name must say which"),
        ({"language": "english"}, "language 'english' is no ISO 639 code in small letters, nor code or multilingual"),
        ({"language": "EN"}, "language 'EN' is no ISO 639 code"),
        ({"language": "zh-CN"}, "language 'zh-CN' is no ISO 639 code"),
        ({"language": "[en, xx]"}, "language 'xx' is no ISO 639 code"),
        (
            {"language": "no"},
            "language False is no ISO 639 code in small letters, nor code or multilingual (Norwegian",
        ),
        ({"tags": "elmo"}, "tags must be a list of names, not 'elmo'"),
        ({"tags": "[1]"}, "tags must be a list of names, not [1]"),
        ({"pipeline_tag": "[fill-mask]"}, "pipeline_tag must be a name, not ['fill-mask']"),
        ({"datasets": "[/data/wiki]"}, "datasets '/data/wiki' is no id of the Hub (a local path?)"),
        ({"datasets": "[a/b/c]"}, "datasets 'a/b/c' is no id of the Hub"),
        ({"base_model": "./runs/elmo"}, "base_model './runs/elmo' is no id of the Hub"),
        ({"base_model": "C:\\elmo"}, "is no id of the Hub"),
        ({"base_model": "loss.svg"}, "base_model 'loss.svg' is a path in this folder, not an id of the Hub"),
        ({"base_model": "[3]"}, "base_model 3 is no id of the Hub"),
        ({"widget": "{text: a}"}, "widget must be a list of examples"),
        ({"widget": "[a]"}, "widget must be a list of examples"),
        ({"model-index": "{name: m}"}, "model-index must be a list of models"),
        ({"model-index": INDEX.replace("name: m", "nam: m")}, "model-index[0].name must be a name"),
        ({"model-index": "[{name: m}]"}, "model-index[0].results must be a list"),
        (
            {"model-index": "[{name: m, results: [3]}]"},
            "model-index[0].results[0] must have task, dataset and metrics",
        ),
        ({"model-index": INDEX.replace("task", "tsak")}, "model-index[0].results[0].task is missing"),
        ({"model-index": INDEX.replace("name: Wikipedia", "nme: W")}, "results[0].dataset.name must be a name"),
        (
            {"model-index": INDEX.replace("name: Wikipedia", "name: W, config: 3")},
            "results[0].dataset.config must be a text, not 3",
        ),
        ({"model-index": INDEX.replace("value: 3.5", "val: 3.5")}, "results[0].metrics[0].value is missing"),
        ({"model-index": INDEX.replace("type: perplexity, ", "")}, "results[0].metrics[0].type must be a name"),
        (
            {"model-index": INDEX.replace("[{type: perplexity, value: 3.5}]", "[]")},
            "metrics must be a list with an entry",
        ),
        ({"tags": "[elmo"}, "the metadata is no YAML"),
        ({"tags": "[elmo]\ntags: [bert]"}, "the metadata is no YAML: the key 'tags' stands there twice"),
    ],
)
def test_metadata(changes, fault, folder):
    found = check_card(card(**changes), folder)
    assert len(found) == 1 and fault in found[0], found


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("vectors", "[More Information Needed]", "line 11: '[More Information Needed]' was never filled in"),
        ("vectors", "{{ model_id }}", "'{{ model_id }}' was never filled in"),
        ("vectors", "{% if x %}", "'{% if x %}' was never filled in"),
        ("vectors", "@RESULT@", "'@RESULT@' was never filled in"),
        ("vectors", "[more information needed]", "was never filled in"),
        ("vectors", "[optional]", "'[optional]' was never filled in"),
        ("vectors", "<!-- Provide a summary. -->", "was never filled in"),
        ("vectors", "ORG/NAME", "'ORG/NAME' was never filled in"),
        ("vectors", "TODO", "'TODO' was never filled in"),
        ("# A model", "A model", "the card must have one heading of the first level, it has 0"),
        ("## How", "# How", "the card must have one heading of the first level, it has 2"),
        ("## How", "### How", "the heading 'How to use it' skips a level"),
        ("## How to use it\n", "## How to use it\n\n## How to use it\n", "stands there twice"),
        ("```python", "## Empty\n\n## Full\n\n```python", "nothing stands below the heading 'Empty'"),
        ("loss.svg", "curve.svg", "the link curve.svg leads to no file in the repository"),
        ("loss.svg", "../loss.svg", "the link ../loss.svg leads out of the repository"),
        ("loss.svg", "/tmp/loss.svg", "the link /tmp/loss.svg leads out of the repository"),
        ("#how-to-use-it", "#how", "the link #how leads to no heading"),
        ("https://acl", "file:///acl", "the link file:///aclanthology.org/N18-1202/ is of no kind"),
        ("(loss.svg)", "()", "a link leads nowhere"),
    ],
)
def test_text(old, new, fault, folder):
    assert old in BODY
    found = check_card(card(BODY.replace(old, new, 1)), folder)
    assert any(fault in line for line in found), found


def test_what_is_no_card():
    assert check_card("# A model\n\nText.\n") == ["no metadata: the card must begin with a --- block"]
    assert check_card(card("\n")) == ["the card has no text"]
    assert check_card("---\n- a\n---\n# A\n\nText.\n") == ["the metadata is list, not names with values"]
    assert check_card("") == ["no metadata: the card must begin with a --- block", "the card has no text"]


def test_code_is_not_searched_for_links_and_headings(folder):
    body = (
        BODY + "\n`[a](none.md)`\n\n~~~\n# not a heading\n[b](none.md)\n~~~\n\n```bibtex\n@x{y, title={{BERT}}}\n```\n"
    )
    assert check_card(card(body), folder) == []


def test_metadata_as_objects():
    assert card_metadata(card())["tags"] == ["elmo"]
    for text, message in (("# A", "no metadata"), ("---\na: [\n---\n", "no YAML"), ("---\n3\n---\n", "is int")):
        with pytest.raises(ValueError, match=message):
            card_metadata(text)


def test_what_the_client_alone_refuses_is_told(monkeypatch):
    def refuse(text):
        assert text.startswith("---\n") and "apache-2.0" in text
        raise ValueError("`x` is not\nallowed")

    monkeypatch.setattr(check, "ModelCard", refuse)
    assert check_card(card()) == ["huggingface_hub refuses the metadata: `x` is not allowed"]


def test_a_byte_order_mark_hides_the_metadata_from_the_hub():
    (fault,) = check_card("\ufeff" + card())
    assert fault.startswith("a byte order mark stands before the metadata")


@pytest.mark.parametrize("change", [lambda text: text.replace("\n", "\r\n"), lambda text: "\ufeff" + text])
def test_metadata_are_read_whatever_the_ends_of_lines(change):
    assert card_metadata(change(card())) == card_metadata(card())


def test_a_card_without_any_heading():
    faults = check_card(card(body="Words alone.\n"))
    assert faults == ["the card must have one heading of the first level, it has 0"]
