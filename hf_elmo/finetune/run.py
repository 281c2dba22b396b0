# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""`hf-elmo finetune` from its arguments to a folder that `pipeline` loads, in running order."""

import contextlib
import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from transformers import EarlyStoppingCallback, set_seed
from transformers.integrations import get_available_reporting_integrations

from hf_elmo.benchmark.results import write_atomically
from hf_elmo.data import load_task_data
from hf_elmo.finetune import feature_cache, output, report
from hf_elmo.finetune.arguments import ArgumentsError, Settings, all_settings, key_values, parse_arguments
from hf_elmo.finetune.callbacks import GradualUnfreezing, ScalarMixLogger
from hf_elmo.finetune.models import Prepared, give_vocabulary, load_config_and_tokenizer, load_model
from hf_elmo.finetune.options import BERT_LEARNING_RATE, ELMO_LEARNING_RATE
from hf_elmo.finetune.plan import Held, describe_model, plan_lines
from hf_elmo.finetune.tasks import TASK_CLASSES, Task, problem_type
from hf_elmo.finetune.trainer import FinetuneTrainer, Rates

SPLITS = ("train", "validation", "test")
# Ends of names of metrics that are the better, the smaller they are.
ERRORS = ("loss", "error", "mse", "mae", "wer", "cer", "ter", "perplexity")


def finetune(arguments: Sequence[str]) -> dict[str, Any]:
    """Train and evaluate a model as the arguments say, and save it with its results.

    Args:
        arguments: as on the command line after `hf-elmo finetune`.
    Returns:
        The content of `results.json`.
    Raises:
        ArgumentsError: wrong use.
        ValueError, OSError: data, model or output folder do not fit; one line each.
    """
    started = time.perf_counter()
    begin = datetime.now(timezone.utc).isoformat(timespec="seconds")
    settings = parse_arguments(arguments)
    training = settings.training
    with contextlib.redirect_stdout(sys.stderr):  # Trainer prints its logs; results alone go to stdout
        _check_reporters(training.report_to)
        checkpoint = output.check_output(settings)
        set_seed(training.seed)
        datasets = _load_data(settings)
        sources = {name: report.describe_data(_source(settings, name), _split(settings, name)) for name in datasets}
        task = TASK_CLASSES[_chosen(settings.data.task)](settings.data, datasets["train"])
        prepared = _prepare_model(settings, task, datasets)
        held = {name: _encode(settings, task, name, data, prepared) for name, data in datasets.items()}
        baseline = {name: task.score(task.baseline(data), data) for name, data in datasets.items() if name != "train"}
        _choose_best_metric(settings, task, baseline)
        _check_smoothing(settings, prepared.model.config)
        features = _features(settings, prepared, held)
        trainer = _make_trainer(settings, task, prepared, held, features)
        for line in plan_lines(settings, task, trainer, prepared, held, baseline, checkpoint):
            _say(settings, line)
        if trainer.is_world_process_zero():
            output.make_room(settings)
        outcome = trainer.train(resume_from_checkpoint=checkpoint)
        _refuse_broken(prepared.model)
        trainer.save_model()
        metrics = {name: _evaluate(trainer, task, settings, name, held[name], features[name]) for name in baseline}
        trainer.save_state()
        result = {
            "run": {
                "command": report.command_line(arguments),
                "settings": all_settings(settings),
                "seed": training.seed,
                "start": begin,
                "duration_seconds": round(time.perf_counter() - started, 1),
                "resumed_from": checkpoint and Path(checkpoint).name,
                "processes": training.world_size,
                "epochs": round(trainer.state.epoch or 0, 4),
                "steps": trainer.state.global_step,
                "best_step": trainer.state.best_global_step,
                "train_loss": outcome.training_loss,
            },
            "metrics": {
                name: {
                    metric: {"value": value, "baseline": baseline[name].get(metric), "n": len(datasets[name])}
                    for metric, value in scores.items()
                }
                for name, scores in metrics.items()
            },
            "baseline": task.describe_baseline(),
            "model": describe_model(settings, prepared),
            "data": {name: {"sources": sources[name], **task.count(data)} for name, data in datasets.items()},
            "notes": [
                *prepared.notes,
                *(f"{name}: {note}" for name, part in held.items() for note in part.encoded.notes),
            ],
        }
        if trainer.is_world_process_zero():
            result = output.leave_behind(settings, task, prepared, result)
    return result


def _say(settings: Settings, line: str) -> None:
    if settings.training.process_index == 0:
        print(line, file=sys.stderr, flush=True)


def _chosen(task: str | None) -> str:
    assert task is not None  # the arguments were checked
    return task


def _check_reporters(names: Any) -> None:
    available = get_available_reporting_integrations()
    for name in names:  # a list by now
        if name not in available:
            raise ArgumentsError(
                f"--report_to {name}: not installed (pip install {name}), or not known to transformers"
            )


# --- data ------------------------------------------------------------------------------------------------------------


def _source(settings: Settings, name: str) -> list[str]:
    return getattr(settings.data, f"{name}_data") or []


def _split(settings: Settings, name: str) -> str:
    return getattr(settings.data, f"{name}_split") or name


def _load_data(settings: Settings) -> dict[str, Any]:
    options = key_values(settings.data.data_options, "data_options")
    if settings.data.data_format is not None:
        options["format"] = settings.data.data_format
    task, datasets = _chosen(settings.data.task), {}
    for name in SPLITS:
        source = _source(settings, name)
        if not source:
            continue
        # Files were named for this use, whatever their names speak of.
        named_files = all(Path(item).is_file() for item in source) and getattr(settings.data, f"{name}_split") is None
        try:
            data = load_task_data(
                task,
                source[0] if len(source) == 1 else source,
                None if named_files else _split(settings, name),
                **options,
            )
        except TypeError as error:
            if "unexpected keyword" not in str(error):
                raise
            raise ArgumentsError(f"argument --data_options: {error}") from error
        most = settings.data.max_train_samples if name == "train" else settings.data.max_eval_samples
        most = min(most or len(data), len(data))
        # Evenly spread: a file or a class may stand behind the other.
        datasets[name] = data.select([place * len(data) // most for place in range(most)])
        if task == "classification" and "problem_type" not in options:
            options["problem_type"] = problem_type(data[0]["label"])  # the other parts are read alike
    return datasets


# --- model -----------------------------------------------------------------------------------------------------------


def _prepare_model(settings: Settings, task: Task, datasets: dict[str, Any]) -> Prepared:
    config, tokenizer = load_config_and_tokenizer(settings.model, task.pretokenized)
    for name, value in task.config_changes().items():
        setattr(config, name, value)
    is_elmo = config.model_type == "elmo"
    if is_elmo:
        others: Iterator[Any] = chain.from_iterable(
            task.texts(data) for name, data in datasets.items() if name != "train"
        )
        tokenizer = give_vocabulary(tokenizer, config, settings.model, task.texts(datasets["train"]), others)
    tokenizer.padding_side = "right"  # word positions are counted from the left
    if settings.training.learning_rate is None:
        settings.training.learning_rate = ELMO_LEARNING_RATE if is_elmo else BERT_LEARNING_RATE
    return load_model(settings.model, config, tokenizer, task.auto_class)


def _length_limit(settings: Settings, prepared: Prepared) -> int | None:
    """Longest input: what was asked for, what the model can read, or None for any length."""
    config = prepared.model.config
    readable = min(prepared.tokenizer.model_max_length, getattr(config, "max_position_embeddings", None) or math.inf)
    asked = settings.data.max_length
    if asked is not None and asked > readable:
        raise ArgumentsError(f"--max_length {asked}: the model reads at most {readable} tokens")
    limit = asked or readable
    return int(limit) if limit < 1e9 else None  # tokenizers say 1e30 for any length


def _encode(settings: Settings, task: Task, name: str, dataset: Any, prepared: Prepared) -> Held:
    limit = _length_limit(settings, prepared)
    encoded = task.encode(dataset, prepared.tokenizer, limit, training=name == "train")
    if not encoded.features:
        raise ValueError(f"nothing of the {name} data is left to learn from")
    return Held(dataset, encoded)


# --- training --------------------------------------------------------------------------------------------------------


def _features(settings: Settings, prepared: Prepared, held: dict[str, Held]) -> dict[str, Any]:
    """What the Trainer reads of each part of the data; with the encoder's layers if they are to be kept."""
    features: dict[str, Any] = {name: part.encoded.features for name, part in held.items()}
    if not settings.model.cache_features:
        return features
    folder = Path(settings.model.feature_cache_dir or feature_cache.default_folder())
    encoder = prepared.model.elmo.to(settings.training.device)
    for name, part in features.items():
        sequences = [one for feature in part for one in feature_cache.sequences_of(feature)]
        with settings.training.main_process_first(desc="feature cache"):
            cache = feature_cache.open_or_build(
                folder, encoder, sequences, settings.model.cache_dtype, partial(_say, settings)
            )
        features[name] = feature_cache.CachedFeatures(part, cache)
    return features


def _choose_best_metric(settings: Settings, task: Task, baseline: dict[str, dict[str, float]]) -> None:
    """By what the best model is known; an unknown name would be noticed after the first epoch only."""
    training, scores = settings.training, baseline.get("validation", {})
    asked = settings.given.get("metric_for_best_model")
    if asked is None and scores:
        training.metric_for_best_model = task.best_metric() if task.best_metric() in scores else next(iter(scores))
    elif asked is not None and asked.removeprefix("eval_") not in ("loss", *scores):
        raise ArgumentsError(f"--metric_for_best_model {asked}: needed is one of loss, {', '.join(scores)}")
    if training.metric_for_best_model is not None and "greater_is_better" not in settings.given:
        training.greater_is_better = not training.metric_for_best_model.endswith(ERRORS)


def _check_smoothing(settings: Settings, config: Any) -> None:
    """Trainer's label smoothing takes the labels away and computes a cross entropy of its own."""
    kind = getattr(config, "problem_type", None)
    if settings.training.label_smoothing_factor and getattr(config, "use_crf", False):
        raise ArgumentsError("--label_smoothing_factor leaves a CRF untrained: give one of the two")
    if settings.training.label_smoothing_factor and kind in ("regression", "multi_label_classification"):
        raise ArgumentsError(f"--label_smoothing_factor is for one of several labels, not for {kind}")


def _make_trainer(
    settings: Settings, task: Task, prepared: Prepared, held: dict[str, Held], features: dict[str, Any]
) -> FinetuneTrainer:
    training, run, model = settings.training, settings.run, prepared.model
    training.remove_unused_columns = False  # features hold nothing that the model does not take
    if not torch.cuda.is_available():
        training.dataloader_pin_memory = False
    collate = task.collator(prepared.tokenizer)
    if settings.model.cache_features:
        collate = feature_cache.LayersCollator(collate, prepared.tokenizer.padding_side)
    callbacks: list[Any] = []
    if run.gradual_unfreezing:
        callbacks.append(GradualUnfreezing())
    if run.early_stopping_patience is not None:
        callbacks.append(EarlyStoppingCallback(run.early_stopping_patience, run.early_stopping_threshold))
    assert training.learning_rate is not None  # `_prepare_model` saw to it
    trainer = FinetuneTrainer(
        model,
        training,
        data_collator=collate,
        train_dataset=features["train"],
        eval_dataset=features.get("validation"),
        processing_class=prepared.tokenizer,
        compute_metrics=_metrics_of(task, held["validation"]) if "validation" in held else None,
        callbacks=callbacks,
        preprocess_logits_for_metrics=task.reduce_logits,
        rates=Rates(training.learning_rate, run.encoder_learning_rate, run.layer_decay),
        encoder_is_frozen=settings.model.freeze_encoder,
        token_loss=task.token_loss,
    )
    if hasattr(model, "scalar_mix") and model.config.use_elmo_vectors:
        trainer.callback_handler.callbacks.insert(0, ScalarMixLogger())  # before those that report
    return trainer


def _metrics_of(task: Task, held: Held) -> Any:
    return lambda output: task.score(task.predict(output.predictions, held.encoded, held.dataset), held.dataset)


def _refuse_broken(model: Any) -> None:
    for name, parameter in model.named_parameters():
        if not bool(torch.isfinite(parameter).all()):
            raise ValueError(f"the training diverged: {name} is not finite; lower --learning_rate")


def _evaluate(
    trainer: FinetuneTrainer, task: Task, settings: Settings, name: str, held: Held, features: Any
) -> dict[str, float]:
    """Scores of a part of the data with the best model; its predictions are written down on request."""
    trainer.compute_metrics = None
    found = trainer.predict(features, metric_key_prefix=name)
    predictions = task.predict(found.predictions, held.encoded, held.dataset)
    scores = task.score(predictions, held.dataset)
    trainer.log({f"{name}_{key}": value for key, value in scores.items()})
    loss = (found.metrics or {}).get(f"{name}_loss")
    if settings.run.save_predictions and trainer.is_world_process_zero():
        rows = getattr(task, "details", None) or [{"prediction": one} for one in predictions]
        path = Path(str(settings.training.output_dir)) / f"predictions_{name}.jsonl"
        write_atomically(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    # Without a label that the training data have there is no loss.
    return scores | ({} if loss is None or not math.isfinite(loss) else {"loss": float(loss)})
