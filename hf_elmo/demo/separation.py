# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Do vectors of one word tell its senses apart? Cosines, and how often a random sorting would do as well.

Shapes: P occurrences of a word, S their vectors' size.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb, factorial, prod

import numpy as np

SIGNIFICANT = 0.05
EQUAL = 1e-6  # cosines that differ by less are the same but for rounding
MOST_SORTINGS = 5000  # more are not tried one by one but drawn


@dataclass(frozen=True)
class Separation:
    """How the occurrences of one word lie on one layer."""

    cosines: np.ndarray  # (P, P) float64
    same: float  # mean cosine of two occurrences of one sense
    different: float  # and of two senses
    chance: float  # share of all sortings of the occurrences into such senses with at least this difference
    least_chance: float  # what a perfect order would have: few sentences cannot tell
    nearest_same: float  # share of occurrences whose nearest other one has their sense

    @property
    def separates(self) -> bool:
        return self.chance <= SIGNIFICANT


def cosines(vectors: np.ndarray) -> np.ndarray:
    """Cosines (P, P) float64 of vectors (P, S); a vector of zeros has the cosine 0 with all."""
    vectors = vectors.astype(np.float64)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
    return unit @ unit.T


def separation(vectors: np.ndarray, senses: Sequence[str], seed: int = 0) -> Separation:
    """Compare the cosines within senses with those between them.

    The chance is that of a permutation test on the difference of both means: exact for up to 5000 sortings, so that
    with four sentences of each of two senses a perfect order has 2 of 70.

    Args:
        vectors: (P, S).
        senses: of each.
        seed: of the sortings drawn where there are too many.
    Raises:
        ValueError: fewer than two senses, or none with two occurrences.
    """
    names = sorted(set(senses))
    labels = np.array([names.index(sense) for sense in senses])
    counts = np.bincount(labels)
    if len(names) < 2 or counts.max() < 2:
        raise ValueError(
            f"{len(labels)} occurrences of {len(names)} senses; needed are two senses, and one of them twice"
        )
    matrix = cosines(vectors)
    sortings, exact = _sortings(counts, seed)
    same, different = _means(matrix, labels[None])
    gaps = np.subtract(*_means(matrix, sortings))
    at_least = int((gaps >= same[0] - different[0] - EQUAL).sum())
    # Of drawn sortings, the true one counts as one more: no estimate is zero.
    chance = at_least / len(sortings) if exact else (at_least + 1) / (len(sortings) + 1)
    return Separation(
        matrix, float(same[0]), float(different[0]), chance, _least_chance(counts), _nearest_same(matrix, labels)
    )


def expected_nearest_same(senses: Sequence[str]) -> float:
    """`nearest_same` of vectors that know nothing of senses."""
    counts = np.array([list(senses).count(sense) for sense in senses])
    return float(((counts - 1) / (len(counts) - 1)).mean())


def more_than_chance(separated: int, words: int) -> bool:
    """Whether so many of these words would rarely (5 %) separate if each did so by chance, 5 % of the time."""
    tail = sum(comb(words, k) * SIGNIFICANT**k * (1 - SIGNIFICANT) ** (words - k) for k in range(separated, words + 1))
    return tail <= SIGNIFICANT


def _means(matrix: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean cosine within and between senses for each row of labels (N, P), all rows with the same counts."""
    within, pairs_within = np.zeros(len(labels)), 0
    for sense in range(labels.max() + 1):
        members = (labels == sense).astype(np.float64)
        within += ((members @ matrix) * members).sum(axis=1) - members @ matrix.diagonal()
        pairs_within += int(members[0].sum() * (members[0].sum() - 1))
    size = len(matrix)
    between = matrix.sum() - matrix.trace() - within
    return within / pairs_within, between / (size * (size - 1) - pairs_within)


def _nearest_same(matrix: np.ndarray, labels: np.ndarray) -> float:
    """Ties, which are all of them where there is no context, count by their share."""
    others = matrix - 2 * np.eye(len(matrix)) * (1 + np.abs(matrix))
    nearest = others >= others.max(axis=1, keepdims=True) - EQUAL
    right = nearest & (labels[:, None] == labels[None, :])
    return float((right.sum(1) / nearest.sum(1)).mean())


def _sortings(counts: np.ndarray, seed: int) -> tuple[np.ndarray, bool]:
    """Labels (N, P) of all ways to sort the occurrences into senses of these sizes, or of some drawn ones."""
    total = int(counts.sum())
    if _number_of_sortings(counts) <= MOST_SORTINGS:
        return np.array(list(_all_sortings(list(range(total)), [int(count) for count in counts]))), True
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    return np.stack([generator.permutation(labels) for _ in range(MOST_SORTINGS)]), False


def _number_of_sortings(counts: np.ndarray) -> int:
    return factorial(int(counts.sum())) // prod(factorial(int(count)) for count in counts)


def _least_chance(counts: np.ndarray) -> float:
    """Senses of the same size can change their names: such sortings are as good as the true one."""
    equal = prod(factorial(int(times)) for times in np.bincount(counts))
    return max(equal / _number_of_sortings(counts), 1 / (MOST_SORTINGS + 1))


def _all_sortings(free: list[int], counts: list[int], sense: int = 0) -> Iterator[list[int]]:
    """Labels of the places in `free`, those of `sense` and above being given out."""
    if sense == len(counts) - 1:
        yield [sense] * len(free)
        return
    for chosen in combinations(range(len(free)), counts[sense]):
        rest = [place for place in range(len(free)) if place not in chosen]
        for below in _all_sortings(rest, counts, sense + 1):
            labels = [sense] * len(free)
            for place, label in zip(rest, below, strict=True):
                labels[place] = label
            yield labels
