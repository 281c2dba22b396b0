# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Batches in the order of bilm-tf: rows of text that go on from batch to batch, with the LSTM's state carried along."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from hf_elmo.corpus.settings import PreparationError
from hf_elmo.corpus.token_shards import TokenShards

SHUFFLES = ("sentences", "shards", "none")
DIRECTIONS = ("forward", "backward")
IGNORED = -100  # the label of a position that is not predicted


class LaneBatches(Iterator[dict[str, dict[str, torch.Tensor]]]):
    """Windows of `unroll_steps` words for each of the rows (lanes), as bilm-tf packs them (`bilm/data.py`, `_get_batch`).

    Every row reads a sentence to its end and then takes the next one that no row has taken. The forward direction reads
    `<S> w1 .. wn` and predicts `w1 .. wn </S>`; the backward one reads `</S> wn .. w1` and predicts `wn .. w1 <S>`, from
    a stream of its own with its own order. Row b of one batch goes on in row b of the next.

    With N processes each has `batch_size` of the N * `batch_size` rows, and together they have the very rows of one
    process with N * `batch_size`.

    Args:
        shards: the corpus.
        batch_size: rows of this process (B).
        unroll_steps: words of a window (T).
        shuffle: "sentences" takes shards in random order and the sentences of each in random order, as bilm-tf trains;
            "shards" keeps the text within a shard in order; "none" keeps all.
        seed: decides the orders, together with the epoch and the direction.
        epochs: passes over the text; None never ends. Rows go on from one into the next.
        drop_last: leave out the window that the text does not fill, as bilm-tf does; else it is filled with `<S>` whose
            label is -100, so that every word comes exactly once.
        max_characters_per_token: character ids of a word (C).
        rank, world_size: which of how many processes this one is.
    Raises:
        PreparationError: an impossible setting.
    """

    def __init__(
        self,
        shards: TokenShards,
        batch_size: int,
        unroll_steps: int = 20,
        *,
        shuffle: str = "sentences",
        seed: int = 0,
        epochs: int | None = None,
        drop_last: bool = True,
        max_characters_per_token: int = 50,
        rank: int = 0,
        world_size: int = 1,
    ):
        if shuffle not in SHUFFLES:
            raise PreparationError(f"shuffle must be one of {', '.join(SHUFFLES)}; got {shuffle!r}")
        if batch_size < 1 or unroll_steps < 1:
            raise PreparationError(f"batch_size={batch_size} and unroll_steps={unroll_steps} must be at least 1")
        if not 0 <= rank < world_size:
            raise PreparationError(f"rank={rank} must be from 0 to below world_size={world_size}")
        self.shards, self.batch_size, self.unroll_steps = shards, batch_size, unroll_steps
        self.drop_last, self.width = drop_last, max_characters_per_token
        own = range(rank * batch_size, (rank + 1) * batch_size)
        self._order: dict[str, Any] = {
            "shards": shards.fingerprint,
            "rows": batch_size * world_size,
            "unroll_steps": unroll_steps,
        }
        self._order |= {"shuffle": shuffle, "seed": seed}
        self._lanes = {
            name: _Lanes(_Stream(shards, shuffle, [seed, number], epochs), name, batch_size * world_size, own)
            for number, name in enumerate(DIRECTIONS)
        }

    @property
    def epoch(self) -> int:
        """Passes over the text that the forward direction has finished."""
        return self._lanes["forward"].stream.epoch

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches that the text fills once; every sentence has a position more than words."""
        return (self.shards.words + self.shards.sentences) // (self._order["rows"] * self.unroll_steps)

    def __next__(self) -> dict[str, dict[str, torch.Tensor]]:
        """The next batch: for "forward" and "backward" each a dict of

        `input_ids`, `labels` and `attention_mask` (B, T) int64, the last all ones as lanes have no padding, and
        `unknown_positions` (U,) and `unknown_char_ids` (U, C), from which `model_inputs` makes the model's arguments.
        """
        windows = {name: lanes.next_window(self.unroll_steps) for name, lanes in self._lanes.items()}
        filled = [window.filled for window in windows.values()]
        total = self._order["rows"] * self.unroll_steps
        if not any(filled) or self.drop_last and min(filled) < total:
            raise StopIteration
        return {name: self._tensors(window) for name, window in windows.items()}

    def _tensors(self, window: "_Window") -> dict[str, torch.Tensor]:
        return {
            **self.shards.look_up(window.inputs, self.width),
            "labels": torch.from_numpy(self.shards.ids_of(window.targets)),
            "attention_mask": torch.ones(window.inputs.shape, dtype=torch.int64),
        }

    def state_dict(self) -> dict[str, Any]:
        """The exact position, in numbers and lists; the same for every process."""
        return {"order": dict(self._order), **{name: lanes.state_dict() for name, lanes in self._lanes.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a position; the next batch is then the one that followed there.

        Raises:
            PreparationError: the position is of another corpus or order; names what differs.
        """
        check_order(state["order"], self._order)
        for name, lanes in self._lanes.items():
            lanes.load_state_dict(state[name])


def check_order(saved: dict[str, Any], own: dict[str, Any]) -> None:
    """Refuse a position in another order of the data."""
    different = [f"{name} {saved.get(name)} there, {own[name]} here" for name in own if saved.get(name) != own[name]]
    if different:
        raise PreparationError(f"the saved position is of another order of the data: {'; '.join(different)}")


class _Stream:
    """The sentences in the order of one direction, as (shard, sentence, words)."""

    def __init__(self, shards: TokenShards, shuffle: str, seed: list[int], epochs: int | None):
        self.shards, self.shuffle, self.seed, self.epochs = shards, shuffle, seed, epochs
        self.go_to(0, 0, 0)

    def go_to(self, epoch: int, place: int, sentence: int) -> None:
        """Continue with sentence number `sentence` of the shard number `place` in the order of an epoch."""
        self.epoch, self.place, self.sentence = epoch, place, sentence
        count = self.shards.num_shards
        rng = np.random.default_rng([*self.seed, epoch])
        self._shards = np.arange(count) if self.shuffle == "none" else rng.permutation(count)
        self._open()

    def _open(self) -> None:
        self._shard = int(self._shards[self.place])
        self._lengths = np.diff(self.shards.shard(self._shard).sentences)
        rng = np.random.default_rng([*self.seed, self.epoch, self._shard])
        count = len(self._lengths)
        self._sentences = rng.permutation(count) if self.shuffle == "sentences" else np.arange(count)

    def next(self) -> tuple[int, int, int] | None:
        """The next sentence, None at the end."""
        if self.epochs is not None and self.epoch >= self.epochs:
            return None
        sentence = int(self._sentences[self.sentence])
        found = self._shard, sentence, int(self._lengths[sentence])
        self.sentence += 1
        if self.sentence == len(self._sentences):
            if self.place + 1 < len(self._shards):
                self.place, self.sentence = self.place + 1, 0
                self._open()
            else:
                self.go_to(self.epoch + 1, 0, 0)
        return found


class _Window:
    """One window of one direction: references, (B, T) int64 each, and how many positions of all processes it has."""

    def __init__(self, rows: int, steps: int, filler: int):
        self.inputs = np.full((rows, steps), filler, np.int64)
        self.targets = np.full((rows, steps), IGNORED, np.int64)
        self.filled = 0


class _Lanes:
    """The rows of one direction. All rows are counted, but only those of this process are read."""

    def __init__(self, stream: _Stream, direction: str, rows: int, own: range):
        self.stream, self.own = stream, own
        special = stream.shards.special
        self.ends = (special.bos, special.eos) if direction == "forward" else (special.eos, special.bos)
        self.step = 1 if direction == "forward" else -1
        # Of each row the sentence that it reads, and how much of it is left to be predicted.
        self.reading: list[tuple[int, int]] = [(0, 0)] * rows
        self.left = [0] * rows
        self.symbols: dict[int, np.ndarray] = {}

    def next_window(self, steps: int) -> _Window:
        window = _Window(len(self.own), steps, self.stream.shards.special.bos)
        for row in range(len(self.left)):
            position = 0
            while position < steps:
                if self.left[row] == 0 and not self._take(row):
                    break
                count = min(self.left[row], steps - position)
                if row in self.own:
                    symbols = self.symbols[row][-self.left[row] - 1 :]
                    place = row - self.own.start, slice(position, position + count)
                    window.inputs[place], window.targets[place] = symbols[:count], symbols[1 : count + 1]
                self.left[row] -= count
                position += count
            window.filled += position
        return window

    def _take(self, row: int) -> bool:
        found = self.stream.next()
        if found is None:
            return False
        shard, sentence, words = found
        self.reading[row], self.left[row] = (shard, sentence), words + 1
        self._read(row)
        return True

    def _read(self, row: int) -> None:
        if row in self.own:
            words = self.stream.shards.references(*self.reading[row])[:: self.step]
            self.symbols[row] = np.concatenate([self.ends[:1], words, self.ends[1:]])

    def state_dict(self) -> dict[str, Any]:
        stream = self.stream
        rows = [[*reading, left] for reading, left in zip(self.reading, self.left, strict=True)]
        return {"stream": [stream.epoch, stream.place, stream.sentence], "rows": rows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.stream.go_to(*state["stream"])
        for row, (shard, sentence, left) in enumerate(state["rows"]):
            self.reading[row], self.left[row] = (shard, sentence), left
            if left:
                self._read(row)
