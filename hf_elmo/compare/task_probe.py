# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Small task networks over the frozen vectors of a contender, the same for all: features on disk, head, training.

Features are computed once for a contender and a set of sentences and kept as float16 in a memory-mapped file that seeds
and processes share. The head mixes the layers (scalar mix of Peters et al. 2018), each brought to mean 0 and deviation 1
over the training words, brings them to one width, and runs a BiLSTM, as the ELMo paper's task models do.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor, nn

from hf_elmo.compare.contenders import Contender, identity
from hf_elmo.modeling import ElmoConfig
from hf_elmo.modeling.scalar_mix import ScalarMix
from hf_elmo.modeling.task_encoders import AttentivePooling, TaskBiLstm

WIDTH = 128  # every contender's vectors are brought to
HIDDEN = 128  # of one direction of the BiLSTM
DROPOUT = 0.3
LEARNING_RATE = 3e-3  # of Adam, as the BiLSTM taggers of Qi et al. 2018 (CoNLL shared task)
SENTENCES_PER_CALL = 512
LONGEST = 256  # words of a text that a head reads
IGNORED = -100


class Features:
    """Vectors of all words of some sentences in a row, (words, layers, dimension) float16, and where each begins."""

    def __init__(self, values: np.ndarray, offsets: np.ndarray):
        self.values, self.offsets = values, offsets

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def lengths(self) -> np.ndarray:
        return np.minimum(np.diff(self.offsets), LONGEST)

    def batch(self, rows: Any) -> tuple[Tensor, Tensor]:
        """Vectors (B, T, layers, dimension) float32 of some sentences, and their mask (B, T) bool."""
        lengths = self.lengths()[rows]
        longest = max(1, int(lengths.max()))
        values = np.zeros((len(rows), longest, *self.values.shape[1:]), np.float16)
        for place, (row, length) in enumerate(zip(rows, lengths, strict=True)):
            start = self.offsets[row]
            values[place, :length] = self.values[start : start + length]
        return torch.from_numpy(values).float(), torch.arange(longest) < torch.from_numpy(lengths)[:, None]


def cached_features(contender: Contender, sentences: Sequence[Sequence[str]], cache: Path) -> Features:
    """The features of sentences, from the cache if they are there; one process computes them while others wait.

    Args:
        contender: gives the vectors; another model under its name has other files.
        sentences: lists of words, cut after `LONGEST` words.
        cache: folder.
    """
    cut = [list(words[:LONGEST]) for words in sentences]
    who = [contender.name, identity(contender.spec)]
    digest = hashlib.sha256(json.dumps([who, cut], ensure_ascii=True).encode()).hexdigest()[:24]
    values_path, offsets_path = cache / f"{digest}.npy", cache / f"{digest}.offsets.npy"
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / f"{digest}.lock"):
        if not values_path.exists():
            _compute_features(contender, cut, values_path, offsets_path)
    return Features(np.load(values_path, mmap_mode="r"), np.load(offsets_path))


def _compute_features(contender: Contender, sentences: list[list[str]], values_path: Path, offsets_path: Path) -> None:
    offsets = np.cumsum([0, *map(len, sentences)])
    shape = (int(offsets[-1]), len(contender.layers), contender.dimension)
    temporary = values_path.with_suffix(".part")
    values = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float16, shape=shape)
    for begin in range(0, len(sentences), SENTENCES_PER_CALL):
        vectors = contender.vectors(sentences[begin : begin + SENTENCES_PER_CALL])
        for row, tensor in enumerate(vectors, begin):
            values[offsets[row] : offsets[row + 1]] = as_stored(tensor)
    values.flush()
    del values
    np.save(offsets_path, offsets)
    os.replace(temporary, values_path)


def as_stored(vectors: Tensor) -> np.ndarray:
    """Vectors (layers, words, dimension) of a sentence as features hold them: (words, layers, dimension) float16."""
    return vectors.transpose(0, 1).clamp(-65504, 65504).half().numpy()


class LayerInput(nn.Module):
    """Vectors of all layers (B, T, layers, dimension) -> mixed and brought to `WIDTH`, (B, T, WIDTH)."""

    mean: Tensor
    scale: Tensor

    def __init__(self, features: Features):
        super().__init__()
        _, layers, dimension = features.values.shape
        words = features.values[:50_000].astype(np.float32)
        mean, deviation = (torch.from_numpy(part) for part in (words.mean(axis=0), words.std(axis=0)))
        self.register_buffer("mean", mean)
        self.register_buffer("scale", torch.where(deviation > 1e-4, 1 / deviation.clamp(min=1e-4), 0.0))
        self.mix = ScalarMix(layers)
        self.project = nn.Linear(dimension, WIDTH)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, vectors: Tensor, mask: Tensor) -> Tensor:
        # The mix of (vector - mean) * scale, without another copy of all layers.
        shares = self.mix.gamma * torch.softmax(self.mix.scalar_parameters, dim=0)
        factors = shares[:, None] * self.scale  # (layers, dimension)
        mixed = (vectors * factors).sum(dim=2) - (self.mean * factors).sum(dim=0)
        return self.dropout(self.project(mixed.masked_fill(~mask.unsqueeze(-1), 0)))


class WordInput(nn.Module):
    """Static vectors that learn: word numbers (B, T) -> (B, T, WIDTH)."""

    def __init__(self, table: Tensor):
        super().__init__()
        self.table = nn.Embedding.from_pretrained(table / table.std().clamp(min=1e-4), freeze=False)
        self.project = nn.Linear(table.shape[1], WIDTH)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, vectors: Tensor, mask: Tensor) -> Tensor:
        return self.dropout(self.project(self.table(vectors)))


class Tagger(nn.Module):
    """Input, BiLSTM, label of every word: (B, T, labels)."""

    def __init__(self, source: nn.Module, labels: int):
        super().__init__()
        self.source, self.encoder = source, TaskBiLstm(head_config(), WIDTH)
        self.classifier = nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(2 * HIDDEN, labels))

    def forward(self, vectors: Tensor, mask: Tensor) -> Tensor:
        return self.classifier(self.encoder(self.source(vectors, mask), mask))


class TextClassifier(nn.Module):
    """Input, BiLSTM, attentive pooling, label of the text: (B, labels)."""

    def __init__(self, source: nn.Module, labels: int):
        super().__init__()
        self.source, self.pooling = source, AttentivePooling(head_config(), WIDTH)
        self.classifier = nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(self.pooling.output_size, labels))

    def forward(self, vectors: Tensor, mask: Tensor) -> Tensor:
        return self.classifier(self.pooling(self.source(vectors, mask), mask, mask))


def head_config() -> ElmoConfig:
    """Sizes of the networks of `hf_elmo.modeling.task_encoders`."""
    return ElmoConfig(task_hidden_size=HIDDEN, task_num_layers=1)


@dataclass(frozen=True)
class Budget:
    """How long is trained: the same number of updates with batches of one size for every contender."""

    updates: int
    batch_size: int = 32
    learning_rate: float = LEARNING_RATE

    def as_dict(self) -> dict[str, Any]:
        return {"updates": self.updates, "batch_size": self.batch_size, "learning_rate": self.learning_rate}


def train_head(model: nn.Module, source: Any, targets: list[Any], budget: Budget, seed: int, device: Any) -> float:
    """Train a head for a fixed number of updates; its last state counts, nothing is selected.

    Args:
        model: a head, made under the same seed.
        source: with `lengths()` and `batch(rows)`, as `Features`.
        targets: for each sentence its label, or a list of labels of its words, or [first, last] word of its answer.
        budget: updates, batch size, learning rate, which falls to a tenth in even steps.
        seed: of batches and dropout.
        device: of torch.
    Returns:
        the mean loss of the last tenth of the updates.
    Raises:
        ValueError: the loss is not finite.
    """
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    model.to(device).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=budget.learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - 0.9 * step / budget.updates)
    losses: list[Tensor] = []
    for rows in bucketed_batches(source.lengths(), budget.batch_size, budget.updates, generator):
        vectors, mask = (part.to(device) for part in source.batch(rows))
        logits = model(vectors, mask)
        wanted = _padded([targets[row] for row in rows], logits.shape[1]).to(device)
        loss = nn.functional.cross_entropy(logits.flatten(0, -2), wanted.flatten(), ignore_index=IGNORED)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.detach())
    return last_loss(losses)


def last_loss(losses: list[Tensor]) -> float:
    """Mean of the last tenth of the losses.

    Raises:
        ValueError: it is not finite.
    """
    mean = float(torch.stack(losses[-max(1, len(losses) // 10) :]).mean())
    if not np.isfinite(mean):
        raise ValueError(f"the training diverged: its loss is {mean}")
    return mean


@torch.inference_mode()
def predict(model: nn.Module, source: Any, device: Any, batch_size: int = 64) -> list[Any]:
    """Number of the best label of each text, or for taggers a list of the best of each word; cut words have none."""
    model.to(device).eval()
    lengths = source.lengths()
    found: list[Any] = [None] * len(lengths)
    order = np.argsort(lengths, kind="stable")
    for begin in range(0, len(order), batch_size):
        rows = order[begin : begin + batch_size]
        vectors, mask = (part.to(device) for part in source.batch(rows))
        best = model(vectors, mask).argmax(dim=-1).cpu()
        for row, one in zip(rows, best, strict=True):
            found[row] = one[: lengths[row]].tolist() if best.dim() == 2 else int(one)
    return found


def bucketed_batches(
    lengths: np.ndarray, size: int, count: int, generator: np.random.Generator
) -> Iterator[np.ndarray]:
    """So many random batches of similar lengths: all rows once, then all again; sorted within stretches of 16 batches."""
    while count > 0:
        order = generator.permutation(len(lengths))
        batches = []
        for begin in range(0, len(order), 16 * size):
            part = order[begin : begin + 16 * size]
            part = part[np.argsort(lengths[part], kind="stable")]
            batches += [part[start : start + size] for start in range(0, len(part), size)]
        for place in generator.permutation(len(batches))[:count]:
            yield batches[place]
        count -= len(batches)


def _padded(targets: list[Any], width: int) -> Tensor:
    if not isinstance(targets[0], list):
        return torch.tensor(targets)
    return torch.tensor([row[:width] + [IGNORED] * (width - len(row)) for row in targets])


class WordNumbers:
    """Sentences as numbers of words for `WordInput`, with `lengths` and `batch` as `Features` have."""

    def __init__(self, sentences: Sequence[Sequence[str]], numbers: dict[str, int]):
        self.rows = [[numbers[word] for word in words[:LONGEST]] for words in sentences]

    def lengths(self) -> np.ndarray:
        return np.array([len(row) for row in self.rows])

    def batch(self, rows: Any) -> tuple[Tensor, Tensor]:
        lengths = self.lengths()[rows]
        longest = max(1, int(lengths.max()))
        ids = torch.tensor([self.rows[row] + [0] * (longest - len(self.rows[row])) for row in rows])
        return ids, torch.arange(longest) < torch.from_numpy(lengths)[:, None]
