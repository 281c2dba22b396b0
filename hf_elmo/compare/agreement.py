# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Subject-verb agreement by the number of words between the two, on sentences made from templates (Linzen et al. 2016, TACL 4).

"The author near the old houses ___ in the city .": of *lives* and *live*, the model should prefer the one that agrees with the
subject. The nouns between have the subject's number, or all of them the other one (attractors). Needs no data.
"""

import random
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from hf_elmo.compare.cells import Cell, Section, figure
from hf_elmo.compare.item_bits import items_digest, pack_bits, unpack_bits
from hf_elmo.compare.statistics import bootstrap_interval, holm, in_points, paired_test
from hf_elmo.compare.word_scores import has_language_model, language_model_of, word_scores

NAME = "agreement"
TITLE = "Subject-verb agreement by distance"
DISTANCES = (0, 1, 2, 3, 4, 6, 8, 10, 12, 16, 20)  # words between subject and verb
SENTENCES = (12, 150)  # of each distance, condition and seed: quick, full
PLAIN, ATTRACTORS = "plain", "attractors"
CONDITIONS = {
    PLAIN: "nouns between have the subject's number",
    ATTRACTORS: "nouns between have the other number",
}
SCORES = {
    "forward": "verb after the words before it",
    "joint": "whole sentence, both directions",
    "masked": "verb given both sides",
}

# Singular and plural are common words, one word each in the vocabulary of elmo-mini-en.
SUBJECTS = (
    ("author", "authors"), ("soldier", "soldiers"), ("king", "kings"), ("officer", "officers"), ("writer", "writers"),
    ("artist", "artists"), ("student", "students"), ("leader", "leaders"), ("player", "players"), ("doctor", "doctors"),
    ("teacher", "teachers"), ("farmer", "farmers"),
)  # fmt: skip
PLACES = (
    ("house", "houses"), ("church", "churches"), ("city", "cities"), ("school", "schools"), ("building", "buildings"),
    ("ship", "ships"), ("road", "roads"), ("river", "rivers"), ("mountain", "mountains"), ("station", "stations"),
    ("tree", "trees"), ("horse", "horses"), ("bridge", "bridges"), ("village", "villages"),
)  # fmt: skip
# Singular, plural, and how the sentence ends.
VERBS = (
    ("is", "are", "very old ."), ("was", "were", "in the city ."), ("has", "have", "a long history ."),
    ("lives", "live", "in the north ."), ("works", "work", "for the government ."), ("seems", "seem", "very old ."),
    ("remains", "remain", "in the city ."), ("plays", "play", "an important part ."), ("knows", "know", "the way ."),
    ("wants", "want", "to go home ."), ("comes", "come", "from the north ."), ("stands", "stand", "in the rain ."),
)  # fmt: skip
PREPOSITIONS = ("near", "behind", "beside", "from", "with", "by")
ADJECTIVES = ("old", "new", "large", "small", "great", "famous")
ADVERBS = {1: ("often", "still", "also", "now", "always", "never"), 2: ("almost always", "very often", "almost never")}


class Item(NamedTuple):
    """A sentence whose word at `position` is the verb that agrees, and the other form of it."""

    words: list[str]
    position: int
    other: str

    @property
    def wrong(self) -> list[str]:
        """The sentence with the other form."""
        return [*self.words[: self.position], self.other, *self.words[self.position + 1 :]]


def conditions() -> list[tuple[str, int]]:
    """What is measured; fewer than three words between have no noun among them, and so no attractor."""
    return [(name, distance) for name in CONDITIONS for distance in DISTANCES if name == PLAIN or distance > 2]


def make_items(count: int, distance: int, condition: str, seed: int) -> list[Item]:
    """Sentences with so many words between subject and verb; half of the subjects are plural.

    Args:
        count: how many.
        distance: 0 to 2, 3, 4 or from 6 on: phrases of three and four words are put together.
        condition: PLAIN or ATTRACTORS.
        seed: of all that is drawn.
    Raises:
        ValueError: there are no phrases of so many words, or no noun that could attract.
    """
    if distance < 0 or distance == 5 or (distance < 3 and condition == ATTRACTORS):
        raise ValueError(f"no sentences with {distance} words between subject and verb, {CONDITIONS[condition]}")
    draw = random.Random(f"{seed} {distance} {condition}")
    items = []
    for number in range(count):
        plural = number % 2
        singular_verb, plural_verb, end = draw.choice(VERBS)
        between = _between(distance, plural if condition == PLAIN else 1 - plural, draw)
        before = ["The", draw.choice(SUBJECTS)[plural], *between]
        verbs = (singular_verb, plural_verb)
        items.append(Item([*before, verbs[plural], *end.split()], len(before), verbs[1 - plural]))
    return items


def _between(distance: int, plural: int, draw: random.Random) -> list[str]:
    """So many words: an adverb, or phrases such as "near the houses" with nouns of one number."""
    if distance < 3:
        return draw.choice(ADVERBS[distance]).split() if distance else []
    long = distance % 3  # phrases of four words
    phrases = [4] * long + [3] * ((distance - 4 * long) // 3)
    draw.shuffle(phrases)
    words: list[str] = []
    for length in phrases:
        adjective = [draw.choice(ADJECTIVES)] if length == 4 else []
        words += [draw.choice(PREPOSITIONS), "the", *adjective, draw.choice(PLACES)[plural]]
    return words


# -------------------------------------------------------------------------------------------------------------- cells


def cells(settings: Any, names: list[str]) -> list[Cell]:
    """One for each contender that has a language model, and seed."""
    return [
        Cell(NAME, (("contender", name), ("seed", seed)))
        for name in names
        if has_language_model(name, settings)
        for seed in settings.seeds
    ]


def run(cell: Cell, context: Any) -> dict[str, Any]:
    """Which sentences each score is right about, as packed bits for each condition and distance."""
    loaded = language_model_of(context, cell["contender"])
    items = {
        f"{name} {distance}": make_items(context.settings.choose(*SENTENCES), distance, name, cell["seed"])
        for name, distance in conditions()
    }
    return judge(loaded, items)


def judge(loaded: Any, items: dict[str, list[Item]]) -> dict[str, Any]:
    """Compare both forms of the verb in every sentence.

    Args:
        loaded: a `hf_elmo.evaluation.models.LoadedModel`.
        items: name of a condition -> its sentences.
    Returns:
        "scores": name of a score -> condition -> packed bits; "known": condition -> packed bits of the sentences of which
        the model knows both forms; "counts": sentences of each condition; "digest".
    """
    every = [item for found in items.values() for item in found]
    positions = [item.position for item in every]
    right = word_scores(loaded, [item.words for item in every], positions)
    wrong = word_scores(loaded, [item.wrong for item in every], positions)
    differences = {name: right[name] - wrong[name] for name in right if name in SCORES}
    known = ~np.isnan(next(iter(differences.values())))
    if loaded.kind == "elmo":
        from hf_elmo.evaluation.sentence_scores import elmo_scores

        joint = [
            elmo_scores(loaded.model, loaded.tokenizer, sentences).columns["joint"]
            for sentences in ([item.words for item in every], [item.wrong for item in every])
        ]
        differences["joint"] = joint[0] - joint[1]
    bounds = np.cumsum([0, *(len(found) for found in items.values())])
    places = {
        name: slice(begin, end)
        for name, begin, end in zip(items, bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
    }
    return {
        "scores": {
            score: {name: pack_bits(values[place] > 0) for name, place in places.items()}
            for score, values in differences.items()
        },
        "known": {name: pack_bits(known[place]) for name, place in places.items()},
        "counts": {name: len(found) for name, found in items.items()},
        "digest": items_digest(every),
    }


# ------------------------------------------------------------------------------------------------------------ summary


class Series(NamedTuple):
    """A score of a contender over all seeds."""

    label: str
    contender: str
    right: dict[str, np.ndarray]  # condition and distance -> (sentences,) 1, 0, or NaN for an unknown verb
    cells: list[str]
    digests: list[str]


def summarize(results: list[tuple[Cell, dict]], settings: Any) -> Section:
    """A table of accuracies over distances for each condition, and tests between contenders."""
    section: Section = {"experiment": NAME, "title": TITLE, "tables": [], "tests": [], "notes": []}
    if not results:
        return section
    found = _series(results)
    for condition, title in CONDITIONS.items():
        distances = [distance for name, distance in conditions() if name == condition]
        rows = []
        for series in found:
            values = {}
            for distance in distances:
                right = series.right[f"{condition} {distance}"]
                right = 100 * right[~np.isnan(right)]
                if len(right):
                    interval = bootstrap_interval(right)
                    values[str(distance)] = figure(right.mean(), series.cells, interval=interval, n=len(right))
            rows.append({"label": series.label, "contender": series.contender, "group": None, "values": values})
        section["tables"].append(
            {
                "id": f"{NAME}-distance-{condition}",
                "title": f"Agreement of subject and verb, {title}",
                "unit": "%, chance 50",
                "higher_is_better": True,
                "columns": [str(distance) for distance in distances],
                "rows": rows,
                "plot": {"kind": "lines", "x": "words between subject and verb", "log_x": False},
            }
        )
    section["tests"] = _tests(found)
    unknown = sum(int(np.isnan(right).sum()) for series in found for right in series.right.values())
    each = next(iter(results[0][1]["counts"].values()))
    section["notes"] = [
        f"{each} sentences of each distance and seed, made from templates with seeds "
        f"{', '.join(str(seed) for seed in sorted({cell['seed'] for cell, _ in results}))}; half of the subjects are plural.",
        "Verb after the words before it: ELMo's forward language model alone. Whole sentence: exact log-probability, both "
        "directions added. Verb given both sides: log-probability of the masked verb, which also sees the words after it; "
        "these hold no sign of the number.",
        f"{unknown} judgements left out because the model does not know a form of the verb.",
    ]
    return section


def _series(results: list[tuple[Cell, dict]]) -> list[Series]:
    by_contender: dict[str, list[tuple[Cell, dict]]] = {}
    for cell, result in sorted(results, key=lambda each: each[0]["seed"]):
        by_contender.setdefault(cell["contender"], []).append((cell, result))
    names = list(dict.fromkeys(cell["contender"] for cell, _ in results))
    return [
        Series(
            f"{name}, {SCORES[score]}",
            name,
            {
                condition: _judged(by_contender[name], score, condition)
                for condition in by_contender[name][0][1]["counts"]
            },
            [cell.id for cell, _ in by_contender[name]],
            [result["digest"] for _, result in by_contender[name]],
        )
        for name in names
        for score in by_contender[name][0][1]["scores"]
    ]


def _judged(found: list[tuple[Cell, dict]], score: str, condition: str) -> np.ndarray:
    parts = []
    for _, result in found:
        count = result["counts"][condition]
        right = unpack_bits(result["scores"][score][condition], count).astype(float)
        parts.append(np.where(unpack_bits(result["known"][condition], count), right, np.nan))
    return np.concatenate(parts)


def _tests(found: Sequence[Series]) -> list[dict[str, Any]]:
    """Contenders against each other at every distance, on the sentences whose verbs both know."""
    tests = []
    for place, one in enumerate(found):
        for other in found[place + 1 :]:
            if other.contender == one.contender or other.digests != one.digests:
                continue
            for condition, distance in conditions():
                a, b = (series.right[f"{condition} {distance}"] for series in (one, other))
                both = ~np.isnan(a) & ~np.isnan(b)
                if both.any():
                    sides = {"table": f"{NAME}-distance-{condition}", "column": str(distance)}
                    sides |= {"a": one.label, "b": other.label}
                    outcome = in_points(paired_test(a[both], b[both]))
                    tests.append({**sides, **outcome, "cells": sorted({*one.cells, *other.cells})})
    for test, adjusted in zip(tests, holm([test["p"] for test in tests]), strict=True):
        test["p_holm"] = adjusted
    return tests
