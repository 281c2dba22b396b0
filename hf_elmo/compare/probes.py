# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Parts of speech (UPOS) read from each layer by a linear classifier (Peters et al. 2018, section 5.3, with a probe).

The probe is the logistic regression of scikit-learn on one vector alone, so that it can only find what the layer holds already.
Seeds draw different training sentences. The baseline is the commonest tag of each word in those sentences.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hf_elmo.compare.cells import Cell, Section, figure
from hf_elmo.compare.item_bits import items_digest, pack_bits, unpack_bits
from hf_elmo.compare.statistics import bootstrap_interval, holm, in_points, mean_sd, paired_test
from hf_elmo.data.columns import read_columns

NAME = "probes"
TITLE = "Parts of speech by a linear probe, layer by layer"
DATA = "ud_ewt"
TRAIN_SENTENCES, DEV_SENTENCES = (500, 2500), (400, None)  # quick, full
REGULARIZATION = 1.0  # C of scikit-learn, on standardized vectors
MAX_ITERATIONS = 200
SENTENCES_AT_ONCE = 256
BASELINE, MAJORITY = "most frequent tag of the word", "most frequent tag"
ALL, UNSEEN, SEVERAL = "all words", "words not in the training sentences", "words with several tags there"

Tagged = tuple[list[str], list[str]]  # words and tags of a sentence


def cells(settings: Any, names: list[str]) -> list[Cell]:
    """One for each contender and seed; none without the data."""
    if settings.data_folder(DATA, NAME) is None:
        return []
    return [Cell(NAME, (("contender", name), ("seed", seed))) for name in names for seed in settings.seeds]


def run(cell: Cell, context: Any) -> dict[str, Any]:
    """Which words of the development part the probe of each layer gives their tag, as packed bits."""
    settings, folder = context.settings, context.data / DATA
    train = read_tagged(folder / "train.conllu.xz")
    chosen = np.random.default_rng(cell["seed"]).permutation(len(train))[: settings.choose(*TRAIN_SENTENCES)]
    dev = read_tagged(folder / "dev.conllu.xz")[: settings.choose(*DEV_SENTENCES)]
    return probe(context.contender(cell["contender"]), [train[index] for index in sorted(chosen)], dev, cell["seed"])


def read_tagged(path: Path) -> list[Tagged]:
    """Words and universal tags of a CoNLL-U file."""
    return [(tokens, tags) for _, tokens, tags in read_columns(path, "conllu", "upos", None)]


def probe(contender: Any, train: Sequence[Tagged], dev: Sequence[Tagged], seed: int) -> dict[str, Any]:
    """Train a probe on each layer and tag the development part by it.

    Returns:
        "layers"; "right": layer or baseline -> packed bits of the words; "unseen" and "several": packed bits of
        those words; "words", "training_words", "tags", "digest"; "iterations" of each layer.
    """
    tags = [tag for _, sentence in dev for tag in sentence]
    train_tags = [tag for _, sentence in train for tag in sentence]
    right, iterations = {}, {}
    vectors_of_train, vectors_of_dev = (_layer_vectors(contender, part) for part in (train, dev))
    for index, layer in enumerate(contender.layers):
        found, iterations[layer] = _tag(vectors_of_train[index], train_tags, vectors_of_dev[index], seed)
        right[layer] = pack_bits(found == np.array(tags))
    seen: dict[str, Counter[str]] = {}
    for words, sentence in train:
        for word, tag in zip(words, sentence, strict=True):
            seen.setdefault(word, Counter())[tag] += 1
    dev_words = [word for words, _ in dev for word in words]
    (commonest,) = [tag for tag, _ in Counter(train_tags).most_common(1)]
    by_word = [seen[word].most_common(1)[0][0] if word in seen else commonest for word in dev_words]
    return {
        "layers": list(contender.layers),
        "right": {
            **right,
            BASELINE: pack_bits(np.array(by_word) == np.array(tags)),
            MAJORITY: pack_bits([tag == commonest for tag in tags]),
        },
        "unseen": pack_bits([word not in seen for word in dev_words]),
        "several": pack_bits([len(seen.get(word, ())) > 1 for word in dev_words]),
        "words": len(dev_words),
        "training_words": len(train_tags),
        "tags": len(set(train_tags)),
        "iterations": iterations,
        "digest": items_digest(zip(dev_words, tags, strict=True)),
    }


def _layer_vectors(contender: Any, sentences: Sequence[Tagged]) -> np.ndarray:
    """(layers, words, dimension) float32 of all words of the sentences, one sentence after the other."""
    parts = []
    for start in range(0, len(sentences), SENTENCES_AT_ONCE):
        words = [each for each, _ in sentences[start : start + SENTENCES_AT_ONCE]]
        parts += [vectors.numpy() for vectors in contender.vectors(words)]
    return np.concatenate(parts, axis=1)


def _tag(train: np.ndarray, tags: Sequence[str], dev: np.ndarray, seed: int) -> tuple[np.ndarray, int]:
    """Tags of `dev` (words, D) by a probe trained on `train`, and the iterations that took."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    regression = LogisticRegression(C=REGULARIZATION, max_iter=MAX_ITERATIONS, tol=1e-3, random_state=seed)
    model = make_pipeline(StandardScaler(), regression)
    with warnings.catch_warnings():  # the number of iterations is in the result
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(train, tags)
    return model.predict(dev), int(regression.n_iter_.max())


# ------------------------------------------------------------------------------------------------------------ summary


def summarize(results: list[tuple[Cell, dict]], settings: Any) -> Section:
    """Accuracies over seeds, and tests of each layer against the lowest and against static vectors."""
    section: Section = {"experiment": NAME, "title": TITLE, "tables": [], "tests": [], "notes": []}
    if not results:
        return section
    by_contender: dict[str, list[tuple[Cell, dict]]] = {}
    for cell, result in results:
        by_contender.setdefault(cell["contender"], []).append((cell, result))
    rows = [
        _row(f"{name}, {layer}", name, layer, found)
        for name, found in by_contender.items()
        for layer in found[0][1]["layers"]
    ]
    for name in (BASELINE, MAJORITY):
        rows.append(_row(name, None, name, next(iter(by_contender.values()))))
    result = results[0][1]
    section["tables"].append(
        {
            "id": NAME,
            "title": "UPOS accuracy of a linear probe on one vector of each word",
            "unit": "%",
            "higher_is_better": True,
            "columns": [ALL, SEVERAL, UNSEEN],
            "rows": rows,
            "plot": {"kind": "bars", "x": [ALL, SEVERAL], "log_x": False},
        }
    )
    section["tests"] = _tests(by_contender)
    section["notes"].append(
        f"Multinomial logistic regression (scikit-learn, C = {REGULARIZATION:g}) on standardized vectors of "
        f"{result['training_words']:,} words of {DATA}, drawn anew by each seed; {result['words']:,} words of its "
        "development part. Standard deviations are over seeds."
    )
    return section


def _row(label: str, contender: str | None, system: str, found: list[tuple[Cell, dict]]) -> dict[str, Any]:
    ids = [cell.id for cell, _ in found]
    values = {}
    for column, mask_name in ((ALL, None), (SEVERAL, "several"), (UNSEEN, "unseen")):
        shares = []
        for _, result in found:
            right = unpack_bits(result["right"][system], result["words"])
            if mask_name is not None:
                right = right[unpack_bits(result[mask_name], result["words"])]
            shares += [100 * right.mean()] if len(right) else []
        if shares:
            mean, sd = mean_sd(shares)
            values[column] = figure(mean, ids, sd=sd, n=len(shares))
    per_word = np.stack([unpack_bits(result["right"][system], result["words"]) for _, result in found])
    low, high = bootstrap_interval(per_word)
    values[ALL]["interval"] = [100 * low, 100 * high]
    return {"label": label, "contender": contender, "group": system, "values": values}


def _tests(by_contender: dict[str, list[tuple[Cell, dict]]]) -> list[dict[str, Any]]:
    static = [name for name, found in by_contender.items() if len(found[0][1]["layers"]) == 1]
    tests = []
    for name, found in by_contender.items():
        lowest, *above = found[0][1]["layers"]
        for layer in above:
            for other, other_layer in [(name, lowest), *((each, None) for each in static)]:
                theirs = by_contender[other]
                shared = {cell["seed"]: (cell, result) for cell, result in theirs}
                pairs = [
                    (cell, result, *shared[cell["seed"]])
                    for cell, result in found
                    if cell["seed"] in shared and shared[cell["seed"]][1]["digest"] == result["digest"]
                ]
                if not pairs:
                    continue
                key = other_layer or theirs[0][1]["layers"][0]
                ours = [unpack_bits(result["right"][layer], result["words"]) for _, result, _, _ in pairs]
                rest = [unpack_bits(result["right"][key], result["words"]) for _, _, _, result in pairs]
                outcome = in_points(paired_test(np.stack(ours), np.stack(rest)))
                ids = sorted({each.id for cell, _, theirs_cell, _ in pairs for each in (cell, theirs_cell)})
                sides = {"table": NAME, "column": ALL, "a": f"{name}, {layer}", "b": f"{other}, {key}"}
                tests.append({**sides, **outcome, "cells": ids})
    for test, adjusted in zip(tests, holm([test["p"] for test in tests]), strict=True):
        test["p_holm"] = adjusted
    return tests
