# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""`hf-elmo card`: list, print, write, check; wrong use is told in one line."""

import subprocess
import sys

import pytest
from support import ROOT

from hf_elmo.cli import main
from hf_elmo.model_cards.facts import names
from hf_elmo.model_cards.rendering import render_card


def test_list_names_every_card(card, capsys):
    assert card("--list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(names())
    assert "hf-elmo convert 5.5B" in lines[names().index("elmo-original-5.5b")]


def test_a_card_is_printed(card, capsys):
    for words, language in ((["elmo-small"], "en"), (["small", "--language", "zh"], "zh")):
        assert card(*words) == 0
        assert capsys.readouterr().out == render_card("elmo-small", language)


def test_cards_are_written_whole_into_a_folder_or_a_file(card, tmp_path, capsys):
    (tmp_path / "README.md").write_text("old")
    assert card("elmo-small", "--output", tmp_path, "--repo-id", "org/elmo", "--revision", "v1") == 0
    for file, language in (("README.md", "en"), ("README_zh.md", "zh")):
        text = (tmp_path / file).read_text(encoding="utf-8")
        assert text == render_card("elmo-small", language, repo_id="org/elmo", revision="v1")
        assert card("--check", tmp_path / file) == 0
    assert "README.md: no faults" in capsys.readouterr().out
    assert card("elmo-small", "--output", tmp_path / "card.md", "--language", "zh") == 0
    assert (tmp_path / "card.md").read_text(encoding="utf-8") == render_card("elmo-small", "zh")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "README_zh.md", "card.md"]
    assert card("elmo-small", "--output", tmp_path, "--language", "en") == 0


def test_faults_of_a_card_are_listed(card, tmp_path, capsys):
    text = render_card("elmo-small").replace("license: unknown", "license: none")
    (tmp_path / "README.md").write_text(text, encoding="utf-8")
    assert card("--check", tmp_path / "README.md") == 1
    first, second = capsys.readouterr().out.splitlines()
    assert "license 'none' is not in the Hub's list" in first
    assert "the link README_zh.md leads to no file in the repository" in second


def test_facts_and_results_of_ones_own(card, tmp_path, capsys):
    facts = (ROOT / "model_cards" / "facts" / "bert-mini-en.yaml").read_text(encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(facts.replace("name: bert-mini-en", "name: bert-mine"), encoding="utf-8")
    with pytest.raises(ValueError, match="the sizes of bert-mine need its folder, with config.json"):
        card("--facts", tmp_path / "mine.yaml")
    with pytest.raises(OSError, match="no such result file"):
        card("elmo-small", "--results", tmp_path)
    with pytest.raises(OSError, match="no such folder of result files"):
        card("--facts", tmp_path / "mine.yaml", "--results", tmp_path / "none")
    folder = ROOT / "hf_elmo" / "pretrained" / "bert-mini-en"
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_bytes((folder / "config.json").read_bytes())
    assert card("--facts", tmp_path / "mine.yaml", "--output", tmp_path / "model") == 0
    text = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert 'pipeline("fill-mask", "bert-mine")' in text and "4 layers of 256 numbers" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give one of NAME, --facts, --list and --check, not nothing"),
        (["elmo-small", "--list"], "not --list and name"),
        (["elmo-smal"], "there is no card for 'elmo-smal'; did you mean 'elmo-small'"),
        (["elmo-small", "--repo-id", "org/elmo"], "give repo_id and revision, or neither"),
        (["elmo-small", "--output", "card.txt"], "--output card.txt is no folder that exists, and no name of a card"),
        (["elmo-small", "--output", "none/card.md"], "the folder of --output, none, does not exist; make it first"),
        (["--check", "none.md"], "none.md"),
    ],
)
def test_wrong_use_is_told_and_writes_nothing(words, message, card, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, OSError), match=message):
        card(*words)
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_knows_it(capsys):
    assert main(["card", "--language", "zh", "original"]) == 0
    assert capsys.readouterr().out == render_card("elmo-original", "zh")
    assert main(["card", "orginal"]) == 1
    out, error = capsys.readouterr()
    assert out == "" and error == "hf-elmo: there is no card for 'orginal'; did you mean 'elmo-original'?\n"


def test_cards_load_neither_torch_nor_transformers():
    code = (
        "import sys; sys.argv[0] = 'hf-elmo'; from hf_elmo.model_cards.rendering import render_card as r; r('original'); "
        "from hf_elmo import card_command; print({'torch', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
