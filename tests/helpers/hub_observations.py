# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What a model and its tokenizer give for two texts; the same on the machine that pushes and on the one that loads."""

import json

import torch

TEXTS = ["Anna sat by the river bank; 北京 😀", "The bank paid her."]
AUTO_MODELS = [
    "AutoModel",
    "AutoModelForPreTraining",
    "AutoModelForTokenClassification",
    "AutoModelForSequenceClassification",
    "AutoModelForQuestionAnswering",
    "AutoModelForMultipleChoice",
]
PIPELINES = {
    "feature-extraction": "AutoModel",
    "token-classification": "AutoModelForTokenClassification",
    "text-classification": "AutoModelForSequenceClassification",
}


def observe(model, tokenizer) -> dict:
    """Every tensor of the model, what it makes of TEXTS, and the ids of the words."""
    pairs = TEXTS[::-1] if "QuestionAnswering" in type(model).__name__ else None
    batch = tokenizer(TEXTS, pairs, padding=True, return_tensors="pt")
    if "MultipleChoice" in type(model).__name__:
        batch = {key: tensor.unsqueeze(0) for key, tensor in batch.items()}
    with torch.no_grad():
        output = model(**batch, output_hidden_states=True)
    return {
        "weights": {name: tensor.clone() for name, tensor in model.state_dict().items()},
        "vectors": torch.stack(output.hidden_states),
        "output": output[0],
        "char_ids": batch["char_ids"],
    }


def predict(pipeline) -> list:
    """What a pipeline makes of TEXTS, every number as Python's own, to the last bit."""
    return json.loads(json.dumps(pipeline(TEXTS), default=float))
