# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What bilm-tf's optimiser does and torch's does not.

`torch.optim.Adagrad(parameters, lr=0.2, initial_accumulator_value=1.0, eps=0)` is bilm-tf's own, for sparse gradients
as well.
"""

from collections.abc import Iterable

import torch
from torch import Tensor


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


__all__ = ["clip_gradients"]
