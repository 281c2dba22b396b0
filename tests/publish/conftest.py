# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""A tiny ELMo as a folder to publish, a Hub on 127.0.0.1 to publish it on, and the command without its process."""

import argparse
import shutil
import time
from pathlib import Path

import pytest
import torch
from hub_server import HubServer
from huggingface_hub import HfApi, constants
from language_models import tiny_language_model, tiny_tokenizer

from hf_elmo.auto import register_auto_classes
from hf_elmo.publish import command, hub_errors

CARD = """---
language: en
license: apache-2.0
library_name: transformers
pipeline_tag: feature-extraction
tags: [elmo]
---

# A tiny ELMo

Random weights, for a test; see [its settings](config.json).
"""


@pytest.fixture(scope="session")
def saved(tmp_path_factory) -> Path:
    """As `save_pretrained` leaves it, with a card; read only."""
    folder = tmp_path_factory.mktemp("saved") / "elmo"
    register_auto_classes()
    tiny_language_model(dtype=torch.float32).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    (folder / "README.md").write_text(CARD, encoding="utf-8")
    return folder


@pytest.fixture
def folder(saved, tmp_path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(saved, tmp_path / "folder"))


@pytest.fixture
def hub(monkeypatch):
    """A Hub whose user anna writes to `org`; huggingface_hub in this process may speak to it, without Xet."""
    with HubServer() as server:
        server.anna = server.add_user("anna", orgs=("org",))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(hub_errors, "WAITS", (0.0, 0.0))
        monkeypatch.setattr(time, "sleep", lambda seconds: None)  # the client's own pauses between its tries
        yield server


@pytest.fixture
def publish(hub, folder):
    """Runs the command in this process, without loading the model unless asked to."""

    def run(
        *words: str, token: str | bool | None = None, load_check: bool = False, source: Path | str = folder
    ) -> int:
        parser = argparse.ArgumentParser()
        command.add_arguments(parser)
        more = [] if load_check else ["--no-load-check"]
        options = parser.parse_args([str(source), "org/elmo", *more, *words])
        return command.publish(options, HfApi(endpoint=hub.url, token=hub.anna if token is None else token))

    return run
