# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Both directions of a layer over the real words of a batch, by the backend that is there.

Shapes: B sentences, T words, D `projection_size`, M `cell_size`, N real words of the batch.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from .lstm_native import native_applies
from .lstm_native_int8 import native_int8_applies
from .lstm_packed import LstmWeights
from .lstm_projection import LstmProjection
from .lstm_triton import triton_available, triton_steps
from .native_threads import run_together
from .word_layout import WordLayout


def runs_packed(backend: str, hidden: Tensor) -> bool:
    """Whether a layer takes both directions through `bidirectional_lstm`."""
    if backend == "auto":
        return not torch.compiler.is_exporting()
    return backend in ("packed", "native", "triton")


@torch.compiler.disable(
    reason='the "packed" LSTM loop follows the lengths; set lstm_backend="scan" for fullgraph=True'
)
def bidirectional_lstm(
    hidden: Tensor,
    layout: WordLayout,
    directions: tuple[LstmProjection, LstmProjection],
    h: Tensor | None,
    c: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Both directions of a layer over the real words of a batch.

    Args:
        hidden: (B, T, 2D), what the forward LSTM reads in the first half, the backward LSTM in the second.
        layout: where the real words are.
        directions: the forward and the backward LSTM.
        h, c: (B, 2D) and (B, 2M), the state before the first word read; zeros if None.
    Returns:
        outputs (B, T, 2D), zero at padding; h (B, 2D) and c (B, 2M) after the last word read.
    """
    packed, kind = layout.packed.to(hidden.device), hidden.device.type
    batch, _, width = hidden.shape
    cell_size = directions[0].bias.shape[0] // 4
    # Under autocast everything runs in its precision, as the products of plain modules would.
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden.dtype
    outputs = hidden.new_zeros(batch * hidden.shape[1], width, dtype=dtype)
    h = hidden.new_zeros(batch, width, dtype=dtype) if h is None else h.to(dtype, copy=True)
    c = hidden.new_zeros(batch, 2 * cell_size, dtype=dtype) if c is None else c.to(dtype, copy=True)
    if not packed.alive:
        return outputs.view(*hidden.shape), h, c
    flat, rows = hidden.reshape(-1, width).to(dtype), (packed.ahead, packed.back)
    words = [half.index_select(0, row) for half, row in zip(flat.chunk(2, dim=1), rows, strict=True)]
    states = list(zip(*(part.index_select(0, packed.order).chunk(2, dim=1) for part in (h, c)), strict=True))
    with torch.autocast(kind, enabled=False):
        if _use_triton(directions, words[0]):
            results = _both_by_triton(directions, words, packed, states)
        elif _use_native_pair(directions, words, states):
            results = _both_by_native(directions, words, packed, states)
        else:
            results = _one_after_the_other(directions, words, packed, states)
    # Put in place half by half: a sentence without words keeps the state it came with.
    for half, (output, last) in enumerate(results):
        for whole, part, places in (
            (outputs, output, rows[half]),
            (h, last[0], packed.order),
            (c, last[1], packed.order),
        ):
            whole.narrow(1, half * part.shape[1], part.shape[1]).index_copy_(0, places, part)
    return outputs.view(*hidden.shape), h, c


def _use_triton(directions: tuple[LstmProjection, LstmProjection], words: Tensor) -> bool:
    backend = directions[0].backend
    if backend == "triton" and not triton_available(words):
        raise ValueError(
            f'lstm_backend "triton" needs the triton package and tensors on a CUDA device, these are on {words.device}; '
            'use "auto", which takes what is there'
        )
    if backend == "triton":
        return True
    # Weights that are elsewhere come with the call of their module, which this backend leaves out.
    here = all(direction.bias.device == words.device for direction in directions)
    return backend == "auto" and here and not directions[0].int8 and triton_available(words)


def _both_by_triton(directions, words, packed, states) -> list[tuple[Tensor, tuple[Tensor, Tensor]]]:
    weights = [direction.float_weights().to(words[0].dtype) for direction in directions]
    projections = [w.weight_hr for w in weights if w.weight_hr is not None]
    h0, c0 = (torch.stack(part) for part in zip(*states, strict=True))
    cell_clip, proj_clip = directions[0].clips()
    outputs, h, c = triton_steps(
        _gates_of(words, weights),
        torch.stack([w.weight_hh for w in weights]),
        torch.stack(projections) if projections else None,
        h0,
        c0,
        packed.alive,
        cell_clip,
        proj_clip,
    )
    return [(outputs[g], (h[g], c[g])) for g in range(2)]


def _gates_of(words: list[Tensor], weights: list[LstmWeights]) -> Tensor:
    """(2, N, 4M) from the words (N, D) that each direction reads, the bias added."""
    if torch.is_grad_enabled():
        return torch.stack([F.linear(one, w.weight_ih, w.bias) for one, w in zip(words, weights, strict=True)])
    # Written in place: the largest tensor of a call is neither copied nor there twice.
    gates = words[0].new_empty(2, len(words[0]), len(weights[0].bias))
    for half, one, w in zip(gates, words, weights, strict=True):
        torch.addmm(w.bias, one, w.weight_ih.t(), out=half)
    return gates


def _one_after_the_other(directions, words, packed, states) -> list[tuple[Tensor, tuple[Tensor, Tensor]]]:
    both = zip(directions, words, states, strict=True)
    return [direction(one, state=state, packed=packed) for direction, one, state in both]


def _use_native_pair(directions: tuple[LstmProjection, LstmProjection], words: list[Tensor], states: list) -> bool:
    if directions[0].backend != "native" or torch.get_num_threads() == 1:
        return False
    both = zip(directions, words, states, strict=True)
    if directions[0].int8:
        return all(native_int8_applies(one, direction.bias, *state) for direction, one, state in both)
    return all(native_applies(one, *direction.parameters(), *state) for direction, one, state in both)


def _both_by_native(directions, words, packed, states) -> list[tuple[Tensor, tuple[Tensor, Tensor]]]:
    first, second = (
        direction.native_run(one, packed, *state)
        for direction, one, state in zip(directions, words, states, strict=True)
    )
    run_together((first, second))
    if first.answer or second.answer:
        return _one_after_the_other(directions, words, packed, states)  # which knows what is not finite
    return [(run.outputs, (run.outputs.index_select(0, packed.last), run.last_c)) for run in (first, second)]
