# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""A saved folder works on a machine that has only transformers and torch."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from elmo_builders import ALLENNLP_SMALL, largest_difference
from safetensors.torch import load_file
from support import ROOT, files_a_model_imports
from tolerances import TOLERANCES
from transformers.dynamic_module_utils import check_imports, get_imports, get_relative_imports

from hf_elmo.conversion import convert
from hf_elmo.modeling import ElmoConfig, ElmoModel, ElmoTokenizer

CODE = sorted(path for path in (ROOT / "modeling").glob("*.py") if path.name != "__init__.py")
ALLOWED = {"torch", "transformers", "tokenizers", "huggingface_hub", "numpy", *sys.stdlib_module_names}
SENTENCES = ["The bank by the river was steep.", "She paid the bank; 北京 😀 Grüße."]

COMMIT = "0123456789abcdef0123456789abcdef01234567"

# Runs in a process of its own, where hf_elmo cannot be imported.
LOADER = """
import sys
sys.modules["hf_elmo"] = None  # as if not installed
import json, logging, torch
from transformers import AutoConfig, AutoModel, AutoTokenizer
job = json.loads(sys.argv[1])
for name, out in job["loads"].items():
    print("loading", name, file=sys.stderr, flush=True)
    config = AutoConfig.from_pretrained(name, trust_remote_code=True)
    tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=True)
    model = AutoModel.from_pretrained(name, trust_remote_code=True)
    assert config.model_type == "elmo" and not model.training
    assert all("hf_elmo" not in type(thing).__module__ for thing in (config, tokenizer, model))
    with torch.no_grad():
        output = model(**tokenizer(job["sentences"], padding=True, return_tensors="pt"), output_hidden_states=True)
    found = {"hidden": torch.stack(output.hidden_states), "mixed": output.mixed_state, "weights": model.state_dict()}
    torch.save({**found, "module": type(model).__module__}, out)
    if name == job["saved"]:
        model.save_pretrained(job["again"])
        tokenizer.save_pretrained(job["again"])
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("remote") / "elmo"
    convert(ALLENNLP_SMALL / "tiny-tanh3-seed8", folder)
    return folder


@pytest.fixture(scope="module")
def loaded(saved, tmp_path_factory) -> tuple[dict[str, dict], dict[str, list[str]], Path]:
    """What LOADER found and said on stderr of the saved folder, of what it saved `again`, and of the Hub's cache."""
    folder = tmp_path_factory.mktemp("elsewhere")
    repository = folder / "home" / "hub" / "models--me--elmo"
    shutil.copytree(saved, repository / "snapshots" / COMMIT)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    names = {"saved": str(saved), "again": str(folder / "again"), "hub": "me/elmo"}
    loads = {name: str(folder / f"{key}.pt") for key, name in names.items()}
    job = {"sentences": SENTENCES, "loads": loads, "saved": names["saved"], "again": names["again"]}
    inherited = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    settings = {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(folder / "home"),
        "HF_MODULES_CACHE": str(folder / "modules"),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-W", "default", "-c", LOADER, json.dumps(job)]
    done = subprocess.run(command, cwd=folder, env=inherited | settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    results = {key: torch.load(loads[name], weights_only=True) for key, name in names.items()}
    assert len({result["module"] for result in results.values()}) == 3  # each by the code of its own folder
    said: dict[str, list[str]] = {key: [] for key in names}
    before, *parts = re.split(r"^loading (.*)\n", done.stderr, flags=re.MULTILINE)
    for name, text in zip(parts[::2], parts[1::2], strict=True):
        lines = text.splitlines()
        (key,) = (key for key, one in names.items() if one == name)
        said[key] = [line for line in lines if line.strip() and "it/s]" not in line]
    assert not before.strip(), before
    return results, said, folder / "again"


def check(result: dict, saved: Path) -> None:
    weights = load_file(saved / "model.safetensors")
    assert set(result["weights"]) == set(weights)
    for name, tensor in weights.items():
        assert torch.equal(result["weights"][name], tensor), name
    model, tokenizer = ElmoModel.from_pretrained(saved), ElmoTokenizer.from_pretrained(saved)
    with torch.no_grad():
        here = model(**tokenizer(SENTENCES, padding=True, return_tensors="pt"), output_hidden_states=True)
    assert largest_difference(result["hidden"], torch.stack(here.hidden_states)) == 0
    assert largest_difference(result["mixed"], here.mixed_state) == 0


def imported_names(tree: ast.AST) -> set[str]:
    """Top-level names of absolute imports outside of `try` blocks."""
    guarded = {id(node) for block in ast.walk(tree) if isinstance(block, ast.Try) for node in ast.walk(block)}
    names = set()
    for node in ast.walk(tree):
        if id(node) in guarded:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("path", CODE, ids=lambda path: path.name)
def test_code_imports_siblings_and_little_else(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert imported_names(tree) <= ALLOWED
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            assert node.level == 1 and node.module and "." not in node.module, ast.unparse(node)
            assert (ROOT / "modeling" / f"{node.module}.py").exists()
        # annotations as text would leave config_class a string, and from_pretrained would fail
        assert not (isinstance(node, ast.ImportFrom) and node.module == "__future__")


@pytest.mark.parametrize("path", CODE, ids=lambda path: path.name)
def test_transformers_scanner_sees_the_same_imports(path):
    assert set(get_imports(path)) - set(sys.stdlib_module_names) <= ALLOWED
    siblings = {
        node.module
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level
    }
    assert set(check_imports(path)) == set(get_relative_imports(path)) == siblings


def test_saved_folder_holds_exactly_what_is_needed(saved):
    code = files_a_model_imports()
    data = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "conversion.json"}
    assert {path.name for path in saved.iterdir()} == code | data
    for name in code:
        assert (saved / name).read_bytes() == (ROOT / "modeling" / name).read_bytes()
    auto_map = json.loads((saved / "config.json").read_text())["auto_map"]
    heads = ("TokenClassification", "SequenceClassification", "QuestionAnswering", "MultipleChoice")
    assert auto_map == {
        "AutoConfig": "configuration_elmo.ElmoConfig",
        "AutoModel": "modeling_elmo.ElmoModel",
        "AutoModelForPreTraining": "modeling_elmo_pretraining.ElmoForPreTraining",
        **{f"AutoModelFor{head}": f"modeling_elmo_heads.ElmoFor{head}" for head in heads},
    }


def test_local_folder_loads_without_hf_elmo_and_saves_again(saved, loaded):
    results, said, again = loaded
    check(results["saved"], saved)
    assert not said["saved"]
    assert {path.name for path in again.iterdir()} == {path.name for path in saved.iterdir()} - {"conversion.json"}
    assert json.loads((again / "config.json").read_text())["auto_map"] == ElmoConfig().auto_map
    check(results["again"], saved)


def test_hub_cache_loads_offline_without_hf_elmo(saved, loaded):
    results, said, _ = loaded
    check(results["hub"], saved)
    # transformers itself names each code file it copies from the Hub, nothing else may be said
    own = ("[transformers] A new version of the following files was downloaded", "- ", ". Make sure to double-check")
    assert [line for line in said["hub"] if not line.startswith(own)] == []


def test_installed_package_needs_no_flag_and_wins_over_the_folder(saved):
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    for settings in ({}, {"trust_remote_code": True}):
        assert type(AutoModel.from_pretrained(saved, **settings)) is ElmoModel
        assert type(AutoConfig.from_pretrained(saved, **settings)) is ElmoConfig

    assert type(AutoTokenizer.from_pretrained(saved)) is ElmoTokenizer
    # with the flag, transformers takes a tokenizer's remote code even so; it encodes alike
    remote = AutoTokenizer.from_pretrained(saved, trust_remote_code=True)
    assert remote(SENTENCES)["char_ids"] == ElmoTokenizer.from_pretrained(saved)(SENTENCES)["char_ids"]


def test_vectors_of_the_saved_folder_are_allennlps(saved):
    """The whole way: HDF5 -> folder -> tokenizer -> vectors, against AllenNLP's numbers."""
    sentences = json.loads((ALLENNLP_SMALL / "tiny-tanh3-seed8" / "sentences.json").read_text())
    model, tokenizer = ElmoModel.from_pretrained(saved), ElmoTokenizer.from_pretrained(saved)
    with np.load(ALLENNLP_SMALL / "tiny-tanh3-seed8" / "bilm_reset.npz") as expected:
        for batch, words in enumerate(sentences):
            encoded = tokenizer(words, is_split_into_words=True, padding=True, return_tensors="pt")
            with torch.no_grad():
                output = model(**encoded, output_hidden_states=True)
            assert (
                largest_difference(torch.stack(output.hidden_states), expected[f"b{batch}.activations"])
                <= TOLERANCES["parity", "float32"]
            )
