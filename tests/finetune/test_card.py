# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Metadata of the card of a fine-tuned model: a licence that somebody stated, a base model that the Hub has."""

import huggingface_hub
import pytest
import yaml

from hf_elmo.finetune.output import describe_base


def card(**metadata) -> str:
    return f"---\n{yaml.safe_dump(metadata)}---\n\n# One\n"


def test_the_licence_is_that_of_the_card_beside_the_model(tmp_path):
    assert describe_base(str(tmp_path)) == {"license": "unknown"}
    (tmp_path / "README.md").write_text(card(license="mit", tags=["x"]))
    assert describe_base(str(tmp_path)) == {"license": "mit"}
    more = {"license": "other", "license_name": "mine", "license_link": "LICENSE"}
    (tmp_path / "README.md").write_text(card(**more))
    assert describe_base(str(tmp_path)) == {
        "license": "other",
        "license_name": "mine",
    }  # the link is to its own folder
    (tmp_path / "README.md").write_text(card(**{**more, "license_link": "https://example.org/licence"}))
    assert describe_base(str(tmp_path))["license_link"] == "https://example.org/licence"
    for text in ("", "# no metadata\n", card(tags=["x"]), card(license="my own"), "---\na: [\n---\n"):
        (tmp_path / "README.md").write_text(text)
        assert describe_base(str(tmp_path)) == {"license": "unknown"}


def test_a_model_of_the_box_has_a_licence_and_is_none_of_the_hub():
    assert describe_base("elmo-mini-en") == {"license": "apache-2.0"}


def test_random_weights_have_no_base():
    assert describe_base(None) == {"license": "unknown"}


@pytest.mark.parametrize("error", [OSError("no card"), ConnectionError("down"), RuntimeError("closed")])
def test_a_model_of_the_hub(error, tmp_path, monkeypatch):
    (tmp_path / "README.md").write_text(card(license="cc-by-4.0"))
    asked = []

    def download(repo_id, name):
        asked.append((repo_id, name))
        return str(tmp_path / name)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    assert describe_base("org/elmo") == {"license": "cc-by-4.0", "base_model": "org/elmo"}
    assert describe_base("bert-base-cased") == {"license": "cc-by-4.0"}  # an old name without its owner
    assert asked == [("org/elmo", "README.md"), ("bert-base-cased", "README.md")]

    def fail(*_):
        raise error

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)  # a finished training is not lost for it
    assert describe_base("org/elmo") == {"license": "unknown", "base_model": "org/elmo"}
