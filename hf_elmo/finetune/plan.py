# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What a run is going to do, said before it begins."""

import math
from typing import Any, NamedTuple

from hf_elmo.finetune.arguments import Settings
from hf_elmo.finetune.callbacks import scalar_mix_values
from hf_elmo.finetune.models import Prepared
from hf_elmo.finetune.optimization import optimizer_grouped_parameters
from hf_elmo.finetune.tasks import Encoded, Task
from hf_elmo.finetune.trainer import FinetuneTrainer

LABELS_SHOWN = 12


class Held(NamedTuple):
    """A part of the data: as it was read, and as the model reads it."""

    dataset: Any
    encoded: Encoded


def describe_model(settings: Settings, prepared: Prepared) -> dict[str, Any]:
    """The model in numbers, with the shares of its scalar mix if it has one."""
    model = prepared.model
    found = {
        "class": type(model).__name__,
        "start": settings.model.model or f"random weights ({settings.model.from_scratch})",
        "parameters": sum(p.numel() for p in model.parameters()),
        "trained_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
    }
    if hasattr(model, "scalar_mix") and model.config.use_elmo_vectors:
        found["scalar_mix"] = {name.split("/")[1]: value for name, value in scalar_mix_values(model).items()}
    return found


def plan_lines(
    settings: Settings,
    task: Task,
    trainer: FinetuneTrainer,
    prepared: Prepared,
    held: dict[str, Held],
    baseline: dict[str, dict[str, float]],
    checkpoint: str | None,
) -> list[str]:
    """Data, labels, baseline, model, steps, learning rates and output folder, a line each."""
    lines = [f"task: {settings.data.task}{_labels(prepared.model.config, task)}"]
    for name, part in held.items():
        sizes = ", ".join(f"{number:,} {what}" for what, number in task.count(part.dataset).items())
        lines.append(f"{name} data: {sizes}" + "".join(f"; {note}" for note in part.encoded.notes))
    for name, scores in baseline.items():
        shown = ", ".join(f"{metric} {value:.4f}" for metric, value in scores.items())
        lines.append(f"baseline on {name}: {shown} ({task.describe_baseline()})")
    facts = describe_model(settings, prepared)
    frozen = facts["parameters"] - facts["trained_parameters"]
    lines.append(
        f"model: {facts['class']} from {facts['start']}, {facts['parameters']:,} parameters: "
        f"{facts['trained_parameters']:,} trained, {frozen:,} frozen"
    )
    if settings.model.model is not None and prepared.new_parameters:
        lines.append(f"without pretrained values: {', '.join(prepared.new_parameters)}")
    return [
        *lines,
        *prepared.notes,
        _steps(settings, len(held["train"].encoded.features)),
        _rates(settings, trainer),
        f"output: {_output(settings, checkpoint)}",
    ]


def _labels(config: Any, task: Task) -> str:
    names = list(task.config_changes().get("id2label", {}).values())
    if not names:
        return ""
    more = f", ... ({len(names) - LABELS_SHOWN} more)" if len(names) > LABELS_SHOWN else ""
    return f", {len(names)} labels: {', '.join(names[:LABELS_SHOWN])}{more}"


def _steps(settings: Settings, examples: int) -> str:
    training = settings.training
    size = training.train_batch_size * training.gradient_accumulation_steps * training.world_size
    whole = math.floor if training.dataloader_drop_last else math.ceil
    per_epoch = max(whole(examples / size), 1)
    steps = training.max_steps if training.max_steps > 0 else math.ceil(training.num_train_epochs * per_epoch)
    where = f"{training.world_size} processes" if training.world_size > 1 else str(training.device)
    return f"steps: {steps:,} of {size} examples ({per_epoch:,} an epoch) on {where}, seed {training.seed}"


def _rates(settings: Settings, trainer: FinetuneTrainer) -> str:
    groups = optimizer_grouped_parameters(trainer.model, *trainer.rates)
    rates = {group["name"].removesuffix(", no decay"): group["lr"] for group in groups}
    if len(set(rates.values())) == 1:
        shown = f"{next(iter(rates.values())):g}"
    else:
        shown = ", ".join(f"{name} {rate:.3g}" for name, rate in rates.items())
    unfreezing = "; the head alone at first, one layer more each epoch" if settings.run.gradual_unfreezing else ""
    return f"learning rate: {shown}{unfreezing}"


def _output(settings: Settings, checkpoint: str | None) -> str:
    return f"{settings.training.output_dir}" + (f", going on from {checkpoint}" if checkpoint else "")
