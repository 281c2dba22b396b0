# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Products of the character encoder, with float or 8-bit weights, each row's result the same in any company.

`native=True` (from `lstm_backend="native"`) takes the compiled kernel where it applies.

Shapes: n rows, I inputs, O outputs.
"""

import ctypes
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .int8 import dequantize_weight, int8_parameters, int8_product, quantize_rows, quantized_parameters
from .lstm_native import (
    Kernel,
    amx_room,
    for_tiles,
    native_applies,
    native_kernel,
    pack_halves,
    tiles_pay,
)
from .lstm_native_int8 import Matrix, native_int8_applies
from .native_threads import run_together
from .products import add_product_, needs_plain_torch
from .weight_copies import WeightCopies, transposed

# A thread of its own takes 50 us to start, and each reads all weights.
ROWS_FOR_A_THREAD = 32
WORDS_FOR_A_THREAD = 16  # of a convolution
HALVES_FOR_A_THREAD = 1  # of a matrix that is large enough for tiles, each thread reads a part


def linear(rows: Tensor, weight: Tensor, bias: Tensor | None, copies: WeightCopies, native: bool = False) -> Tensor:
    """`torch.nn.functional.linear`, (n, I) -> (n, O), weight (O, I); through `add_product_` or the compiled kernel where
    no gradient and no graph is wanted."""
    if needs_plain_torch(rows, weight) or not len(rows):
        return F.linear(rows, weight, bias)
    if native and native_applies(rows, weight, bias):
        return _native_linear(native_kernel(), rows, weight, bias, copies)
    out = rows.new_zeros(len(rows), len(weight)) if bias is None else bias.repeat(len(rows), 1)
    return add_product_(out, rows, transposed(copies, "weight", weight))


def _native_linear(kernel, rows: Tensor, weight: Tensor, bias: Tensor | None, copies: WeightCopies) -> Tensor:
    if kernel.linear_amx is not None and tiles_pay(weight):
        halves = for_tiles(kernel, copies, "amx", weight, pack_halves)
        if halves is not None:
            return _amx_linear(kernel, rows, halves, bias, (len(weight), weight.shape[1]))
    outputs, wide = len(weight), _whole_panels(kernel, len(weight))
    packed = copies.get(
        "native", [weight], lambda weight: _panels(F.pad(weight, (0, 0, 0, wide - outputs)), kernel, 1)
    )
    rows, padded, out = rows.contiguous(), _padded_bias(rows, bias, outputs, wide), rows.new_empty(len(rows), wide)
    calls = [
        partial(kernel.linear, *_addresses(rows[part], packed, padded, out[part]), *rows[part].shape, outputs)
        for part in _parts(len(rows), ROWS_FOR_A_THREAD)
    ]
    run_together(calls)
    return out[:, :outputs]


def _amx_linear(kernel, rows: Tensor, halves: Tensor, bias: Tensor | None, shape: tuple[int, int]) -> Tensor:
    (outputs, inputs), wide = shape, _whole_panels(kernel, shape[0])
    rows, padded, out = rows.contiguous(), _padded_bias(rows, bias, outputs, wide), rows.new_empty(len(rows), wide)
    calls, kept = [], []
    for halves_of in _parts(wide // (2 * kernel.width), HALVES_FOR_A_THREAD):
        kept.append(amx_room(rows, min(len(rows), kernel.amx_block_rows), kernel.amx_depth))
        addresses = _addresses(rows, halves, padded, out, *kept[-1])
        calls.append(
            partial(kernel.linear_amx, *addresses, len(rows), inputs, outputs, halves_of.start, halves_of.stop)
        )
    run_together(calls)
    return out[:, :outputs]


def int8_linear(
    inputs: Tensor, weight: Tensor, scale: Tensor, bias: Tensor | None, copies: WeightCopies, native: bool = False
) -> Tensor:
    """`inputs @ (weight * scale).T + bias`, (n, I) -> (n, O); with the weight restored where a gradient is asked for."""
    if torch.compiler.is_compiling() or (torch.is_grad_enabled() and inputs.requires_grad):
        return F.linear(inputs, dequantize_weight(weight, scale, inputs.dtype), bias)
    if native and native_int8_applies(inputs, bias):
        outputs = _native_int8_linear(native_kernel(), inputs, weight, scale, bias, copies)
        if outputs is not None:
            return outputs
    rows = quantize_rows(inputs.to(torch.float32))
    outputs = int8_product(copies, "weight", weight, scale)(rows.values).mul_(rows.scale)
    return (outputs if bias is None else outputs.add_(bias)).to(inputs.dtype)


def _native_int8_linear(kernel, rows, weight, scale, bias, copies: WeightCopies) -> Tensor | None:
    """None for rows that are not finite, which 8 bits cannot hold."""
    (outputs, inputs), wide = weight.shape, _whole_panels(kernel, len(weight))
    block, even = min(len(rows), kernel.block_words), inputs + -inputs % 4

    def pack(weight: Tensor, scale: Tensor) -> Matrix:
        panels = _panels(F.pad(weight, (0, even - inputs, 0, wide - outputs)), kernel, 4)
        return Matrix.of(
            panels, *(F.pad(column, (0, wide - outputs)) for column in (scale.float(), weight.sum(dim=1)))
        )

    matrix = copies.get("native", [weight, scale], pack)
    rows, padded, out = rows.contiguous(), _padded_bias(rows, bias, outputs, wide), rows.new_empty(len(rows), wide)
    calls, kept, strange = [], [], []
    for part in _parts(len(rows), ROWS_FOR_A_THREAD):
        room = [
            rows.new_empty(block * even, dtype=torch.uint8),
            rows.new_empty(block),
            rows.new_empty(block * 4 * kernel.width, dtype=torch.int32),
        ]
        first, *others = _addresses(rows[part], padded, *room, out[part])
        arguments = first, ctypes.byref(matrix), *others, *rows[part].shape, outputs
        kept.append(room)
        calls.append(lambda arguments=arguments: strange.append(kernel.linear_int8(*arguments)))
    run_together(calls)
    return None if any(strange) else out[:, :outputs]


def _parts(count: int, least: int) -> list[slice]:
    """0 to `count` in as many parts as torch may use threads, none smaller than `least` unless it is the only one."""
    parts = max(1, min(torch.get_num_threads(), count // least))
    return [slice(count * number // parts, count * (number + 1) // parts) for number in range(parts)]


def _addresses(*tensors: Tensor) -> list[int]:
    return [tensor.data_ptr() for tensor in tensors]


def _whole_panels(kernel: Kernel, outputs: int) -> int:
    return outputs + -outputs % (4 * kernel.width)


def _panels(weight: Tensor, kernel: Kernel, neighbours: int) -> Tensor:
    """Weight (O', I) -> (O' / panel, I / neighbours, panel, neighbours), a panel being 4 * width outputs."""
    return weight.view(-1, 4 * kernel.width, weight.shape[1] // neighbours, neighbours).transpose(1, 2).contiguous()


def _padded_bias(rows: Tensor, bias: Tensor | None, outputs: int, wide: int) -> Tensor:
    return rows.new_zeros(wide) if bias is None else F.pad(bias.detach(), (0, wide - outputs))


def native_convolution(embedded: Tensor, weight: Tensor, bias: Tensor, copies: WeightCopies) -> Tensor:
    """Largest sum over the windows of each filter, by the compiled kernel, which must apply.

    Args:
        embedded: (n, K, E), at least as many characters K as the filters span.
        weight: (filters, E, span), as in `torch.nn.Conv1d`.
        bias: (filters,)
    Returns:
        (n, filters)
    Raises:
        ValueError: the words are shorter than the filters.
    """
    kernel = native_kernel()
    assert kernel is not None
    (count, columns, size), (filters, _, span) = embedded.shape, weight.shape
    if columns < span:
        raise ValueError(f"words of {columns} characters are shorter than a filter of {span}; give more columns")
    wide = _whole_panels(kernel, filters)

    def pack(weight: Tensor) -> Tensor:
        return _panels(F.pad(weight.transpose(1, 2).flatten(1), (0, 0, 0, wide - filters)), kernel, 1)

    parts = _parts(count, WORDS_FOR_A_THREAD)
    embedded, out = embedded.contiguous(), embedded.new_empty(count, wide)
    packed, padded = copies.get("native", [weight], pack), _padded_bias(embedded, bias, filters, wide)
    room = embedded.new_empty(len(parts), columns * 4 * kernel.width)
    calls = []
    for part, sums in zip(parts, room, strict=True):
        addresses = _addresses(embedded[part], packed, padded, sums, out[part])
        calls.append(partial(kernel.convolution, *addresses, part.stop - part.start, columns, size, span, filters))
    run_together(calls)
    return out[:, :filters]


class InvariantLinear(nn.Linear):
    """`torch.nn.Linear` through `linear`: (n, I) -> (n, O)."""

    def __init__(self, in_features: int, out_features: int, native: bool = False):
        super().__init__(in_features, out_features)
        self.native = native
        self.copies = WeightCopies()

    def forward(self, inputs: Tensor) -> Tensor:
        """(n, I) -> (n, O)."""
        return linear(inputs, self.weight, self.bias, self.copies, self.native)


class Int8Linear(nn.Module):
    """`torch.nn.Linear` with an int8 weight (O, I), its scale (O,) and a bias (O,) or None; for use without gradients."""

    def __init__(self, in_features: int, out_features: int, bias: bool = True, native: bool = False):
        super().__init__()
        self.native = native
        self.weight, self.weight_scale = int8_parameters(out_features, in_features)
        self.bias = nn.Parameter(torch.zeros(out_features)) if bias else None
        self.copies = WeightCopies()

    @classmethod
    def of(cls, linear: nn.Linear) -> "Int8Linear":
        """The nearest to a linear layer."""
        native = getattr(linear, "native", False)
        made = cls(linear.in_features, linear.out_features, linear.bias is not None, native)
        made.weight, made.weight_scale = quantized_parameters(linear.weight)
        made.bias = linear.bias
        return made

    def forward(self, inputs: Tensor) -> Tensor:
        """(n, I) float -> (n, O) in the same dtype."""
        return int8_linear(inputs, self.weight, self.weight_scale, self.bias, self.copies, self.native)
