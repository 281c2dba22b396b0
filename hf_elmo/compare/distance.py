# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""How far context helps: loss of a word when only so many words around it are there, or farther ones are in disorder.

After Khandelwal et al. 2018 (https://aclanthology.org/P18-1027/), within sentences, which is what the models were trained on. Words
of long held-out sentences are predicted from the whole sentence, from the nearest 1, 2, 4, ... words, and from the sentence with
the words farther away than that shuffled. Losses of ELMo (one side, the whole vocabulary) and of a masked language model
(both sides, word pieces) are no common scale; what compares is how each one's curve falls towards its own whole sentence.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hf_elmo.compare.cells import Cell, Section, figure
from hf_elmo.compare.item_bits import items_digest
from hf_elmo.compare.statistics import holm, paired_test
from hf_elmo.compare.word_scores import METHODS, has_language_model, language_model_of, word_scores

NAME = "distance"
TITLE = "Loss against available context"
SOURCES = {  # data set -> file and format
    "lm_en_wiki": ("dev.txt.xz", "wiki"),
    "lm_en_news": ("dev.jsonl.xz", "jsonl"),
    "lm_en_books": ("dev.md.xz", "markdown"),
}
LENGTHS = (1, 2, 4, 8, 16, 32)  # words of context
FARTHEST, LONGEST = max(LENGTHS), 96  # words on both sides of a word that is predicted; words of a sentence
OF_A_SENTENCE = 8  # words predicted in one sentence at most
WORDS, PARTS = (80, 900), (1, 4)  # (quick, full) words predicted, and cells they are divided among
WHOLE, TRUNCATED, SHUFFLED = "whole sentence", "truncated", "shuffled"
SEED = 1  # of the words chosen and of the shuffling
CLOSE = 0.05  # nats of the loss of the whole sentence


class Target(NamedTuple):
    """A word to predict: `words[position]`, in the sentence of that number."""

    words: list[str]
    position: int
    sentence: int


def cells(settings: Any, names: list[str]) -> list[Cell]:
    """One for each contender that has a language model and part of the words."""
    folders = [settings.data_folder(name, NAME) for name in SOURCES]
    if None in folders:
        return []
    parts = range(settings.choose(*PARTS))
    return [
        Cell(NAME, (("contender", name), ("part", part)))
        for name in names
        if has_language_model(name, settings)
        for part in parts
    ]


def run(cell: Cell, context: Any) -> dict[str, Any]:
    """Log-probability of each word under every condition, rounded to 0.0001 nats; null for a word the model lacks."""
    sentences = long_sentences([context.data / name / file for name, (file, _) in SOURCES.items()])
    targets = choose_targets(sentences, context.settings.choose(*WORDS))[
        cell["part"] :: context.settings.choose(*PARTS)
    ]
    return measure(language_model_of(context, cell["contender"]), targets)


# ------------------------------------------------------------------------------------------------ words and conditions


def long_sentences(paths: Sequence[Path]) -> list[list[str]]:
    """Words of the sentences that are long enough to have `FARTHEST` words on both sides of a word.

    Args:
        paths: one for each of `SOURCES`, in that order.
    Raises:
        PreparationError, DataError: a file is not there or damaged.
    """
    from tokenizers.pre_tokenizers import BertPreTokenizer

    from hf_elmo.corpus.settings import CorpusSettings
    from hf_elmo.corpus.sources import Source, read_paragraphs
    from hf_elmo.corpus.splitting import split_sentences

    split = BertPreTokenizer().pre_tokenize_str
    found = []
    for path, (_, kind) in zip(paths, SOURCES.values(), strict=True):
        for paragraph in read_paragraphs(Source(str(path), kind, 0, ""), CorpusSettings()):
            for sentence in split_sentences(paragraph.text):
                words = [word for word, _ in split(sentence)]
                if 2 * FARTHEST < len(words) <= LONGEST:
                    found.append(words)
    return found


def choose_targets(sentences: Sequence[list[str]], count: int) -> list[Target]:
    """Words with `FARTHEST` words on either side and a letter, in a seeded choice, in random order."""
    generator = np.random.default_rng(SEED)
    found = []
    for number, words in enumerate(sentences):
        places = [place for place in range(FARTHEST, len(words) - FARTHEST) if any(map(str.isalpha, words[place]))]
        chosen = sorted(generator.permutation(len(places))[:OF_A_SENTENCE])
        found += [Target(words, places[index], number) for index in chosen]
    return [found[index] for index in generator.permutation(len(found))[:count]]


def truncate(target: Target, length: int) -> Target:
    """The word with the nearest `length` words on both sides."""
    begin = max(0, target.position - length)
    words = target.words[begin : target.position + length + 1]
    return Target(words, target.position - begin, target.sentence)


def shuffle_far(target: Target, length: int, generator: np.random.Generator) -> Target:
    """The sentence with the words farther away than `length` in disorder, those of each side among themselves."""
    words, position = target.words, target.position
    begin, end = max(0, position - length), position + length + 1
    before, after = words[:begin], words[end:]
    return target._replace(
        words=[
            *(before[index] for index in generator.permutation(len(before))),
            *words[begin:end],
            *(after[index] for index in generator.permutation(len(after))),
        ]
    )


def measure(loaded: Any, targets: Sequence[Target]) -> dict[str, Any]:
    """Log-probabilities of the words under every condition.

    Args:
        loaded: a `hf_elmo.evaluation.models.LoadedModel`.
    Returns:
        "scores": "forward", "backward" or "masked" -> condition -> a number for each word, None for an unknown one;
        "sentences": of each word; "digest".
    """
    generators = {length: np.random.default_rng((SEED, length)) for length in LENGTHS}
    versions = {WHOLE: list(targets)}
    versions |= {f"{TRUNCATED} {length}": [truncate(target, length) for target in targets] for length in LENGTHS}
    versions |= {
        f"{SHUFFLED} {length}": [shuffle_far(target, length, generators[length]) for target in targets]
        for length in LENGTHS
    }
    scores: dict[str, dict[str, list[float | None]]] = {}
    for condition, changed in versions.items():
        found = word_scores(loaded, [target.words for target in changed], [target.position for target in changed])
        for name, values in found.items():
            scores.setdefault(name, {})[condition] = [
                None if np.isnan(value) else round(float(value), 4) for value in values
            ]
    return {
        "scores": scores,
        "sentences": [target.sentence for target in targets],
        "digest": items_digest((target.words, target.position) for target in targets),
    }


# ------------------------------------------------------------------------------------------------------------ summary


class Series(NamedTuple):
    """A score of a contender: log-probabilities of the words it knows."""

    label: str
    contender: str
    name: str
    log_probs: dict[str, np.ndarray]  # condition -> (words,)
    sentences: np.ndarray  # (words,)
    cells: list[str]


def summarize(results: list[tuple[Cell, dict]], settings: Any) -> Section:
    """Losses, and what they are above that of the whole sentence, over lengths of context."""
    section: Section = {"experiment": NAME, "title": TITLE, "tables": [], "tests": [], "notes": []}
    found = _series(results)
    if not found:
        return section
    for kind, title in (
        (TRUNCATED, "Loss above that of the whole sentence when only the nearest words are there"),
        (SHUFFLED, "Loss above that of the whole sentence when all but the nearest words are shuffled"),
    ):
        rows = []
        for series in found:
            values = {
                str(length): _mean(series, series.log_probs[WHOLE] - series.log_probs[f"{kind} {length}"])
                for length in LENGTHS
            }
            rows.append({"label": series.label, "contender": series.contender, "group": series.name, "values": values})
        section["tables"].append(_table(f"{NAME}-{kind}", title, rows, [str(length) for length in LENGTHS], True))
    rows = []
    for series in found:
        values = {str(length): _mean(series, -series.log_probs[f"{TRUNCATED} {length}"]) for length in LENGTHS}
        values[WHOLE] = _mean(series, -series.log_probs[WHOLE])
        rows.append({"label": series.label, "contender": series.contender, "group": series.name, "values": values})
    columns = [*(str(length) for length in LENGTHS), WHOLE]
    section["tables"].append(_table(f"{NAME}-loss", "Loss with the nearest words only", rows, columns, False))
    section["tests"] = _tests(found)
    section["notes"] = _notes(found, results)
    return section


def _table(name: str, title: str, rows: list[dict[str, Any]], columns: list[str], drawn: bool) -> dict[str, Any]:
    plot = {"kind": "lines", "x": "words of context on each side that is read", "log_x": True} if drawn else None
    # Neither of two different models is the better one by these.
    return {
        "id": name,
        "title": title,
        "unit": "nats a word",
        "higher_is_better": None,
        "columns": columns,
        "rows": rows,
        "plot": plot,
    }


def _series(results: list[tuple[Cell, dict]]) -> list[Series]:
    by_contender: dict[str, list[tuple[Cell, dict]]] = {}
    for cell, result in results:
        by_contender.setdefault(cell["contender"], []).append((cell, result))
    found = []
    for contender, parts in by_contender.items():
        for name in parts[0][1]["scores"]:
            table = {
                condition: np.array(
                    [value for _, result in parts for value in result["scores"][name][condition]], dtype=np.float64
                )
                for condition in parts[0][1]["scores"][name]
            }
            known = ~np.isnan(table[WHOLE])
            sentences = np.array([number for _, result in parts for number in result["sentences"]])[known]
            if known.any():
                log_probs = {condition: values[known] for condition, values in table.items()}
                ids = [cell.id for cell, _ in parts]
                found.append(Series(f"{contender}, {name}", contender, name, log_probs, sentences, ids))
    return found


def _sums(series: Series, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum over the words of each sentence, and how many they are: words of a sentence are no independent draws."""
    _, sentence = np.unique(series.sentences, return_inverse=True)
    return np.bincount(sentence, weights=values), np.bincount(sentence).astype(float)


def _mean(series: Series, values: np.ndarray) -> dict[str, Any]:
    """Mean over words, with an interval that resamples sentences."""
    from scipy import stats

    sums, counts = _sums(series, values)
    interval = None
    if len(sums) > 1 and np.ptp(values) > 0:
        ends = stats.bootstrap(
            (sums, counts),
            lambda total, words, axis: total.sum(axis=axis) / words.sum(axis=axis),
            paired=True,
            vectorized=True,
            n_resamples=2000,
            method="percentile",
            rng=0,
        ).confidence_interval
        interval = (float(ends.low), float(ends.high))
    return figure(float(values.mean()), series.cells, interval=interval, n=len(values))


def _tests(found: list[Series]) -> list[dict[str, Any]]:
    """Within each model: is the whole sentence better than so many words of it, than a shuffled rest of it?"""
    tests: list[dict[str, Any]] = []
    for series in found:
        for kind in (TRUNCATED, SHUFFLED):
            for length in LENGTHS:
                gain, words = _sums(series, series.log_probs[WHOLE] - series.log_probs[f"{kind} {length}"])
                outcome = paired_test(gain / words, np.zeros(len(gain)))
                sides = {"a": f"{series.label}, {WHOLE}", "b": f"{series.label}, {kind} {length}"}
                tests.append(
                    {"table": f"{NAME}-{kind}", "column": str(length), **sides, **outcome, "cells": series.cells}
                )
    for test, adjusted in zip(tests, holm([test["p"] for test in tests]), strict=True):
        test["p_holm"] = adjusted
    return tests


def _notes(found: list[Series], results: list[tuple[Cell, dict]]) -> list[str]:
    sentences = len({number for _, result in results for number in result["sentences"]})
    lines = [
        f"Words with at least {FARTHEST} words on both sides, of {sentences} sentences of {2 * FARTHEST + 1} to {LONGEST} words of "
        f"the held-out parts of {', '.join(SOURCES)}; intervals resample sentences, tests compare means of sentences. Words a model does not know are left out. "
        "A sentence mark stands at the ends of whatever is left.",
        "The losses of different models are not on one scale; each curve is to be read against its own whole sentence.",
    ]
    lines += [f"{name}: {METHODS[name]}." for name in dict.fromkeys(series.name for series in found)]
    for series in found:
        excess = {
            length: float((series.log_probs[WHOLE] - series.log_probs[f"{TRUNCATED} {length}"]).mean())
            for length in LENGTHS
        }
        order = {
            length: float((series.log_probs[WHOLE] - series.log_probs[f"{SHUFFLED} {length}"]).mean())
            for length in LENGTHS
        }
        near, ordered = (
            next(
                (
                    f"{length} words"
                    for length in LENGTHS
                    if all(values[far] <= CLOSE for far in LENGTHS if far >= length)
                ),
                None,
            )
            for values in (excess, order)
        )
        lines.append(
            f"{series.label}: within {CLOSE} nats of the whole sentence from {near or f'more than {FARTHEST} words'} of context "
            f"on; the order of words matters less than that beyond {ordered or f'more than {FARTHEST} words'}."
        )
    return lines
