# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Perplexity of ELMo's language models on a held-out text."""

from typing import Any

import datasets
import evaluate

from hf_elmo.modeling import ElmoForPreTraining, ElmoTokenizer
from hf_elmo.perplexity import perplexity
from hf_elmo.pretrained import resolve

_DESCRIPTION = """
Perplexity of a forward and a backward language model, and of both together, exp of half the sum of their losses as
bilm-tf reports it. Full softmax over the vocabulary; the end of a sentence is a word for the forward model, its begin
for the backward one; a word outside the vocabulary counts as the unknown one, so that only perplexities over the same
vocabulary compare.
"""

_KWARGS_DESCRIPTION = """
Args:
    predictions: the sentences, strings whose words stand between blanks.
    model_id: folder or name of a pretrained ELMo with its softmax and its vocabulary, such as elmo-mini-en.
    model, tokenizer: the two in memory, instead of model_id.
    order: "sentences", each from zero states, or "lanes", with the state carried on.
    batch_size: sentences or lanes computed at once; does not change the result.
    num_lanes: streams of "lanes"; changes which sentences follow each other.
Returns:
    perplexity, forward_perplexity, backward_perplexity.
    num_targets: words that each model predicted, the ends (begins) of the sentences among them.
    num_unknown: of them outside the vocabulary.
Examples:
    >>> metric = evaluate.load("perplexity")
    >>> metric.compute(predictions=["the cat sat on the mat ."], model_id="my-elmo")["perplexity"]
    22.0
"""

_CITATION = """
@inproceedings{peters-etal-2018-deep,
    title = {Deep Contextualized Word Representations},
    author = {Peters, Matthew E. and Neumann, Mark and Iyyer, Mohit and Gardner, Matt and Clark, Christopher and
        Lee, Kenton and Zettlemoyer, Luke},
    booktitle = {Proceedings of NAACL-HLT 2018},
    year = {2018},
    pages = {2227--2237},
}
"""


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class ElmoPerplexity(evaluate.Metric):
    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS_DESCRIPTION,
            features=datasets.Features({"predictions": datasets.Value("string")}),
            reference_urls=["https://github.com/allenai/bilm-tf"],
        )

    def _compute(
        self,
        predictions: list[str],
        model_id: str | None = None,
        model: Any = None,
        tokenizer: Any = None,
        order: str = "sentences",
        batch_size: int = 32,
        num_lanes: int = 1,
    ) -> dict[str, float]:
        if model_id is not None and (model is not None or tokenizer is not None):
            raise ValueError("give either model_id, or model and tokenizer")
        if model_id is not None:
            model_id = resolve(model_id)
            model, tokenizer = ElmoForPreTraining.from_pretrained(model_id), ElmoTokenizer.from_pretrained(model_id)
        elif model is None or tokenizer is None:
            raise ValueError("needed is model_id, or both model and tokenizer")
        result = perplexity(model, tokenizer, predictions, order=order, batch_size=batch_size, num_lanes=num_lanes)
        return {
            "perplexity": result.joint,
            "forward_perplexity": result.forward,
            "backward_perplexity": result.backward,
            "num_targets": result.num_targets,
            "num_unknown": result.num_unknown,
        }
