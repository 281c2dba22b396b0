# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Models that train in a second, and what two runs of pretraining are compared by."""

from pathlib import Path

import torch
from safetensors.torch import load_file

TINY_ELMO = ["projection_size=6", "cell_size=10", "char_filters=[[1,3],[2,4]]", "char_embedding_size=4"]
TINY_ELMO += ["num_highway_layers=1", "lstm_dropout=0.2"]
TINY_BERT = ["hidden_size=8", "num_hidden_layers=1", "num_attention_heads=2", "intermediate_size=12"]


def weights_of(run: Path) -> dict[str, torch.Tensor]:
    """The tensors of the saved model of a run."""
    return load_file(run / "model" / "model.safetensors")


def same_bits(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
