# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""A running Hub with two users, clients in this process and in others, and models that were pushed once for all."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import transformers.utils.hub
from hub_server import HubServer
from huggingface_hub import constants
from support import ROOT

HELPERS = ROOT / "tests" / "helpers"


def with_users(server: HubServer) -> HubServer:
    server.anna = server.add_user("anna", orgs=("org",))
    server.ben = server.add_user("ben")
    return server


@pytest.fixture
def hub():
    """A `HubServer` with `hub.anna` (writes to anna/ and org/) and `hub.ben` (writes to ben/), their tokens."""
    with HubServer() as server:
        yield with_users(server)


@pytest.fixture
def online(hub, monkeypatch, tmp_path):
    """Let huggingface_hub and transformers of this very process speak to `hub` as anna; else they are offline."""
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace("https://huggingface.co", hub.url)
    for name, value in {
        "HF_HUB_OFFLINE": False,
        "HF_HUB_DISABLE_XET": True,
        "ENDPOINT": hub.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": template,
        "HF_HUB_CACHE": str(tmp_path / "cache"),
    }.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setattr(transformers.utils.hub, "_hf_api", None)  # made once, with the address of then
    monkeypatch.setenv("HF_TOKEN", hub.anna)
    return hub


def run(command: list[str], folder: Path, environment: dict) -> str:
    """What a child process with the Python of the tests says on stderr; it must succeed."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run([sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-5000:]
    return done.stderr


@pytest.fixture(scope="session")
def pushed(tmp_path_factory):
    """`hub`, filled by hub_pusher.py, and `seen`, what the models gave where they were pushed."""
    folder = tmp_path_factory.mktemp("pushed")
    with HubServer() as server:
        with_users(server)
        environment = server.environment(folder / "home", server.anna, PYTHONPATH=str(ROOT))
        run([str(HELPERS / "hub_pusher.py"), "seen.pt"], folder, environment)
        yield SimpleNamespace(hub=server, seen=torch.load(folder / "seen.pt", weights_only=True))


@pytest.fixture(scope="session")
def load_elsewhere():
    """`load_elsewhere(hub, home, loads, pipelines, ...)`: results of hub_loader.py and what it said."""

    def load(
        hub: HubServer,
        home: Path,
        loads=(),
        pipelines=(),
        *,
        push=(),
        hidden=True,
        trust=True,
        offline=False,
        hurry=False,
    ) -> tuple[dict, str]:
        token = hub.anna if push else None
        environment = hub.environment(home, token, offline=offline, **({} if hidden else {"PYTHONPATH": str(ROOT)}))
        home.mkdir(exist_ok=True)
        job = {"hidden": hidden, "trust": trust, "loads": loads, "pipelines": pipelines, "push": push, "hurry": hurry}
        (home / "job.json").write_text(json.dumps(job))
        said = run([str(HELPERS / "hub_loader.py"), "job.json", "results.pt"], home, environment)
        return torch.load(home / "results.pt", weights_only=True), said

    return load
