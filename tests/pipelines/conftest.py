# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Saved folders of every head, tiny and with random weights, and pipelines made from them."""

import pytest
import torch
from elmo_builders import tiny_config
from transformers import pipeline

from hf_elmo.modeling import (
    ElmoForQuestionAnswering,
    ElmoForSequenceClassification,
    ElmoForTokenClassification,
    ElmoModel,
    ElmoTokenizer,
)

BIO = {0: "O", 1: "B-x", 2: "I-x", 3: "B-y", 4: "I-y"}
RECURRENT = {"task_head": "recurrent", "task_hidden_size": 5}
MODELS = {
    "encoder": (ElmoModel, {}),
    "tagger": (ElmoForTokenClassification, {"id2label": BIO}),
    "crf_tagger": (ElmoForTokenClassification, {"id2label": BIO, "use_crf": True, **RECURRENT}),
    "classifier": (ElmoForSequenceClassification, {"id2label": {0: "bad", 1: "good", 2: "so-so"}, **RECURRENT}),
    "multi_label": (
        ElmoForSequenceClassification,
        {"num_labels": 3, "problem_type": "multi_label_classification"},
    ),
    "regressor": (ElmoForSequenceClassification, {"num_labels": 1, "problem_type": "regression"}),
    "qa": (ElmoForQuestionAnswering, {}),
    "qa_flow": (ElmoForQuestionAnswering, RECURRENT),
}


@pytest.fixture(scope="session")
def folders(tmp_path_factory) -> dict[str, str]:
    """Name of MODELS -> folder with model and tokenizer."""
    tokenizer = ElmoTokenizer(["<S>", "</S>", "<UNK>", "the", "bank", "Anna", "."])
    found = {}
    for name, (head, settings) in MODELS.items():
        torch.manual_seed(0)
        model = head(tiny_config(vocab_size=len(tokenizer), cell_clip=3.0, proj_clip=3.0, **settings)).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(torch.randn_like(parameter) * 0.7)
            if hasattr(model, "classifier"):  # no label is better than the others everywhere
                texts = tokenizer(["the river ran", "Anna", "to the bank, twice."], padding=True, return_tensors="pt")
                model.classifier.bias -= model(**texts).logits.flatten(0, -2).mean(dim=0)
        found[name] = str(tmp_path_factory.mktemp(name) / "elmo")
        model.save_pretrained(found[name])
        tokenizer.save_pretrained(found[name])
    return found


@pytest.fixture(scope="session")
def load(folders):
    """`load(task, name)`: the pipeline of a folder, loaded once; settings of single calls stay with the calls."""
    loaded: dict = {}

    def pipeline_of(task, name, **settings):
        key = (task, name, *sorted(settings.items()))
        if key not in loaded:
            loaded[key] = pipeline(task, folders[name], **settings)
        return loaded[key]

    return pipeline_of
