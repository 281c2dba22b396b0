# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Where the real words of a batch stand, and the order in which the LSTMs read them.

Shapes: B sentences, T words, N real words of the batch.
"""

import copy

import torch
from torch import Tensor


class PackedWords:
    """The real words of a batch step by step: the words that all sentences have first, then the second ones, and so on.

    Sentences stand by length, the longest first; those that have ended simply stop to appear. A backward direction
    reads each sentence from its own end, so both directions have the same number of words at each step.

    Args:
        mask: (B, T) bool, True for real words; padding may stand anywhere.
    """

    def __init__(self, mask: Tensor):
        lengths = mask.sum(dim=1)
        sorted_lengths, order = torch.sort(lengths, descending=True, stable=True)
        starts = (lengths.cumsum(0) - lengths)[order]  # place of each sentence's first word among all real words
        sorted_lengths, starts = sorted_lengths[sorted_lengths > 0], starts[sorted_lengths > 0]
        steps = torch.arange(mask.shape[1], device=mask.device)
        step, row = (steps.unsqueeze(1) < sorted_lengths).nonzero().unbind(1)
        real = mask.flatten().nonzero().squeeze(1)
        self.order = order[: len(starts)]  # (sentences with words,) the longest first
        self.ahead = real[starts[row] + step]  # (N,) positions in the flat batch (B * T), as a forward LSTM reads them
        self.back = real[starts[row] + sorted_lengths[row] - 1 - step]  # (N,) as a backward LSTM reads them
        self.alive: list[int] = step.bincount().tolist()  # sentences that have a word at step s
        # (sentences with words,) row of each one's last word in the packed order
        first = torch.tensor([0, *self.alive], device=mask.device).cumsum(0)
        self.last = first[sorted_lengths - 1] + torch.arange(len(sorted_lengths), device=mask.device)

    def to(self, device: torch.device) -> "PackedWords":
        """The same on another device, where a layer may stand."""
        if self.order.device == torch.device(device):
            return self
        moved = copy.copy(self)
        for name in ("order", "ahead", "back", "last"):
            setattr(moved, name, getattr(self, name).to(device))
        return moved


class WordLayout:
    """Where the real words of a batch stand: worked out once, used by every layer.

    Args:
        mask: (B, T) bool, True for real words.
    """

    def __init__(self, mask: Tensor):
        self.mask = mask
        self.lengths = mask.sum(dim=1)  # (B,) int64, real words per sentence
        # Made when first asked for; functools.cached_property holds a lock, which torch.compile cannot trace.
        self._packed: PackedWords | None = None
        self._target: Tensor | None = None
        self._has_target = False

    @property
    def packed(self) -> PackedWords:
        """The order in which the packed backends read."""
        if self._packed is None:
            self._packed = PackedWords(self.mask)
        return self._packed

    @property
    def target(self) -> Tensor | None:
        """(B, T) int64, the column of each position once real words stand left; None if they do."""
        if not self._has_target:
            self._target, self._has_target = self._find_target(), True
        return self._target

    def _find_target(self) -> Tensor | None:
        if not torch.compiler.is_compiling():
            columns = torch.arange(self.mask.shape[1], device=self.mask.device)
            if torch.equal(self.mask, columns < self.lengths.unsqueeze(1)):
                return None
        # Running counts instead of a sort: they export to every format, and padding anywhere is handled alike.
        real = self.mask.cumsum(dim=1) - 1
        padding = self.lengths.unsqueeze(1) + (~self.mask).cumsum(dim=1) - 1
        return torch.where(self.mask, real, padding)

    def to(self, device: torch.device, non_blocking: bool = False) -> "WordLayout":
        """The same on another device; accelerate calls it for layers that stand there."""
        if self.mask.device == torch.device(device):
            return self
        moved = WordLayout(self.mask.to(device, non_blocking=non_blocking))
        target = self.target
        moved._target = None if target is None else target.to(device, non_blocking=non_blocking)
        moved._has_target = True
        return moved

    def to_left(self, hidden: Tensor) -> Tensor:
        """(B, T, D) with all real words moved to the left of their row, in order."""
        if self.target is None:
            return hidden
        return torch.zeros_like(hidden).scatter(1, self.target.unsqueeze(-1).expand_as(hidden), hidden)

    def to_place(self, hidden: Tensor) -> Tensor:
        """The inverse of `to_left`."""
        if self.target is None:
            return hidden
        return hidden.gather(1, self.target.unsqueeze(-1).expand_as(hidden))
