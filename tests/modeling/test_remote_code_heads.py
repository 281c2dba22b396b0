# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Every saved folder loads with every Auto class on a machine without hf_elmo, and predicts the same there."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from elmo_builders import largest_difference, tiny_config

from hf_elmo.modeling import (
    ElmoForMultipleChoice,
    ElmoForPreTraining,
    ElmoForQuestionAnswering,
    ElmoForSequenceClassification,
    ElmoForTokenClassification,
    ElmoModel,
    ElmoTokenizer,
)

HEADS = {
    "AutoModelForTokenClassification": ElmoForTokenClassification,
    "AutoModelForSequenceClassification": ElmoForSequenceClassification,
    "AutoModelForQuestionAnswering": ElmoForQuestionAnswering,
    "AutoModelForMultipleChoice": ElmoForMultipleChoice,
    "AutoModelForPreTraining": ElmoForPreTraining,
}
TEXT, PAIR = "Anna sat by the river bank; 北京 😀", "Where did she sit?"
COMMIT = "0123456789abcdef0123456789abcdef01234567"

# Runs in a process of its own, where hf_elmo cannot be imported: {auto class: folder} -> what its model gives.
LOADER = """
import sys
sys.modules["hf_elmo"] = None  # as if not installed
import json, torch, transformers
job = json.loads(sys.argv[1])
results = {}
for name, folder in job["models"].items():
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
    model = getattr(transformers, name).from_pretrained(folder, trust_remote_code=True)
    assert type(model).__module__.startswith("transformers_modules.") and not model.training
    batch = tokenizer(job["pair"], job["text"], return_tensors="pt")
    if "MultipleChoice" in name:
        batch = {key: tensor.unsqueeze(0) for key, tensor in batch.items()}
    with torch.no_grad():
        results[name] = model(**batch)[0]
for name in job["from_encoder"]:  # a head on the encoder's folder: its own weights are new
    getattr(transformers, name).from_pretrained(job["models"]["AutoModel"], trust_remote_code=True)
if "AutoModelForTokenClassification" in job["models"]:
    folder = job["models"]["AutoModelForTokenClassification"]
    tagger = transformers.pipeline("ner", folder, trust_remote_code=True, aggregation_strategy="simple")
    results["spans"] = [(span["start"], span["end"], span["entity_group"]) for span in tagger(job["text"])]
    tagger.save_pretrained("again")
    transformers.AutoModelForQuestionAnswering.from_pretrained("again", trust_remote_code=True)
torch.save(results, "results.pt")
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    """A saved encoder and a saved model of each head, whose every part is random."""
    tokenizer = ElmoTokenizer(["<S>", "</S>", "<UNK>", "the", "bank"])
    settings = {"task_head": "recurrent", "task_hidden_size": 4, "use_crf": True, "static_embedding_size": 3}
    labels = {0: "O", 1: "B-x", 2: "I-x"}
    found = {}
    for name, head in {"AutoModel": ElmoModel, **HEADS}.items():
        torch.manual_seed(0)
        model = head(tiny_config(**settings, vocab_size=len(tokenizer), id2label=labels))
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.3)
        found[name] = tmp_path_factory.mktemp(name) / "elmo"
        model.save_pretrained(found[name])
        tokenizer.save_pretrained(found[name])
    return found


def load_elsewhere(models: dict[str, str], folder: Path, from_encoder=()) -> dict:
    job = {"models": models, "text": TEXT, "pair": PAIR, "from_encoder": list(from_encoder)}
    inherited = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    settings = {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(folder / "home"),
        "HF_MODULES_CACHE": str(folder / "modules"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-c", LOADER, json.dumps(job)]
    done = subprocess.run(command, cwd=folder, env=inherited | settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return torch.load(folder / "results.pt", weights_only=True)


def check(results: dict, folders: dict[str, Path]) -> None:
    for name, head in {"AutoModel": ElmoModel, **HEADS}.items():
        batch = ElmoTokenizer.from_pretrained(folders[name])(PAIR, TEXT, return_tensors="pt")
        if head is ElmoForMultipleChoice:
            batch = {key: tensor.unsqueeze(0) for key, tensor in batch.items()}
        with torch.no_grad():
            assert largest_difference(results[name], head.from_pretrained(folders[name])(**batch)[0]) == 0
    from transformers import pipeline

    tagger = pipeline("ner", str(folders["AutoModelForTokenClassification"]), aggregation_strategy="simple")
    here = [(span["start"], span["end"], span["entity_group"]) for span in tagger(TEXT)]
    assert here and results["spans"] == here


@pytest.mark.slow
def test_local_folders(folders, tmp_path):
    results = load_elsewhere({name: str(path) for name, path in folders.items()}, tmp_path, from_encoder=HEADS)
    check(results, folders)


@pytest.mark.slow
def test_hub_cache(folders, tmp_path):
    for name, path in folders.items():
        repository = tmp_path / "home" / "hub" / f"models--me--{name}"
        shutil.copytree(path, repository / "snapshots" / COMMIT)
        (repository / "refs").mkdir()
        (repository / "refs" / "main").write_text(COMMIT)
    check(load_elsewhere({name: f"me/{name}" for name in folders}, tmp_path, from_encoder=HEADS), folders)


def test_saved_folders_hold_the_code_of_every_head(folders):
    code = {path.name for path in folders["AutoModel"].glob("*.py")}
    assert {"modeling_elmo_heads.py", "crf.py", "static_vectors.py", "task_encoders.py", "segments.py"} <= code
    for path in folders.values():
        assert {file.name for file in path.glob("*.py")} == code
        auto_map = json.loads((path / "config.json").read_text())["auto_map"]
        assert {"AutoConfig", "AutoModel", *HEADS} == set(auto_map)
        assert all((path / f"{target.split('.')[0]}.py").exists() for target in auto_map.values())


@pytest.mark.parametrize("name", HEADS)
def test_installed_package_needs_no_flag(folders, name):
    import transformers

    for settings in ({}, {"trust_remote_code": True}):
        assert type(getattr(transformers, name).from_pretrained(folders[name], **settings)) is HEADS[name]
