# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Batches of whole sentences of about the same length, without state: what inference with ELMo does."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch

from hf_elmo.corpus.lane_batches import IGNORED, check_order
from hf_elmo.corpus.settings import PreparationError
from hf_elmo.corpus.token_shards import TokenShards


class _Group(NamedTuple):
    """Some shards, whose sentences are sorted together, cut into batches."""

    sentences: np.ndarray  # (n, 2) shard and sentence, batch after batch
    bounds: np.ndarray  # (batches, 2) where each begins and ends, in the order in which they come


class SentenceBatches(Iterator[dict[str, torch.Tensor]]):
    """Batches of whole sentences with their marks, `<S> w1 .. wn </S>`, every sentence once in an epoch.

    Shards come in random order, `shards_together` of them at a time. Their sentences are shuffled, sorted by length
    and cut into batches of up to `max_tokens` positions, padding included, which come in random order. A sentence
    longer than that is a batch of its own.

    With N processes each has every Nth sentence of a batch of up to N * `max_tokens`, so that together they have the
    batches of one process with N * `max_tokens`. One for which there is no sentence has a row of padding, in which
    nothing is to be predicted: sum losses and targets over the processes before dividing.

    Args:
        shards: the corpus.
        max_tokens: positions of a batch of this process at most (B * T).
        shuffle: False keeps the order of shards, and of batches by length, for evaluation.
        seed: decides the order, together with the epoch.
        epochs: passes over the text; None never ends.
        shards_together: more of them shuffle better; memory and time before an epoch begins grow with them.
        max_characters_per_token: character ids of a word (C).
        rank, world_size: which of how many processes this one is.
    Raises:
        PreparationError: an impossible setting.
    """

    def __init__(
        self,
        shards: TokenShards,
        max_tokens: int,
        *,
        shuffle: bool = True,
        seed: int = 0,
        epochs: int | None = None,
        shards_together: int = 4,
        max_characters_per_token: int = 50,
        rank: int = 0,
        world_size: int = 1,
    ):
        if max_tokens < 3 or shards_together < 1:
            raise PreparationError(
                f"max_tokens={max_tokens} must be at least 3, shards_together={shards_together} at least 1"
            )
        if not 0 <= rank < world_size:
            raise PreparationError(f"rank={rank} must be from 0 to below world_size={world_size}")
        self.shards, self.shuffle, self.seed, self.epochs = shards, shuffle, seed, epochs
        self.rank, self.world_size, self.width = rank, world_size, max_characters_per_token
        self.shards_together = shards_together
        shards.kept_open = max(shards.kept_open, shards_together)
        self._order: dict[str, Any] = {
            "shards": shards.fingerprint,
            "max_tokens": max_tokens * world_size,
            "shuffle": shuffle,
        }
        self._order |= {"seed": seed, "shards_together": shards_together}
        self._num_groups = -(-shards.num_shards // shards_together)
        self._go_to(0, 0, 0)

    def _go_to(self, epoch: int, group: int, batch: int) -> None:
        self.epoch, self._group_number, self._batch = epoch, group, batch
        self._group = self._make_group(epoch, group)

    def _make_group(self, epoch: int, group: int) -> _Group:
        count, together = self.shards.num_shards, self.shards_together
        order = np.random.default_rng([self.seed, epoch]).permutation(count) if self.shuffle else np.arange(count)
        chosen = order[group * together : (group + 1) * together].tolist()
        lengths = [np.diff(self.shards.shard(shard).sentences) + 2 for shard in chosen]
        sentences = np.concatenate(
            [
                np.stack([np.full(len(found), shard), np.arange(len(found))], axis=1)
                for shard, found in zip(chosen, lengths, strict=True)
            ]
        )
        length = np.concatenate(lengths)
        rng = np.random.default_rng([self.seed, epoch, group])
        mixed = rng.permutation(len(length)) if self.shuffle else np.arange(len(length))
        by_length = mixed[np.argsort(length[mixed], kind="stable")]
        bounds = _cut(length[by_length], self._order["max_tokens"])
        return _Group(sentences[by_length], rng.permutation(bounds) if self.shuffle else bounds)

    def steps_in_epoch(self, epoch: int = 0) -> int:
        """Batches of an epoch; reads the lengths of all sentences."""
        return sum(len(self._make_group(epoch, group).bounds) for group in range(self._num_groups))

    def __next__(self) -> dict[str, torch.Tensor]:
        """The next batch: `input_ids`, `attention_mask` and `labels` (B, T) int64, which are the ids again, -100 for padding; and

        `unknown_positions` (U,) and `unknown_char_ids` (U, C), from which `model_inputs` makes the model's arguments.
        """
        if self.epochs is not None and self.epoch >= self.epochs:
            raise StopIteration
        start, end = self._group.bounds[self._batch].tolist()
        batch = self._tensors(self._group.sentences[start:end][self.rank :: self.world_size])
        self._batch += 1
        if self._batch == len(self._group.bounds):
            last = self._group_number + 1 == self._num_groups
            self._go_to(self.epoch + last, 0 if last else self._group_number + 1, 0)
        return batch

    def _tensors(self, chosen: np.ndarray) -> dict[str, torch.Tensor]:
        special = self.shards.special
        lengths = self.shards.lengths_of(chosen)
        shape = max(len(chosen), 1), int(lengths.max(initial=0)) + 2
        references, places = np.full(shape, special.pad, np.int64), np.arange(shape[1])
        mask = np.zeros(shape, np.int64)
        if len(chosen):
            ends = lengths[:, None] + 1
            references[:, 0] = special.bos
            # Row by row, as the words of one sentence after the other are read.
            references[(places > 0) & (places < ends)] = self.shards.references_of(chosen, lengths)
            references[places == ends] = special.eos
            mask[:] = places <= ends
        found = self.shards.look_up(references, self.width)
        attention_mask = torch.from_numpy(mask)
        labels = found["input_ids"].masked_fill(attention_mask == 0, IGNORED)
        return {**found, "attention_mask": attention_mask, "labels": labels}

    def state_dict(self) -> dict[str, Any]:
        """The exact position, in numbers; the same for every process."""
        return {"order": dict(self._order), "position": [self.epoch, self._group_number, self._batch]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a position; the next batch is then the one that followed there.

        Raises:
            PreparationError: the position is of another corpus or order; names what differs.
        """
        check_order(state["order"], self._order)
        self._go_to(*state["position"])


def _cut(lengths: np.ndarray, max_tokens: int) -> np.ndarray:
    """Cut sentences of ascending length into batches of up to `max_tokens` positions; (batches, 2) begins and ends."""
    ends = []
    start = 0
    while start < len(lengths):
        # positions with one sentence more: ascending, as the lengths are
        positions = lengths[start : start + max_tokens] * np.arange(1, len(lengths[start : start + max_tokens]) + 1)
        start += max(int(np.searchsorted(positions, max_tokens, side="right")), 1)
        ends.append(start)
    return np.stack([[0, *ends[:-1]], ends], axis=1)
