# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The metrics are modules of `evaluate` like those of the Hub, and need no network."""

import re
import sys

import evaluate
import pytest

from hf_elmo.metrics import FOLDER, METRICS, load_metric

INPUTS = {
    "tagging": ([["B-PER", "O", "B-LOC"]], [["B-PER", "I-PER", "B-LOC"]], ("f1", 0.5)),
    "classification": ([0, 1, 1, 1], [0, 1, 0, 1], ("accuracy", 0.75)),
    "qa": (
        [{"id": "1", "prediction_text": "in the Norman duchy"}],
        [{"id": "1", "answers": {"text": ["Norman duchy"], "answer_start": [7]}}],
        ("f1", 80.0),
    ),
}


@pytest.mark.parametrize("name", METRICS)
def test_evaluate_loads_the_folder_too(name, tmp_path):
    predictions, references, (key, value) = INPUTS[name]
    ours = load_metric(name)
    theirs = evaluate.load(str(FOLDER / name), cache_dir=str(tmp_path))
    assert isinstance(ours, evaluate.Metric) and isinstance(theirs, evaluate.Metric)
    scores = ours.compute(predictions=predictions, references=references)
    assert scores[key] == value
    assert theirs.compute(predictions=predictions, references=references) == scores
    assert all(type(number) in (int, float) for number in scores.values())


@pytest.mark.parametrize("name", METRICS)
def test_predictions_can_come_in_batches(name):
    predictions, references, _ = INPUTS[name]
    metric = load_metric(name)
    for prediction, reference in zip(predictions, references, strict=True):
        metric.add(prediction=prediction, reference=reference)
    assert metric.compute() == metric.compute(predictions=predictions, references=references)


@pytest.mark.parametrize("name", METRICS)
def test_modules_describe_themselves(name):
    metric = load_metric(name)
    assert "@" in metric.citation and metric.reference_urls
    assert "Args:" in metric.inputs_description and "Returns:" in metric.inputs_description
    assert metric.description.strip() in type(metric).__doc__


def test_unknown_names():
    with pytest.raises(ValueError, match="unknown metric 'bleu'; it is one of tagging, classification, qa"):
        load_metric("bleu")


def test_without_a_package_it_needs(monkeypatch):
    monkeypatch.delitem(sys.modules, "hf_elmo.metrics.tagging.tagging", raising=False)
    monkeypatch.setitem(sys.modules, "seqeval.metrics", None)
    with pytest.raises(ImportError, match=re.escape('pip install "hf-elmo[train]"')):
        load_metric("tagging")
