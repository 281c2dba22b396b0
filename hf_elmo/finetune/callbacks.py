# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Callbacks for `transformers.Trainer`: unfreezing from the top, and the scalar mix in the logs."""

from typing import Any

from torch import nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from hf_elmo.finetune.optimization import parameters_by_depth


class GradualUnfreezing(TrainerCallback):
    """Train the head alone at first, and one depth of the encoder more in each epoch, from the top.

    ULMFiT, Howard & Ruder 2018 (arXiv:1801.06146), section 3.3. The optimizer must be made before the training begins,
    as Trainer does, so that it knows all parameters. A resumed training goes on at its epoch. At the end every
    parameter is as trainable as it was before. Parameters that were frozen before stay so.

    Args:
        epochs_per_group: epochs after which the next depth joins.
    Raises:
        ValueError: `epochs_per_group` is not positive.
    """

    def __init__(self, epochs_per_group: float = 1.0):
        if not epochs_per_group > 0:
            raise ValueError(f"epochs_per_group must be a positive number, got {epochs_per_group}")
        self.epochs_per_group = epochs_per_group
        self._groups: list[list[nn.Parameter]] = []  # trainable parameters, the head first

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **kwargs
    ) -> None:
        groups = [[p for _, p in named if p.requires_grad] for named in parameters_by_depth(model).values()]
        self._groups = [group for group in groups if group]
        self._thaw(state.epoch)

    def on_epoch_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs) -> None:
        self._thaw(state.epoch)

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs) -> None:
        self._thaw(float("inf"))

    def _thaw(self, epoch: float | None) -> None:
        # epochs are counted in fractions: the end of the third may be 2.9999999
        depth = ((epoch or 0.0) + 1e-6) / self.epochs_per_group
        for place, group in enumerate(self._groups):
            for parameter in group:
                parameter.requires_grad_(place <= depth)


class ScalarMixLogger(TrainerCallback):
    """Add the shares of ELMo's layers (`scalar_mix/layer_0`, ...) and `scalar_mix/gamma` to the training's log.

    They go into `trainer_state.json`, and to every reporter whose callback comes after this one:
    `trainer.callback_handler.callbacks.insert(0, ScalarMixLogger())` puts it first.
    """

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: Any = None,
        logs: dict[str, Any] | None = None,
        **kwargs,
    ) -> None:
        if logs is None or "loss" not in logs:
            return
        values = scalar_mix_values(model)
        logs.update(values)
        state.log_history[-1].update(values)  # Trainer has made its entry already


def scalar_mix_values(model: Any) -> dict[str, float]:
    """Shares of the layers and gamma of a model's scalar mix, for a log.

    Raises:
        ValueError: the model has no scalar mix.
    """
    mix = getattr(model, "scalar_mix", None)
    if mix is None:
        raise ValueError(f"{type(model).__name__} has no scalar mix: ScalarMixLogger is for ELMo models")
    weights = mix.normalized_weights().detach().tolist()
    return {f"scalar_mix/layer_{index}": round(weight, 6) for index, weight in enumerate(weights)} | {
        "scalar_mix/gamma": round(mix.gamma.item(), 6)
    }
