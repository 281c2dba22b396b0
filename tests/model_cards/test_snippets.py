# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Every block of code in every card runs. Converted models are stood in for by the tiny one, under their names."""

import argparse
import itertools
import json
import re
import shlex
import subprocess
import sys

import pytest
import torch
from hub_server import HubServer
from transformers import AutoModelForPreTraining, AutoTokenizer

from hf_elmo import cli
from hf_elmo.conversion.known_models import KNOWN_MODELS
from hf_elmo.model_cards import bias
from hf_elmo.model_cards.facts import load_facts, names
from hf_elmo.model_cards.numbers import without_marks
from hf_elmo.model_cards.rendering import render_card
from hf_elmo.pretrained import path_of

CONVERTED = [name for name in names() if load_facts(name).origin == "converted"]


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
    (told,) = run_all([("elmo-mini-en", loading)], None, hidden=True)
    assert told["mixed_state"] == [2, 8, 256] and told["module"] == "transformers_modules"


@pytest.mark.slow
def test_snippets_of_repositories_load_their_tags(converted, tmp_path):
    """Each distinct block of the cards of repositories runs against a Hub on 127.0.0.1 whose main branches have lost their
    weights: where hf_elmo is installed in one process, without it (BERT, remote code) in another."""
    mini = tmp_path / "mini"
    for kind in (AutoModelForPreTraining, AutoTokenizer):
        kind.from_pretrained(path_of("elmo-mini-en")).save_pretrained(mini)
    folders = {"elmo-mini-en": mini, "bert-mini-en": path_of("bert-mini-en")} | dict.fromkeys(CONVERTED, converted)
    distinct = {}  # code, the names of converted English models all one -> (repository, block)
    for name, language in itertools.product(names(), ("en", "zh")):
        card = render_card(name, language, folder=folders[name], repo_id=f"org/{name}", revision="v1")
        for block in blocks(card, "python"):
            assert block.count('"org/') == block.count(f'"org/{name}", revision="v1"') > 0
            code = re.sub(
                "  # .*", "", block.replace(f'"org/{name}"', '"org/elmo"' if name in CONVERTED else f'"{name}"')
            )
            distinct.setdefault(code, (name, block))
    runs = list(distinct.values())
    assert len(runs) == 2 + 3 + 2 + 2  # BERT, the ELMo of the box, converted English ones, the Portuguese one
    pushed = sorted({name for name, _ in runs})
    push = f"""
from huggingface_hub import HfApi

api = HfApi()
for name, folder in {[(name, str(folders[name])) for name in pushed]}:
    api.create_repo("org/" + name)
    api.upload_folder(repo_id="org/" + name, folder_path=folder)
    api.create_tag("org/" + name, tag="v1")
    api.delete_file("model.safetensors", "org/" + name)
"""
    installed = [run for run in runs if "import hf_elmo\n" in run[1]]
    without = [run for run in runs if run not in installed]
    unpinned = [(name, block.replace(', revision="v1"', "")) for name, block in without]
    with HubServer() as hub:
        environment = hub.environment(tmp_path / "home", hub.add_user("anna", orgs=("org",)))
        told = run_all([("push", push), *installed], environment)
        told_without = run_all(without + unpinned, environment, hidden=True)
    assert told[0] == {} and all(one["module"] == "hf_elmo" for one in told[1:])
    assert len(told_without) == 2 * len(without) == 10
    for (name, block), one in zip(installed + without, told[1:] + told_without[: len(without)], strict=True):
        width, words = 256 if "mini" in name else 24, 5 if name == "elmo-portuguese" else 6
        if "fill-mask" in block:
            assert list(one) == ["fill"] and one["fill"] > 0
        elif name == "bert-mini-en":
            assert one["module"] == "transformers" and one["last_hidden_state"][-1] == width
        elif "forward_total" in block:
            assert one["forward_total"] < 0
        else:
            assert one["mixed_state"] == [1 + ("padding=True" in block), words + 2, width]
            assert one["module"] == ("hf_elmo" if (name, block) in installed else "transformers_modules")
    for one in told_without[len(without) :]:
        assert "model.safetensors" in one["error"]


RUN_ALL = """
import json, sys

job = json.load(sys.stdin)
if job["hidden"]:
    sys.modules["hf_elmo"] = None
told = []
for name, code in job["blocks"]:
    values, found = {}, {}
    try:
        exec(compile(code, name, "exec"), values)
        if "model" in values:
            found["module"] = type(values["model"]).__module__.split(".")[0]
        for kind in ("mixed_state", "last_hidden_state"):
            if hasattr(values.get("output"), kind):
                found[kind] = list(getattr(values["output"], kind).shape)
        if "score" in values:
            found["forward_total"] = float(values["score"].forward_total)
        if "fill" in values:
            found["fill"] = values["fill"]("The cat [MASK] on the mat.")[0]["score"]
    except Exception as error:
        found = {"error": f"{name}: {error}"}
    told.append(found)
print(json.dumps(told))
"""


def run_all(snippets, environment, hidden=False):
    """What each (name, code) made, run one after another in one new process, with hf_elmo hidden from it or not."""
    job = json.dumps({"blocks": snippets, "hidden": hidden})
    done = subprocess.run([sys.executable, "-c", RUN_ALL], input=job, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
