# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""One direction of ELMo's LSTM: projected output, memory cell and output clipped at every step.

Shapes: B sentences, T words, D `projection_size`, M `cell_size`, N real words of the batch.
Gates stand in torch's order: input i, forget f, candidate g, output o.
"""

from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

try:  # only needed while tracing; older or slimmer builds of torch lack it
    from torch._higher_order_ops.scan import scan
except ImportError:
    scan = None  # type: ignore[assignment]


# Words whose input product is made at once; their gates take 268 MB in the original model.
ROWS_PER_PRODUCT = 4096


class LstmWeights(NamedTuple):
    """Weights of one direction, named as in `torch.nn.LSTM(proj_size=D)` but with a single bias."""

    weight_ih: Tensor  # (4M, D) from the layer's input
    weight_hh: Tensor  # (4M, D) from the previous output
    bias: Tensor  # (4M,) forget bias included
    weight_hr: Tensor | None  # (D, M) output projection; None if the cell has the output's width


def lstm_projection(
    inputs: Tensor,
    weights: LstmWeights,
    lengths: Tensor,
    state: tuple[Tensor, Tensor] | None = None,
    *,
    reverse: bool = False,
    cell_clip: float | None = None,
    proj_clip: float | None = None,
    backend: str = "auto",
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Run one direction of an LSTM whose output is projected and clipped.

    The cell of Sak et al. 2014 (arXiv:1402.1128) with the two clips of the original ELMo; TensorFlow's
    `LSTMCell(cell_clip, proj_clip)`:

        i, f, g, o = split(W_ih x_t + W_hh h_{t-1} + b)
        c_t = clip(sigmoid(f) c_{t-1} + sigmoid(i) tanh(g), cell_clip)
        h_t = clip(W_hr (sigmoid(o) tanh(c_t)), proj_clip)

    Args:
        inputs: (B, T, D) float, each sentence at the left; positions at or past its length are ignored.
        weights: `LstmWeights`.
        lengths: (B,) int64, words per sentence, 0 to T.
        state: (h (B, D), c (B, M)) before the first word read; zeros if None.
        reverse: read every sentence from its own last word to its first.
        cell_clip: bound on the absolute memory cell; None leaves it free.
        proj_clip: bound on the absolute output; None leaves it free. Without `weight_hr` it does nothing.
        backend: "reference" (plain loop), "packed" (input product outside of the loop, finished sentences leave the
            batch), "scan" (one graph for any length), or "auto": "scan" under `torch.export`, else "packed". Under
            `torch.compile` "packed" runs outside of the graph; `fullgraph=True` therefore needs "scan".

    Returns:
        outputs (B, T, D) at the words' own positions, zero past each length; state (h (B, D), c (B, M)) after the
        last word each sentence read (for length 0: the state given).

    Raises:
        ValueError: a shape does not fit or the backend is unknown; names the argument, what came and what is needed.
    """
    _check_arguments(inputs, weights, lengths, state)
    batch, _, size = inputs.shape
    if state is None:
        cell_size = weights.weight_hh.shape[0] // 4
        state = (inputs.new_zeros(batch, size), inputs.new_zeros(batch, cell_size))
    if weights.weight_hr is None:
        proj_clip = None
    if backend == "auto":
        backend = "scan" if torch.compiler.is_exporting() else "packed"
    if backend not in _BACKENDS:
        raise ValueError(f"backend must be auto, {', '.join(_BACKENDS)}; got {backend!r}")
    return _BACKENDS[backend](inputs, weights, lengths, state, reverse, cell_clip, proj_clip)


def _check_arguments(inputs: Tensor, weights: LstmWeights, lengths: Tensor, state) -> None:
    if inputs.dim() != 3 or inputs.shape[2] != weights.weight_ih.shape[1]:
        raise ValueError(f"inputs has shape {tuple(inputs.shape)}; needed is (B, T, {weights.weight_ih.shape[1]})")
    batch = inputs.shape[0]
    if lengths.dim() != 1 or lengths.shape[0] != batch:
        raise ValueError(f"lengths has shape {tuple(lengths.shape)}; needed is ({batch},), one per sentence")
    if state is not None:
        needed = ((batch, weights.weight_hh.shape[1]), (batch, weights.weight_hh.shape[0] // 4))
        came = (tuple(state[0].shape), tuple(state[1].shape))
        if came != needed:
            raise ValueError(f"state has shapes h {came[0]}, c {came[1]}; needed are h {needed[0]}, c {needed[1]}")


def _cell(gates: Tensor, c: Tensor, weight_hr: Tensor | None, cell_clip, proj_clip) -> tuple[Tensor, Tensor]:
    """One step from the summed gates (n, 4M) and the cell (n, M) to the new output (n, D) and cell (n, M)."""
    i, f, g, o = gates.chunk(4, dim=-1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    if cell_clip is not None:
        c = c.clamp(-cell_clip, cell_clip)  # before the output gate: the clipped cell is what is carried on
    h = torch.sigmoid(o) * torch.tanh(c)
    if weight_hr is not None:
        h = F.linear(h, weight_hr)
        if proj_clip is not None:
            h = h.clamp(-proj_clip, proj_clip)
    return h, c


def _reference(inputs, weights, lengths, state, reverse, cell_clip, proj_clip):
    """The definition, step by step over all rows; a sentence that has ended, or not yet begun, keeps its state."""
    h, c = state
    steps = range(inputs.shape[1])
    outputs = {}
    for t in reversed(steps) if reverse else steps:
        gates = F.linear(inputs[:, t], weights.weight_ih) + F.linear(h, weights.weight_hh) + weights.bias
        new_h, new_c = _cell(gates, c, weights.weight_hr, cell_clip, proj_clip)
        alive = (t < lengths).unsqueeze(1)  # (B, 1)
        h = torch.where(alive, new_h, h)
        c = torch.where(alive, new_c, c)
        outputs[t] = torch.where(alive, new_h, torch.zeros_like(new_h))
    if not outputs:
        return torch.zeros_like(inputs), state
    return torch.stack([outputs[t] for t in steps], dim=1), (h, c)


# Its steps follow the lengths, which a graph cannot; compiled code calls it as it is.
@torch.compiler.disable(
    reason='the "packed" LSTM loop follows the lengths; set lstm_backend="scan" for fullgraph=True'
)
def _packed(inputs, weights, lengths, state, reverse, cell_clip, proj_clip):
    """The input product once for all real words, then steps over the sentences still alive."""
    order = torch.argsort(lengths, descending=True, stable=True)
    sorted_lengths = lengths[order].cpu()
    started = int((sorted_lengths > 0).sum())  # empty sentences stand last and take no part
    if started == 0:
        return torch.zeros_like(inputs), state
    packed = pack_padded_sequence(inputs[order[:started]], sorted_lengths[:started], batch_first=True)
    alive = packed.batch_sizes.tolist()  # sentences longer than t, for every t
    gates_from_input = _input_gates(packed.data, alive, weights, reverse)

    h0, c0 = state[0][order], state[1][order]
    recurrent = weights.weight_hh.t()
    outputs: list[Tensor] = [h0] * len(alive)
    if reverse:
        h, c = h0[:0], c0[:0]
        for t in range(len(alive) - 1, -1, -1):
            if alive[t] > h.shape[0]:  # sentences of t + 1 words begin here
                h = torch.cat([h, h0[h.shape[0] : alive[t]]])
                c = torch.cat([c, c0[c.shape[0] : alive[t]]])
            gates = torch.addmm(next(gates_from_input), h, recurrent)
            h, c = _cell(gates, c, weights.weight_hr, cell_clip, proj_clip)
            outputs[t] = h
        last_h, last_c = [h], [c]
    else:
        h, c = h0[:started], c0[:started]
        last_h, last_c = [], []  # states of ended sentences, the shortest first
        for t, count in enumerate(alive):
            if count < h.shape[0]:
                last_h.append(h[count:])
                last_c.append(c[count:])
                h, c = h[:count], c[:count]
            gates = torch.addmm(next(gates_from_input), h, recurrent)
            h, c = _cell(gates, c, weights.weight_hr, cell_clip, proj_clip)
            outputs[t] = h
        last_h.append(h)
        last_c.append(c)
    out, _ = pad_packed_sequence(
        PackedSequence(torch.cat(outputs), packed.batch_sizes), batch_first=True, total_length=inputs.shape[1]
    )
    back = torch.argsort(order)
    if started < inputs.shape[0]:
        out = torch.cat([out, out.new_zeros(inputs.shape[0] - started, *out.shape[1:])])
    h = torch.cat([*reversed(last_h), h0[started:]])
    c = torch.cat([*reversed(last_c), c0[started:]])
    return out[back], (h[back], c[back])


def _input_gates(words: Tensor, alive: list[int], weights: LstmWeights, reverse: bool) -> Iterator[Tensor]:
    """The input's share of the gates, (alive[t], 4M) for each step t in running order, from words (N, D) by step.

    One product serves many steps, but not a whole book: the gates of a word are 32 times larger than its vector.
    """
    blocks, first, rows = [], 0, 0  # steps [first, last) of each block
    for t, count in enumerate(alive):
        if rows and rows + count > ROWS_PER_PRODUCT:
            blocks.append((first, t))
            first, rows = t, 0
        rows += count
    blocks.append((first, len(alive)))
    starts = [0, *accumulate(alive)]
    for first, last in reversed(blocks) if reverse else blocks:
        gates = F.linear(words[starts[first] : starts[last]], weights.weight_ih, weights.bias).split(alive[first:last])
        yield from reversed(gates) if reverse else gates


def _scan(inputs, weights, lengths, state, reverse, cell_clip, proj_clip):
    """The loop as torch's `scan`, so that a traced graph keeps batch size and length open."""
    if scan is None:
        raise ValueError('backend "scan" needs torch._higher_order_ops.scan, which this torch lacks; use "packed"')
    if not torch.compiler.is_compiling() and inputs.shape[1] == 0:  # a graph is never asked for no words
        return torch.zeros_like(inputs), state
    state = (state[0].contiguous(), state[1].contiguous())  # scan wants the layout that the steps give
    gates_from_input = F.linear(inputs, weights.weight_ih, weights.bias).transpose(0, 1)  # (T, B, 4M)
    steps = torch.arange(inputs.shape[1], device=inputs.device)
    alive = (steps.unsqueeze(1) < lengths.unsqueeze(0)).unsqueeze(2)  # (T, B, 1)

    def step(carry, x):
        h, c = carry
        gates, alive_now = x
        new_h, new_c = _cell(gates + F.linear(h, weights.weight_hh), c, weights.weight_hr, cell_clip, proj_clip)
        h = torch.where(alive_now, new_h, h)
        c = torch.where(alive_now, new_c, c)
        # scan refuses outputs that alias the carry, and a fresh tensor is needed for the zeros anyway
        return (h, c), torch.where(alive_now, new_h, torch.zeros_like(new_h))

    state, outputs = scan(step, state, (gates_from_input, alive), dim=0, reverse=reverse)
    return outputs.transpose(0, 1), state


_BACKENDS = {"reference": _reference, "packed": _packed, "scan": _scan}


class LstmProjection(nn.Module):
    """The parameters of one direction of one layer, and the call of `lstm_projection` with them.

    `forget_bias` of the configuration is added to the stored bias here: files of bilm-tf leave it out.
    """

    def __init__(self, config):
        super().__init__()
        size, cell_size = config.projection_size, config.cell_size
        # Kept as text: a float attribute turns into a symbol under torch.compile(dynamic=True), which scan refuses;
        # text is always a constant.
        self.cell_clip = "" if config.cell_clip is None else repr(float(config.cell_clip))
        self.proj_clip = "" if config.proj_clip is None else repr(float(config.proj_clip))
        self.forget_bias = config.forget_bias
        self.backend = config.lstm_backend
        self.weight_ih = nn.Parameter(torch.empty(4 * cell_size, size))
        self.weight_hh = nn.Parameter(torch.empty(4 * cell_size, size))
        self.bias = nn.Parameter(torch.empty(4 * cell_size))
        self.weight_hr = nn.Parameter(torch.empty(size, cell_size)) if config.use_lstm_projection else None

    def forward(
        self, inputs: Tensor, lengths: Tensor, state: tuple[Tensor, Tensor] | None = None, reverse: bool = False
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """See `lstm_projection`: inputs (B, T, D) -> outputs (B, T, D), state (h (B, D), c (B, M))."""
        bias: Tensor = self.bias
        if self.forget_bias:
            cell_size = bias.shape[0] // 4
            forget = bias.new_full((cell_size,), float(self.forget_bias))
            bias = bias + F.pad(forget, (cell_size, 2 * cell_size))
        return lstm_projection(
            inputs,
            LstmWeights(self.weight_ih, self.weight_hh, bias, self.weight_hr),
            lengths,
            state,
            reverse=reverse,
            cell_clip=float(self.cell_clip) if self.cell_clip else None,
            proj_clip=float(self.proj_clip) if self.proj_clip else None,
            backend=self.backend,
        )
