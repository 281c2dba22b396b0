# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""A tiny ELMo in the files of bilm-tf, to try every command without a download. Its weights are random.

The folder holds options.json, weights.hdf5 and sentences.txt (a sentence a line, words separated by blanks).
"""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent
SEED = 2018

OPTIONS: dict[str, Any] = {
    "lstm": {
        "dim": 24,
        "projection_dim": 12,
        "n_layers": 2,
        "cell_clip": 3,
        "proj_clip": 3,
        "use_skip_connections": True,
    },
    "char_cnn": {
        "activation": "relu",
        "filters": [[1, 8], [2, 8], [3, 16], [4, 16], [5, 16]],
        "n_highway": 1,
        "embedding": {"dim": 8},
        "n_characters": 262,
        "max_characters_per_token": 50,
    },
}


def write_example_model(folder: str | os.PathLike) -> None:
    """Write options.json and weights.hdf5 of the example into an existing folder, always with the same values.

    Uniform numbers with the spread of bilm-tf's initial weights, from a generator whose numbers NumPy keeps the same
    in all versions.
    """
    from hf_elmo.conversion.to_allennlp import write_hdf5

    folder = Path(folder)
    temporary = folder / ".weights.hdf5.partial"
    try:
        write_hdf5(temporary, _weights())
        os.replace(temporary, folder / "weights.hdf5")
    finally:
        temporary.unlink(missing_ok=True)
    temporary = folder / ".options.json.partial"
    temporary.write_text(json.dumps(OPTIONS, indent=2) + "\n", encoding="utf-8")
    os.replace(temporary, folder / "options.json")


def _weights() -> dict[str, np.ndarray]:
    """Arrays by dataset name, float32."""
    lstm, cnn = OPTIONS["lstm"], OPTIONS["char_cnn"]
    size, cell, embedding = lstm["projection_dim"], lstm["dim"], cnn["embedding"]["dim"]
    filters = sum(count for _, count in cnn["filters"])
    shapes: dict[str, tuple[int, ...]] = {"char_embed": (261, embedding)}
    for i, (width, count) in enumerate(cnn["filters"]):
        shapes[f"CNN/W_cnn_{i}"], shapes[f"CNN/b_cnn_{i}"] = (1, width, embedding, count), (count,)
    for part in ("carry", "transform"):
        shapes[f"CNN_high_0/W_{part}"], shapes[f"CNN_high_0/b_{part}"] = (filters, filters), (filters,)
    shapes["CNN_proj/W_proj"], shapes["CNN_proj/b_proj"] = (filters, size), (size,)
    for direction in range(2):
        for layer in range(lstm["n_layers"]):
            prefix = f"RNN_{direction}/RNN/MultiRNNCell/Cell{layer}/LSTMCell/"
            shapes[prefix + "W_0"], shapes[prefix + "B"] = (2 * size, 4 * cell), (4 * cell,)
            shapes[prefix + "W_P_0"] = (cell, size)
    random = np.random.RandomState(SEED)
    weights = {}
    for name, shape in shapes.items():
        inputs = int(np.prod(shape[:-1]))
        spread = 1.0 if name == "char_embed" else (3 / inputs) ** 0.5
        weights[name] = ((2 * random.random_sample(shape) - 1) * spread).astype(np.float32)
    weights["CNN_high_0/b_carry"][:] = -2  # bilm-tf's initial value
    return weights
