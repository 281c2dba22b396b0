# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""One direction of ELMo's LSTM: projected output, memory cell and output clipped at every step.

Shapes: B sentences, T words, D `projection_size`, M `cell_size`, N real words of the batch.
Gates stand in torch's order: input i, forget f, candidate g, output o.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .int8 import Int8LstmWeights, int8_lstm_over_packed_words, int8_parameters, quantized_parameters
from .lstm_native import NativeRun, float_run, lstm_over_packed_words_native, native_kernel
from .lstm_native_int8 import Int8Run, int8_lstm_over_packed_words_native
from .lstm_packed import LstmWeights, lstm_over_packed_words
from .weight_copies import WeightCopies
from .word_layout import PackedWords

try:  # only needed while tracing; older or slimmer builds of torch lack it
    from torch._higher_order_ops.scan import scan
except ImportError:
    scan = None  # type: ignore[assignment]


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
            batch), "native" ("packed", as compiled C where `native_applies`), "scan" (one graph for any length), or
            "auto": "scan" under `torch.export`, else "packed". Under `torch.compile` "packed" runs outside of the
            graph; `fullgraph=True` therefore needs "scan".

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
    (gates, size), cell_size = weights.weight_ih.shape, weights.weight_ih.shape[0] // 4
    shapes = [tuple(weight.shape) for weight in weights[1:] if weight is not None]
    needed_shapes = [(gates, size), (gates,), (size, cell_size)]
    if weights.weight_hr is None and cell_size == size:
        needed_shapes.pop()
    if shapes != needed_shapes:
        raise ValueError(
            f"weights of shapes {', '.join(map(str, shapes))} do not fit weight_ih {(gates, size)}: needed are weight_hh "
            f"{(gates, size)}, bias {(gates,)} and weight_hr {(size, cell_size)}, or none if both sizes are equal"
        )
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
def _packed(inputs, weights, lengths, state, reverse, cell_clip, proj_clip, run=lstm_over_packed_words):
    """The words in the order of `PackedWords`, and back into their places."""
    steps = torch.arange(inputs.shape[1], device=inputs.device)
    packed = PackedWords(steps < lengths.unsqueeze(1))

    def over_words(words: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        outputs, c = run(words, weights, packed.alive, h, c, cell_clip, proj_clip, WeightCopies())
        return outputs, (outputs.index_select(0, packed.last), c)

    return read_in_packed_order(inputs, packed, state, reverse, over_words)


def read_in_packed_order(
    inputs: Tensor,
    packed: PackedWords,
    state: tuple[Tensor, Tensor],
    reverse: bool,
    run: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, tuple[Tensor, Tensor]]],
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Hand the real words (N, D) and their sentences' state to `run`, and put what it returns back in place.

    Args:
        inputs: (B, T, D).
        packed: where the real words are.
        state: h (B, D) and c (B, M); a sentence without words keeps it.
        reverse: read every sentence from its end.
        run: (words (N, D), h (n, D), c (n, M)) -> (outputs (N, D), (h (n, D), c (n, M))), perhaps on another device.
    Returns:
        outputs (B, T, D), zero where no word is, and the state (h (B, D), c (B, M)).
    """
    if not packed.alive:
        return torch.zeros_like(inputs), state
    rows, size = (packed.back if reverse else packed.ahead), inputs.shape[2]
    h, c = (part.index_select(0, packed.order) for part in state)
    outputs, last = run(inputs.reshape(-1, size).index_select(0, rows), h, c)
    pairs = zip(state, last, strict=True)
    h, c = (before.index_copy(0, packed.order, after.to(before.device)) for before, after in pairs)
    places = inputs.new_zeros(inputs.shape[0] * inputs.shape[1], size)
    return places.index_copy(0, rows, outputs.to(places.device)).view(inputs.shape), (h, c)


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


_BACKENDS = {
    "reference": _reference,
    "packed": _packed,
    "native": partial(_packed, run=lstm_over_packed_words_native),
    "scan": _scan,
}


class LstmProjection(nn.Module):
    """The parameters of one direction of one layer, and the call of `lstm_projection` with them.

    `forget_bias` of the configuration is added to the stored bias here: files of bilm-tf leave it out. With
    `weight_format="int8"` the matrices hold whole numbers, and a scale for each row stands beside them.
    """

    weight_ih: Tensor
    weight_ih_scale: Tensor
    weight_hh: Tensor
    weight_hh_scale: Tensor
    weight_hr: Tensor | None
    weight_hr_scale: Tensor | None

    def __init__(self, config):
        super().__init__()
        size, cell_size = config.projection_size, config.cell_size
        # Kept as text: a float attribute turns into a symbol under torch.compile(dynamic=True), which scan refuses;
        # text is always a constant.
        self.cell_clip = "" if config.cell_clip is None else repr(float(config.cell_clip))
        self.proj_clip = "" if config.proj_clip is None else repr(float(config.proj_clip))
        self.forget_bias = config.forget_bias
        self.backend = config.lstm_backend
        self.int8 = config.weight_format == "int8"
        self.bias = nn.Parameter(torch.empty(4 * cell_size))
        shapes = {
            "weight_ih": (4 * cell_size, size),
            "weight_hh": (4 * cell_size, size),
            "weight_hr": (size, cell_size),
        }
        for name, shape in shapes.items():
            weight: nn.Parameter | None
            weight = scale = None
            if name != "weight_hr" or config.use_lstm_projection:
                weight, scale = int8_parameters(*shape) if self.int8 else (nn.Parameter(torch.empty(shape)), None)
            self.register_parameter(name, weight)
            if self.int8:
                self.register_parameter(f"{name}_scale", scale)
        self.copies = WeightCopies()

    def quantize(self) -> None:
        """Replace the matrices by int8 ones."""
        self.int8 = True
        self.copies = WeightCopies()  # those of the float weights are not needed any more
        for name in ("weight_ih", "weight_hh", "weight_hr"):
            values = scale = None
            if getattr(self, name) is not None:
                values, scale = quantized_parameters(getattr(self, name))
            setattr(self, name, values)
            self.register_parameter(f"{name}_scale", scale)

    def float_weights(self) -> LstmWeights:
        """The weights as the equations want them, restored from int8 if they are kept so."""
        if self.int8:
            return self._int8_weights().dequantize(self.bias.dtype)
        return LstmWeights(self.weight_ih, self.weight_hh, self._gate_bias(), self.weight_hr)

    def _int8_weights(self) -> Int8LstmWeights:
        return Int8LstmWeights(
            self.weight_ih,
            self.weight_ih_scale,
            self.weight_hh,
            self.weight_hh_scale,
            self._gate_bias(),
            self.weight_hr,
            self.weight_hr_scale,
        )

    def _gate_bias(self) -> Tensor:
        bias: Tensor = self.bias
        if self.forget_bias:
            cell_size = bias.shape[0] // 4
            forget = bias.new_full((cell_size,), float(self.forget_bias))
            bias = bias + F.pad(forget, (cell_size, 2 * cell_size))
        return bias

    def clips(self) -> tuple[float | None, float | None]:
        """The bounds `cell_clip` and `proj_clip`."""
        cell_clip = float(self.cell_clip) if self.cell_clip else None
        return cell_clip, float(self.proj_clip) if self.proj_clip and self.weight_hr is not None else None

    def forward(
        self,
        inputs: Tensor,
        lengths: Tensor | None = None,
        state: tuple[Tensor, Tensor] | None = None,
        reverse: bool = False,
        packed: PackedWords | None = None,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """See `lstm_projection`: inputs (B, T, D), lengths (B,) -> outputs (B, T, D), state (h (B, D), c (B, M)).

        With `packed` instead of lengths: words (N, D) in packed order and the state (h (n, D), c (n, M)) in its order
        -> outputs (N, D), state.
        """
        cell_clip, proj_clip = self.clips()
        if packed is not None and state is not None:
            outputs, c = self._over_packed_words(inputs, packed, *state, cell_clip, proj_clip)
            return outputs, (outputs.index_select(0, packed.last), c)
        assert lengths is not None
        return lstm_projection(
            inputs,
            self.float_weights(),
            lengths,
            state,
            reverse=reverse,
            cell_clip=cell_clip,
            proj_clip=proj_clip,
            backend=self.backend,
        )

    def _over_packed_words(self, words, packed, h, c, cell_clip, proj_clip) -> tuple[Tensor, Tensor]:
        trained = torch.is_grad_enabled() and any(part.requires_grad for part in (words, h, c, self.bias))
        if self.int8 and not trained:
            int8, native = self._int8_weights(), self.backend == "native"
            run_int8 = int8_lstm_over_packed_words_native if native else int8_lstm_over_packed_words
            return run_int8(words, int8, packed.alive, h, c, cell_clip, proj_clip, self.copies)
        # Under autocast the words come in its precision, and the weights follow.
        weights = self.float_weights().to(words.dtype)
        run = lstm_over_packed_words_native if self.backend == "native" else lstm_over_packed_words
        return run(words, weights, packed.alive, h, c, cell_clip, proj_clip, self.copies)

    def native_run(self, words: Tensor, packed: PackedWords, h: Tensor, c: Tensor) -> NativeRun:
        """The compiled kernel's run over packed words; it must apply."""
        weights, run = (self._int8_weights(), Int8Run) if self.int8 else (self.float_weights(), float_run)
        return run(native_kernel(), words, weights, packed.alive, h, c, *self.clips(), self.copies)
