# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Scores of classification with one label or several, and of regression."""

from typing import Any

import datasets
import evaluate
import numpy as np
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import accuracy_score, f1_score, mean_squared_error

_DESCRIPTION = """
Accuracy and F1 of classification, micro and macro F1 of classification with several labels a text, correlations and
squared error of regression, by scikit-learn and SciPy.
"""

_KWARGS_DESCRIPTION = """
Configurations (config_name): "single_label_classification", "multi_label_classification" and "regression", named as
in transformers. "default" goes by the values: lists are several labels, whole numbers are classes, other numbers are
regression; name the configuration where scores of a regression can be whole numbers.
Args:
    predictions: for each text the number of its class, a list with 0 or 1 for each label, or a number.
    references: alike.
Returns:
    accuracy: texts with the right class or, with several labels, with all labels right; 0 to 1.
    macro_f1: mean of the F1 of each class that occurs in the references or the predictions; with several labels, of
        each label. 0 where precision and recall are 0.
    micro_f1: with several labels, F1 of all decisions together.
    pearson, spearman, mse: of regression; a correlation with numbers that are all the same is given as 0.
Examples:
    >>> metric = evaluate.load("classification")
    >>> metric.compute(predictions=[0, 1, 1, 1], references=[0, 1, 0, 1])["accuracy"]
    0.75
    >>> metric = evaluate.load("classification", "multi_label_classification")
    >>> metric.compute(predictions=[[1, 0], [1, 1]], references=[[1, 0], [0, 1]])["micro_f1"]
    0.8
"""

_CITATION = """
@article{scikit-learn,
    title = {Scikit-learn: Machine Learning in {P}ython},
    author = {Pedregosa, F. and Varoquaux, G. and Gramfort, A. and Michel, V. and Thirion, B. and Grisel, O. and
        Blondel, M. and Prettenhofer, P. and Weiss, R. and Dubourg, V. and Vanderplas, J. and Passos, A. and
        Cournapeau, D. and Brucher, M. and Perrot, M. and Duchesnay, E.},
    journal = {Journal of Machine Learning Research},
    volume = {12},
    pages = {2825--2830},
    year = {2011},
}
"""

SINGLE, MULTI, REGRESSION = "single_label_classification", "multi_label_classification", "regression"
CONFIGURATIONS = ("default", SINGLE, MULTI, REGRESSION)


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class Classification(evaluate.Metric):
    def _info(self) -> evaluate.MetricInfo:
        if self.config_name not in CONFIGURATIONS:
            raise ValueError(f"no configuration {self.config_name!r}; it is one of {', '.join(CONFIGURATIONS)}")
        # Numbers of classes travel as floats: as integers, scores of a regression would be cut off in silence.
        number = datasets.Value("float64")
        several = datasets.Sequence(number)
        numbers, lists = (datasets.Features({"predictions": kind, "references": kind}) for kind in (number, several))
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS_DESCRIPTION,
            features={MULTI: lists, "default": [numbers, lists]}.get(self.config_name, numbers),
            reference_urls=["https://scikit-learn.org/stable/modules/model_evaluation.html"],
        )

    def _compute(self, predictions: list[Any], references: list[Any]) -> dict[str, float]:
        if not references:
            raise ValueError("there are no texts to score")
        if isinstance(references[0], list):
            return _several_labels(predictions, references)
        found, gold = np.asarray(predictions), np.asarray(references)
        whole = bool(np.all(np.mod(np.concatenate([found, gold]), 1) == 0))
        if self.config_name == REGRESSION or (self.config_name == "default" and not whole):
            return _regression(found, gold)
        if not whole:
            raise ValueError("numbers of classes must be whole; take the configuration 'regression' for scores")
        return {
            "accuracy": float(accuracy_score(gold, found)),
            "macro_f1": float(f1_score(gold, found, average="macro", zero_division=0)),
        }


def _several_labels(predictions: list[list[float]], references: list[list[float]]) -> dict[str, float]:
    lengths = {len(row) for row in [*predictions, *references]}
    values = {value for row in [*predictions, *references] for value in row}
    if len(lengths) > 1 or not lengths - {0} or values - {0, 1}:
        raise ValueError(
            "with several labels each text needs a list of 0 and 1, one for each label, all of one length"
        )
    found, gold = np.asarray(predictions, dtype=int), np.asarray(references, dtype=int)
    return {
        "accuracy": float((found == gold).all(axis=1).mean()),
        "micro_f1": float(f1_score(gold, found, average="micro", zero_division=0)),
        "macro_f1": float(f1_score(gold, found, average="macro", zero_division=0)),
    }


def _regression(found: np.ndarray, gold: np.ndarray) -> dict[str, float]:
    if not (np.isfinite(found).all() and np.isfinite(gold).all()):
        raise ValueError("a prediction or a reference is not finite; the training has probably diverged")
    varied = len(gold) > 1 and np.ptp(found) > 0 and np.ptp(gold) > 0
    return {
        "pearson": float(pearsonr(gold, found)[0]) if varied else 0.0,
        "spearman": float(spearmanr(gold, found)[0]) if varied else 0.0,
        "mse": float(mean_squared_error(gold, found)),
    }
