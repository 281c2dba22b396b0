# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What two runs of pretraining are compared by."""

from pathlib import Path

import torch
from safetensors.torch import load_file


def weights_of(run: Path) -> dict[str, torch.Tensor]:
    """The tensors of the saved model of a run."""
    return load_file(run / "model" / "model.safetensors")


def same_bits(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
