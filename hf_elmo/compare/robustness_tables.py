# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Tables, tests and notes of `hf_elmo.compare.robustness`: scores left, points lost, words changed, worst cases."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np

from hf_elmo.compare.cells import Cell, figure
from hf_elmo.compare.robustness import unpack_counts
from hf_elmo.compare.robustness_vectors import BANDS
from hf_elmo.compare.statistics import LEVEL, holm, mean_sd, paired_test
from hf_elmo.compare.tasks import TASKS
from hf_elmo.compare.transformations import SHARES, STRENGTHS, TRANSFORMATIONS

Results = Sequence[tuple[Cell, dict[str, Any]]]

SAMPLES = 2000  # of the bootstrap
UNCHANGED, WORDS = "unchanged", "words changed"
SHARE_NAMES = {strength: f"{share:.0%}".replace("%", " %") for strength, share in SHARES.items()}
FAMILIES = list(dict.fromkeys(transformation.family for transformation in TRANSFORMATIONS.values()))


@dataclass(frozen=True)
class Scores:
    """Right answers of one contender on one task, in percent of all; a mean over sentences is the score."""

    contender: str
    cells: list[str]
    digest: str
    weights: np.ndarray  # (sentences,) answers that each asks for, 1 on average
    clean: np.ndarray  # (seeds, sentences)
    changed: dict[tuple[str, int], np.ndarray]  # (transformation, strength) -> the same

    def lost(self, names: Sequence[str], strength: int) -> np.ndarray:
        """Points lost, (seeds, sentences): mean over transformations."""
        return self.clean - np.mean([self.changed[name, strength] for name in names], axis=0)

    def figure(self, items: np.ndarray) -> dict[str, Any]:
        """Mean over seeds and sentences, its deviation over seeds and its 95 % interval over sentences."""
        mean, sd = mean_sd(list(items.mean(axis=1)))
        # A ratio, points by words, as a long sentence has more of both: samples of sentences take their words along.
        draws = _samples(items.shape[1])
        interval = np.percentile((draws @ items.mean(axis=0)) / (draws @ self.weights), [2.5, 97.5])
        return figure(mean, self.cells, sd=sd, interval=(interval[0], interval[1]), n=items.shape[1])


@cache
def _samples(count: int) -> np.ndarray:
    """How often each of `count` sentences is in each bootstrap sample, (samples, count)."""
    return np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=SAMPLES).astype(np.float64)


def scores_of(results: Results) -> Scores:
    """All seeds of one contender on one task."""
    per_seed = []
    weights = unpack_counts(results[0][1]["weights"])
    # Sentences have different numbers of words; so weighted, their mean is the share of all words.
    scale = 100 * len(weights) / max(1, int(weights.sum()))
    for _, result in results:
        clean = unpack_counts(result["clean"])
        changed = {
            (name, strength): scale * (clean - unpack_counts(by_strength[str(strength)]["lost"]))
            for name, by_strength in result["changed"].items()
            for strength in STRENGTHS
        }
        per_seed.append((scale * clean, changed))
    return Scores(
        contender=results[0][0]["contender"],
        cells=[cell.id for cell, _ in results],
        digest=results[0][1]["digest"],
        weights=weights / max(1e-9, weights.mean()),
        clean=np.stack([clean for clean, _ in per_seed]),
        changed={key: np.stack([changed[key] for _, changed in per_seed]) for key in per_seed[0][1]},
    )


def label_tables(results: Results) -> tuple[list[dict], list[dict], list[str]]:
    """Tables, tests and notes of the labels, task by task."""
    tables: list[dict[str, Any]] = []
    tests: list[dict[str, Any]] = []
    notes: list[str] = []
    for task in dict.fromkeys(cell["task"] for cell, _ in results):
        of_task = sorted((pair for pair in results if pair[0]["task"] == task), key=lambda pair: pair[0]["seed"])
        names = dict.fromkeys(cell["contender"] for cell, _ in results if cell["task"] == task)
        scores = [scores_of([pair for pair in of_task if pair[0]["contender"] == name]) for name in names]
        tables += [_radar_table(task, scores), _loss_table(task, scores), _strength_table(task, scores)]
        tables += [_score_table(task, scores, of_task, strength) for strength in STRENGTHS]
        tests += _tests(task, scores)
        notes += _worst_cases(task, of_task, scores)
    if results:
        notes = [*_explanations(results), *notes]
    return tables, tests, notes


def _unit(task: str) -> str:
    return "accuracy of words, %" if TASKS[task].kind == "tagging" else "accuracy of texts, %"


def _radar_table(task: str, scores: list[Scores]) -> dict[str, Any]:
    """What is left of the score where all words change: an axis for each transformation, a curve for each contender."""
    rows = []
    for one in scores:
        values = {UNCHANGED: one.figure(one.clean)}
        values |= {name: one.figure(one.changed[name, 3]) for name in TRANSFORMATIONS}
        rows.append({"label": one.contender, "contender": one.contender, "group": None, "values": values})
    return {
        "id": f"robustness-{task}",
        "title": f"{TASKS[task].title}: score where all words that can change do",
        "unit": _unit(task),
        "higher_is_better": True,
        "columns": [UNCHANGED, *TRANSFORMATIONS],
        "rows": rows,
        "plot": {"kind": "radar", "x": [UNCHANGED, *TRANSFORMATIONS], "log_x": False},
    }


def _loss_table(task: str, scores: list[Scores]) -> dict[str, Any]:
    rows = [
        {
            "label": one.contender,
            "contender": one.contender,
            "group": None,
            "values": {name: one.figure(one.lost([name], 3)) for name in TRANSFORMATIONS},
        }
        for one in scores
    ]
    return {
        "id": f"robustness-{task}-loss",
        "title": f"{TASKS[task].title}: points lost where all words that can change do",
        "unit": "points of accuracy lost",
        "higher_is_better": False,
        "columns": list(TRANSFORMATIONS),
        "rows": rows,
        "plot": {"kind": "bars", "x": list(TRANSFORMATIONS), "log_x": False},
    }


def _strength_table(task: str, scores: list[Scores]) -> dict[str, Any]:
    rows = [
        {
            "label": one.contender,
            "contender": one.contender,
            "group": None,
            "values": {
                SHARE_NAMES[strength]: one.figure(one.lost(list(TRANSFORMATIONS), strength)) for strength in STRENGTHS
            },
        }
        for one in scores
    ]
    return {
        "id": f"robustness-{task}-strengths",
        "title": f"{TASKS[task].title}: points lost, mean over all transformations",
        "unit": "points of accuracy lost",
        "higher_is_better": False,
        "columns": list(SHARE_NAMES.values()),
        "rows": rows,
        "plot": {"kind": "lines", "x": "share of the words that can change which do", "log_x": False},
    }


def _score_table(task: str, scores: list[Scores], results: Results, strength: int) -> dict[str, Any]:
    """To look figures up: how many words change, and what is left of each contender's score."""
    own = [pair for pair in results if pair[0]["contender"] == scores[0].contender]  # the texts are the same for all
    clean = {WORDS: figure(0, scores[0].cells), **{one.contender: one.figure(one.clean) for one in scores}}
    rows: list[dict[str, Any]] = [{"label": UNCHANGED, "contender": None, "group": None, "values": clean}]
    for name, transformation in TRANSFORMATIONS.items():
        shares = [100 * result["changed"][name][str(strength)]["words"] / result["all_words"] for _, result in own]
        mean, sd = mean_sd(shares)
        values = {WORDS: figure(mean, scores[0].cells, sd=sd, n=own[0][1]["all_words"])}
        values |= {one.contender: one.figure(one.changed[name, strength]) for one in scores}
        rows.append({"label": name, "contender": None, "group": transformation.family, "values": values})
    return {
        "id": f"robustness-{task}-{strength}",
        "title": f"{TASKS[task].title}: score where {SHARE_NAMES[strength]} of the words that can change do",
        "unit": f"words changed, %; {_unit(task)}",
        "higher_is_better": None,
        "columns": [WORDS, *(one.contender for one in scores)],
        "rows": rows,
        "plot": None,
    }


def _tests(task: str, scores: list[Scores]) -> list[dict[str, Any]]:
    """Whether two contenders lose differently where all words that can change do, over all and by family, and keep
    different scores.

    As in `quality`, a difference counts if the test over sentences finds it and each seed has it with the same sign.
    """
    found: list[dict[str, Any]] = []
    groups = {"all": list(TRANSFORMATIONS)}
    groups |= {family: [name for name, one in TRANSFORMATIONS.items() if one.family == family] for family in FAMILIES}
    for a, b in combinations(scores, 2):
        if a.digest != b.digest or a.clean.shape != b.clean.shape:
            continue  # other samples, or a seed is not there yet
        everything = list(TRANSFORMATIONS)
        compared = {("-loss", group): (a.lost(names, 3), b.lost(names, 3)) for group, names in groups.items()}
        # Who has little to lose loses little: the score that is left is compared too.
        compared["", "mean of all"] = (a.clean - a.lost(everything, 3), b.clean - b.lost(everything, 3))
        for (table, column), items in compared.items():
            of_seeds = (items[0] - items[1]).mean(axis=1)
            found.append(
                {
                    "table": f"robustness-{task}{table}",
                    "column": column,
                    "a": a.contender,
                    "b": b.contender,
                    **paired_test(*items),
                    "same_sign": bool((of_seeds > 0).all() or (of_seeds < 0).all()),
                    "cells": [*a.cells, *b.cells],
                }
            )
    for test, adjusted in zip(found, holm([test["p"] for test in found]), strict=True):
        test["p_holm"] = adjusted
        test["significant"] = adjusted < LEVEL and test["same_sign"]
    return found


def _explanations(results: Results) -> list[str]:
    first = results[0][1]
    return [
        f"{len(TRANSFORMATIONS)} transformations of words, which keep their number, so that every label stays where it "
        f"was; python -m hf_elmo.compare.transformations shows an example of each. Of the words that one can change, "
        f"{', '.join(SHARE_NAMES.values())} are; how many of all words that is, the tables tell.",
        f"The task networks are trained on {first['train']:,} clean sentences, as those of the section on quality, and "
        f"scored on {first['sentences']:,} dev sentences before and after. Intervals are 95 % bootstrap intervals over these sentences.",
        "Points lost are of each contender's own clean score: one that is bad to begin with has less to lose.",
        "A list of static vectors gives a word that it lacks the vector of its lower-case spelling, which softens changes "
        "of case; BERT's tokenizers drop invisible characters, which are all that zero_width adds.",
    ]


def _worst_cases(task: str, results: Results, scores: list[Scores]) -> list[str]:
    """A sentence that lost most for each family, under the transformation of it that costs most, contenders in turn."""
    shown = []
    for place, family in enumerate(FAMILIES):
        one = scores[place % len(scores)]
        names = [name for name, transformation in TRANSFORMATIONS.items() if transformation.family == family]
        names.sort(key=lambda name: -one.lost([name], 3).mean())
        cases = [case for cell, result in results if cell["contender"] == one.contender for case in result["worst"]]
        cases.sort(
            key=lambda case: names.index(case["transformation"]) if case["transformation"] in names else len(names)
        )
        if cases and cases[0]["transformation"] in names:
            shown.append(f"Worst case, {TASKS[task].title}, {one.contender}, {_told(cases[0])}")
    return shown


def _told(case: dict[str, Any]) -> str:
    lost = ", ".join(f"{word + ' ' if word else ''}{gold} → {found}" for word, gold, found in case["lost"])
    return f"{case['transformation']}: “{case['before']}” as “{case['after']}”: {lost}."


# ------------------------------------------------------------------------------------------------------------ vectors


def vector_tables(results: Results) -> list[dict[str, Any]]:
    """Cosines by distance from the changed word for each layer, and of the changed word by transformation."""
    if not results:
        return []
    rows = [
        {
            "label": f"{cell['contender']}, {layer}",
            "contender": cell["contender"],
            "group": layer,
            "values": {
                band: figure(value["value"], [cell.id], interval=value["interval"], n=value["n"])
                for band, value in zip(result["bands"], result["all"][number], strict=True)
                if value is not None
            },
        }
        for cell, result in results
        for number, layer in enumerate(result["layers"])
    ]
    top = [
        {
            "label": f"{cell['contender']}, {result['layers'][-1]}",
            "contender": cell["contender"],
            "group": result["layers"][-1],
            "values": dict(_top_cosines(cell, result)),
        }
        for cell, result in results
    ]
    common = {"unit": "cosine, before and after", "higher_is_better": True}
    return [
        {
            "id": "robustness-vectors",
            "title": "One word of a sentence changes: how its vector moves, and those of words so many steps away",
            **common,
            "columns": list(BANDS),
            "rows": rows,
            "plot": {"kind": "lines", "x": "steps from the changed word", "log_x": False},
        },
        {
            "id": "robustness-vectors-changed",
            "title": "The changed word's own vector in the highest layer, by transformation",
            **common,
            "columns": list(TRANSFORMATIONS),
            "rows": top,
            "plot": {"kind": "radar", "x": list(TRANSFORMATIONS), "log_x": False},
        },
    ]


def _top_cosines(cell: Cell, result: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, found in result["transformations"].items():
        value = found["cosine"][-1][0]
        if value is not None:
            yield name, figure(value, [cell.id], n=found["sentences"])


def vector_notes(results: Results) -> list[str]:
    if not results:
        return []
    return [
        f"Vectors: {results[0][1]['sentences']} sentences of the package, mean over the transformations that find a word in "
        "them. 1 means that nothing moved; a word that loses its vector, as in a list of static vectors, has 0. Word pieces move all words behind them to other "
        "positions, so that even their embeddings differ.",
    ]
