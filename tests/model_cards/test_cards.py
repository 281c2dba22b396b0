# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The cards of the published set: whole, complete, the same in both languages, and what lies beside the models."""

import hashlib
import json
import os
import re
from pathlib import Path

import pytest
import yaml
from hub_server import HubServer
from huggingface_hub import ModelCard, constants
from support import ROOT
from tolerances import TOLERANCES

from hf_elmo.cli import main
from hf_elmo.compare.tasks import EXAMPLES
from hf_elmo.model_cards import rendering
from hf_elmo.model_cards.check import check_card
from hf_elmo.model_cards.facts import load_facts, names
from hf_elmo.model_cards.numbers import Sources, unsourced_numbers, without_marks
from hf_elmo.model_cards.rendering import FILES, render_card

CARDS = [(name, language) for name in names() for language in ("en", "zh")]
GOLDEN = Path(__file__).parent / "golden"  # RENEW_GOLDEN=1 pytest -n 0 tests/model_cards/test_cards.py -k golden
CODE_ROW = re.compile(r"^\| `\w+\.py` \| \d+ \| `[0-9a-f]{64}` \|\n", re.MULTILINE)


def metadata_of(text):
    return yaml.safe_load(text.split("---\n")[1])


@pytest.mark.parametrize(("name", "language"), CARDS)
def test_every_card_is_one_the_hub_takes_and_has_no_field_left(name, language, marked, tmp_path):
    for file in ("README.md", "README_zh.md", "loss.svg"):
        (tmp_path / file).write_text("")
    assert check_card(without_marks(marked[name, language]), tmp_path) == []


@pytest.mark.parametrize("name", names())
def test_both_languages_tell_the_same(name, marked):
    english, chinese = (without_marks(marked[name, language]) for language in ("en", "zh"))
    assert metadata_of(english) == metadata_of(chinese)
    for pattern in (r"^#+(?= )", r"^\|", r"^- ", r"^```\w*"):  # headings, rows, items and code blocks, in their order
        found = [re.findall(pattern, text, re.MULTILINE) for text in (english, chinese)]
        assert found[0] == found[1], pattern
    links = [sorted(set(re.findall(r"\]\((https?:[^)]*)\)", text))) for text in (english, chinese)]
    assert links[0] == links[1]
    assert re.search("[\u4e00-\u9fff]", english.replace("中文", "")) is None
    assert english.count("```python") == chinese.count("```python") > 1


def golden(name, text):
    """The text of a golden file, which `text` becomes where the goldens are renewed."""
    if os.environ.get("RENEW_GOLDEN"):
        (GOLDEN / name).write_text(text, encoding="utf-8")
    return (GOLDEN / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(("language", "file"), [("en", "elmo-original.md"), ("zh", "elmo-original_zh.md")])
def test_golden_card_of_a_converted_model(language, file, plain_results):
    """The golden file has no rows of code files, which change with the code: see the next test but one."""
    text = render_card("elmo-original", language, results=plain_results)
    assert CODE_ROW.sub("", text) == golden(file, CODE_ROW.sub("", text))
    assert len(CODE_ROW.findall(text)) > 20


def test_golden_structure_of_every_card(plain_results):
    """Metadata (the same in both languages), first line, headings and how many rows, items and code blocks each has."""
    found = {}
    for name in names():
        texts = {language: render_card(name, language, results=plain_results) for language in ("en", "zh")}
        found[name] = {"metadata": metadata_of(texts["en"])}
        found[name] |= {language: structure_of(CODE_ROW.sub("", text)) for language, text in texts.items()}
    text = json.dumps(found, ensure_ascii=False, indent=1) + "\n"
    expected = golden("structures.json", text)
    assert found == json.loads(expected)
    assert text == expected  # headings in their order


def structure_of(card):
    """The first line under the title, and each heading with its numbers of table lines, items and code blocks."""
    body = card.split("---\n", 2)[2]
    code = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
    headings = {}
    for section in re.split(r"^(?=#)", code.sub("```", body).lstrip(), flags=re.MULTILINE)[1:]:
        heading, *lines = section.splitlines()
        headings[heading] = " ".join(str(sum(line.startswith(mark) for line in lines)) for mark in ("|", "- ", "```"))
    return {"first": body.split("\n\n")[1].split("\n")[0], "rows, items, code": headings}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_cards_say_where_hf_elmo_is_to_be_had(language, marked, tmp_path, monkeypatch):
    address = "https://example.org/hf_elmo"
    (tmp_path / "sources.yaml").write_text(
        (ROOT / "model_cards" / "sources.yaml")
        .read_text(encoding="utf-8")
        .replace('title: hf_elmo\n  url: ""', f"title: hf_elmo\n  url: {address}"),
        encoding="utf-8",
    )
    monkeypatch.setattr(rendering, "_sources", lambda: Sources(tmp_path / "sources.yaml"))
    for name in names():
        without = without_marks(marked[name, language])
        text = render_card(name, language, marks=True)
        assert without.count("`pip install .`") == 1 and "](" + address not in without
        assert text.count(f"`pip install git+{address}`") == text.count(f"]({address})") == 1
        assert "`pip install .`" not in text and unsourced_numbers(text) == []
    on_the_hub = render_card("bert-mini-en", language, repo_id="org/bert", revision="v1")
    assert "pip install" not in on_the_hub  # transformers alone loads it


def test_code_files_are_listed_as_they_travel(tmp_path):
    """Against what `save_pretrained` really writes, hashed here."""
    from elmo_builders import tiny_config

    from hf_elmo import ElmoModel, ElmoTokenizer

    ElmoModel(tiny_config()).save_pretrained(tmp_path)
    ElmoTokenizer().save_pretrained(tmp_path)
    expected = {
        path.name: (str(path.stat().st_size), hashlib.sha256(path.read_bytes()).hexdigest())
        for path in tmp_path.glob("*.py")
    }
    changed = tmp_path / "changed"
    changed.mkdir()
    for name in ("config.json", *expected):
        (changed / name).write_bytes((tmp_path / name).read_bytes())
    (changed / "crf.py").write_bytes(b"# mine\n")
    mine = {"crf.py": ("7", hashlib.sha256(b"# mine\n").hexdigest())}
    row = re.compile(r"^\| `(\w+\.py)` \| (\d+) \| `([0-9a-f]{64})` \|", re.MULTILINE)
    for folder, told in ((None, expected), (tmp_path, expected), (changed, expected | mine)):
        found = {name: (size, digest) for name, size, digest in row.findall(render_card("original", folder=folder))}
        assert found == told


@pytest.mark.parametrize("name", ["elmo-mini-en", "bert-mini-en"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_readme_beside_a_model_is_its_card(name, language):
    """If it is not: hf-elmo card NAME --output hf_elmo/pretrained/NAME"""
    folder = ROOT / "hf_elmo" / "pretrained" / name
    text = (folder / FILES[language]).read_text(encoding="utf-8")
    assert text == render_card(name, language) == render_card(name, language, folder=folder)
    assert check_card(text, folder) == []


@pytest.mark.parametrize("name", names())
def test_results_in_the_metadata_are_those_of_the_files(name, marked):
    """Read again here: the file and the keys of the facts, and nothing else."""
    index = metadata_of(marked[name, "en"]).get("model-index")
    evaluations = load_facts(name).evaluations
    assert (index is None) == (not evaluations)
    for item, shown in zip(evaluations, index[0]["results"] if index else [], strict=True):
        value = json.loads((ROOT / "model_cards" / "results" / item.file).read_text(encoding="utf-8"))
        for key in item.path.split("."):
            value = value[key]
        (metric,) = shown["metrics"]
        assert metric["value"] == pytest.approx(item.scale * value, abs=0.005)


def test_a_model_of_the_box_that_is_sent_to_the_hub_tells_the_code_it_gets():
    folder = ROOT / "hf_elmo" / "pretrained" / "elmo-mini-en"
    text = render_card("elmo-mini-en", folder=folder, repo_id="org/mini", revision="v1")
    assert "path_of" not in text and text.count('"org/mini", revision="v1"') == 6
    assert set(CODE_ROW.findall(text)) == set(CODE_ROW.findall(render_card("original")))
    assert (
        "trust_remote_code"
        not in render_card("bert-mini-en", repo_id="org/mini", revision="v1").split("trust_remote_code`:")[1]
    )


def test_a_hub_takes_the_metadata_of_every_card(marked, monkeypatch):
    """The client's own check, answered by the small Hub of the tests."""
    with HubServer() as hub:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        for card in marked.values():
            ModelCard(without_marks(card)).validate()
        with pytest.raises(ValueError, match="license"):
            ModelCard(
                without_marks(marked["elmo-small", "en"]).replace("license: unknown", "license: none")
            ).validate()


def test_conversions_say_what_is_not_known(marked):
    for name in names():
        text, facts = without_marks(marked[name, "en"]), load_facts(name)
        if facts.origin == "converted":
            assert facts.license == "unknown" and "Not stated for the weights" in text
            assert "**not shown here**" in text and f"bias {name} --output" in text
            assert "not compared when this card was made" in text
            assert facts.known_model and f"hf-elmo convert {facts.known_model} {name} --verify" in text
        else:
            assert "Biases, shown by running it" in text
    assert "not known before the download" in marked["elmo-portuguese", "en"]


def test_a_folder_tells_what_its_conversion_found(tmp_path):
    assert main(["convert", "tiny-random", str(tmp_path / "out"), "--verify"]) == 0
    report = json.loads((tmp_path / "out" / "conversion.json").read_text(encoding="utf-8"))
    text = render_card("original", folder=tmp_path / "out", repo_id="org/elmo", revision="v1")
    (weights,) = [file for file in report["files"] if file["role"] == "weights"]
    assert f"| `weights.hdf5` | {weights['bytes']:,} | `{weights['sha256']}` |" in text
    verified = report["verification"]
    assert f"{verified['words']} words in {verified['sentences']} sentences were computed again" in text
    largest = max(verified["float32"]["largest_difference"].values())
    (told,) = re.findall(r"the largest difference of a layer or a state is\s+(\S+)\s", text)
    assert float(told) == pytest.approx(largest, rel=0.05)
    assert "3 layers of 24 numbers" in text  # of the tiny model, not of the original one
    assert text.count('from_pretrained("org/elmo", revision="v1"') == 4
    assert "hf-elmo convert" not in text and check_card(text) == []


def test_what_is_asked_must_be_there(tmp_path):
    with pytest.raises(ValueError, match="language is 'de'; needed is en or zh"):
        render_card("original", "de")
    with pytest.raises(ValueError, match="give repo_id and revision, or neither"):
        render_card("original", repo_id="org/elmo")
    with pytest.raises(ValueError, match="Repo id"):
        render_card("original", repo_id="../elmo", revision="v1")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ValueError, match="holds a model of type 'bert', the card of elmo-original is of 'elmo'"):
        render_card("original", folder=tmp_path)


def test_the_releases_that_were_tested():
    """The oldest is the bound of pyproject.toml, the newest that of constraints.txt, the others ran to a result."""
    oldest, *others, newest = rendering.TRANSFORMERS_TESTED
    assert f'"transformers>={oldest}"' in (ROOT / "pyproject.toml").read_text()
    assert f"transformers=={newest}\n" in (ROOT / "constraints.txt").read_text()
    ran = (ROOT / "model_cards" / "results" / "pretraining" / "elmo-mini-en.json").read_text()
    assert all(f'"transformers": "{version}"' in ran for version in others)


def test_cited_tolerances_are_those_of_the_tests():
    values = yaml.safe_load((ROOT / "model_cards" / "sources.yaml").read_text())["tolerances"]["values"]
    assert float(values["parity"]) == TOLERANCES["parity", "float32"]
    assert float(values["batch"]) == TOLERANCES["batch_invariance", "float32"]


def test_cited_sizes_of_the_comparison_are_those_of_its_tasks():
    values = yaml.safe_load((ROOT / "model_cards" / "sources.yaml").read_text())["comparison_data"]["values"]
    assert values == {"train": f"{EXAMPLES['train'][1]:,}", "development": f"{EXAMPLES['validation'][1]:,}"}


@pytest.mark.parametrize(
    ("name", "told"),
    [("small", ["8"]), ("medium", ["8"]), ("original", ["8"]), ("5.5b", ["55", "19", "36"])],
)
def test_chinese_cards_count_words_in_hundred_millions(name, told):
    text = render_card(name, "zh").split("## 训练\n")[1].split("\n## ")[0]
    assert re.findall(r"([\d.]+) 亿词", text) == told and "百万" not in text and "十亿" not in text


@pytest.mark.parametrize("name", ["small", "medium", "original"])
def test_sizes_of_published_models_agree_with_what_was_published(name, marked):
    (told,) = re.findall(r"numbers each: ([\d,]+) parameters", without_marks(marked[f"elmo-{name}", "en"]))
    published = yaml.safe_load((ROOT / "model_cards" / "sources.yaml").read_text())["elmo_page"]["values"]
    assert round(int(told.replace(",", "")) / 1e6, 1) == float(published[f"{name}_parameters"])
