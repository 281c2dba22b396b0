"""What the README tells people to type works, and both languages tell the same."""

import re
import shlex
import subprocess

import pytest
from support import ROOT

READMES = ("README.md", "README.zh-CN.md")


def blocks(name: str) -> dict[str, str]:
    """Marked code blocks of a README: `<!-- command: try -->` before a block names it."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return dict(re.findall(r"<!-- (?:command|run): (\w+) -->\n```\w+\n(.*?)```", text, flags=re.DOTALL))


def hf_elmo_commands(block: str) -> list[list[str]]:
    lines = block.replace("\\\n", " ").split("&&")
    return [shlex.split(line)[1:] for line in lines if "hf-elmo" in line]


@pytest.mark.parametrize("name", ["try", "test"])
def test_ci_runs_the_readmes_commands(name):
    assert "\n" + blocks("README.md")[name] in (ROOT / ".ci" / "run").read_text()


def test_both_languages_give_the_same_commands():
    english, chinese = (blocks(name) for name in READMES)
    assert set(english) == {"try", "test", "python", "finetune"}
    assert all(english[name] == chinese[name] for name in ("try", "test", "finetune"))

    def code(block):
        return [line.split("#")[0].rstrip() for line in block.splitlines()]

    assert code(english["python"]) == code(chinese["python"])


@pytest.fixture(scope="module")
def tried(tmp_path_factory):
    """The commands of "Try it", run in an empty folder."""
    from hf_elmo.cli import main

    folder = tmp_path_factory.mktemp("readme")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for command in hf_elmo_commands(blocks("README.md")["try"]):
            command = [str(ROOT / word) if word.endswith(".txt") else word for word in command]
            assert main(command) == 0, command
    return folder


def test_try_it_makes_vectors_of_every_sentence(tried):
    import h5py

    sentences = (ROOT / "hf_elmo" / "examples" / "sentences.txt").read_text(encoding="utf-8").splitlines()
    with h5py.File(tried / "vectors.hdf5") as file:
        for number, sentence in enumerate(sentences):
            assert file[str(number)].shape == (len(sentence.split()), 24)


@pytest.mark.parametrize("name", READMES)
def test_python_block_runs(tried, name, monkeypatch, capsys):
    monkeypatch.chdir(tried)
    exec(compile(blocks(name)["python"], name, "exec"), {})
    assert "torch.Size([2, 10, 24])" in capsys.readouterr().out


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
