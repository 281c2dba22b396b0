# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Writes tiny random models in every variant of bilm-tf's and AllenNLP's files, from their descriptions alone.

Nothing of the package is used here, so that a mistake in it cannot be in its input as well.
"""

import copy
import json
from pathlib import Path

import h5py
import numpy as np
import torch

OPTIONS = {
    "lstm": {
        "dim": 10,
        "projection_dim": 6,
        "n_layers": 2,
        "cell_clip": 3,
        "proj_clip": 3,
        "use_skip_connections": True,
    },
    "char_cnn": {
        "activation": "relu",
        "filters": [[1, 4], [2, 5], [3, 6]],
        "n_highway": 1,
        "embedding": {"dim": 4},
        "n_characters": 262,
        "max_characters_per_token": 50,
    },
}
ABSENT = object()

# What each variant changes in OPTIONS, by dotted key; `ABSENT` removes the key.
VARIANTS: dict[str, dict] = {
    "plain": {},
    "two_highways": {"char_cnn.n_highway": 2},
    "no_highway": {"char_cnn.n_highway": 0},
    "highway_key_absent": {"char_cnn.n_highway": ABSENT},
    "no_char_projection": {"lstm.projection_dim": 15, "lstm.dim": 20},
    "equal_sizes_with_char_projection": {"lstm.projection_dim": 15, "lstm.dim": 20},
    "no_lstm_projection": {"lstm.dim": 6},
    "equal_sizes_with_lstm_projection": {"lstm.dim": 6},
    "one_layer": {"lstm.n_layers": 1},
    "one_layer_bare": {"lstm.n_layers": 1},
    "layer_key_absent": {"lstm.n_layers": ABSENT},
    "three_layers": {"lstm.n_layers": 3},
    "tanh": {"char_cnn.activation": "tanh"},
    "no_skip": {"lstm.use_skip_connections": False},
    "skip_key_absent": {"lstm.use_skip_connections": ABSENT},
    "clips_null": {"lstm.cell_clip": None, "lstm.proj_clip": None},
    "clips_zero": {"lstm.cell_clip": 0, "lstm.proj_clip": 0},
    "clips_absent": {"lstm.cell_clip": ABSENT, "lstm.proj_clip": ABSENT},
    "clips_tight": {"lstm.cell_clip": 0.4, "lstm.proj_clip": 0.25},
    "training_options": {
        "char_cnn.n_characters": 261,
        "bidirectional": True,
        "dropout": 0.1,
        "n_tokens_vocab": 12,
        "unroll_steps": 20,
    },
    "long_words": {"char_cnn.max_characters_per_token": 80},
}
WITHOUT_CHAR_PROJECTION = {"no_char_projection"}
WITHOUT_LSTM_PROJECTION = {"no_lstm_projection"}


def options_of_variant(variant: str = "plain") -> dict:
    """Content of options.json."""
    options = copy.deepcopy(OPTIONS)
    for key, value in VARIANTS[variant].items():
        *parents, last = key.split(".")
        group = options
        for parent in parents:
            group = group[parent]
        if value is ABSENT:
            del group[last]
        else:
            group[last] = value
    return options


def random_weights(variant: str = "plain", seed: int = 0) -> dict[str, np.ndarray]:
    """Arrays by dataset name; large enough for the clips to act."""
    options = options_of_variant(variant)
    lstm, cnn = options["lstm"], options["char_cnn"]
    size, cell, embedding = lstm["projection_dim"], lstm["dim"], cnn["embedding"]["dim"]
    filters = sum(count for _, count in cnn["filters"])
    shapes: dict[str, tuple[int, ...]] = {"char_embed": (261, embedding)}
    for i, (width, count) in enumerate(cnn["filters"]):
        shapes[f"CNN/W_cnn_{i}"] = (1, width, embedding, count)
        shapes[f"CNN/b_cnn_{i}"] = (count,)
    for k in range(cnn.get("n_highway", 0)):
        for part in ("carry", "transform"):
            shapes[f"CNN_high_{k}/W_{part}"] = (filters, filters)
            shapes[f"CNN_high_{k}/b_{part}"] = (filters,)
    if variant not in WITHOUT_CHAR_PROJECTION:
        shapes["CNN_proj/W_proj"], shapes["CNN_proj/b_proj"] = (filters, size), (size,)
    for direction in range(2):
        for layer in range(lstm.get("n_layers", 1)):
            middle = "" if variant == "one_layer_bare" else f"MultiRNNCell/Cell{layer}/"
            prefix = f"RNN_{direction}/RNN/{middle}LSTMCell/"
            shapes[prefix + "W_0"], shapes[prefix + "B"] = (2 * size, 4 * cell), (4 * cell,)
            if variant not in WITHOUT_LSTM_PROJECTION:
                shapes[prefix + "W_P_0"] = (cell, size)
    generator = np.random.default_rng(seed)
    return {name: generator.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}


def write_hdf5(path: Path, arrays: dict[str, np.ndarray], **settings) -> Path:
    """An HDF5 file as bilm-tf writes it; `settings` go to `create_dataset`."""
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array, **settings)
    return path


def write_tiny_model(folder: Path, variant: str = "plain", seed: int = 0) -> Path:
    """A folder with options.json and weights.hdf5."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "options.json").write_text(json.dumps(options_of_variant(variant)), encoding="utf-8")
    write_hdf5(folder / "weights.hdf5", random_weights(variant, seed))
    return folder


def random_softmax(words: int, size: int = 6, seed: int = 1) -> dict[str, np.ndarray]:
    """`softmax/W` (words, size) and `softmax/b` (words,)."""
    generator = np.random.default_rng(seed)
    shapes = {"softmax/W": (words, size), "softmax/b": (words,)}
    return {name: generator.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}


def allennlp_state_dict(
    weights: dict[str, np.ndarray], prefix: str = "_elmo_lstm.", mixes: int = 1, seed: int = 2
) -> dict[str, torch.Tensor]:
    """The state dict AllenNLP's `Elmo` has after it loaded these arrays; `prefix` is that of its biLM.

    Mixes get random values, as after training.
    """
    state: dict[str, np.ndarray] = {}
    for name, array in weights.items():
        parts = name.split("/")
        if name == "char_embed":
            key, value = "_token_embedder._char_embedding_weights", np.vstack([np.zeros_like(array[:1]), array])
        elif parts[0] == "CNN":
            kind, number = ("weight" if parts[1][0] == "W" else "bias"), parts[1].rpartition("_")[2]
            key = f"_token_embedder.char_conv_{number}.{kind}"
            value = array[0].T if kind == "weight" else array
        elif parts[0].startswith("CNN_high"):
            if "transform" not in parts[1]:
                continue
            kind = "weight" if parts[1][0] == "W" else "bias"
            carry = weights[name.replace("transform", "carry")]
            key = f"_token_embedder._highways._layers.{parts[0].rpartition('_')[2]}.{kind}"
            value = np.concatenate([array.T, -carry.T])
        elif parts[0] == "CNN_proj":
            key = "_token_embedder._projection." + ("weight" if parts[1] == "W_proj" else "bias")
            value = array.T
        else:
            direction = "backward" if parts[0] == "RNN_1" else "forward"
            layer = parts[3].removeprefix("Cell") if len(parts) == 6 else "0"
            key = f"_elmo_lstm.{direction}_layer_{layer}."
            if parts[-1] == "W_P_0":
                key, value = key + "state_projection.weight", array.T
            elif parts[-1] == "B":
                i, j, f, o = np.split(array, 4)
                key, value = key + "state_linearity.bias", np.concatenate([i, f + np.float32(1), j, o])
            else:
                i, j, f, o = np.split(array.T, 4)
                kernel, half = np.concatenate([i, f, j, o]), array.shape[0] // 2
                state[prefix + key + "state_linearity.weight"] = kernel[:, half:]
                key, value = key + "input_linearity.weight", kernel[:, :half]
        state[prefix + key] = value
    layers = 1 + sum(name.startswith("RNN_0") and name.endswith("/W_0") for name in weights)
    generator = np.random.default_rng(seed)
    outer = prefix.removesuffix("_elmo_lstm.")
    for mix in range(mixes):
        state[f"{outer}scalar_mix_{mix}.gamma"] = generator.normal(1, 0.3, 1).astype(np.float32)
        for j in range(layers):
            state[f"{outer}scalar_mix_{mix}.scalar_parameters.{j}"] = generator.normal(0, 1, 1).astype(np.float32)
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in state.items()}
