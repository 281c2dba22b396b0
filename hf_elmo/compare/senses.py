# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Word senses in every layer by the nearest neighbour, as Peters et al. 2018 (section 5.3, arXiv:1802.05365) did it.

The vectors of a sense's training examples are averaged, and a word gets the sense of its lemma whose average has the highest
cosine with its own vector; nothing is trained. A lemma without a training example has no answer: the dictionary's own order
of senses is not part of the data. The baseline is the lemma's most frequent sense in the training part.

Shapes: L layers, I items (words with a sense in the development part), S senses, D numbers of a vector.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from hf_elmo.compare.cells import Cell, Section, figure
from hf_elmo.compare.item_bits import items_digest, pack_bits, unpack_bits
from hf_elmo.compare.sense_corpus import Sense, SenseSentence, read_documents
from hf_elmo.compare.statistics import bootstrap_interval, holm, in_points, paired_test

NAME = "senses"
TITLE = "Word senses by the nearest neighbour, layer by layer"
DATA = "wsd_noad"
DOCUMENTS = {"train": (40, None), "dev": (10, None)}  # quick, full
SENTENCES_AT_ONCE = 256
EQUAL = 1e-5  # cosines of averages of equal float32 vectors differ by less
PARTS_OF_SPEECH = {"NOUN": "nouns", "VERB": "verbs", "ADJ": "adjectives", "ADV": "adverbs"}
ALL, AMBIGUOUS, BASELINE = "all words (F1)", "lemmas with several senses", "most frequent sense"


def cells(settings: Any, names: list[str]) -> list[Cell]:
    """One for each contender; none without the data."""
    if settings.data_folder(DATA, NAME) is None:
        return []
    return [Cell(NAME, (("contender", name),)) for name in names]


def run(cell: Cell, context: Any) -> dict[str, Any]:
    """Which words of the development part each layer gives their sense, as packed bits, and what they are."""
    contender = context.contender(cell["contender"])
    folder = context.data / DATA
    train, dev = (
        [
            sentence
            for document in read_documents(folder / f"{part}.tar.xz", context.settings.choose(*DOCUMENTS[part]))
            for sentence in document
        ]
        for part in ("train", "dev")
    )
    senses = averaged_senses(contender, train)
    return {"layers": list(contender.layers), **judge(contender, senses, dev)}


# ------------------------------------------------------------------------------------------------- nearest neighbour


class SenseVectors(NamedTuple):
    """Averages of the senses, those of a lemma side by side, its most frequent one first."""

    vectors: np.ndarray  # (L, S, D) float32 of length 1, or 0
    names: list[str]  # (S,)
    of_lemma: dict[tuple[str, str], range]  # lemma and part of speech -> its senses


def averaged_senses(contender: Any, sentences: Sequence[SenseSentence]) -> SenseVectors:
    """The average vector of each sense of each lemma over its examples, in each layer.

    Args:
        contender: a `hf_elmo.compare.contenders.Contender`.
        sentences: the training part.
    """
    counts = Counter((each.lemma, each.pos, each.sense) for sentence in sentences for each in sentence.senses)
    order = sorted(counts, key=lambda key: (key[0], key[1], -counts[key], key[2]))
    number = {key: index for index, key in enumerate(order)}
    sums = np.zeros((len(contender.layers), len(order), contender.dimension), np.float32)
    for sense, vectors in sense_vectors(contender, sentences):
        sums[:, number[sense.lemma, sense.pos, sense.sense]] += vectors
    of_lemma = {
        lemma: range(group[0], group[-1] + 1)
        for lemma, found in groupby(range(len(order)), key=lambda index: order[index][:2])
        if (group := list(found))
    }
    return SenseVectors(unit(sums), [sense for _, _, sense in order], of_lemma)


def judge(contender: Any, senses: SenseVectors, sentences: Sequence[SenseSentence]) -> dict[str, Any]:
    """Choose a sense for each item by each layer.

    Returns:
        "right": layer -> packed (I,) bits, and those of the most frequent sense; "known": the lemma has examples;
        "ambiguous": they are of several senses; "pos": packed bits for each part of speech; "items", "digest".
    """
    items = [each for sentence in sentences for each in sentence.senses]
    candidates = [senses.of_lemma.get((item.lemma, item.pos), range(0)) for item in items]
    right = np.zeros((len(contender.layers), len(items)), bool)
    most_frequent = np.zeros(len(items), bool)
    for index, (item, vectors) in enumerate(sense_vectors(contender, sentences)):
        among = candidates[index]
        if among:
            most_frequent[index] = senses.names[among.start] == item.sense
            cosines = np.einsum("lsd,ld->ls", senses.vectors[:, among.start : among.stop], unit(vectors))
            # Of equal ones the first is taken, not what rounding prefers: without a vector, or where all uses have the same
            # one, a word has its most frequent sense.
            nearest = (cosines >= cosines.max(axis=1, keepdims=True) - EQUAL).argmax(axis=1)
            right[:, index] = [senses.names[among[best]] == item.sense for best in nearest]
    parts = np.array([item.pos for item in items])
    return {
        "items": len(items),
        "digest": items_digest(items),
        "right": {
            **{layer: pack_bits(row) for layer, row in zip(contender.layers, right, strict=True)},
            BASELINE: pack_bits(most_frequent),
        },
        "known": pack_bits([len(among) > 0 for among in candidates]),
        "ambiguous": pack_bits([len(among) > 1 for among in candidates]),
        "pos": {name: pack_bits(parts == name) for name in PARTS_OF_SPEECH},
    }


def sense_vectors(contender: Any, sentences: Sequence[SenseSentence]) -> Iterator[tuple[Sense, np.ndarray]]:
    """Each word that has a sense, with its vectors (L, D), in the order of the text."""
    for start in range(0, len(sentences), SENTENCES_AT_ONCE):
        part = sentences[start : start + SENTENCES_AT_ONCE]
        for sentence, vectors in zip(part, contender.vectors([each.words for each in part]), strict=True):
            array = vectors.numpy()
            for sense in sentence.senses:
                yield sense, array[:, sense.position]


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., D) of length 1; zeros stay."""
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)


# ------------------------------------------------------------------------------------------------------------ summary


def summarize(results: list[tuple[Cell, dict]], settings: Any) -> Section:
    """F1 of all words, accuracies of parts of them, and tests between layers and contenders."""
    systems = [system for cell, result in results for system in _systems(cell, result)]
    if not systems:
        return {"experiment": NAME, "title": TITLE, "tables": [], "tests": [], "notes": []}
    rows = [_row(system) for system in systems]
    first = systems[0]
    baseline_of = {cell.id: result for cell, result in results}
    cell, result = results[0]
    right = unpack_bits(result["right"][BASELINE], result["items"])
    rows.append(_row(System(BASELINE, None, None, right, result, list(baseline_of))))
    unknown = int((~unpack_bits(first.result["known"], first.result["items"])).sum())
    table = {
        "id": NAME,
        "title": "Senses given right, by the nearest average of the training examples",
        "unit": "%",
        "higher_is_better": True,
        "columns": [ALL, AMBIGUOUS, *PARTS_OF_SPEECH.values()],
        "rows": rows,
        "plot": {"kind": "bars", "x": [ALL, AMBIGUOUS], "log_x": False},
    }
    notes = [
        f"{first.result['items']:,} words of the development part of {DATA}; {unknown:,} of them are of a lemma without a "
        "training example, have no answer and count as wrong in the recall of F1. Parts of speech: lemmas with several "
        "senses only.",
        "Nothing is trained on the vectors: the sense whose average of training vectors has the highest cosine (Peters et "
        "al. 2018, section 5.3). Of senses that are equally near, the most frequent one is taken: so it is for a "
        "word without a vector, and where all uses of a lemma have one vector.",
        "Vectors without context tell the forms of a lemma apart (bank, banks) and nothing else: they choose the sense whose "
        "examples had the form in question in the greatest share, which may be a rare one. That is why they can be worse than "
        "the most frequent sense.",
    ]
    tests = _tests(systems, right)
    return {"experiment": NAME, "title": TITLE, "tables": [table], "tests": tests, "notes": notes + _verdicts(tests)}


class System(NamedTuple):
    """A layer of a contender, or the baseline, with what it got right."""

    label: str
    contender: str | None
    layer: str | None
    right: np.ndarray  # (I,) bool
    result: dict[str, Any]
    cells: list[str]


def _systems(cell: Cell, result: dict) -> Iterable[System]:
    for layer in result["layers"]:
        right = unpack_bits(result["right"][layer], result["items"])
        yield System(f"{cell['contender']}, {layer}", cell["contender"], layer, right, result, [cell.id])


def _row(system: System) -> dict[str, Any]:
    count = system.result["items"]
    known, ambiguous = (unpack_bits(system.result[name], count) for name in ("known", "ambiguous"))
    low, high = bootstrap_interval(system.right)
    # Precision over the words with an answer, recall over all: F1 is a multiple of the share of all words.
    factor = 2 * count / (count + int(known.sum()))
    values = {
        ALL: figure(
            100 * factor * system.right.mean(),
            system.cells,
            interval=(100 * factor * low, 100 * factor * high),
            n=count,
        )
    }
    chosen = {AMBIGUOUS: ambiguous}
    chosen |= {
        label: ambiguous & unpack_bits(system.result["pos"][name], count) for name, label in PARTS_OF_SPEECH.items()
    }
    for column, mask in chosen.items():
        if mask.any():
            of_part = system.right[mask]
            low, high = bootstrap_interval(of_part)
            values[column] = figure(
                100 * of_part.mean(), system.cells, interval=(100 * low, 100 * high), n=int(mask.sum())
            )
    return {"label": system.label, "contender": system.contender, "group": system.layer, "values": values}


def _tests(systems: list[System], baseline: np.ndarray) -> list[dict[str, Any]]:
    """Each layer that knows context against the layer that does not, static vectors, and the most frequent sense."""
    static = [each for each in systems if each.layer == each.result["layers"][-1] and len(each.result["layers"]) == 1]
    found: list[dict[str, Any]] = []
    for system in systems:
        layers = system.result["layers"]
        if system.layer == layers[0]:
            continue
        (lowest,) = (each for each in systems if each.contender == system.contender and each.layer == layers[0])
        for other in [lowest, *static]:
            if other.result["digest"] == system.result["digest"]:
                found.append(_test(system, other.label, other.right, other.cells))
        found.append(_test(system, BASELINE, baseline, system.cells))
    for test, adjusted in zip(found, holm([test["p"] for test in found]), strict=True):
        test["p_holm"] = adjusted
    return found


def _test(system: System, name: str, right: np.ndarray, cells: list[str]) -> dict[str, Any]:
    ambiguous = unpack_bits(system.result["ambiguous"], system.result["items"])
    sides = {"table": NAME, "column": AMBIGUOUS, "a": system.label, "b": name}
    return {
        **sides,
        **in_points(paired_test(system.right[ambiguous], right[ambiguous])),
        "cells": sorted({*system.cells, *cells}),
    }


def _verdicts(tests: list[dict[str, Any]]) -> list[str]:
    """For each layer, in words, which of the others it is better than."""
    lines = []
    for label in dict.fromkeys(test["a"] for test in tests):
        parts = []
        for test in (test for test in tests if test["a"] == label):
            sign = "no shown difference from"
            if test["p_holm"] < 0.05:
                sign = "better than" if test["difference"] > 0 else "worse than"
            parts.append(f"{sign} {test['b']} ({test['difference']:+.1f} points, p = {test['p_holm']:.2g})")
        lines.append(f"{label}: {'; '.join(parts)}.")
    return lines
