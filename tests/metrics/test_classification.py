# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Classes, several labels and regression, against numbers counted by hand and NumPy."""

import numpy as np
import pytest

from hf_elmo.metrics import load_metric

SINGLE, MULTI, REGRESSION = "single_label_classification", "multi_label_classification", "regression"


def score(predictions, references, config_name=None):
    return load_metric("classification", config_name).compute(predictions=predictions, references=references)


@pytest.mark.parametrize("config_name", [None, SINGLE])
def test_one_label(config_name):
    # Class 0: 2 right of 3 found and 2 there, F1 4/5; class 1: 1 of 2 found, 1 of 2 there, 1/2; class 2: 0 of 1.
    scores = score([0, 0, 0, 1, 1], [0, 0, 1, 1, 2], config_name)
    assert scores == pytest.approx({"accuracy": 3 / 5, "macro_f1": (4 / 5 + 1 / 2 + 0) / 3})
    assert score(np.array([1, 1]), np.array([1, 1]), config_name) == {"accuracy": 1.0, "macro_f1": 1.0}


@pytest.mark.parametrize("config_name", [None, MULTI])
def test_several_labels(config_name):
    # Label 0: 1 right of 2 found, 1 there, F1 2/3; label 1: 1 of 1 found, 2 there, 2/3; label 2: never, 0.
    scores = score([[1, 0, 0], [1, 1, 0], [0, 0, 0]], [[1, 0, 0], [0, 1, 0], [0, 1, 0]], config_name)
    assert scores == pytest.approx({"accuracy": 1 / 3, "micro_f1": 4 / 6, "macro_f1": 4 / 9})


def ranks(values):
    """Mean rank of each value, ties shared."""
    return [(np.sum(values < value) + np.sum(values <= value) - 1) / 2 for value in values]


@pytest.mark.parametrize("config_name", [None, REGRESSION])
def test_regression(config_name):
    generator = np.random.default_rng(3)
    gold = generator.normal(size=40)
    found = np.round(gold + generator.normal(size=40), 1)  # with ties
    scores = score(found.tolist(), gold.tolist(), config_name)
    assert scores["mse"] == pytest.approx(np.mean((found - gold) ** 2))
    assert scores["pearson"] == pytest.approx(np.corrcoef(found, gold)[0, 1])
    assert scores["spearman"] == pytest.approx(np.corrcoef(ranks(found), ranks(gold))[0, 1])


def test_whole_numbers_can_be_regression():
    assert score([1, 2, 3], [2, 4, 6], REGRESSION) == pytest.approx({"pearson": 1, "spearman": 1, "mse": 14 / 3})


def test_constant_scores_have_no_correlation():
    assert score([0.5, 0.5], [1.0, 2.0]) == {"pearson": 0.0, "spearman": 0.0, "mse": (0.25 + 2.25) / 2}
    assert score([0.5], [1.0])["pearson"] == 0


@pytest.mark.parametrize(
    ("predictions", "references", "config_name", "message"),
    [
        ([0.5], [1], SINGLE, "numbers of classes must be whole; take the configuration 'regression'"),
        ([[1, 2]], [[1, 0]], None, "needs a list of 0 and 1, one for each label, all of one length"),
        ([[1]], [[1, 0]], MULTI, "needs a list of 0 and 1"),
        ([[]], [[]], MULTI, "needs a list of 0 and 1"),
        ([float("nan")], [1.0], None, "a prediction or a reference is not finite"),
        ([], [], SINGLE, "there are no texts to score"),
        ([0], [0], "stsb", "no configuration 'stsb'; it is one of default, single_label_classification"),
    ],
)
def test_errors_say_what_is_wrong(predictions, references, config_name, message):
    with pytest.raises(ValueError, match=message):
        score(predictions, references, config_name)
