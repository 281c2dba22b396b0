# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What is computed once from weights and used until they change: never stale, never saved, never copied along."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

# Numbers of each weight that are compared, besides torch's own count of changes.
SAMPLES = 64


class WeightsSeen:
    """The state of some weights at one moment.

    torch counts in-place changes (optimiser step, `load_state_dict`), but not those written through `.data`, as some
    averaging code does; therefore some numbers of each weight, evenly spread, are compared as well. A write through
    `.data` into a few single numbers goes unseen.
    """

    def __init__(self, weights: Sequence[Tensor]):
        self.identities = [_identity(weight) for weight in weights]
        self.samples = [_sample(weight).clone() for weight in weights]

    def still_hold(self, weights: Sequence[Tensor]) -> bool:
        """Whether these are the same weights, unchanged."""
        return self.identities == [_identity(weight) for weight in weights] and all(
            torch.equal(seen, _sample(weight)) for seen, weight in zip(self.samples, weights, strict=True)
        )


def _identity(weight: Tensor) -> tuple:
    return (weight.data_ptr(), 0 if weight.is_inference() else weight._version, weight.dtype, weight.device)


def _sample(weight: Tensor) -> Tensor:
    if weight.is_meta:  # offloaded: there is nothing to compare, and the next forward pass brings another tensor
        return torch.empty(0)
    flat = weight.detach().flatten()
    step = max(1, len(flat) // SAMPLES)
    while math.gcd(step, weight.shape[-1] if weight.dim() else 1) > 1:  # or all of them might stand in one column
        step -= 1
    return flat[::step]


class WeightCopies:
    """Other forms of a module's weights, such as the transposed layout that matrix products read faster."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[WeightsSeen, Any]] = {}

    def get(self, name: str, weights: Sequence[Tensor], make: Callable[..., Any]) -> Any:
        """The result of `make(*weights)`, from the last call under this name if the weights are still the same."""
        made = self._made.get(name)
        if made is None or not made[0].still_hold(weights):
            del made
            self._made.pop(name, None)  # the old one goes before the new one needs its memory
            made = WeightsSeen(weights), make(*(weight.detach() for weight in weights))
            self._made[name] = made
        return made[1]

    def __deepcopy__(self, memo: dict) -> "WeightCopies":
        return WeightCopies()

    def __reduce__(self) -> tuple:
        return WeightCopies, ()


def transposed(copies: WeightCopies, name: str, weight: Tensor) -> Tensor:
    """`weight.t()`, stored in that order: for few rows a product with it takes about 2/3 of the time."""
    return copies.get(name, [weight], lambda weight: weight.t().contiguous())
