# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Scores of sequence tagging: spans by strict BIO2, and tokens."""

import re
from typing import Any

import datasets
import evaluate
from seqeval.metrics import classification_report
from seqeval.scheme import IOB2

_DESCRIPTION = """
Precision, recall and F1 of spans, as the CoNLL shared tasks have them: a span counts as found if its begin, end and
type are right. Tags are read strictly as BIO2: an I- that continues nothing belongs to no span. Accuracy is that of
tokens. Tags that mark no spans, such as parts of speech, have accuracy only.
"""

_KWARGS_DESCRIPTION = """
Args:
    predictions: for each sentence a list of tags, text.
    references: for each sentence a list of tags, text; as long as the list of predictions.
    spans: whether tags mark spans. None: if all references are O, B-... or I-...
    per_type: add <type>_precision, <type>_recall, <type>_f1 and <type>_number (spans in the references).
Returns:
    accuracy: tokens with the right tag, 0 to 1.
    precision, recall, f1: of the spans of all types together, 0 to 1; 0 where nothing can be counted.
    macro_f1: mean of the F1 of the types that occur in the references or the predictions.
Examples:
    >>> metric = evaluate.load("tagging")
    >>> scores = metric.compute(predictions=[["B-PER", "O", "B-LOC"]], references=[["B-PER", "I-PER", "B-LOC"]])
    >>> scores["f1"], round(scores["accuracy"], 3)
    (0.5, 0.667)
"""

_CITATION = """
@inproceedings{tjong-kim-sang-de-meulder-2003-introduction,
    title = {Introduction to the {C}o{NLL}-2003 Shared Task: Language-Independent Named Entity Recognition},
    author = {Tjong Kim Sang, Erik F. and De Meulder, Fien},
    booktitle = {Proceedings of the Seventh Conference on Natural Language Learning at {HLT}-{NAACL} 2003},
    year = {2003},
    pages = {142--147},
}
@misc{seqeval,
    title = {{seqeval}: A Python framework for sequence labeling evaluation},
    author = {Hiroki Nakayama},
    year = {2018},
    url = {https://github.com/chakki-works/seqeval},
}
"""

BIO_TAG = re.compile(r"O|[BI]-.+", re.DOTALL)


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class Tagging(evaluate.Metric):
    def _info(self) -> evaluate.MetricInfo:
        sentence = datasets.Sequence(datasets.Value("string"))
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS_DESCRIPTION,
            features=datasets.Features({"predictions": sentence, "references": sentence}),
            reference_urls=[
                "https://www.clips.uantwerpen.be/conll2003/ner/",
                "https://github.com/chakki-works/seqeval",
            ],
        )

    def _compute(
        self,
        predictions: list[list[str]],
        references: list[list[str]],
        spans: bool | None = None,
        per_type: bool = False,
    ) -> dict[str, Any]:
        for number, (found, gold) in enumerate(zip(predictions, references, strict=True)):
            if len(found) != len(gold):
                raise ValueError(f"sentence {number}: {len(found)} predicted tags for {len(gold)} tokens")
        tokens = [pair for row in zip(predictions, references, strict=True) for pair in zip(*row, strict=True)]
        if not tokens:
            raise ValueError("there are no tokens to score")
        scores: dict[str, Any] = {"accuracy": sum(found == gold for found, gold in tokens) / len(tokens)}
        if spans is None:
            spans = all(BIO_TAG.fullmatch(gold) for _, gold in tokens)
        return {**_span_scores(predictions, references, per_type), **scores} if spans else scores


def _span_scores(predictions: list[list[str]], references: list[list[str]], per_type: bool) -> dict[str, Any]:
    tags = {tag for rows in (predictions, references) for row in rows for tag in row}
    odd = sorted(tag for tag in tags if not BIO_TAG.fullmatch(tag))
    if odd:
        raise ValueError(f"the tag {odd[0]!r} is not O, B-... or I-...; spans=False scores tokens only")
    if not any(tag.startswith("B-") for tag in tags):  # seqeval's mean over no types is not a number
        return {"precision": 0.0, "recall": 0.0, "f1": 0.0, "macro_f1": 0.0}
    report = classification_report(
        references, predictions, output_dict=True, mode="strict", scheme=IOB2, zero_division=0
    )
    names = {"precision": "precision", "recall": "recall", "f1": "f1-score"}
    scores = {name: float(report["micro avg"][key]) for name, key in names.items()}
    scores["macro_f1"] = float(report["macro avg"]["f1-score"])
    if per_type:
        for kind in sorted(set(report) - {"micro avg", "macro avg", "weighted avg"}):
            scores |= {f"{kind}_{name}": float(report[kind][key]) for name, key in names.items()}
            scores[f"{kind}_number"] = int(report[kind]["support"])
    return scores
