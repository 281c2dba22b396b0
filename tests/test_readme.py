# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What the README tells people to type works, and both languages tell the same."""

import re
import shlex
import subprocess
from urllib.parse import unquote

import pytest
from support import ROOT

READMES = ("README.md", "README.zh-CN.md")
CARDS = [
    f"hf_elmo/pretrained/{model}/{card}"
    for model in ("bert-mini-en", "elmo-mini-en", "word2vec-mini-en")
    for card in ("README.md", "README_zh.md")
]
PAGES = (*READMES, "CONTRIBUTING.md", "model_cards/results/README.md", *CARDS)


def blocks(name: str) -> dict[str, str]:
    """Marked code blocks of a README: `<!-- command: try -->` before a block names it."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return dict(re.findall(r"<!-- (?:command|run): (\w+) -->\n```\w+\n(.*?)```", text, flags=re.DOTALL))


def hf_elmo_commands(block: str) -> list[list[str]]:
    lines = block.replace("\\\n", " ").replace("&&", "\n").splitlines()
    return [shlex.split(line)[1:] for line in lines if "hf-elmo" in line]


@pytest.mark.parametrize("name", ["try", "test"])
def test_ci_runs_the_readmes_commands(name):
    assert "\n" + blocks("README.md")[name] in (ROOT / ".ci" / "run").read_text()


def test_both_languages_give_the_same_commands():
    english, chinese = (blocks(name) for name in READMES)
    assert set(english) == {"try", "test", "convert", "python", "finetune", "pretrain"}
    assert all(english[name] == chinese[name] for name in english if name != "python")

    def code(block):
        return [line.split("#")[0].rstrip() for line in block.splitlines()]

    assert code(english["python"]) == code(chinese["python"])


def run_commands(name: str) -> None:
    """The hf-elmo commands of a block, in this folder; they name files of the repository from its root."""
    from hf_elmo.cli import main

    for command in hf_elmo_commands(blocks("README.md")[name]):
        command = [str(ROOT / word) if word.startswith("hf_elmo/") else word for word in command]
        assert main(command) == 0, command


def test_try_it_shows_a_word_in_context(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run_commands("try")
    assert "play" in capsys.readouterr().out
    assert (tmp_path / "elmo-demo" / "demo.html").is_file()


def test_the_tiny_model_gives_vectors_of_every_sentence(tmp_path, monkeypatch):
    import h5py

    monkeypatch.chdir(tmp_path)
    run_commands("convert")
    sentences = (ROOT / "hf_elmo" / "examples" / "sentences.txt").read_text(encoding="utf-8").splitlines()
    with h5py.File(tmp_path / "vectors.hdf5") as file:
        for number, sentence in enumerate(sentences):
            assert file[str(number)].shape == (len(sentence.split()), 24)


@pytest.mark.parametrize("name", READMES)
def test_python_block_runs(name, capsys):
    exec(compile(blocks(name)["python"], name, "exec"), {})
    assert "torch.Size([2, 10, 256])" in capsys.readouterr().out


@pytest.mark.slow
def test_the_trial_of_pretraining_leaves_a_model(tmp_path, monkeypatch):
    """About ten seconds."""
    from hf_elmo import ElmoModel

    monkeypatch.chdir(tmp_path)
    run_commands("pretrain")
    assert ElmoModel.from_pretrained(tmp_path / "elmo-run" / "model").config.projection_size == 128


def test_the_tagger_learns_its_sentences(tmp_path, monkeypatch):
    """The commands of "Fine-tuning", the second by the installed package's entry."""
    from transformers import pipeline

    from hf_elmo.cli import main

    monkeypatch.chdir(tmp_path)
    first, second = blocks("README.md")["finetune"].split("\n", 1)
    subprocess.run(first, shell=True, check=True)
    (command,) = hf_elmo_commands(second)
    assert main(command) == 0
    found = pipeline("token-classification", "tagger", trust_remote_code=True)("Anna runs")
    assert [(item["word"], item["entity"]) for item in found][0] == ("Anna", "B-PER")


def relative_links(text: str) -> list[str]:
    """Files that Markdown or HTML links to or shows: without addresses, anchors and what stands in code."""
    prose = re.sub(r"^(`{3,}).*?^\1`*$|`[^`\n]+`", "", text, flags=re.DOTALL | re.MULTILINE)
    found = re.findall(
        r"""\]\(<?([^)\s>]+)|^\[[^\]\n]+\]:\s+(\S+)|\b(?:href|src|srcset)=["']([^"']+)""", prose, flags=re.MULTILINE
    )
    targets = [unquote("".join(groups).split("#")[0]) for groups in found]
    return [target for target in targets if target and not re.match(r"[a-z][a-z0-9+.-]*:|//", target, re.IGNORECASE)]


def placeholders(text: str) -> list[str]:
    """Lines of capital letters and underscores alone, `@NAME@` and cells of a table too: left for a text to come."""
    return re.findall(r"^[ \t|@{}<>*-]*[A-Z]+(?:_[A-Z]+)*[ \t|@{}<>*-]*$|@[A-Z_]+@", text, flags=re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_relative_links_lead_to_files(page):
    links = relative_links((ROOT / page).read_text(encoding="utf-8"))
    assert [link for link in links if not (ROOT / page).parent.joinpath(link).exists()] == []


def test_the_cards_are_all_that_lie_beside_a_model():
    assert sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("hf_elmo/pretrained/*/README*.md")) == CARDS


@pytest.mark.parametrize("page", PAGES)
def test_no_line_waits_for_a_text(page):
    assert placeholders((ROOT / page).read_text(encoding="utf-8")) == []


def test_links_and_placeholders_are_found():
    text = (
        "[a](a.md#part) ![b](<b.svg>) [c](https://c.org/c.md) [d](#d) [e](mailto:e@e.org)\n[f]: f%20g.md\n"
        "<img src='h.png'> `[i](i.md)`\n```python\n[j](j.md)\n```\n[k](k.md)\n"
    )
    assert relative_links(text) == ["a.md", "b.svg", "f g.md", "h.png", "k.md"]
    assert placeholders("ELMo\nFINETUNE_RESULTS\nA FACT\n| UPOS | 1 |\n| a | @UPOS@ |\n") == [
        "FINETUNE_RESULTS",
        "@UPOS@",
    ]
