# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Batches for pretraining BERT: pairs of segments with masked pieces, or single segments."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch

from hf_elmo.corpus.lane_batches import check_order
from hf_elmo.corpus.settings import PreparationError
from hf_elmo.training.masking import IGNORED, mask_pieces, random_bits
from hf_elmo.training.pair_plan import Rows, plan_rows
from hf_elmo.training.piece_shards import PieceShards, Text

_LEAST_LENGTH = 8
_MULTIPLE = 8  # of which the width of a batch is one, for the matrix products of a GPU


class _Group(NamedTuple):
    """Some shards, whose rows are planned and shuffled together."""

    text: Text
    rows: Rows  # in the order in which they come
    key: int  # of their masks


class _Part(NamedTuple):
    """Rows of a batch that are of the same group."""

    group: _Group
    numbers: np.ndarray  # (b,) int64, in the group's order
    rows: Rows


class SentencePairs(Iterator[dict[str, torch.Tensor]]):
    """Batches for `transformers.BertForPreTraining`, as Devlin et al. 2018 (arXiv:1810.04805) make them.

    `plan_rows` says how sentences become rows, `mask_pieces` what is predicted. Shards come in random order,
    `shards_together` of them at a time, and their rows in random order; a random segment B is of another document of
    those shards. Rows go on from one epoch into the next, so that every batch is full, besides the last of all epochs.
    Everything follows from the seed, the epoch and the place of a row in it.

    With N processes, process r has the rows r, r + N, r + 2N, ... of the batch that one process with N * `batch_size`
    would have. One for which the last batch has no row gets one without text, all of whose labels are -100.

    Args:
        shards: the pieces.
        batch_size: rows of this process (B).
        max_length: positions of a row at most (T), `[CLS]` and `[SEP]` included.
        next_sentence: pairs of segments; False makes rows of one segment, for `BertForMaskedLM`.
        mask_fraction: of the pieces that are predicted, above 0 and below 1.
        whole_word: choose words, and mask all pieces of one.
        short_pair_fraction: of the rows that have a random shorter length, 0 to 1.
        shuffle: False keeps the order of the text; the random choices stay.
        seed: decides all of them, together with the epoch.
        epochs: passes over the text; None never ends.
        shards_together: more of them shuffle better; memory and time before their first row grow with them.
        rank, world_size: which of how many processes this one is.
    Raises:
        PreparationError: an impossible setting, or pairs wanted of a single document.
    """

    def __init__(
        self,
        shards: PieceShards,
        batch_size: int,
        *,
        max_length: int = 128,
        next_sentence: bool = True,
        mask_fraction: float = 0.15,
        whole_word: bool = False,
        short_pair_fraction: float = 0.1,
        shuffle: bool = True,
        seed: int = 0,
        epochs: int | None = None,
        shards_together: int = 4,
        rank: int = 0,
        world_size: int = 1,
    ):
        if batch_size < 1 or shards_together < 1:
            raise PreparationError(f"batch_size={batch_size} and shards_together={shards_together} must be at least 1")
        if max_length < _LEAST_LENGTH:
            raise PreparationError(f"max_length={max_length} must be at least {_LEAST_LENGTH}")
        if not 0 < mask_fraction < 1:
            raise PreparationError(f"mask_fraction={mask_fraction} must be above 0 and below 1")
        if not 0 <= short_pair_fraction <= 1:
            raise PreparationError(f"short_pair_fraction={short_pair_fraction} must be from 0 to 1")
        if not 0 <= rank < world_size:
            raise PreparationError(f"rank={rank} must be from 0 to below world_size={world_size}")
        if next_sentence and shards.documents < 2:
            raise PreparationError(
                f"{shards.folder} has a single document in its part {shards.split!r}, but a random next sentence is of "
                "another one: prepare the corpus with smaller documents (--documents blank-line), or give "
                "--no-next_sentence (in Python next_sentence=False)"
            )
        self.shards, self.batch_size, self.max_length, self.epochs = shards, batch_size, max_length, epochs
        self.rank, self.world_size = rank, world_size
        self._order: dict[str, Any] = {
            "shards": shards.fingerprint,
            "max_length": max_length,
            "next_sentence": next_sentence,
            "mask_fraction": mask_fraction,
            "whole_word": whole_word,
            "short_pair_fraction": short_pair_fraction,
            "shuffle": shuffle,
            "seed": seed,
            "shards_together": shards_together,
        }
        self._go_to(0, 0, 0)

    # ---------------------------------------------------------------------------------------------------------- order

    @property
    def epoch(self) -> int:
        """Passes over the text that are finished."""
        return self._epoch

    def _go_to(self, epoch: int, group: int, row: int) -> None:
        self._epoch, self._group_number, self._row = epoch, group, row
        self._groups = self._deal_shards(epoch)
        self._group: _Group | None = None

    def _deal_shards(self, epoch: int) -> list[list[int]]:
        """The shards of each group; pairs need two documents in each, so that some groups are larger."""
        order, count = self._order, self.shards.num_shards
        shards = np.random.default_rng([order["seed"], epoch]).permutation(count) if order["shuffle"] else range(count)
        groups: list[list[int]] = [[]]
        for shard in map(int, shards):
            if len(groups[-1]) >= order["shards_together"] and self._is_enough(groups[-1]):
                groups.append([])
            groups[-1].append(shard)
        if len(groups) > 1 and not self._is_enough(groups[-1]):
            groups[-2:] = [groups[-2] + groups[-1]]
        return groups

    def _is_enough(self, group: list[int]) -> bool:
        documents = self.shards.documents_of_shards[group]
        return not self._order["next_sentence"] or bool(documents.min() < documents.max())

    def _make_group(self, epoch: int, number: int, shards: list[int]) -> _Group:
        order = self._order
        text = self.shards.text(shards)
        seeds = np.random.SeedSequence([order["seed"], epoch, number + 1])  # 0 would be the order of the shards
        rng = np.random.default_rng(seeds)
        rows = plan_rows(
            text,
            self.shards.continues,
            rng,
            self.max_length,
            order["short_pair_fraction"],
            order["next_sentence"],
        )
        if order["shuffle"]:
            rows = rows.take(rng.permutation(len(rows.first)))
        return _Group(text, rows, int(seeds.spawn(1)[0].generate_state(1, np.uint64)[0]))

    def rows_in_epoch(self, epoch: int = 0) -> int:
        """Rows of an epoch; plans all of them."""
        groups = self._deal_shards(epoch)
        return sum(len(self._make_group(epoch, number, group).rows.first) for number, group in enumerate(groups))

    def steps_in_epoch(self, epoch: int = 0) -> int:
        """Batches that the rows of an epoch fill, the last one perhaps not to the end; plans all of them."""
        return -(-self.rows_in_epoch(epoch) // (self.batch_size * self.world_size))

    def state_dict(self) -> dict[str, Any]:
        """The exact position, in numbers; the same for every process. The batch size is not part of it."""
        return {"order": dict(self._order), "position": [self._epoch, self._group_number, self._row]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a position; the next batch is then the one that followed there.

        Raises:
            PreparationError: the position is of another corpus or order; names what differs.
        """
        check_order(state["order"], self._order)
        self._go_to(*state["position"])

    def once(self, batch_size: int) -> "SentencePairs":
        """The rows of the first epoch with the same settings, once, in the order of the text, on this process alone."""
        settings = {name: value for name, value in self._order.items() if name not in ("shards", "shuffle")}
        return SentencePairs(self.shards, batch_size, shuffle=False, epochs=1, **settings)

    # -------------------------------------------------------------------------------------------------------- batches

    def __next__(self) -> dict[str, torch.Tensor]:
        """The next batch, the arguments of `transformers.BertForPreTraining`, all int64:

        `input_ids`, `token_type_ids`, `attention_mask` and `labels` (B, T), the last -100 where nothing is predicted, T
        being the longest row's length rounded up to a multiple of 8; and with pairs `next_sentence_label` (B,), 0 where
        B follows A and 1 where it is of another document.
        """
        total = self.batch_size * self.world_size
        parts: list[_Part] = []
        found = 0
        while found < total and (self.epochs is None or self._epoch < self.epochs):
            if self._group is None:
                self._group = self._make_group(self._epoch, self._group_number, self._groups[self._group_number])
            group = self._group
            end = min(self._row + total - found, len(group.rows.first))
            numbers = np.arange(self._row, end)
            own = numbers[(numbers - self._row + found) % self.world_size == self.rank]
            parts.append(_Part(group, own, group.rows.take(own)))
            found += end - self._row
            self._row = end
            if end == len(group.rows.first):
                last = self._group_number + 1 == len(self._groups)
                self._go_to(self._epoch + last, 0 if last else self._group_number + 1, 0)
        if not found:
            raise StopIteration
        return {name: torch.from_numpy(value) for name, value in self._arrays(parts).items()}

    def _arrays(self, parts: list[_Part]) -> dict[str, np.ndarray]:
        marks = 3 if self._order["next_sentence"] else 2
        lengths = [np.diff(part.rows.first)[:, 0] + np.diff(part.rows.second)[:, 0] + marks for part in parts]
        longest = int(max((of_part.max() for of_part in lengths if len(of_part)), default=marks))
        width = min(-(-longest // _MULTIPLE) * _MULTIPLE, self.max_length)
        made = [self._make_rows(part, width) for part in parts if len(part.numbers)] or [self._empty_row(width)]
        return {name: np.concatenate([arrays[name] for arrays in made]) for name in made[0]}

    def _make_rows(self, part: _Part, width: int) -> dict[str, np.ndarray]:
        (text, _, key), rows, special = part.group, part.rows, self.shards.special
        pairs = self._order["next_sentence"]
        columns = np.arange(width)
        length = np.diff(rows.first)  # (b, 1)
        end = length + 1  # the column of the first [SEP]
        last = end + np.diff(rows.second) + 1 if pairs else end  # and of the last one
        in_second = columns > end
        places = columns + np.where(in_second, rows.second[:, :1] - end - 1, rows.first[:, :1] - 1)
        filled = columns <= last
        is_text = filled & (columns > 0) & (columns != end) & (columns != last)
        pieces = text.pieces[np.where(is_text, places, 0)].astype(np.int64)
        words = None
        if self._order["whole_word"]:
            begins = ~self.shards.continues[pieces] | ~is_text
            begins[:, 1:] |= ~is_text[:, :-1]  # a segment can begin inside of a word
            words = np.maximum.accumulate(np.where(begins, columns, 0), axis=1)
        read, labels = mask_pieces(
            pieces,
            is_text,
            random_bits(key, part.numbers, width),
            self._order["mask_fraction"],
            special.mask,
            range(len(special), self.shards.vocab_size),
            words,
        )
        marks = np.where(columns == 0, special.cls, np.where(filled, special.sep, special.pad))
        arrays = {
            "input_ids": np.where(is_text, read, marks),
            "token_type_ids": (in_second & filled).astype(np.int64),
            "attention_mask": filled.astype(np.int64),
            "labels": labels,
        }
        return {**arrays, "next_sentence_label": rows.replaced} if pairs else arrays

    def _empty_row(self, width: int) -> dict[str, np.ndarray]:
        special, pairs = self.shards.special, self._order["next_sentence"]
        ids = [special.cls, special.sep, *([special.sep] if pairs else [])]
        row = {name: np.zeros((1, width), np.int64) for name in ("input_ids", "token_type_ids", "attention_mask")}
        row["input_ids"][0] = special.pad
        row["input_ids"][0, : len(ids)], row["attention_mask"][0, : len(ids)] = ids, 1
        row["token_type_ids"][0, 2 : len(ids)] = 1
        row["labels"] = np.full((1, width), IGNORED, np.int64)
        return {**row, "next_sentence_label": np.full(1, IGNORED, np.int64)} if pairs else row


__all__ = ["PieceShards", "SentencePairs"]
