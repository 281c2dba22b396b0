# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Tiny models, batches and the way AllenNLP frames its sentences, for the tests of `modeling/`."""

import functools
import json
from pathlib import Path

import numpy as np
import torch
from support import ROOT

from hf_elmo.conversion.allennlp import read_allennlp
from hf_elmo.modeling import ElmoConfig, ElmoModel

# Self-made models with AllenNLP 2.10.1's outputs; their README tells how they were made.
ALLENNLP_SMALL = ROOT / "tests" / "fixtures" / "allennlp_small"
SMALL_MODELS = ("tiny-relu-seed7", "tiny-tanh3-seed8")


def tiny_config(**changes) -> ElmoConfig:
    settings = {
        "char_embedding_size": 5,
        "char_filters": [[1, 4], [2, 6], [3, 8]],
        "num_highway_layers": 1,
        "projection_size": 12,
        "cell_size": 20,
        "num_hidden_layers": 2,
        "cell_clip": 0.6,
        "proj_clip": 0.4,
    }
    return ElmoConfig(**{**settings, **changes})


def tiny_model(seed: int = 0, scale: float = 1.0, **changes) -> ElmoModel:
    """A model in eval mode whose every parameter is random, biases and mix included, so that all of them act."""
    model = ElmoModel(tiny_config(**changes)).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(
                torch.randn(parameter.shape, generator=generator) * scale * (0.5 if "bias" in name else 0.4)
            )
        model.char_cnn.char_embeddings.weight[0] = 0
    return model


def random_batch(lengths: list[int], seed: int = 0, side: str = "right", columns: int | None = None) -> dict:
    """char_ids and attention_mask of random words; `side` is where the padding goes."""
    generator = torch.Generator().manual_seed(seed)
    columns = max(lengths) if columns is None else columns
    char_ids = torch.zeros(len(lengths), columns, 50, dtype=torch.long)
    mask = torch.zeros(len(lengths), columns, dtype=torch.long)
    for row, length in enumerate(lengths):
        words = torch.randint(1, 262, (length, 50), generator=generator)
        place = slice(0, length) if side == "right" else slice(columns - length, columns)
        char_ids[row, place] = words
        mask[row, place] = 1
    return {"char_ids": char_ids, "attention_mask": mask}


@functools.cache
def _read_once(options: Path, weights: Path):
    """Each file is opened in a process of its own."""
    return read_allennlp(options, weights)


def read_fixture(folder: Path, weights: str = "weights.hdf5", **changes) -> ElmoModel:
    """The model of a folder with options.json and an HDF5 file, in eval mode; `changes` go into the config."""
    source = _read_once(folder / "options.json", folder / weights)
    config = ElmoConfig(**{**source.config.to_dict(), **changes})
    model = ElmoModel(config).eval()
    tensors = {name: torch.from_numpy(array) for name, array in source.tensors.items()}
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    assert not unexpected and all(name.startswith("extra_scalar_mixes") for name in missing)
    return model


def read_arrays(folder: Path, name: str) -> dict[str, np.ndarray]:
    with np.load(folder / f"{name}.npz") as archive:
        return dict(archive)


def read_manifest(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_text())


def with_boundaries(char_ids: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """AllenNLP's char ids (B, T, 50) framed by `<S>` and `</S>`, (B, T + 2, 50), and the mask (B, T + 2)."""
    begin, end = (np.array([259, mark, 260] + [261] * 47) for mark in (257, 258))
    batch, words, size = char_ids.shape
    framed = np.zeros((batch, words + 2, size), np.int64)
    for row, sentence in enumerate(char_ids):
        length = int((sentence > 0).any(axis=-1).sum())
        framed[row, 0] = begin
        framed[row, 1 : length + 1] = sentence[:length]
        framed[row, length + 1] = end
    framed = torch.from_numpy(framed)
    return framed, (framed > 0).any(dim=-1)


def without_boundaries(vectors: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """(B, T + 2, W) -> (B, T, W): each row's first and last real position removed, zeros after its end."""
    result = torch.zeros(vectors.shape[0], vectors.shape[1] - 2, vectors.shape[2], dtype=vectors.dtype)
    for row, length in enumerate(mask.sum(dim=1).tolist()):
        result[row, : length - 2] = vectors[row, 1 : length - 1]
    return result


class CarriedState:
    """AllenNLP's rule for the state between batches: rows keep theirs, new rows begin with zeros."""

    def __init__(self):
        self.parts: list[torch.Tensor] | None = None

    def for_batch(self, size: int):
        if self.parts is None:
            return None
        self.parts = [
            torch.cat([part, part.new_zeros(part.shape[0], max(0, size - part.shape[1]), part.shape[2])], dim=1)
            for part in self.parts
        ]
        return tuple(part[:, :size] for part in self.parts)

    def update(self, state) -> None:
        if self.parts is None:
            self.parts = list(state)
        else:
            size = state[0].shape[1]
            self.parts = [torch.cat([new, old[:, size:]], dim=1) for new, old in zip(state, self.parts, strict=True)]


def largest_difference(got, expected) -> float:
    got, expected = torch.as_tensor(got), torch.as_tensor(expected)
    assert got.shape == expected.shape, f"shapes {tuple(got.shape)} and {tuple(expected.shape)}"
    return (got - expected).abs().max().item() if got.numel() else 0.0


def enable_checkpointing(model, settings: dict | None = None) -> None:
    """Gradient checkpointing under its newer or, before transformers 5.21, its older name."""
    getattr(model, "activation_checkpointing_enable", model.gradient_checkpointing_enable)(settings)
