# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""How far a changed word moves its own vector and those of the words around it, which are written as before.

In every sentence one word changes, so that each other word has a distance to it. A contender that reads characters alone
(layer `characters`) or looks words up moves nothing but the changed word; one with context spreads the damage, or mends it.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from hf_elmo.compare.statistics import bootstrap_interval
from hf_elmo.compare.tasks import split_words
from hf_elmo.compare.transformations import TRANSFORMATIONS, changed_positions
from hf_elmo.compare.transformations.base import Draw

# Words between a word and the changed one, counted as steps: 0 is the changed word itself.
BANDS = {"changed word": (0, 0), "1": (1, 1), "2": (2, 2), "3": (3, 3), "4-5": (4, 5), "6-9": (6, 9)}


def built_in_sentences(count: int) -> list[list[str]]:
    """Sentences of `hf-elmo demo`, taken at even distances, so that no data is needed."""
    from hf_elmo.demo.texts import read_collection

    collection = [sentence.words for sentence in read_collection(split_words)]
    step = max(1, len(collection) // count)
    return collection[::step][:count]


def moved_vectors(contender: Any, sentences: Sequence[Sequence[str]], seed: int) -> dict[str, Any]:
    """Cosines between the vectors of words in a sentence before and after one of its words is changed.

    Args:
        contender: a `hf_elmo.compare.contenders.Contender`.
        sentences: lists of words.
        seed: of the words chosen and their changes.
    Returns:
        "layers", "bands"; "transformations": name -> {"sentences", "cosine" (layers, bands)}; "all": the mean over
        transformations of each sentence, (layers, bands) {"value", "interval", "n" sentences}. None where there is no
        such word, or none that had a vector before.
    """
    before = [vectors.numpy() for vectors in contender.vectors(sentences)]
    shape = (len(TRANSFORMATIONS), len(sentences), len(contender.layers), len(BANDS))
    cosines = np.full(shape, np.nan)
    counts = {}
    for number, name in enumerate(TRANSFORMATIONS):
        rows = list(_changed_at_one_place(sentences, name, seed))
        counts[name] = len(rows)
        after = contender.vectors([words for _, words, _ in rows])
        for (row, _, changed), vectors in zip(rows, after, strict=True):
            cosines[number, row] = _by_distance(before[row], vectors.numpy(), changed)
    by_name = {
        name: {"sentences": counts[name], "cosine": _numbers(_mean(cosines[number], axis=0))}
        for number, name in enumerate(TRANSFORMATIONS)
    }
    of_sentences = _mean(cosines, axis=0)  # (sentences, layers, bands)
    every = [
        [_summary(of_sentences[:, layer, band]) for band in range(len(BANDS))]
        for layer in range(len(contender.layers))
    ]
    return {
        "layers": list(contender.layers),
        "bands": list(BANDS),
        "sentences": len(sentences),
        "transformations": by_name,
        "all": every,
    }


def _changed_at_one_place(
    sentences: Sequence[Sequence[str]], name: str, seed: int
) -> Iterator[tuple[int, list[str], list[int]]]:
    """Row, words and changed positions of each sentence that has a word to change."""
    transformation = TRANSFORMATIONS[name]
    for row, words in enumerate(sentences):
        places = transformation.changeable(words, seed)
        if places:
            after = transformation.apply_at(words, Draw(seed, name, "place", row).pick(places), seed)
            yield row, after, changed_positions(words, after)


def _by_distance(before: np.ndarray, after: np.ndarray, changed: list[int]) -> np.ndarray:
    """Mean cosine (layers, bands) of vectors (layers, words, dimension) before and after."""
    distance = np.abs(np.arange(before.shape[1])[:, None] - np.array(changed)[None]).min(axis=1)
    norms = np.linalg.norm(before, axis=2), np.linalg.norm(after, axis=2)
    product = norms[0] * norms[1]
    cosine = np.divide((before * after).sum(axis=2), product, out=np.zeros_like(product), where=product > 0)
    # A word without a vector has nothing to lose; one that loses its vector keeps nothing, which is 0.
    cosine = np.where(norms[0] > 0, cosine.astype(np.float64), np.nan)
    bands = [cosine[:, (distance >= low) & (distance <= high)] for low, high in BANDS.values()]
    return np.stack([_mean(band, axis=1) for band in bands], axis=1)


def _mean(values: np.ndarray, axis: int) -> np.ndarray:
    """Mean of the numbers, NaN where there are none."""
    known = ~np.isnan(values)
    count = known.sum(axis=axis)
    total = np.where(known, values, 0.0).sum(axis=axis)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def _numbers(values: np.ndarray) -> list[list[float | None]]:
    return [[None if np.isnan(value) else round(float(value), 5) for value in row] for row in values]


def _summary(values: np.ndarray) -> dict[str, Any] | None:
    values = values[~np.isnan(values)]
    if not len(values):
        return None
    return {"value": float(values.mean()), "interval": list(bootstrap_interval(values)), "n": len(values)}
