# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""push_to_hub when things go wrong: main is as before or whole, and the same call again finishes."""

import threading
from itertools import product

import httpx2
import pytest
import torch
from elmo_builders import tiny_model
from huggingface_hub.errors import HfHubHTTPError
from safetensors.torch import load

from hf_elmo import ElmoTokenizer


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)


def check_whole(hub, model, name: str = "org/elmo") -> None:
    """One commit holds settings, weights, code and card, and the weights are the model's."""
    files = hub.files(name)
    assert {"README.md", "config.json", "model.safetensors", "modeling_elmo.py", "configuration_elmo.py"} <= set(files)
    weights = load(files["model.safetensors"])
    assert weights.keys() == model.state_dict().keys()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.state_dict().items())


KINDS = ("503", "500-after", "lost", "cut", "reset")
REQUESTS = (
    ("POST", "/repos/create"),
    ("HEAD", "README.md"),
    ("POST", "/validate-yaml"),
    ("POST", "/preupload/"),
    ("POST", "/objects/batch"),
    ("PUT", "^/[0-9a-f]{64}"),
    ("POST", "/objects/verify"),
    ("POST", "/commit/main"),
)
FAST = {("/commit/main", "500-after"), ("/commit/main", "503"), ("^/[0-9a-f]{64}", "cut")}


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        pytest.param(method, path, kind, marks=[] if (path, kind) in FAST else pytest.mark.slow)
        for (method, path), kind in product(REQUESTS, KINDS)
    ],
)
def test_one_fault(online, method, path, kind):
    """A fault in each request of a push, which the client repeats or not."""
    model = tiny_model(seed=1)
    online.fault(method, path, kind=kind)
    try:
        model.push_to_hub("org/elmo")
    except (HfHubHTTPError, httpx2.HTTPError, OSError, ValueError):
        if ("models", "org/elmo") in online.repos and len(online.commits("org/elmo")) > 1:
            check_whole(online, model)  # done, but nobody was told
        model.push_to_hub("org/elmo")
    check_whole(online, model)
    assert len(online.commits("org/elmo")) == 2
    assert not any(fault.times for fault in online.faults), "the push made no such request"


def test_a_slow_hub(online):
    online.fault(kind="slow", seconds=0.05, times=100)
    model = tiny_model()
    model.push_to_hub("org/elmo")
    check_whole(online, model)


def test_expired_and_foreign_tokens(online):
    before = tiny_model(seed=1)
    before.push_to_hub("org/elmo")
    for token, told in (
        (online.add_token("anna", expired=True), "is expired"),
        (online.add_token("anna", role="read"), "write token"),
        (online.ben, "create_pr=1"),
        ("hf_nobody", "Invalid credentials"),
    ):
        with pytest.raises(HfHubHTTPError, match=told):
            tiny_model(seed=2).push_to_hub("org/elmo", token=token)
    check_whole(online, before)
    # What the message advises is open to everybody.
    tiny_model(seed=2).push_to_hub("org/elmo", token=online.ben, create_pr=True)
    check_whole(online, before)
    assert "model.safetensors" in online.files("org/elmo", "refs/pr/1")


def test_two_pushes_at_once(online):
    """Into a new repository; main is what one of them sent, whole."""
    models, errors = [tiny_model(seed=seed) for seed in (1, 2)], []

    def push(model):
        try:
            model.push_to_hub("org/elmo")
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=push, args=(model,)) for model in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    newest, older = online.commits("org/elmo")[:2]
    assert newest.parent == older.oid and newest.files.keys() == older.files.keys()
    last = next(
        model
        for model in models
        if torch.equal(
            load(newest.contents["model.safetensors"])["char_cnn.char_embeddings.weight"],
            model.char_cnn.char_embeddings.weight,
        )
    )
    check_whole(online, last)


def test_somebody_elses_files_stay(online):
    model = tiny_model()
    model.push_to_hub("org/elmo")
    online.fault("POST", "/commit/main", kind="action", action=lambda: online.commit("org/elmo", {"notes.md": b"1"}))
    ElmoTokenizer(["<S>", "</S>", "<UNK>"]).push_to_hub("org/elmo")
    assert {"notes.md", "tokenizer.json"} <= set(online.files("org/elmo"))
    check_whole(online, model)
