# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Every block of code in every card runs. Converted models are stood in for by the tiny one, under their names."""

import argparse
import re
import shlex
import subprocess
import sys

import pytest
import torch
from hub_server import HubServer

from hf_elmo import cli
from hf_elmo.conversion.known_models import KNOWN_MODELS
from hf_elmo.model_cards import bias
from hf_elmo.model_cards.facts import load_facts, names
from hf_elmo.model_cards.numbers import without_marks
from hf_elmo.model_cards.rendering import render_card

CONVERTED = [name for name in names() if load_facts(name).origin == "converted"]
WITHOUT_HF_ELMO = "import sys; sys.modules['hf_elmo'] = None; exec(compile(sys.stdin.read(), 'card', 'exec'))"


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """The tiny model, as `hf-elmo convert` writes it."""
    folder = tmp_path_factory.mktemp("converted") / "tiny"
    assert cli.main(["convert", "tiny-random", str(folder)]) == 0
    return folder


@pytest.fixture
def place(converted, tmp_path, monkeypatch):
    """An empty current folder that holds the tiny model under the name of every converted one."""
    monkeypatch.chdir(tmp_path)
    for name in CONVERTED:
        (tmp_path / name).symlink_to(converted)
    return tmp_path


def test_every_snippet_runs(marked, place):
    """Once for cards whose snippets differ in names and comments alone; the shapes in comments are compared in all."""
    seen = set()
    for (name, language), card in marked.items():
        snippets = blocks(without_marks(card), "python")
        assert len(snippets) == {"bert": 2, "elmo": 4 if name == "elmo-mini-en" else 2}[load_facts(name).kind]
        for snippet in snippets:
            code = re.sub(r"  # .*", "", snippet)
            if name in CONVERTED:
                code = code.replace(f'"{name}"', '"elmo-original"')
            if "mixed_state.shape" in snippet:
                check_told_shape(name, snippet)
            if code not in seen:
                seen.add(code)
                values: dict = {}
                exec(compile(code, f"{name} {language}", "exec"), values)
                check_values(name, code, values)
    assert len(seen) == 2 + 4 + 2 + 2  # BERT, the ELMo of the box, converted English ones, the Portuguese one


def check_told_shape(name, snippet):
    """The comment tells the words of the sentence, marks included, and the width of the model."""
    told = re.search(r"mixed_state\.shape  # \((\d+), (\d+), ([\w.]+)\)", snippet).groups()
    words = len(re.findall(r"\w+|\.", re.search(r'tokenizer\("(.*?)"', snippet).group(1)))
    shapes = {known.name: known.shapes for known in KNOWN_MODELS.values()}.get(load_facts(name).known_model)
    width = "256" if name == "elmo-mini-en" else "model.config.hidden_size"
    if shapes is not None:
        width = str(2 * shapes["lstm"]["projection_dim"])
    assert told == ("1", str(words + 2), width)


def check_values(name, code, values):
    if "mixed_state.shape" in code:
        words = 5 if name == "elmo-portuguese" else 6
        assert tuple(values["output"].mixed_state.shape) == (1, words + 2, 256 if name == "elmo-mini-en" else 24)
        assert len(values["lstm_layers"]) == 2
    if "padding=True" in code:
        vectors = values["output"].mixed_state
        assert vectors.shape[0] == 2 and torch.isfinite(vectors).all()
    if "forward_total" in code:
        assert values["score"].forward_total < 0
        assert len(values["model"].substitutes("She went to the bank .", 4, values["tokenizer"], k=5)) == 5
    if "fill-mask" in code:
        assert values["fill"]("The cat [MASK] on the mat.")[0]["score"] > 0


def parse(words):
    """The arguments of an hf-elmo command, taken by the command's own parser; a wrong one exits."""
    command = cli.COMMANDS[words[0]]
    parser = argparse.ArgumentParser(prog=words[0])
    command.add_arguments(parser)
    return parser.parse_args(words[1:])


@pytest.mark.parametrize("name", names())
def test_commands_are_those_of_the_command_line(name, marked, place):
    for language in ("en", "zh"):
        found = [
            shlex.split(line)
            for block in blocks(without_marks(marked[name, language]), "bash")
            for line in block.splitlines()
        ]
        assert [words[0] for words in found].count("hf-elmo") == (3 if name == "elmo-mini-en" else 1)
        for words in found:
            if words[0] == "hf-elmo":
                parse(words[1:])
            else:
                assert words[:3] == ["python", "-m", "hf_elmo.model_cards.bias"]
                assert words[3:] == [name, "--output", "bias.json"]
                if (name, language) == ("elmo-original", "en"):
                    assert bias.main(words[3:]) == 0 and (place / "bias.json").is_file()
    with pytest.raises(SystemExit):
        parse(["convert", "original", "out", "--verfy"])


@pytest.mark.slow
def test_remote_code_of_the_box_runs_without_hf_elmo(marked, place):
    """A fresh process; the Chinese card has the same code, see the first test."""
    snippets = blocks(without_marks(marked["elmo-mini-en", "en"]), "python")
    (saving,) = [code for code in snippets if "save_pretrained" in code]
    exec(compile(saving, "card", "exec"), {})
    (loading,) = [code for code in snippets if "trust_remote_code" in code]
    run_without_hf_elmo(loading + "\nprint(tuple(output.mixed_state.shape))", None, "(2, 8, 256)")


@pytest.mark.slow
def test_snippets_of_a_repository_load_its_tag(converted, tmp_path):
    """On a Hub on 127.0.0.1, whose main holds something else: the pinned tag is loaded, without hf_elmo too."""
    text = render_card("original", folder=converted, repo_id="org/elmo-original", revision="v1")
    with HubServer() as hub:
        token = hub.add_user("anna", orgs=("org",))
        environment = hub.environment(tmp_path / "home", token)
        push = f"""
from huggingface_hub import HfApi

api = HfApi()
api.create_repo("org/elmo-original")
api.upload_folder(repo_id="org/elmo-original", folder_path={str(converted)!r})
api.create_tag("org/elmo-original", tag="v1")
api.delete_file("model.safetensors", "org/elmo-original")
"""
        subprocess.run([sys.executable, "-c", push], env=environment, check=True, capture_output=True)
        first, second = blocks(text, "python")
        assert 'revision="v1"' in first and 'revision="v1"' in second
        run_without_hf_elmo(second + "\nprint(tuple(output.mixed_state.shape))", environment, "(2, 8, 24)")
        unpinned = second.replace(', revision="v1"', "")
        with pytest.raises(AssertionError, match="model.safetensors"):
            run_without_hf_elmo(unpinned, environment, "")


def run_without_hf_elmo(code, environment, printed):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_HF_ELMO], input=code, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == printed
