# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""After the first download the Hub may be down, or HF_HUB_OFFLINE=1: everything loads from the cache."""

import pytest
import torch
from elmo_builders import tiny_model
from hub_observations import AUTO_MODELS, PIPELINES, observe
from huggingface_hub import constants
from transformers import AutoModel, AutoTokenizer

from hf_elmo import ElmoTokenizer

LOADS = [[auto_class, f"org/{auto_class}", None] for auto_class in AUTO_MODELS[1:]]
LOADS += [["AutoModel", "org/AutoModel", revision] for revision in (None, "v1", "next")]
TASKS = [[task, f"org/{auto_class}", None] for task, auto_class in PIPELINES.items()]


def same(one, other) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return one == other


@pytest.mark.parametrize("how", ["offline", "unreachable", "failing"])
def test_in_one_process(online, monkeypatch, how):
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
    model, tokenizer = tiny_model(seed=1), ElmoTokenizer(["<S>", "</S>", "<UNK>", "the", "bank"])
    model.push_to_hub("org/elmo")
    tokenizer.push_to_hub("org/elmo")
    AutoModel.from_pretrained("org/elmo"), AutoTokenizer.from_pretrained("org/elmo")
    before = len(online.requests)
    if how == "offline":
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    elif how == "unreachable":
        online.stop()
    else:
        online.fault(kind="503", times=10_000)
    again = AutoModel.from_pretrained("org/elmo"), AutoTokenizer.from_pretrained("org/elmo")
    assert same(observe(*again), observe(model, tokenizer))
    assert (len(online.requests) > before) == (how == "failing")


@pytest.mark.extended
@pytest.mark.slow
def test_remote_code_without_the_hub(pushed, load_elsewhere, tmp_path):
    """Every Auto class, revision and pipeline, in processes without hf_elmo."""
    home = tmp_path / "home"
    first, _ = load_elsewhere(pushed.hub, home, LOADS, TASKS)
    assert same(first["AutoModel", "org/AutoModel", "v1"]["weights"], pushed.seen["AutoModel", None]["weights"])
    before = len(pushed.hub.requests)
    offline, _ = load_elsewhere(pushed.hub, home, LOADS, TASKS, offline=True)
    assert len(pushed.hub.requests) == before
    assert same(offline, first)
    port = pushed.hub.port
    pushed.hub.stop()
    try:
        unreachable, said = load_elsewhere(pushed.hub, home, LOADS[-3:], TASKS[:1], hurry=True)
    finally:
        pushed.hub.start(port)
    assert "Could not reach the Hub" in said
    assert len(unreachable) == 4 and all(same(result, first[key]) for key, result in unreachable.items())
