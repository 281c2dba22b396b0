# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The test of senses: planted ones are found, absent ones are not, and the numbers are those of a slow count."""

from itertools import permutations

import numpy as np
import pytest

from hf_elmo.demo.separation import cosines, expected_nearest_same, more_than_chance, separation

AABB = ["a"] * 4 + ["b"] * 4


def planted(strength: float, labels=AABB, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    centres = {label: random.standard_normal(30) for label in sorted(set(labels))}
    return np.stack([strength * centres[label] + random.standard_normal(30) for label in labels])


def slow(vectors: np.ndarray, labels: list[str]) -> tuple[float, float, float]:
    """Mean cosine within and between, and the share of orders of the labels with at least their difference."""

    def means(labels):
        within, between = [], []
        for i, first in enumerate(vectors):
            for j, second in enumerate(vectors):
                if i < j:
                    cosine = first @ second / (first @ first * (second @ second)) ** 0.5
                    (within if labels[i] == labels[j] else between).append(cosine)
        return np.mean(within), np.mean(between)

    same, different = means(labels)
    gaps = [np.subtract(*means(order)) for order in set(permutations(labels))]
    return same, different, float(np.mean([gap >= same - different - 1e-9 for gap in gaps]))


@pytest.mark.parametrize("labels", [["a", "a", "b"], list("aabbb"), list("aabbc"), list("abcabc"), list("aaaabb")])
@pytest.mark.parametrize("strength", [0.0, 0.7])
def test_the_numbers_are_those_of_a_slow_count(labels, strength):
    vectors = planted(strength, labels, seed=len(labels))
    found = separation(vectors, labels)
    same, different, chance = slow(vectors, labels)
    assert (found.same, found.different) == (pytest.approx(same), pytest.approx(different))
    assert found.chance == pytest.approx(chance)


def test_planted_senses_separate():
    found = separation(planted(3.0), AABB)
    assert found.separates and found.chance == pytest.approx(2 / 70)  # the order itself and its mirror image
    assert found.same > 0.6 > found.different and found.nearest_same == 1


def test_without_senses_chance_is_even():
    chances = np.array([separation(planted(0.0, seed=seed), AABB).chance for seed in range(300)])
    assert 0.45 < chances.mean() < 0.58
    assert (chances <= 0.05).mean() < 0.06  # at most 2 of 70 by the count of orders, and the spread of 300 draws


@pytest.mark.parametrize(("labels", "least"), [("aab", 1 / 3), ("aabb", 2 / 6), ("aaabbb", 2 / 20), ("aaabbbb", 1 / 35),
                                               ("aabbcc", 6 / 90), ("a" * 20 + "b" * 20, 1 / 5001)])  # fmt: skip
def test_a_perfect_order_has_the_least_chance(labels, least):
    found = separation(planted(60.0, list(labels)), list(labels))
    assert found.least_chance == pytest.approx(least) == pytest.approx(found.chance)


def test_equal_vectors_do_not_separate():
    found = separation(np.tile(np.arange(1.0, 9.0), (8, 1)), AABB)
    assert (found.same, found.different) == (pytest.approx(1), pytest.approx(1))
    assert found.chance == 1 and not found.separates
    assert found.nearest_same == pytest.approx(3 / 7) == pytest.approx(expected_nearest_same(AABB))


def test_rounding_is_no_difference():
    vectors = np.tile(np.linspace(0.1, 1, 50), (8, 1)).astype(np.float32)
    vectors[:4] *= np.float32(1.0000001)
    assert separation(vectors, AABB).chance == 1


def test_the_nearest_by_hand():
    angles = np.radians([0, 10, 50, 58, 12])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    # nearest: 0 -> 1 (same), 1 -> 4 (other), 2 -> 3 (same), 3 -> 2 (same), 4 -> 1 (other)
    assert separation(vectors, list("aabbb")).nearest_same == pytest.approx(3 / 5)


def test_many_occurrences_draw_sortings_always_the_same():
    labels = ["a"] * 12 + ["b"] * 12
    for strength, separates in ((3.0, True), (0.0, False)):
        first, second = (separation(planted(strength, labels), labels) for _ in range(2))
        assert first.chance == second.chance and first.separates is separates
    assert separation(planted(3.0, labels), labels).chance == pytest.approx(1 / 5001)
    weak = planted(0.15, labels, seed=1)
    assert separation(weak, labels, seed=1).chance != separation(weak, labels, seed=2).chance


def test_cosines_by_definition():
    vectors = np.array([[3.0, 4.0], [4.0, 3.0], [0.0, 0.0], [-3.0, -4.0]])
    np.testing.assert_allclose(cosines(vectors)[0], [1, 0.96, 0, -1], atol=1e-12)
    assert not cosines(vectors)[2].any()


@pytest.mark.parametrize("labels", [["a", "a"], ["a", "b"], ["a", "b", "c"]])
def test_too_few_senses(labels):
    with pytest.raises(ValueError, match="occurrences of . senses; needed are two senses, and one of them twice"):
        separation(planted(1.0, labels), labels)


@pytest.mark.parametrize(
    ("separated", "words", "expected"), [(0, 10, False), (2, 10, False), (3, 10, True), (1, 1, True)]
)
def test_more_than_chance_is_a_binomial_tail(separated, words, expected):
    from scipy.stats import binom

    assert more_than_chance(separated, words) is expected is bool(binom.sf(separated - 1, words, 0.05) <= 0.05)
