# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""One spelling in its senses: are two uses more alike if they share the sense?

For each spelling, the cosines of pairs of its uses in one sense are compared with those of pairs in two senses. The area under
the ROC curve (AUC) is the chance that a pair of one sense has the higher cosine; it is 0.5, by construction, where a word has
the same vector everywhere. Cosines of different words are given beside, for layers differ in how alike all vectors are
(Ethayarajh 2019, https://aclanthology.org/D19-1006/).
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from hf_elmo.compare.cells import Cell, Section, figure
from hf_elmo.compare.sense_corpus import SenseSentence, read_documents
from hf_elmo.compare.senses import DATA, unit
from hf_elmo.compare.statistics import bootstrap_interval, holm, paired_test
from hf_elmo.demo.texts import read_groups

NAME = "polysemy"
TITLE = "The same word in different senses"
CORPUS_SENSES, CORPUS_GRAMMAR = "annotated text: senses of one part of speech", "annotated text: other part of speech"
WORDS, USES_OF_A_SENSE = (30, 300), 6  # (quick, full) spellings of the annotated text, and uses of each sense at most
SEED = 1  # of the uses drawn
SENTENCES_AT_ONCE = 256
WITHIN, ACROSS, OTHERS, AUC = "same word, same sense", "same word, other sense", "different words", "AUC"


class Use(NamedTuple):
    """A word where it stands, and its sense there."""

    words: list[str]
    position: int
    sense: str


Groups = dict[str, dict[str, list[Use]]]  # name of a group -> spelling -> uses


def cells(settings: Any, names: list[str]) -> list[Cell]:
    """One for each contender and source of text; the package's own sentences need no data."""
    sources = ["own"]
    if settings.data is not None and settings.data_folder(DATA, NAME) is not None:
        sources.append(DATA)
    return [Cell(NAME, (("text", source), ("contender", name))) for source in sources for name in names]


def run(cell: Cell, context: Any) -> dict[str, Any]:
    """Mean cosines and AUC of each spelling in each layer."""
    if cell["text"] == "own":
        groups = own_groups()
    else:
        documents = read_documents(context.data / DATA / "train.tar.xz")
        sentences = [sentence for document in documents for sentence in document]
        groups = corpus_groups(sentences, context.settings.choose(*WORDS))
    return measure(context.contender(cell["contender"]), groups)


# --------------------------------------------------------------------------------------------------------------- uses


def own_groups() -> Groups:
    """The sentences of `hf-elmo demo`: four for each of two uses of a word."""
    from tokenizers.pre_tokenizers import BertPreTokenizer

    split = BertPreTokenizer().pre_tokenize_str
    found = read_groups(lambda text: [word for word, _ in split(text)])
    return {
        f"own sentences: {name}": {
            word: [Use(each.words, each.position, str(each.sense)) for each in occurrences]
            for word, occurrences in words.items()
        }
        for name, words in found.items()
    }


def corpus_groups(sentences: Sequence[SenseSentence], most_words: int) -> Groups:
    """Spellings with two senses of at least two uses each, in a seeded choice.

    The letters' case counts as well, so that layers without context see no difference at all.

    Returns:
        a group in which senses are those of one part of speech, and one in which "sense" is the part of speech.
    """
    by_sense: dict[tuple[str, str], dict[str, list[Use]]] = {}
    by_part: dict[str, dict[str, list[Use]]] = {}
    for words, senses in sentences:
        for sense in senses:
            form, place = words[sense.position], sense.position
            by_sense.setdefault((form, sense.pos), {}).setdefault(sense.sense, []).append(
                Use(words, place, sense.sense)
            )
            by_part.setdefault(form, {}).setdefault(sense.pos, []).append(Use(words, place, sense.pos))
    return {
        CORPUS_SENSES: _choose({f"{form} {pos}": uses for (form, pos), uses in by_sense.items()}, most_words),
        CORPUS_GRAMMAR: _choose(by_part, most_words),
    }


def _choose(found: dict[str, dict[str, list[Use]]], most_words: int) -> dict[str, list[Use]]:
    generator = np.random.default_rng(SEED)
    enough = {
        name: {sense: uses for sense, uses in senses.items() if len(uses) > 1}
        for name, senses in sorted(found.items())
    }
    names = [name for name, senses in enough.items() if len(senses) > 1]
    chosen = sorted(generator.permutation(len(names))[:most_words])
    return {
        names[index]: [
            uses[place]
            for _, uses in sorted(enough[names[index]].items())
            for place in sorted(generator.permutation(len(uses))[:USES_OF_A_SENSE])
        ]
        for index in chosen
    }


# --------------------------------------------------------------------------------------------------------- comparison


def measure(contender: Any, groups: Groups) -> dict[str, Any]:
    """Cosines of pairs of uses in each layer.

    Returns:
        "layers", and for each group: "words", "uses", and for each layer AUC, a number for each word, and for WITHIN, ACROSS
        and OTHERS mean and 95 % interval over words. OTHERS compares a word's uses with those of its neighbour in the group.
    """
    result: dict[str, Any] = {"layers": list(contender.layers), "groups": {}}
    for name, words in groups.items():
        uses = [use for found in words.values() for use in found]
        vectors = _vectors(contender, uses)
        bounds = np.cumsum([0, *(len(found) for found in words.values())])
        senses = [[use.sense for use in found] for found in words.values()]
        measured = {}
        for index, layer in enumerate(contender.layers):
            parts = [vectors[index, begin:end] for begin, end in zip(bounds[:-1], bounds[1:], strict=True)]
            rows = [compare_uses(part, labels) for part, labels in zip(parts, senses, strict=True)]
            others = [float((part @ parts[place - 1].T).mean()) for place, part in enumerate(parts)]
            within, across, auc = zip(*rows, strict=True)
            measured[layer] = {
                AUC: [round(value, 4) for value in auc],
                WITHIN: _mean(within),
                ACROSS: _mean(across),
                OTHERS: _mean(others),
            }
        result["groups"][name] = {"words": list(words), "uses": len(uses), "layers": measured}
    return result


def _mean(values: Sequence[float]) -> dict[str, Any]:
    low, high = bootstrap_interval(values)
    return {"mean": float(np.mean(values)), "interval": [low, high]}


def compare_uses(vectors: np.ndarray, senses: Sequence[str]) -> tuple[float, float, float]:
    """Mean cosine of pairs of one sense, of pairs of two senses, and the AUC of telling them apart.

    Args:
        vectors: (uses, D), of length 1 or 0.
        senses: of each use; two different ones at least, and one of them twice.
    Raises:
        ValueError: no pair shares its sense, or all do.
    """
    from scipy.stats import mannwhitneyu

    cosines = vectors.astype(np.float64) @ vectors.astype(np.float64).T
    pairs = list(combinations(range(len(senses)), 2))
    same = np.array([senses[a] == senses[b] for a, b in pairs], dtype=bool)
    # Equal vectors may differ in the last bits of their products.
    values = np.round([cosines[a, b] for a, b in pairs], 6)
    if same.all() or not same.any():
        raise ValueError(f"{len(senses)} uses of {len(set(senses))} senses; needed are two, and one of them twice")
    within, across = values[same], values[~same]
    wins = (
        mannwhitneyu(within, across, method="asymptotic").statistic
        if np.ptp(values)
        else within.size * across.size / 2
    )
    return float(within.mean()), float(across.mean()), float(wins / (within.size * across.size))


def _vectors(contender: Any, uses: Sequence[Use]) -> np.ndarray:
    """(layers, uses, D) float32 of length 1, or 0 for a word without a vector."""
    found = []
    for start in range(0, len(uses), SENTENCES_AT_ONCE):
        part = uses[start : start + SENTENCES_AT_ONCE]
        all_vectors = contender.vectors([use.words for use in part])
        found += [vectors[:, use.position].numpy() for use, vectors in zip(part, all_vectors, strict=True)]
    return unit(np.stack(found, axis=1))


# ------------------------------------------------------------------------------------------------------------ summary


def summarize(results: list[tuple[Cell, dict]], settings: Any) -> Section:
    """A table of AUC and one of cosines for each group of words, with intervals over words."""
    section: Section = {"experiment": NAME, "title": TITLE, "tables": [], "tests": [], "notes": []}
    names = list(dict.fromkeys(name for _, result in results for name in result["groups"]))
    auc_rows, cosine_rows = [], []
    for cell, result in results:
        for layer in result["layers"]:
            label = f"{cell['contender']}, {layer}"
            values = {}
            for name, group in result["groups"].items():
                auc = group["layers"][layer][AUC]
                interval = bootstrap_interval(auc)
                values[name] = figure(float(np.mean(auc)), [cell.id], interval=interval, n=len(auc))
            auc_rows.append({"label": label, "contender": cell["contender"], "group": layer, "values": values})
            for name, group in result["groups"].items():
                columns = (WITHIN, ACROSS, OTHERS)
                cosine_rows.append(
                    {
                        "label": label,
                        "contender": cell["contender"],
                        "group": name,
                        "values": {column: _cosine(group, layer, column, cell) for column in columns},
                    }
                )
    if not results:
        return section
    section["tables"] = [
        {
            "id": f"{NAME}-auc",
            "title": "Chance that two uses of one sense are more alike than two uses of different senses (AUC)",
            "unit": "0.5 = chance, 1 = always",
            "higher_is_better": True,
            "columns": names,
            "rows": _merged(auc_rows),
            "plot": {"kind": "bars", "x": names, "log_x": False},
        },
        {
            "id": f"{NAME}-cosines",
            "title": "Mean cosine of two uses",
            "unit": "cosine",
            "higher_is_better": None,
            "columns": [WITHIN, ACROSS, OTHERS],
            "rows": cosine_rows,
            "plot": None,
        },
    ]
    section["tests"] = _tests(results)
    counts = {name: len(group["words"]) for _, result in results for name, group in result["groups"].items()}
    listed = "; ".join(f"{name}: {count} spellings" for name, count in counts.items())
    section["notes"] = [
        f"Means over words, intervals by resampling words. {listed}.",
        "Static vectors and the lowest layer of ELMo see the spelling alone: their AUC is 0.5 by construction. The lowest layer of "
        "BERT has the positions added, which may carry it off 0.5.",
    ]
    return section


def _cosine(group: dict[str, Any], layer: str, column: str, cell: Cell) -> dict[str, Any]:
    found = group["layers"][layer][column]
    return figure(found["mean"], [cell.id], interval=tuple(found["interval"]), n=len(group["words"]))


def _merged(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of one label as one row."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        found.setdefault(row["label"], {**row, "values": {}})["values"].update(row["values"])
    return list(found.values())


def _tests(results: list[tuple[Cell, dict]]) -> list[dict[str, Any]]:
    """Each layer that knows context against the layer that does not, and against static vectors, over words."""
    tests = []
    for cell, result in results:
        lowest, *above = result["layers"]
        static = [
            (other, theirs)
            for other, theirs in results
            if len(theirs["layers"]) == 1 and other["text"] == cell["text"] and other != cell
        ]
        for layer in above:
            for other, theirs in [(cell, result), *static]:
                floor = lowest if other == cell else theirs["layers"][0]
                for name, group in result["groups"].items():
                    outcome = paired_test(group["layers"][layer][AUC], theirs["groups"][name]["layers"][floor][AUC])
                    sides = {"a": f"{cell['contender']}, {layer}", "b": f"{other['contender']}, {floor}"}
                    ids = sorted({cell.id, other.id})
                    tests.append({"table": f"{NAME}-auc", "column": name, **sides, **outcome, "cells": ids})
    for column in dict.fromkeys(test["column"] for test in tests):  # each kind of uses is a family of its own
        family = [test for test in tests if test["column"] == column]
        for test, adjusted in zip(family, holm([test["p"] for test in family]), strict=True):
            test["p_holm"] = adjusted
    return tests
