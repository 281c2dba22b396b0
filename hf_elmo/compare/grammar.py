# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Grammar by minimal pairs: BLiMP by phenomenon (Warstadt et al. 2020, TACL 8).

ELMo gives the exact log-probability of each sentence in both directions; a masked language model has a pseudo-log-likelihood
(Salazar et al. 2020, arXiv:1910.14659), which reads both sides of every word and is no probability. Within a pair, both are fair.
"""

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hf_elmo.compare.cells import Cell, Section, figure
from hf_elmo.compare.item_bits import items_digest, pack_bits, unpack_bits
from hf_elmo.compare.statistics import bootstrap_interval, holm, in_points, paired_test
from hf_elmo.compare.word_scores import has_language_model, language_model_of
from hf_elmo.data.files import read_lines
from hf_elmo.evaluation.blimp import TIE, Pair, distinct_sentences, read_pairs

NAME = "grammar"
TITLE = "Grammar: minimal pairs by phenomenon"
DATA, FILE, PUBLISHED = "blimp", "dev.tar.xz", "models_summary.jsonl"
PAIRS_OF_A_PARADIGM = (10, None)  # quick, full
TERMS = (
    "anaphor_agreement",
    "argument_structure",
    "binding",
    "control_raising",
    "determiner_noun_agreement",
    "ellipsis",
    "filler_gap_dependency",
    "irregular_forms",
    "island_effects",
    "npi_licensing",
    "quantifiers",
    "subject_verb_agreement",
)
OVERALL = "overall"
SCORES = {
    "forward": "forward",
    "backward": "backward",
    "joint": "both directions",
    "pseudo_log_likelihood": "pseudo-log-likelihood",
}
# Warstadt et al. 2020, table 3; the figures lie beside the pairs.
PUBLISHED_NAMES = {"ngram": "5-gram", "lstm": "LSTM", "txl": "Transformer-XL", "gpt2": "GPT-2"}
BATCH_WORDS = {"cpu": 2048, "cuda": 65536}


def cells(settings: Any, names: list[str]) -> list[Cell]:
    """One for each phenomenon and contender that has a language model."""
    if settings.data_folder(DATA, NAME) is None:
        return []
    return [
        Cell(NAME, (("phenomenon", term), ("contender", name)))
        for name in names
        if has_language_model(name, settings)
        for term in TERMS
    ]


def run(cell: Cell, context: Any) -> dict[str, Any]:
    """Which pairs of a phenomenon each score is right about, as packed bits, and the published figures.

    Raises:
        DataError: the file is damaged, or has no such phenomenon.
    """
    from hf_elmo.evaluation.sentence_scores import elmo_scores, masked_lm_scores, split_words

    folder = context.data / DATA
    pairs = pairs_of(folder / FILE, cell["phenomenon"], context.settings.choose(*PAIRS_OF_A_PARADIGM))
    loaded = language_model_of(context, cell["contender"])
    sentences, places = distinct_sentences(pairs)
    batch = BATCH_WORDS.get(str(context.device).split(":")[0], BATCH_WORDS["cpu"])
    if loaded.kind == "elmo":
        words = split_words(loaded.tokenizer, sentences)
        columns = elmo_scores(loaded.model, loaded.tokenizer, words, max_batch_words=batch).columns
    else:
        columns = masked_lm_scores(loaded.model, loaded.tokenizer, sentences, max_batch_words=batch).columns
    return {
        **judge(pairs, {name: scores[places] for name, scores in columns.items()}),
        "published": published(folder / PUBLISHED, cell["phenomenon"]),
    }


def pairs_of(path: Path, term: str, max_pairs: int | None) -> list[Pair]:
    """The pairs of one phenomenon, `max_pairs` of each of its paradigms at most."""
    return [pair for pair in _all_pairs(path, max_pairs) if pair.term == term]


@functools.lru_cache(maxsize=1)
def _all_pairs(path: Path, max_pairs: int | None) -> list[Pair]:
    return read_pairs(path, max_pairs=max_pairs)


def judge(pairs: Sequence[Pair], scores: dict[str, np.ndarray]) -> dict[str, Any]:
    """Which pairs are right.

    Args:
        scores: name -> (pairs, 2) float64, of the acceptable and the other sentence.
    Returns:
        "scores": name -> {"right", "ties"}, packed bits; "paradigms": the pairs of each, in their order; "pairs", "digest".
    """
    found = {}
    for name, values in scores.items():
        difference = values[:, 0] - values[:, 1]
        ties = np.abs(difference) <= TIE
        found[name] = {"right": pack_bits((difference > 0) & ~ties), "ties": pack_bits(ties)}
    paradigms: dict[str, int] = {}
    for pair in pairs:
        paradigms[pair.paradigm] = paradigms.get(pair.paradigm, 0) + 1
    return {"scores": found, "paradigms": paradigms, "pairs": len(pairs), "digest": items_digest(pairs)}


def published(path: Path, term: str) -> dict[str, float]:
    """Accuracies of the models of Warstadt et al. 2020 on a phenomenon, mean over its paradigms; {} without the file."""
    if not path.is_file():
        return {}
    rows = [json.loads(line) for line in read_lines(path) if line.strip()]
    # Set apart there, and part of this phenomenon in the published table.
    renamed = {"s-selection": "argument_structure"}
    chosen = [row for row in rows if renamed.get(row["linguistics_term"], row["linguistics_term"]) == term]
    return {name: float(np.mean([row[name] for row in chosen])) for name in PUBLISHED_NAMES} if chosen else {}


# ------------------------------------------------------------------------------------------------------------ summary


def summarize(results: list[tuple[Cell, dict]], settings: Any) -> Section:
    """Accuracies by phenomenon, and tests between contenders on each."""
    section: Section = {"experiment": NAME, "title": TITLE, "tables": [], "tests": [], "notes": []}
    if not results:
        return section
    by_contender: dict[str, dict[str, tuple[Cell, dict]]] = {}
    for cell, result in results:
        by_contender.setdefault(cell["contender"], {})[cell["phenomenon"]] = (cell, result)
    rows = [
        _row(name, score, of_terms)
        for name, of_terms in by_contender.items()
        for score in next(iter(of_terms.values()))[1]["scores"]
    ]
    rows += _published_rows(next(iter(by_contender.values())))
    columns = [OVERALL, *(_shown(term) for term in TERMS)]
    section["tables"].append(
        {
            "id": "blimp",
            "title": "BLiMP: pairs whose acceptable sentence has the higher score",
            "unit": "%, chance 50",
            "higher_is_better": True,
            "columns": columns,
            "rows": rows,
            "plot": {"kind": "bars", "x": columns, "log_x": False},
        }
    )
    section["tests"] = _tests(by_contender)
    count = sum(result["pairs"] for _, result in next(iter(by_contender.values())).values())
    section["notes"] = [
        f"{count:,} pairs, as many of each paradigm. Forward, backward and both directions: exact log-probability of the "
        "sentence. Pseudo-log-likelihood: the sum over word pieces of the log-probability of each given all others (Salazar "
        "et al. 2020); it reads both sides and is no probability of the sentence, so that only choices within pairs compare.",
        "Equal scores count as half. Published: Warstadt et al. 2020, models of other data and size, other pairs of the "
        "same paradigms; from the file of results beside the pairs.",
    ]
    return section


def _points(result: dict, score: str) -> np.ndarray:
    """(pairs,) 1 for right, 0.5 for equal scores, 0 for wrong."""
    right, ties = (unpack_bits(result["scores"][score][part], result["pairs"]) for part in ("right", "ties"))
    return right + 0.5 * ties


def _row(name: str, score: str, of_terms: dict[str, tuple[Cell, dict]]) -> dict[str, Any]:
    values, every, ids = {}, [], []
    for term, (cell, result) in of_terms.items():
        points = 100 * _points(result, score)
        values[_shown(term)] = figure(points.mean(), [cell.id], interval=bootstrap_interval(points), n=len(points))
        every.append(points)
        ids.append(cell.id)
    if len(of_terms) == len(TERMS):
        points = np.concatenate(every)
        values[OVERALL] = figure(points.mean(), ids, interval=bootstrap_interval(points, resamples=500), n=len(points))
    return {"label": f"{name}, {SCORES[score]}", "contender": name, "group": None, "values": values}


def _published_rows(of_terms: dict[str, tuple[Cell, dict]]) -> list[dict[str, Any]]:
    rows = []
    for key, name in PUBLISHED_NAMES.items():
        found = {term: (cell, result) for term, (cell, result) in of_terms.items() if key in result["published"]}
        values = {
            _shown(term): figure(100 * result["published"][key], [cell.id]) for term, (cell, result) in found.items()
        }
        if found and len(found) == len(TERMS):
            shares = [result["published"][key] for _, result in found.values()]
            paradigms = [len(result["paradigms"]) for _, result in found.values()]
            overall = 100 * float(np.average(shares, weights=paradigms))
            values[OVERALL] = figure(overall, [cell.id for cell, _ in found.values()])
        if values:
            rows.append({"label": f"{name} (published)", "contender": None, "group": "published", "values": values})
    return rows


def _tests(by_contender: dict[str, dict[str, tuple[Cell, dict]]]) -> list[dict[str, Any]]:
    """Every score of a contender against every score of the ones after it, on each phenomenon and overall."""
    tests: list[dict[str, Any]] = []
    names = list(by_contender)
    for place, first in enumerate(names):
        for second in names[place + 1 :]:
            pairs = [
                (term, *by_contender[first][term], *by_contender[second][term])
                for term in TERMS
                if term in by_contender[first] and term in by_contender[second]
            ]
            pairs = [pair for pair in pairs if pair[2]["digest"] == pair[4]["digest"]]
            if not pairs:
                continue
            for ours in pairs[0][2]["scores"]:
                for theirs in pairs[0][4]["scores"]:
                    sides = {"a": f"{first}, {SCORES[ours]}", "b": f"{second}, {SCORES[theirs]}"}
                    columns = {_shown(pair[0]): [pair] for pair in pairs}
                    if len(pairs) == len(TERMS):
                        columns[OVERALL] = pairs
                    for column, chosen in columns.items():
                        outcome = paired_test(
                            np.concatenate([_points(pair[2], ours) for pair in chosen]),
                            np.concatenate([_points(pair[4], theirs) for pair in chosen]),
                            resamples=1999,
                        )
                        ids = sorted({cell.id for pair in chosen for cell in (pair[1], pair[3])})
                        tests.append({"table": "blimp", "column": column, **sides, **in_points(outcome), "cells": ids})
    for of_all in (True, False):  # the phenomena are a family of their own
        family = [test for test in tests if (test["column"] == OVERALL) is of_all]
        for test, adjusted in zip(family, holm([test["p"] for test in family]), strict=True):
            test["p_holm"] = adjusted
    return tests


def _shown(term: str) -> str:
    return term.replace("_", " ").replace("npi", "NPI")
