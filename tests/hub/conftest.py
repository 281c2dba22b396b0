# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""A running Hub with two users: anna, who may write to `org`, and ben, who may not."""

import pytest
from hub_server import HubServer
from huggingface_hub import constants


@pytest.fixture
def hub():
    """A `HubServer` with `hub.anna` (writes to anna/ and org/) and `hub.ben` (writes to ben/), their tokens."""
    with HubServer() as server:
        server.anna = server.add_user("anna", orgs=("org",))
        server.ben = server.add_user("ben")
        yield server


@pytest.fixture
def online(hub, monkeypatch):
    """Let huggingface_hub of this very process speak to `hub`; the tests are offline otherwise."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace("https://huggingface.co", hub.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    return hub
