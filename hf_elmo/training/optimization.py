# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Optimisers, learning rates, and the clipping of bilm-tf, which torch has not for sparse gradients.

`torch.optim.Adagrad(parameters, lr=0.2, initial_accumulator_value=1.0, eps=0)` is bilm-tf's own, for sparse gradients
as well.
"""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from hf_elmo.training.settings import PretrainSettings


def make_optimizer(model: nn.Module, settings: PretrainSettings) -> torch.optim.Optimizer:
    """The optimiser of a run over the parameters that learn; AdamW's decay is for matrices alone.

    Raises:
        ValueError: nothing learns.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not parameters:
        raise ValueError("no parameter learns: freeze_encoder is set and there is no head")
    if settings.optimizer == "adagrad":
        return torch.optim.Adagrad(
            parameters, lr=settings.learning_rate, initial_accumulator_value=settings.adagrad_start, eps=0
        )
    groups = [
        {"params": [one for one in parameters if one.dim() > 1], "weight_decay": settings.weight_decay},
        {"params": [one for one in parameters if one.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=settings.learning_rate,
        betas=(0.9, settings.adam_beta2),
        fused=all(parameter.is_cuda for parameter in parameters),
    )


def rate_factor(step: int, max_steps: int, settings: PretrainSettings) -> float:
    """Factor, 0 to 1, of the learning rate for update number `step`, from 0: a function of the step alone."""
    if step < settings.warmup_steps:
        return (step + 1) / settings.warmup_steps
    if settings.lr_scheduler_type == "constant":
        return 1.0
    done = (step - settings.warmup_steps) / max(max_steps - settings.warmup_steps, 1)
    return max(1.0 - done, 0.0) if settings.lr_scheduler_type == "linear" else 0.5 * (1 + math.cos(math.pi * done))


@torch.no_grad()
def clip_gradients(parameters: Iterable[torch.nn.Parameter], max_norm: float) -> Tensor:
    """Scale all gradients so that their joint norm is at most `max_norm`, as `tf.clip_by_global_norm` in bilm-tf.

    `torch.nn.utils.clip_grad_norm_`, which refuses sparse gradients. Their repeated rows are added up first.

    Args:
        parameters: those without a gradient are passed over.
        max_norm: bound; infinity only measures.
    Returns:
        The norm before, a scalar.
    """
    values: list[Tensor] = []
    for parameter in parameters:
        gradient = parameter.grad
        if gradient is not None and gradient.is_sparse:
            parameter.grad = gradient.coalesce()
            values.append(parameter.grad.values())
        elif gradient is not None:
            values.append(gradient)
    norm = torch.nn.utils.get_total_norm(values)
    scale = max_norm / norm.clamp(min=max_norm)
    if max_norm < float("inf"):
        for value in values:
            value.mul_(scale.to(value.device))
    return norm


__all__ = ["clip_gradients", "make_optimizer", "rate_factor"]
