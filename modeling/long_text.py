# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Texts of any length in bounded memory, exact in both directions.

In ELMo's language model no direction ever reads the other one: the forward LSTMs of all layers can run over a text
from its begin to its end, segment after segment with their state carried on, and the backward LSTMs from its end to
its begin. Nothing but the results has the length of the text.

Shapes: B sentences, T words, S words of a segment, D `projection_size`, M `cell_size`, L layers.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .lstm_projection import LstmProjection, read_in_packed_order
from .word_layout import PackedWords


class SegmentOfOneDirection(NamedTuple):
    """What one direction computed for some columns of the batch."""

    columns: slice  # of the T words
    half: slice  # of the 2D numbers: forward first
    layers: list[Tensor]  # L + 1 tensors (B, S, D): the word vectors, then every LSTM layer; zero at padding


def run_in_segments(
    layers: Sequence[Any],
    words_of: Callable[[slice], Tensor],
    mask: Tensor,
    words_per_segment: int,
    final_states: dict[int, list[tuple[Tensor, Tensor]]] | None = None,
    state: tuple[Tensor, Tensor] | None = None,
) -> Iterator[SegmentOfOneDirection]:
    """Run all layers over a batch of long texts, first ahead from left to right, then back from right to left.

    Args:
        layers: the model's `ElmoLayer`s.
        words_of: gives the word vectors (B, S, D) of some columns; asked once for each direction.
        mask: (B, T) bool, True for real words.
        words_per_segment: S; the memory in between grows with it, the results do not depend on it.
        final_states: filled with the state (h (B, D), c (B, M)) of every layer, under 0 for the forward direction and 1
            for the backward one.
        state: h (L, B, 2D) and c (L, B, 2M) to start from; zeros if None.
    """
    count = mask.shape[1]
    columns = [slice(start, min(start + words_per_segment, count)) for start in range(0, count, words_per_segment)]
    for backward in (0, 1):
        states = [_first_state(layers, index, backward, mask, state) for index in range(len(layers))]
        for part in reversed(columns) if backward else columns:
            words = words_of(part)
            size = words.shape[-1]
            part_mask = mask[:, part]
            packed = PackedWords(part_mask)
            results = [words]
            for index, layer in enumerate(layers):
                direction = layer.backward_direction if backward else layer.forward_direction
                outputs, states[index] = _run_direction(direction, results[-1], packed, states[index], backward)
                results.append(outputs + results[-1] if layer.use_skip else outputs)
            yield SegmentOfOneDirection(part, slice(backward * size, (backward + 1) * size), results)
        if final_states is not None:
            final_states[backward] = states


def _first_state(layers, index: int, backward: int, mask: Tensor, state) -> tuple[Tensor, Tensor]:
    direction = layers[index].forward_direction
    if state is not None:
        h, c = (part[index].to(direction.bias.dtype).chunk(2, dim=-1)[backward] for part in state)
        return h, c
    gates, size = direction.bias.shape[0], direction.weight_ih.shape[1]
    settings = {"dtype": direction.bias.dtype, "device": mask.device}  # the bias itself may be elsewhere
    return torch.zeros(mask.shape[0], size, **settings), torch.zeros(mask.shape[0], gates // 4, **settings)


def _run_direction(
    direction: LstmProjection, inputs: Tensor, packed: PackedWords, state: tuple[Tensor, Tensor], backward: int
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """(B, S, D) and the state of all B sentences -> the same; sentences without a word here keep their state."""
    return read_in_packed_order(
        inputs, packed, state, bool(backward), lambda words, h, c: direction(words, state=(h, c), packed=packed)
    )


def stack_states(states: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """h (B, 2D) and c (B, 2M) of every layer -> h (L, B, 2D) and c (L, B, 2M)."""
    device = states[-1][0].device  # they differ under device_map
    return torch.stack([h.to(device) for h, _ in states]), torch.stack([c.to(device) for _, c in states])
