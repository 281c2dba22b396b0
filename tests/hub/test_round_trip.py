# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Push by the usual calls, load by name elsewhere: with every Auto class, pipeline and kind of revision the same."""

import json

import pytest
import torch
from elmo_builders import tiny_model
from hub_observations import AUTO_MODELS, PIPELINES, observe
from huggingface_hub import HfApi, constants
from support import files_a_model_imports
from transformers import AutoModel, AutoTokenizer, pipeline

from hf_elmo import ElmoModel, ElmoTokenizer


def check(got: dict, expected: dict, place) -> None:
    assert got["weights"].keys() == expected["weights"].keys(), place
    for name, tensor in expected["weights"].items():
        assert torch.equal(got["weights"][name], tensor), (place, name)
    for name in ("char_ids", "vectors", "output"):
        assert torch.equal(got[name], expected[name]), (place, name)


def code_of(files: dict) -> set[str]:
    return {path for path in files if path.endswith(".py")}


def revisions_of(pushed) -> dict:
    """Revision of org/AutoModel -> key of what was seen there."""
    first = ("AutoModel", None)
    return {
        "v1": first,
        pushed.seen["commit"]: first,
        "next": ("AutoModel", "next"),
        "refs/pr/1": ("AutoModel", "refs/pr/1"),
        "main": ("AutoModel", "main"),
        None: ("AutoModel", "main"),
    }


def test_in_one_process(online):
    """Model and tokenizer, then other weights in a branch: both load without a flag, and no code is downloaded."""
    model, tokenizer = tiny_model(seed=1), ElmoTokenizer(["<S>", "</S>", "<UNK>", "the", "bank"])
    first = observe(model, tokenizer)
    tokenizer.push_to_hub("org/elmo")
    model.push_to_hub("org/elmo")
    with torch.no_grad():
        model.char_cnn.char_embeddings.weight.mul_(2)
    model.push_to_hub("org/elmo", revision="next")
    for revision, expected in (("main", first), ("next", observe(model, tokenizer))):
        got = AutoModel.from_pretrained("org/elmo", revision=revision)
        assert type(got) is ElmoModel
        check(observe(got, AutoTokenizer.from_pretrained("org/elmo")), expected, revision)
    assert online.asked("GET", r"/resolve/.*config\.json") and not online.asked("GET", r"/resolve/.*\.py$")
    assert {request.user for request in online.asked("POST", "/commit/")} == {"anna"}
    # With no changes there is nothing to commit.
    model.push_to_hub("org/elmo", revision="next")
    assert [commit.title for commit in online.commits("org/elmo", "next")] == [
        "Upload model",
        "Upload model",
        "Upload tokenizer",
        "initial commit",
    ]


def test_other_calls_that_push(online, tmp_path):
    """`save_pretrained(push_to_hub=True)`, which sends no card, and `pipeline.push_to_hub`."""
    model, tokenizer = tiny_model(seed=1), ElmoTokenizer(["<S>", "</S>", "<UNK>", "the", "bank"])
    expected = observe(model, tokenizer)
    for thing in (model, tokenizer):
        thing.save_pretrained(tmp_path / "saved", push_to_hub=True, repo_id="org/saved")
    pipeline("feature-extraction", model=model, tokenizer=tokenizer).push_to_hub("org/pipeline")
    for name in ("org/saved", "org/pipeline"):
        assert files_a_model_imports() <= code_of(online.files(name))
        check(observe(AutoModel.from_pretrained(name), AutoTokenizer.from_pretrained(name)), expected, name)


@pytest.mark.slow
def test_without_hf_elmo_by_the_flag(pushed, load_elsewhere, tmp_path):
    revisions = revisions_of(pushed)
    loads = [[auto_class, f"org/{auto_class}", None] for auto_class in AUTO_MODELS[1:]]
    loads += [["AutoModel", "org/AutoModel", revision] for revision in revisions]
    # A Trainer pushed in the midst of training, twice, and at the end.
    pushes = [commit.oid for commit in pushed.hub.commits("org/trained")[:-1]]
    assert len(pushes) == 3
    loads += [["AutoModelForTokenClassification", "org/trained", commit] for commit in (None, *pushes)]
    pipelines = [[task, f"org/{auto_class}", "main"] for task, auto_class in PIPELINES.items() if "For" in auto_class]
    pipelines += [["feature-extraction", "org/AutoModel", revision] for revision in revisions]
    results, _ = load_elsewhere(pushed.hub, tmp_path / "home", loads, pipelines)
    for auto_class, repository, revision in loads:
        got = results[auto_class, repository, revision]
        key = revisions[revision] if repository == "org/AutoModel" else (auto_class, None)
        key = "trained" if repository == "org/trained" else key
        if revision != pushes[2]:  # of the first step, when the weights were others
            check(got, pushed.seen[key], (repository, revision))
        assert got["modules"] == ["transformers_modules"] * 3 and not any(got["told"].values()), got["told"]
    for task, repository, revision in pipelines:
        key = revisions[revision] if repository == "org/AutoModel" else (task,)
        assert results[task, repository, revision] == pushed.seen[("pipeline", *key)], (task, revision)


@pytest.mark.slow
def test_every_head_by_every_kind_of_revision(pushed, load_elsewhere, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    api = HfApi(endpoint=pushed.hub.url, token=pushed.hub.anna)
    loads, pipelines = [], []
    for head in AUTO_MODELS[1:]:
        repository = f"org/{head}"
        api.create_tag(repository, tag="heads-v1")
        api.create_branch(repository, branch="heads")
        revisions = ["main", "heads-v1", "heads", pushed.hub.commits(repository)[0].oid]
        loads += [[head, repository, revision] for revision in revisions]
        pipelines += [
            [task, repository, revision] for task, of in PIPELINES.items() if of == head for revision in revisions
        ]
    results, _ = load_elsewhere(pushed.hub, tmp_path / "home", loads, pipelines)
    for head, repository, revision in loads:
        check(results[head, repository, revision], pushed.seen[head, None], (repository, revision))
        assert results[head, repository, revision]["modules"] == ["transformers_modules"] * 3
    for task, repository, revision in pipelines:
        assert results[task, repository, revision] == pushed.seen["pipeline", task], (task, revision)


@pytest.mark.extended
@pytest.mark.slow
def test_push_of_what_was_loaded_without_hf_elmo(pushed, load_elsewhere, tmp_path):
    """Code, card and weights travel on from machine to machine."""
    head = "AutoModelForTokenClassification"
    job = {"push": [[head, f"org/{head}", "org/again"]], "loads": [[head, "org/again", None]]}
    results, _ = load_elsewhere(pushed.hub, tmp_path / "home", **job)
    check(results[head, "org/again", None], pushed.seen[head, None], head)
    first, again = pushed.hub.files(f"org/{head}"), pushed.hub.files("org/again")
    assert code_of(again) == code_of(first) and all(again[path] == first[path] for path in code_of(first))
    assert first["README.md"].decode().replace(f"org/{head}", "org/again").replace(f"# {head}", "# again") == (
        again["README.md"].decode()
    )


@pytest.mark.slow
def test_with_hf_elmo_without_the_flag(pushed, load_elsewhere, tmp_path):
    before = len(pushed.hub.requests)
    loads = [[auto_class, f"org/{auto_class}", None] for auto_class in AUTO_MODELS[1:]]
    loads += [["AutoModel", "org/AutoModel", revision] for revision in ("v1", "next")]
    pipelines = [[task, f"org/{auto_class}", "main"] for task, auto_class in PIPELINES.items() if "For" in auto_class]
    results, _ = load_elsewhere(pushed.hub, tmp_path / "home", loads, pipelines, hidden=False, trust=None)
    for auto_class, repository, revision in loads:
        got = results[auto_class, repository, revision]
        key = revisions_of(pushed)[revision] if revision else (auto_class, None)
        check(got, pushed.seen[key], (repository, revision))
        assert got["modules"] == ["hf_elmo"] * 3
    for task, repository, revision in pipelines:
        assert results[task, repository, revision] == pushed.seen["pipeline", task], task
    assert not [request.path for request in pushed.hub.requests[before:] if request.path.endswith(".py")]


@pytest.mark.slow
def test_what_lies_in_the_repositories(pushed):
    hub = pushed.hub
    for auto_class in AUTO_MODELS:
        files = hub.files(f"org/{auto_class}")
        config = json.loads(files["config.json"])
        assert {f"{target.split('.')[0]}.py" for target in config["auto_map"].values()} <= code_of(files)
        assert {"model.safetensors", "tokenizer.json", "README.md"} <= set(files)
        assert not [path for path in files if path.endswith((".bin", ".pt", ".pkl"))]
        assert "[More Information Needed]" not in files["README.md"].decode()
    assert "- mine\n" in hub.files("org/AutoModel")["README.md"].decode()
