# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""How the sentences of some shards become rows for BERT: where each segment begins and ends.

No piece of the text is left out. A sentence of more pieces than half a row has room for is cut, at the beginning of a
word, so that two segments always fit, and the last one of a full row can go on in the next.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from hf_elmo.training.piece_shards import Text

MARKS_OF_PAIR, MARKS_OF_SINGLE = 3, 2  # [CLS] A [SEP] B [SEP], and [CLS] A [SEP]
_DRAWS = 4  # random numbers of a row: shorter or not, how short, where A ends, B random or not
_LEAST_PART = 8  # pieces on either side where the end of a row cuts a sentence


class Rows(NamedTuple):
    """Rows of text, each one or two segments of consecutive pieces."""

    first: np.ndarray  # (R, 2) int64, where segment A begins and ends among the pieces
    second: np.ndarray  # (R, 2) int64, the same of segment B; begin = end where there is none
    replaced: np.ndarray  # (R,) int64, 1 where B is of another document, else 0

    def take(self, chosen: np.ndarray) -> "Rows":
        """The chosen rows, by number or mask, in that order."""
        return Rows(self.first[chosen], self.second[chosen], self.replaced[chosen])


class _Units(NamedTuple):
    """Sentences, the long ones cut."""

    bounds: np.ndarray  # (U + 1,) int64, where each begins in the pieces, and the end
    documents: np.ndarray  # (D + 1,) int64, numbers of the units with which documents begin, and the end
    word_begins: np.ndarray  # (N + 1,) int32, for each piece the first one of its word


def plan_rows(
    text: Text,
    continues: np.ndarray,
    rng: np.random.Generator,
    max_length: int,
    short_fraction: float,
    next_sentence: bool,
) -> Rows:
    """Cut a text into rows, in its order (Devlin et al. 2018, appendix A.2).

    A row takes sentences of one document until it is full; where the last one does not fit, its rest begins the next row.
    At random, a row has a shorter target length instead: as many whole sentences as fit, but at least one for each
    segment. Without next sentences all are its segment. With them the segment A gets the first ones, at least one and as
    many as chance decides. In half of the rows B gets what follows; in the other half, and where nothing follows as the
    document ends, B is taken from a random place of another document, and what follows is left for the next row. In this
    way each piece of the text comes once, besides those taken at random. Both kinds of B end in the same way, so that
    the end does not give the kind away.

    Args:
        continues: (V,) bool, which pieces go on with a word.
        max_length: positions of a row at most (T), marks included.
        short_fraction: of rows with a shorter target, 0 to 1.
        next_sentence: two segments; then the text needs two documents with different numbers.
    """
    room = max_length - (MARKS_OF_PAIR if next_sentence else MARKS_OF_SINGLE)
    least = 2 if next_sentence else 1  # units of a row, if the document has them; they fit into any row
    units = _cut_long(text, continues, room // least)
    bounds = units.bounds.tolist()
    draws = _draws(rng)
    begins: list[int] = []
    middles: list[int] = []
    ends: list[int] = []
    wanted: list[int] = []  # pieces of a random B; 0 for all that there is room for
    for unit, end in zip(units.documents[:-1].tolist(), units.documents[1:].tolist(), strict=True):
        position = bounds[unit]
        while unit < end:
            shorter, how_short, middle, replaced = next(draws)
            target = 0 if shorter >= short_fraction else least + int(how_short * (room - least + 1))
            limit = position + (target or room)
            last = min(unit + least, end)
            while last < end and bounds[last + 1] <= limit:
                last += 1
            # The row has the units before `last`, and if it is full a part of that one.
            stop = bounds[last]
            if not target and last < end and limit - stop >= _LEAST_PART:
                cut = int(units.word_begins[min(limit, bounds[last + 1] - _LEAST_PART)])
                if cut - stop >= _LEAST_PART:
                    stop = cut
            begins.append(position)
            if next_sentence:
                # A can have every unit but the last one, or but the part of it
                choices = last - unit - (stop == bounds[last])
                split = unit + 1 + int(middle * choices) if choices else last
                middles.append(bounds[split])
                if not choices or replaced < 0.5:
                    last, stop = split, bounds[split]
                    wanted.append(target and max(target - (stop - position), 1))
                else:
                    wanted.append(-1)
            ends.append(stop)
            unit, position = last, stop
    if not next_sentence:
        none = np.zeros(len(begins), np.int64)
        return Rows(np.stack([begins, ends], axis=1), np.stack([none, none], axis=1), none)
    first, second = np.stack([begins, middles], axis=1), np.stack([middles, ends], axis=1)
    replaced_rows = np.array(wanted) >= 0
    chosen = np.flatnonzero(replaced_rows)
    own = np.searchsorted(units.bounds[units.documents], first[chosen, 0], side="right") - 1
    free = room - np.diff(first)[chosen, 0]
    second[chosen] = _random_segments(rng, units, text.numbers, own, np.array(wanted)[chosen], free)
    return Rows(first, second, replaced_rows.astype(np.int64))


def _draws(rng: np.random.Generator) -> Iterator[list[float]]:
    while True:
        yield from rng.random((1024, _DRAWS)).tolist()


def _cut_long(text: Text, continues: np.ndarray, longest: int) -> _Units:
    """Units of at most `longest` pieces."""
    begins = np.where(continues[text.pieces], 0, np.arange(len(text.pieces), dtype=np.int32))
    word_begins = np.append(np.maximum.accumulate(begins, dtype=np.int32), np.int32(len(text.pieces)))
    bounds = text.sentences
    cuts: list[int] = []
    owners: list[int] = []
    for sentence in np.flatnonzero(np.diff(bounds) > longest).tolist():
        position, end = int(bounds[sentence]), int(bounds[sentence + 1])
        while end - position > longest:
            cut = int(word_begins[position + longest])
            position = cut if cut > position else position + longest  # a word longer than that is cut inside
            cuts.append(position)
            owners.append(sentence)
    added = np.zeros(len(bounds), np.int64)
    np.cumsum(np.bincount(np.array(owners, np.int64), minlength=len(bounds) - 1), out=added[1:])
    units = np.sort(np.concatenate([bounds, np.array(cuts, np.int64)]))
    return _Units(units, text.documents + added[text.documents], word_begins)


def _random_segments(
    rng: np.random.Generator,
    units: _Units,
    numbers: np.ndarray,
    own: np.ndarray,
    wanted: np.ndarray,
    free: np.ndarray,
) -> np.ndarray:
    """A segment of another document for each row, (n, 2): it begins at a random unit, and ends as `plan_rows` ends rows.

    Args:
        numbers: which document of the corpus each is.
        own: (n,) the document of each row.
        wanted: (n,) pieces that whole units are to fill, at least one unit; 0 for all that are free.
        free: (n,) pieces that there is room for.
    """
    other = own.copy()
    while len(again := np.flatnonzero(numbers[other] == numbers[own])):
        other[again] = rng.integers(len(numbers), size=len(again))
    bounds, last_unit = units.bounds, units.documents[other + 1]
    start = units.documents[other] + (rng.random(len(other)) * np.diff(units.documents)[other]).astype(np.int64)
    limit = bounds[start] + np.where(wanted, wanted, free)
    last = np.clip(np.searchsorted(bounds, limit, side="right") - 1, start + 1, last_unit)
    stop = np.minimum(bounds[last], bounds[start] + free)
    following = bounds[np.minimum(last + 1, len(bounds) - 1)]
    cut = units.word_begins[np.maximum(np.minimum(limit, following - _LEAST_PART), 0)].astype(np.int64)
    fits = (wanted == 0) & (last < last_unit) & (cut - stop >= _LEAST_PART)
    return np.stack([bounds[start], np.where(fits, cut, stop)], axis=1)
