# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Whole models trained on a task through their standard heads, with the features of `hf-elmo finetune`; one loop for all."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers.utils import logging

from hf_elmo.compare.task_probe import Budget, bucketed_batches, last_loss
from hf_elmo.finetune.models import load_config_and_tokenizer, load_model
from hf_elmo.finetune.optimization import optimizer_grouped_parameters
from hf_elmo.finetune.options import BERT_LEARNING_RATE, ELMO_LEARNING_RATE, DataArguments, ModelArguments
from hf_elmo.finetune.tasks import TASK_CLASSES

if TYPE_CHECKING:
    from datasets import Dataset

# Turc et al. 2019 (arXiv:1908.08962) tried 5e-5 to 3e-4 for BERT models of this width; Devlin et al. up to 5e-5 for larger.
SMALL_BERT_LEARNING_RATE = 3e-4
SMALL_BERT_WIDTH = 512
WARMUP = 0.1  # share of the steps, as in Devlin et al. 2019
LONGEST = 256  # tokens of an input
STRIDE = 64  # tokens that two windows of a context share


def learning_rate(config: Any) -> float:
    """The stated rate for a kind of model: ELMo's of `hf-elmo finetune`, BERT's by its width."""
    if config.model_type == "elmo":
        return ELMO_LEARNING_RATE
    return SMALL_BERT_LEARNING_RATE if config.hidden_size <= SMALL_BERT_WIDTH else BERT_LEARNING_RATE


def fine_tune(
    spec: str, kind: str, train: "Dataset", evaluations: list["Dataset"], budget: Budget, seed: int, device: str
) -> tuple[list[list[Any]], dict[str, Any]]:
    """Train a model with a new head, and give its predictions for some sets.

    Args:
        spec: name of the box, folder or id of an ELMo or BERT-like model.
        kind: "tagging", "classification" or "qa".
        train: the training examples.
        evaluations: sets to predict.
        budget: updates and batch size; the rate is `learning_rate`.
        seed: of the new head, batches and dropout.
        device: of torch.
    Returns:
        for each set one prediction for each example (tags, label or answer), and facts: rate, loss, parameters.
    Raises:
        ModelError: the model has no such head, or cannot be loaded.
        ValueError: the loss is not finite.
    """
    torch.manual_seed(seed)
    arguments = ModelArguments(model=spec)
    task = TASK_CLASSES[kind](DataArguments(task=kind, max_length=LONGEST, doc_stride=STRIDE), train)
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        config, tokenizer = load_config_and_tokenizer(arguments, task.pretokenized)
        for name, value in task.config_changes().items():
            setattr(config, name, value)
        model = load_model(arguments, config, tokenizer, task.auto_class).model.to(device)
    finally:
        if bars:
            logging.enable_progress_bar()
    rate = learning_rate(config)
    longest = min(LONGEST, tokenizer.model_max_length)  # positions beyond are unknown to the model, or not trained
    task.options.doc_stride = min(STRIDE, longest // 4)
    loss = _train(model, task, task.encode(train, tokenizer, longest, True).features, tokenizer, budget, rate, seed)
    predictions = []
    for dataset in evaluations:
        encoded = task.encode(dataset, tokenizer, longest, False)
        predictions.append(task.predict(_logits(model, task, encoded.features, tokenizer), encoded, dataset))
    facts = {**budget.as_dict(), "learning_rate": rate, "training_loss": loss}
    return predictions, {**facts, "parameters": sum(parameter.numel() for parameter in model.parameters())}


def _train(
    model: Any, task: Any, features: list[dict[str, Any]], tokenizer: Any, budget: Budget, rate: float, seed: int
) -> float:
    lengths = np.array([len(feature["input_ids"]) for feature in features])
    collate, generator = task.collator(tokenizer), np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(optimizer_grouped_parameters(model, rate, weight_decay=0.01))
    warm = max(1, round(WARMUP * budget.updates))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm, (budget.updates - step) / max(1, budget.updates - warm))
    )
    model.train()
    losses: list[torch.Tensor] = []
    for rows in bucketed_batches(lengths, budget.batch_size, budget.updates, generator):
        batch = {name: part.to(model.device) for name, part in collate([features[row] for row in rows]).items()}
        loss = model(**batch).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.detach())
    return last_loss(losses)


@torch.inference_mode()
def _logits(model: Any, task: Any, features: list[dict[str, Any]], tokenizer: Any, batch_size: int = 64) -> Any:
    """What `task.predict` reads, in the order of the features: a row for each, or two lists of rows."""
    model.eval()
    collate = task.collator(tokenizer)
    order = np.argsort([len(feature["input_ids"]) for feature in features], kind="stable")
    kept: dict[int, Any] = {}
    for begin in range(0, len(order), batch_size):
        rows = order[begin : begin + batch_size]
        batch = {name: part.to(model.device) for name, part in collate([features[row] for row in rows]).items()}
        labels = {"labels", "start_positions", "end_positions"} & batch.keys()
        output = model(**{name: part for name, part in batch.items() if name not in labels})
        logits = (output.start_logits, output.end_logits) if "start_logits" in output else output.logits
        reduced = task.reduce_logits(logits, None)
        parts = [part.cpu().numpy() for part in (reduced if isinstance(reduced, tuple) else (reduced,))]
        for place, row in enumerate(rows):
            kept[int(row)] = [part[place] for part in parts]
    columns = [[kept[row][part] for row in range(len(features))] for part in range(len(kept[0]))]
    return columns[0] if len(columns) == 1 else columns
