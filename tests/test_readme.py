# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What the README tells people to type works, and both languages tell the same."""

import json
import re
import shlex
import subprocess
import sys
from urllib.parse import unquote

import pytest
from support import ROOT, SHARED, requires_shared

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
    assert set(english) == {"try", "test", "convert", "python", "finetune", "pretrain", "compare", "publish"}
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
    monkeypatch.setattr("hf_elmo.demo.picture.can_draw", lambda: False)  # thirty panels take seconds
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


@pytest.mark.parametrize("name", READMES)
def test_every_command_is_understood(name, monkeypatch):
    """Those with a name are run by other tests; here all are parsed, also those that need a network."""
    from hf_elmo import cli

    ran = []
    for command, entry in cli.COMMANDS.items():
        monkeypatch.setitem(cli.COMMANDS, command, entry._replace(run=lambda options: ran.append(options) or 0))
    text = (ROOT / name).read_text(encoding="utf-8")
    found = [
        words for block in re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL) for words in hf_elmo_commands(block)
    ]
    assert len(found) > 6
    assert [words for words in found if cli.main(words) != 0] == []
    assert len(ran) == len(found)


@pytest.mark.slow
def test_publishing_shows_what_it_would_send(tmp_path):
    from hub_server import HubServer

    (words,) = hf_elmo_commands(blocks("README.md")["publish"])
    with HubServer() as hub:
        environment = hub.environment(tmp_path, hub.add_user("me"), PYTHONPATH=str(ROOT))
        done = subprocess.run(
            [sys.executable, "-m", "hf_elmo", *words], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "model.safetensors" in done.stdout + done.stderr
        assert not hub.repos


@pytest.mark.extended
@pytest.mark.slow
@requires_shared
def test_the_quick_comparison_ends_in_a_report(tmp_path, monkeypatch):
    """The first command of the block; about ten minutes on two cores."""
    from hf_elmo.cli import main

    words, _ = hf_elmo_commands(blocks("README.md")["compare"])
    monkeypatch.chdir(tmp_path)
    assert main([str(SHARED / "data") if word == "DATA" else word for word in words]) == 0
    assert (tmp_path / "comparison" / "report.html").is_file()


@pytest.mark.parametrize(("name", "language"), zip(READMES, ("en", "zh"), strict=True))
def test_the_verdicts_are_those_of_the_report(name, language):
    report = json.loads((ROOT / "model_cards" / "results" / "comparison" / "report.json").read_text(encoding="utf-8"))
    words = json.loads((ROOT / "hf_elmo" / "compare" / "texts" / "page.json").read_text(encoding="utf-8"))
    text = (ROOT / name).read_text(encoding="utf-8")
    for claim in report["ledger"]:
        counts = claim["counts"]
        row = [claim["claim"][language].rstrip(".。"), words[claim["verdict"]][language]]
        row += [str(counts[side]) for side in ("for", "against", "open")]
        assert f"| {' | '.join(row)} |" in text


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
