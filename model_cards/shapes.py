# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Sizes of a model that follow from its configuration, and the code files that travel with it."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hf_elmo import pretrained
from hf_elmo.conversion.known_models import KNOWN_MODELS, count_parameters

from .facts import CardFacts
from .numbers import Number

MODELING = Path(__file__).resolve().parent.parent / "modeling"
ENTRY_FILES = ("configuration_elmo.py", "modeling_elmo.py", "tokenization_elmo.py")
BOUNDARIES = 2  # character slots of the begin and the end of a word
HAN_BYTES = 3  # of a Chinese character in UTF-8


class CodeFile(NamedTuple):
    """A file of remote code."""

    name: str
    size: int  # bytes
    sha256: str


def shape_of(facts: CardFacts, folder: Path | None) -> dict[str, Number] | None:
    """Sizes by name, from config.json of `folder`, of the box, or from what is known of a published model; else None.

    ELMo: `layers` with the words' own, `lstm_layers`, `width` of a vector, `projection` of one direction, `cells`,
    `filters`, `highways`, `word_bytes` of the longest word, `word_han` in Chinese characters, `vocabulary` and
    `softmax_parameters` where there is a softmax. BERT: `layers`, `width`, `heads`, `vocabulary`, `positions`.

    Raises:
        OSError, ValueError: config.json of `folder` cannot be read.
    """
    config, source = _config(facts, folder)
    if config is None:
        return None

    def number(value: float) -> Number:
        return Number(value, frozenset({source}))

    if facts.kind == "bert":
        names = {
            "layers": "num_hidden_layers",
            "width": "hidden_size",
            "heads": "num_attention_heads",
            "vocabulary": "vocab_size",
            "positions": "max_position_embeddings",
        }
        return {name: number(config[key]) for name, key in names.items()}
    slots = config["max_characters_per_token"] - BOUNDARIES
    sizes = {
        "layers": config["num_hidden_layers"] + 1,
        "lstm_layers": config["num_hidden_layers"],
        "width": 2 * config["projection_size"],
        "projection": config["projection_size"],
        "cells": config["cell_size"],
        "filters": sum(count for _, count in config["char_filters"]),
        "highways": config["num_highway_layers"],
        "word_bytes": slots,
        "word_han": slots // HAN_BYTES,
    }
    if "ElmoForPreTraining" in config.get("architectures", ()):
        sizes["vocabulary"] = config["vocab_size"]
        sizes["softmax_parameters"] = config["vocab_size"] * (config["projection_size"] + 1)
    if facts.known_model is not None and KNOWN_MODELS[facts.known_model].shapes is not None:
        sizes["parameters"] = count_parameters(KNOWN_MODELS[facts.known_model].shapes or {})
    return {name: number(value) for name, value in sizes.items()}


def _config(facts: CardFacts, folder: Path | None) -> tuple[Mapping[str, Any] | None, str]:
    if folder is not None:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if config.get("model_type") != facts.kind:
            raise ValueError(
                f"{folder} holds a model of type {config.get('model_type')!r}, the card of {facts.name} is of {facts.kind!r}"
            )
        return config, "config.json"
    if facts.name in pretrained.names():
        path = pretrained.path_of(facts.name) / "config.json"
        return json.loads(path.read_text(encoding="utf-8")), "config.json"
    known = KNOWN_MODELS.get(facts.known_model or "")
    if known is None or known.shapes is None:
        return None, ""
    lstm, characters = known.shapes["lstm"], known.shapes["char_cnn"]
    return {
        "num_hidden_layers": lstm["n_layers"],
        "projection_size": lstm["projection_dim"],
        "cell_size": lstm["dim"],
        "char_filters": characters["filters"],
        "num_highway_layers": characters["n_highway"],
        "max_characters_per_token": 50,  # of all released models, see hf_elmo.conversion.options
    }, "options.json"


def code_files(folder: Path | None) -> list[CodeFile]:
    """The code files of a folder, or, without one, those of this package that go into every saved model."""
    paths = (
        sorted(folder.glob("*.py")) if folder is not None else [MODELING / name for name in sorted(_imported_files())]
    )
    contents = [(path.name, path.read_bytes()) for path in paths]
    return [CodeFile(name, len(content), hashlib.sha256(content).hexdigest()) for name, content in contents]


def _imported_files() -> set[str]:
    """ENTRY_FILES and what they import from beside them, as transformers finds it."""
    found: set[str] = set()
    waiting = list(ENTRY_FILES)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            text = (MODELING / name).read_text(encoding="utf-8")
            waiting += [f"{module}.py" for module in re.findall(r"^\s*from \.(\w+) import", text, re.MULTILINE)]
    return found
