# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Mean and spread over seeds, intervals over items, paired tests and the correction for many of them.

Items are what a score is a mean over: words, sentences, questions. All randomness is seeded.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

RESAMPLES = 4999
LEVEL = 0.05  # of significance
SIGNS_AT_ONCE = 4_000_000  # random signs in memory


def mean_sd(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and sample standard deviation (n - 1); None for a single value.

    Raises:
        ValueError: no values.
    """
    if not len(values):
        raise ValueError("there are no values to average")
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None


def bootstrap_interval(scores: ArrayLike, seed: int = 0, resamples: int = 2000) -> tuple[float, float]:
    """95 % interval of the mean of the items' scores, percentile bootstrap (Efron 1979), by SciPy.

    Args:
        scores: (n,) one for each item, or (seeds, n), which are averaged over seeds first.
        seed: of the resampling.
        resamples: how many.
    Raises:
        ValueError: no scores.
    """
    items = _of_items(scores)
    if np.ptp(items) == 0:  # SciPy warns of such and gives nan
        return float(items[0]), float(items[0])
    batch = max(1, SIGNS_AT_ONCE // len(items))
    found = stats.bootstrap(
        (items,), np.mean, n_resamples=resamples, batch=batch, method="percentile", vectorized=True, rng=seed
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def paired_test(a: ArrayLike, b: ArrayLike, seed: int = 0, resamples: int = RESAMPLES) -> dict[str, Any]:
    """Whether two systems differ on the same items, two-sided.

    Right or wrong of one seed: McNemar's exact test. Other scores, or several seeds, which are averaged for each item: the
    paired permutation test (Fisher 1935; Noreen 1989 "approximate randomization").

    Args:
        a, b: scores (n,) or (seeds, n) of the same items in the same order.
        seed: of the permutations.
        resamples: how many permutations.
    Returns:
        {"test", "difference" (mean of a minus mean of b), "p", "n"}.
    Raises:
        ValueError: different shapes, or no items.
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.shape != second.shape:
        raise ValueError(f"scores of shapes {first.shape} and {second.shape} are not of the same items")
    first, second = _of_items(first), _of_items(second)
    difference = first - second
    facts = {"difference": float(difference.mean()), "n": len(difference)}
    if set(np.unique(np.concatenate([first, second]))) <= {0.0, 1.0}:
        only_first, only_second = int((difference > 0).sum()), int((difference < 0).sum())
        p = stats.binomtest(only_first, only_first + only_second).pvalue if only_first + only_second else 1.0
        return {"test": "McNemar exact", **facts, "p": float(p)}
    observed = abs(difference.sum())
    as_large = _count_as_large(lambda signs: np.abs(signs @ difference), observed, len(difference), seed, resamples)
    return {"test": "paired permutation", **facts, "p": (as_large + 1) / (resamples + 1)}


def in_points(test: Mapping[str, Any]) -> dict[str, Any]:
    """A test of shares of 1, its difference in percentage points, as in tables of percentages."""
    return {**test, "difference": 100 * test["difference"]}


def paired_f1_test(a: ArrayLike, b: ArrayLike, seed: int = 0, resamples: int = RESAMPLES) -> dict[str, Any]:
    """As `paired_test` for micro-F1 of spans, whose sentences are exchanged (Yeh 2000, COLING).

    Args:
        a, b: (n, 3) or (seeds, n, 3): right, found and true spans of every sentence; seeds are added up.
        seed, resamples: as there.
    Returns:
        {"test", "difference" (F1 of a minus F1 of b), "p", "n"}.
    Raises:
        ValueError: different shapes, or not three counts.
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.shape != second.shape or first.shape[-1:] != (3,) or first.ndim not in (2, 3) or not first.size:
        raise ValueError(f"needed are (sentences, 3) counts twice, got shapes {first.shape} and {second.shape}")
    if first.ndim == 3:
        first, second = first.sum(axis=0), second.sum(axis=0)
    total, half = (first + second).sum(axis=0) / 2, (first - second) / 2

    def distances(signs: np.ndarray) -> np.ndarray:
        exchanged = signs @ half
        return np.abs(f1(total + exchanged) - f1(total - exchanged))

    difference = float(f1(first.sum(axis=0)) - f1(second.sum(axis=0)))
    as_large = _count_as_large(distances, abs(difference), len(first), seed, resamples)
    p = (as_large + 1) / (resamples + 1)
    return {"test": "approximate randomization of F1", "difference": difference, "p": p, "n": len(first)}


def f1(counts: np.ndarray) -> np.ndarray:
    """Micro-F1 (...) of right, found and true spans (..., 3); 0 where nothing was found or true."""
    right, both = counts[..., 0], counts[..., 1] + counts[..., 2]
    return np.where(both > 0, 2 * right / np.maximum(both, 1e-12), 0.0)


def seeds_test(a: Sequence[float], b: Sequence[float]) -> dict[str, Any]:
    """Whether two systems differ over seeds, two-sided: paired t, and from 6 seeds on Wilcoxon's signed ranks.

    Args:
        a, b: a score for each seed, in the same order.
    Returns:
        {"test", "difference", "p", "n"}; p is 1 where all differences are 0, None with a single seed.
    Raises:
        ValueError: different numbers of seeds, or none.
    """
    if len(a) != len(b) or not len(a):
        raise ValueError(f"{len(a)} and {len(b)} scores: each seed needs one of both")
    difference = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    test, p = "paired t", None
    if not difference.any():
        p = 1.0
    elif len(difference) >= 6:
        test, p = "Wilcoxon signed rank", float(stats.wilcoxon(difference).pvalue)
    elif len(difference) > 1:
        p = 0.0 if np.ptp(difference) == 0 else float(stats.ttest_1samp(difference, 0.0).pvalue)
    return {"test": test, "difference": float(difference.mean()), "p": p, "n": len(difference)}


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values of a family of tests, adjusted so that they hold together (Holm 1979), in the given order."""
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(np.argsort(p_values, kind="stable")):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def _of_items(scores: ArrayLike) -> np.ndarray:
    items = np.asarray(scores, dtype=np.float64)
    if items.ndim == 2:
        items = items.mean(axis=0)
    if items.ndim != 1 or not len(items):
        raise ValueError(f"scores must be (items,) or (seeds, items) with one item at least, got shape {items.shape}")
    return items


def _count_as_large(distances: Any, observed: float, items: int, seed: int, resamples: int) -> int:
    """How many of the random exchanges give a difference as large as the observed one."""
    generator = np.random.default_rng(seed)
    count, left = 0, resamples
    while left:
        rows = min(left, max(1, SIGNS_AT_ONCE // items))
        signs = generator.integers(0, 2, (rows, items), dtype=np.int8) * 2.0 - 1.0
        # sums in another order differ in the last bits
        count += int((distances(signs) >= observed * (1 - 1e-9) - 1e-12).sum())
        left -= rows
    return count
