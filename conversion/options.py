# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Reads and writes options.json, the description of a model by bilm-tf and AllenNLP."""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path

from huggingface_hub.errors import StrictDataclassError

from hf_elmo.modeling.configuration_elmo import ACTIVATIONS, ElmoConfig

from .errors import ConversionError, shorten

# Far above every model there is; they keep a damaged file from asking for more tensors or memory than exist.
MAX_BYTES = 1_000_000
MAX_SIZE = 1_000_000
MAX_LAYERS = 100
MAX_FILTERS = 1_000
MAX_CHARACTERS = 1_000

KNOWN_KEYS = {
    "lstm": {"dim", "projection_dim", "n_layers", "cell_clip", "proj_clip", "use_skip_connections"},
    "char_cnn": {"activation", "filters", "n_highway", "embedding", "n_characters", "max_characters_per_token"},
    "char_cnn.embedding": {"dim"},
}


@dataclass
class Options:
    """What options.json says: arguments of `ElmoConfig`, keys nothing depends on, and what had to be put right."""

    name: str
    config: dict
    ignored: list[str] = field(default_factory=list)
    repaired: list[str] = field(default_factory=list)

    def make_config(self, **changes) -> ElmoConfig:
        """The configuration, with some arguments replaced.

        Raises:
            ConversionError: the values contradict each other; the message names the fields.
        """
        try:
            return ElmoConfig(**{**self.config, **changes})
        except (ValueError, StrictDataclassError) as error:
            raise ConversionError(f"{self.name}: {error.__cause__ or error}") from error


def read_options(path: Path) -> Options:
    """Read and check options.json (`elmo_2x4096_512_2048cnn_2xhighway_options.json` and its like).

    Raises:
        ConversionError: no JSON, a key is missing or of the wrong type, or a value is out of range; names the key.
    """
    name = Path(path).name
    try:
        with open(path, "rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConversionError(f"{path} cannot be read: {error.strerror}") from error
    if len(raw) > MAX_BYTES:
        raise ConversionError(f"{name} has more than {MAX_BYTES} bytes; an options file has a few hundred")
    try:
        content = json.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ConversionError(f"{name} is no JSON file: {error}") from error
    return _Parser(name).parse(content)


class _Parser:
    def __init__(self, name: str):
        self.name = name

    def fail(self, message: str) -> ConversionError:
        return ConversionError(f"{self.name}: {message}")

    def parse(self, content) -> Options:
        if not isinstance(content, dict) or "lstm" not in content:
            raise self.fail('no ELMo options: needed is an object with the keys "lstm" and "char_cnn"')
        if "char_cnn" not in content:
            raise self.fail(
                "this model reads words from a fixed list, not characters (there is no char_cnn). Such word-input "
                "models of bilm-tf cannot be converted: this ELMo has a character encoder."
            )
        lstm, cnn = self.group(content, "lstm"), self.group(content, "char_cnn")
        embedding = self.group(cnn, "char_cnn.embedding")
        skip = lstm.get("use_skip_connections", False)
        if not isinstance(skip, bool):
            raise self.fail(f"lstm.use_skip_connections is {shorten(skip)}; needed is true or false")
        activation = cnn.get("activation")
        if activation not in ACTIVATIONS:
            raise self.fail(f"char_cnn.activation is {shorten(activation)}; needed is one of {', '.join(ACTIVATIONS)}")
        options = Options(
            self.name,
            {
                "char_embedding_size": self.integer(embedding, "char_cnn.embedding.dim"),
                "max_characters_per_token": self.integer(
                    cnn, "char_cnn.max_characters_per_token", default=50, most=MAX_CHARACTERS
                ),
                "char_filters": self.filters(cnn),
                "char_activation": activation,
                "num_highway_layers": self.integer(cnn, "char_cnn.n_highway", default=0, least=0, most=MAX_LAYERS),
                "projection_size": self.integer(lstm, "lstm.projection_dim"),
                "cell_size": self.integer(lstm, "lstm.dim"),
                "num_hidden_layers": self.integer(lstm, "lstm.n_layers", default=1, most=MAX_LAYERS),
                "cell_clip": self.clip(lstm, "lstm.cell_clip"),
                "proj_clip": self.clip(lstm, "lstm.proj_clip"),
                "use_skip_connections": skip,
            },
        )
        characters = self.integer(cnn, "char_cnn.n_characters", default=262)
        if characters not in (261, 262):
            raise self.fail(
                f"char_cnn.n_characters is {characters}; ELMo has 262 characters (261 while it is trained)"
            )
        if characters == 261:
            options.repaired.append(
                "options: n_characters was 261, the number used in training; 262 with the padding of whole words"
            )
        options.ignored = self.unknown_keys(content, lstm, cnn, embedding)
        options.make_config()
        return options

    def group(self, parent: dict, key: str) -> dict:
        value = parent.get(key.rpartition(".")[2])
        if not isinstance(value, dict):
            raise self.fail(f"{key} is {shorten(value)}; needed is an object")
        return value

    def integer(self, parent: dict, key: str, default: int | None = None, least: int = 1, most: int = MAX_SIZE) -> int:
        value = parent.get(key.rpartition(".")[2], default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.fail(f"{key} is {shorten(value)}; needed is a whole number")
        if not least <= value <= most:
            raise self.fail(f"{key} is {shorten(value)}; needed is a number from {least} to {most}")
        return value

    def clip(self, parent: dict, key: str) -> float | int | None:
        value = parent.get(key.rpartition(".")[2])
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.fail(f"{key} is {shorten(value)}; needed is a number, or null for no clipping")
        if isinstance(value, float) and not math.isfinite(value):  # Python reads Infinity, NaN and 1e999
            raise self.fail(f"{key} is {shorten(value)}; JSON has no such number: write null for no clipping")
        if not 0 <= value <= MAX_SIZE:
            raise self.fail(f"{key} is {shorten(value)}; needed is a number from 0 (no clipping) to {MAX_SIZE}")
        return value or None

    def filters(self, cnn: dict) -> list[list[int]]:
        value = cnn.get("filters")
        if not isinstance(value, list) or not 1 <= len(value) <= MAX_FILTERS:
            raise self.fail(f"char_cnn.filters is {shorten(value)}; needed is a list of [width, count] pairs")
        for pair in value:
            fits = isinstance(pair, list) and len(pair) == 2
            if not fits or any(isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= MAX_SIZE for n in pair):
                raise self.fail(
                    f"char_cnn.filters holds {shorten(pair)}; needed is [width, count], from 1 to {MAX_SIZE}"
                )
        return value

    def unknown_keys(self, content: dict, lstm: dict, cnn: dict, embedding: dict) -> list[str]:
        ignored = [key for key in content if key not in ("lstm", "char_cnn")]
        for prefix, group in (("lstm", lstm), ("char_cnn", cnn), ("char_cnn.embedding", embedding)):
            ignored += [f"{prefix}.{key}" for key in group if key not in KNOWN_KEYS[prefix]]
        return [shorten(key, 80).strip("'\"") for key in ignored]


def options_of(config: ElmoConfig) -> dict:
    """Content of options.json for a configuration; bilm-tf's inference and AllenNLP read it."""
    return {
        "lstm": {
            "dim": config.cell_size,
            "projection_dim": config.projection_size,
            "n_layers": config.num_hidden_layers,
            "cell_clip": config.cell_clip,
            "proj_clip": config.proj_clip,
            "use_skip_connections": config.use_skip_connections,
        },
        "char_cnn": {
            "activation": config.char_activation,
            "filters": [list(pair) for pair in config.char_filters or ()],
            "n_highway": config.num_highway_layers,
            "embedding": {"dim": config.char_embedding_size},
            "n_characters": config.num_characters,
            "max_characters_per_token": config.max_characters_per_token,
        },
    }
