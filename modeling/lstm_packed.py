# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""ELMo's LSTM over packed words: the input product outside of the loop, ended sentences out of the batch.

Without gradients it keeps to a few buffers that are used again; with them it has its own backward pass, whose weight
gradients are one product each after the loop.

Shapes: N words of the batch as `PackedWords` orders them, n sentences (the longest first), D `projection_size`, M
`cell_size`. Gates stand in torch's order: input i, forget f, candidate g, output o.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from .products import add_product_
from .weight_copies import WeightCopies, transposed

# Words whose input product is made at once. More would spill the gates out of the processor's caches, fewer would read
# the weights more often than needed.
ROWS_PER_PRODUCT = 1024
FEWEST_ROWS = 16


class LstmWeights(NamedTuple):
    """Weights of one direction, named as in `torch.nn.LSTM(proj_size=D)` but with a single bias."""

    weight_ih: Tensor  # (4M, D) from the layer's input
    weight_hh: Tensor  # (4M, D) from the previous output
    bias: Tensor  # (4M,) forget bias included
    weight_hr: Tensor | None  # (D, M) output projection; None if the cell has the output's width

    def to(self, dtype: torch.dtype) -> "LstmWeights":
        """The same in another precision."""
        weight_hr = None if self.weight_hr is None else self.weight_hr.to(dtype)
        return LstmWeights(self.weight_ih.to(dtype), self.weight_hh.to(dtype), self.bias.to(dtype), weight_hr)


def lstm_over_packed_words(
    words: Tensor,
    weights: LstmWeights,
    alive: Sequence[int],
    h: Tensor,
    c: Tensor,
    cell_clip: float | None,
    proj_clip: float | None,
    copies: WeightCopies,
) -> tuple[Tensor, Tensor]:
    """One direction over packed words: the cell of `lstm_projection`, equation there.

    Args:
        words: (N, D), the words of step 0 of all sentences first, then those of step 1, and so on.
        weights: `LstmWeights` in the dtype of the words.
        alive: sentences that have a word at step s, for every step; never increasing, the first is n.
        h, c: (n, D) and (n, M), the state before the first word.
        cell_clip, proj_clip: bounds, None for no bound.
        copies: where transposed weights are kept from call to call.
    Returns:
        outputs (N, D), c (n, M) after each sentence's last word. With gradients about `4 (5 M + 2 D)` bytes a word stay
        in memory until the backward pass (float32; original model: 86 kB a word for each direction of a layer).
    """
    tensors = (words, *weights, h, c)
    if torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors):
        return PackedLstm.apply(words, *weights, h, c, tuple(alive), cell_clip, proj_clip)
    return _infer(words, weights, alive, h, c, cell_clip, proj_clip, copies)


def _infer(words, weights, alive, h, c, cell_clip, proj_clip, copies):
    weight_hh = transposed(copies, "weight_hh", weights.weight_hh)
    weight_hr = None if weights.weight_hr is None else transposed(copies, "weight_hr", weights.weight_hr)
    cell_size = c.shape[1]
    outputs = torch.empty_like(words, memory_format=torch.contiguous_format)
    c = last_c = c.clone()
    hidden = torch.empty_like(c)
    # A last sentence goes on with a row of zeros beside it: products of one row are summed in another order.
    lone_gates, lone_h = words.new_zeros(2, 4 * cell_size), words.new_zeros(2, h.shape[1])
    for first, last, start, stop in input_blocks(alive):
        block = input_product(words[start:stop], weights)
        steps = alive[first:last]
        for gates, output in zip(block.split(steps), outputs[start:stop].split(steps), strict=True):
            count = gates.shape[0]
            if count < c.shape[0]:  # rows past the count keep what their sentence ended with
                h, c, hidden = h[:count], c[:count], hidden[:count]
            if count > 1:
                add_product_(gates, h, weight_hh)
                h = output
            else:
                if hidden.shape[0] == 1:
                    hidden = hidden.new_zeros(2, cell_size)
                    lone_h[0] = h[0]
                lone_gates[0] = gates[0]
                gates = add_product_(lone_gates, lone_h, weight_hh)[:1]
                h = lone_h
            cell_step_(gates, c, cell_size, cell_clip)
            torch.tanh(c, out=hidden[:count]).mul_(gates[:, 3 * cell_size :])
            if weight_hr is None:
                h.copy_(hidden)
            else:
                add_product_(h.zero_(), hidden, weight_hr)
                if proj_clip is not None:
                    h.clamp_(-proj_clip, proj_clip)
            if count == 1:
                output[0] = h[0]
    return outputs, last_c


def input_product(words: Tensor, weights: LstmWeights) -> Tensor:
    """The input's share of the gates: words (k, D) -> (k, 4M), each row the same in any company."""
    # The weight as it is stored, since enough rows make up for the layout; below 16 rows the sums would be others.
    few = F.pad(words, (0, 0, 0, FEWEST_ROWS - len(words))) if len(words) < FEWEST_ROWS else words
    block = weights.bias.repeat(len(few), 1)
    return add_product_(block, few, weights.weight_ih.t())[: len(words)]


def input_blocks(alive: Sequence[int]) -> list[tuple[int, int, int, int]]:
    """Steps [first, last) and words [start, stop) of each input product."""
    blocks, starts = [], [0, *accumulate(alive)]
    first = 0
    for step in range(1, len(alive) + 1):
        if step == len(alive) or starts[step + 1] - starts[first] > ROWS_PER_PRODUCT:
            blocks.append((first, step, starts[first], starts[step]))
            first = step
    return blocks


def cell_step_(gates: Tensor, c: Tensor, cell_size: int, cell_clip: float | None) -> None:
    """Activate the summed gates (n, 4M) and move the cell (n, M) on, both in place."""
    gates[:, : 2 * cell_size].sigmoid_()
    gates[:, 2 * cell_size : 3 * cell_size].tanh_()
    gates[:, 3 * cell_size :].sigmoid_()
    c.mul_(gates[:, cell_size : 2 * cell_size])
    c.addcmul_(gates[:, :cell_size], gates[:, 2 * cell_size : 3 * cell_size])
    if cell_clip is not None:
        c.clamp_(-cell_clip, cell_clip)


class PackedLstm(torch.autograd.Function):
    """`lstm_over_packed_words` with its backward pass (backpropagation through time).

    Kept per word are the activated gates, the cell and the output. A number that was clipped passes no gradient, and
    neither does one that stands exactly on the bound, which cannot be told from it afterwards.
    """

    @staticmethod
    def forward(ctx, words, weight_ih, weight_hh, bias, weight_hr, h0, c0, alive, cell_clip, proj_clip):
        cell_size = c0.shape[1]
        all_gates = F.linear(words, weight_ih, bias)  # (N, 4M)
        cells = words.new_empty(len(words), cell_size)
        outputs = torch.empty_like(words, memory_format=torch.contiguous_format)
        recurrent = weight_hh.t().contiguous()  # worth its time from a few steps on
        projection = None if weight_hr is None else weight_hr.t().contiguous()
        h, before = h0, c0
        hidden = torch.empty_like(c0)
        last_c = c0.clone()
        for gates, c, output in zip(all_gates.split(alive), cells.split(alive), outputs.split(alive), strict=True):
            count = gates.shape[0]
            gates.addmm_(h[:count], recurrent)
            c.copy_(before[:count])
            cell_step_(gates, c, cell_size, cell_clip)
            last_c[:count] = c  # rows of ended sentences stay as they are
            torch.tanh(c, out=hidden[:count]).mul_(gates[:, 3 * cell_size :])
            if projection is None:
                output.copy_(hidden[:count])
            else:
                torch.mm(hidden[:count], projection, out=output)
                if proj_clip is not None:
                    output.clamp_(-proj_clip, proj_clip)
            h, before = output, c
        ctx.save_for_backward(words, weight_ih, weight_hh, weight_hr, h0, c0, all_gates, cells, outputs)
        ctx.alive, ctx.cell_clip, ctx.proj_clip = alive, cell_clip, proj_clip
        return outputs, last_c

    @staticmethod
    @once_differentiable
    def backward(ctx, d_outputs, d_last_c):
        words, weight_ih, weight_hh, weight_hr, h0, c0, all_gates, cells, outputs = ctx.saved_tensors
        alive = ctx.alive
        d_gates = torch.empty_like(all_gates)
        d_projected = torch.empty_like(outputs)  # gradient of the projection's result, before its clip
        hidden = torch.empty_like(cells) if weight_hr is not None else None
        d_h, d_c = torch.zeros_like(h0), d_last_c.clone()
        starts = [0, *accumulate(alive)]
        room, room2 = torch.empty_like(c0), torch.empty_like(c0)
        for step in range(len(alive) - 1, -1, -1):
            count, rows = alive[step], slice(starts[step], starts[step + 1])
            i, f, g, o = all_gates[rows].chunk(4, dim=1)
            d_i, d_f, d_g, d_o = d_gates[rows].chunk(4, dim=1)
            before = c0 if step == 0 else cells[starts[step - 1] : starts[step]]
            d_output = torch.add(d_outputs[rows], d_h[:count], out=d_projected[rows])
            if weight_hr is None:
                d_hidden = d_output
            else:
                if ctx.proj_clip is not None:
                    _stop_at_bound_(d_output, outputs[rows], ctx.proj_clip)
                d_hidden = torch.mm(d_output, weight_hr, out=room[:count])
            tanh_c = torch.tanh(cells[rows], out=room2[:count])
            if hidden is not None:
                torch.mul(tanh_c, o, out=hidden[rows])
            torch.mul(d_hidden, tanh_c, out=d_o)
            torch.ops.aten.sigmoid_backward.grad_input(d_o, o, grad_input=d_o)
            d_cell = d_c[:count]
            d_cell += torch.ops.aten.tanh_backward(d_hidden * o, tanh_c)
            if ctx.cell_clip is not None:
                _stop_at_bound_(d_cell, cells[rows], ctx.cell_clip)
            torch.mul(d_cell, g, out=d_i)
            torch.ops.aten.sigmoid_backward.grad_input(d_i, i, grad_input=d_i)
            torch.mul(d_cell, before[:count], out=d_f)
            torch.ops.aten.sigmoid_backward.grad_input(d_f, f, grad_input=d_f)
            torch.mul(d_cell, i, out=d_g)
            torch.ops.aten.tanh_backward.grad_input(d_g, g, grad_input=d_g)
            d_cell.mul_(f)
            torch.mm(d_gates[rows], weight_hh, out=d_h[:count])

        wanted = ctx.needs_input_grad
        d_words = d_gates @ weight_ih if wanted[0] else None
        d_weight_ih = d_gates.t() @ words if wanted[1] else None
        d_weight_hh = None
        if wanted[2]:
            steps = outputs.split(alive)
            previous = torch.cat([h0, *(h[:count] for h, count in zip(steps, alive[1:], strict=False))])
            d_weight_hh = d_gates.t() @ previous
        d_bias = d_gates.sum(dim=0) if wanted[3] else None
        d_weight_hr = d_projected.t() @ hidden if wanted[4] and hidden is not None else None
        return d_words, d_weight_ih, d_weight_hh, d_bias, d_weight_hr, d_h, d_c, None, None, None


def _stop_at_bound_(gradient: Tensor, clipped: Tensor, bound: float) -> None:
    """Set the gradient to zero wherever the clipped number stands on the bound."""
    torch.ops.aten.hardtanh_backward.grad_input(gradient, clipped, -bound, bound, grad_input=gradient)
