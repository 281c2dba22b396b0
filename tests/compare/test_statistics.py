# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Statistics against enumeration, closed forms and simulations."""

from itertools import product
from math import comb

import numpy as np
import pytest

from hf_elmo.compare import statistics as st


def test_mean_and_deviation():
    assert st.mean_sd([1.0, 2.0, 3.0]) == (2.0, 1.0)
    assert st.mean_sd([4.0]) == (4.0, None)
    with pytest.raises(ValueError, match="no values"):
        st.mean_sd([])


def test_interval_is_near_the_normal_one_and_repeatable():
    scores = np.random.default_rng(0).normal(10, 3, 400)
    low, high = st.bootstrap_interval(scores, seed=1)
    half = 1.96 * scores.std() / 20
    assert low == pytest.approx(scores.mean() - half, abs=0.1 * half)
    assert high == pytest.approx(scores.mean() + half, abs=0.1 * half)
    assert (low, high) == st.bootstrap_interval(scores, seed=1) != st.bootstrap_interval(scores, seed=2)
    assert st.bootstrap_interval([1.0, 1.0, 1.0]) == (1.0, 1.0)


def test_right_or_wrong_is_tested_by_mcnemar():
    a, b = [1] * 9 + [0] * 2 + [1] * 5, [0] * 9 + [1] * 2 + [1] * 5
    expected = 2 * sum(comb(11, k) for k in range(3)) / 2**11  # 9 against 2, two-sided
    test = st.paired_test(a, b)
    assert test["test"].startswith("McNemar") and test["p"] == pytest.approx(expected)
    assert test["difference"] == pytest.approx(7 / 16) and test["n"] == 16
    assert st.paired_test(a, a)["p"] == 1.0


def test_permutations_agree_with_enumeration():
    a, b = np.random.default_rng(3).normal(size=(2, 9)) + [[0.6], [0.0]]
    difference = a - b
    sums = [abs(np.dot(signs, difference)) for signs in product((-1, 1), repeat=9)]
    expected = np.mean([value >= abs(difference.sum()) - 1e-12 for value in sums])
    assert st.paired_test(a, b)["p"] == pytest.approx(expected, abs=0.02)
    assert st.paired_test(a, b) == st.paired_test(a, b)


def test_seeds_are_averaged_for_each_item():
    a, b = np.random.default_rng(4).normal(size=(2, 3, 50))
    assert st.paired_test(a, b) == st.paired_test(a.mean(axis=0), b.mean(axis=0))


def test_f1_is_tested_by_exchanging_sentences():
    generator = np.random.default_rng(5)
    true = generator.integers(1, 4, 8)
    a, b = (np.stack([generator.integers(0, true + 1), true, true], axis=1).astype(float) for _ in range(2))

    def plain_f1(rows):
        right, found, gold = rows.sum(axis=0)
        return 2 * right / (found + gold)

    observed = abs(plain_f1(a) - plain_f1(b))
    distances = []
    for mask in product((False, True), repeat=8):
        mask = np.array(mask)[:, None]
        distances.append(abs(plain_f1(np.where(mask, b, a)) - plain_f1(np.where(mask, a, b))))
    expected = np.mean([value >= observed - 1e-12 for value in distances])
    test = st.paired_f1_test(a, b)
    assert test["p"] == pytest.approx(expected, abs=0.02)
    assert test["difference"] == pytest.approx(plain_f1(a) - plain_f1(b))
    assert st.paired_f1_test(np.stack([a, a]), np.stack([b, b]))["difference"] == pytest.approx(test["difference"])


def test_points_are_a_hundred_times_shares():
    test = st.paired_test([1, 1, 0, 0], [0, 0, 0, 0])
    assert st.in_points(test) == {**test, "difference": 50.0}


def test_no_difference_is_rarely_found_and_a_difference_is():
    generator = np.random.default_rng(6)
    found = 0
    for _ in range(200):
        a, b = generator.normal(size=(2, 40))
        found += st.paired_test(a, b, resamples=199)["p"] < 0.05
    assert found <= 20  # 10 are to be expected
    assert st.paired_test(a + 1, a + 0.0 * b)["p"] < 0.001


def test_seeds():
    assert st.seeds_test([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])["p"] == 1.0
    test = st.seeds_test([3.0, 4.0, 5.5], [1.0, 2.5, 3.0])  # differences 2, 1.5, 2.5: t = 2 / (0.5 / sqrt 3) = 6.93
    assert test["p"] == pytest.approx(0.0202, abs=5e-4) and test["difference"] == pytest.approx(2.0)
    assert st.seeds_test([3.0], [1.0])["p"] is None
    assert st.seeds_test(range(1, 7), [0] * 6) == {
        "test": "Wilcoxon signed rank",
        "difference": 3.5,
        "p": 2 / 64,
        "n": 6,
    }
    with pytest.raises(ValueError, match="each seed needs one of both"):
        st.seeds_test([1.0], [1.0, 2.0])


def test_holm():
    assert st.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert st.holm([0.9, 0.8]) == [1.0, 1.0]
    assert st.holm([]) == []


@pytest.mark.parametrize("a, b", [([1, 2], [1]), ([], []), ([[1, 2]], [1, 2])])
def test_scores_of_other_items_are_refused(a, b):
    with pytest.raises(ValueError, match="scores"):
        st.paired_test(a, b)
    with pytest.raises(ValueError, match="counts"):
        st.paired_f1_test(a, b)
