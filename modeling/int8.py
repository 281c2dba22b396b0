# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Matrix products with 8-bit weights: a quarter of the bytes, several times the speed, and vectors slightly off.

Weights are symmetric per output row, scaled once. The rows that come in are scaled one by one when they come, so a
word's result does not depend on its company; sums are exact integers.

Shapes: n rows, I inputs, O outputs, M `cell_size`, D `projection_size`.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.utils import logging

from .lstm_packed import LstmWeights, cell_step_, input_blocks, lstm_over_packed_words
from .weight_copies import WeightCopies

logger = logging.get_logger(__name__)

LARGEST = 127  # -128 is not used: the scale is symmetric
# Added to the rows that come in, and taken off again inside of the product: with signed rows oneDNN has no fast code
# for some sizes (1 x 1024 x 128 took 5 ms instead of 35 us).
OFFSET = 128


def quantize_weight(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Weight (O, I) float -> the nearest int8 (O, I) and its scale (O,); the largest number of a row becomes +-127."""
    scale = _row_scale(weight.to(torch.float32))
    return (weight / scale).round_().to(torch.int8), scale.squeeze(1)


def dequantize_weight(weight: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    """The float weight (O, I) that an int8 weight stands for."""
    return weight.to(dtype) * scale.to(dtype).unsqueeze(1)


class Int8Rows(NamedTuple):
    """Rows scaled to whole numbers."""

    values: Tensor  # (n, I) uint8
    scale: Tensor  # (n, 1) float: row = (values - OFFSET) * scale


def quantize_rows(rows: Tensor) -> Int8Rows:
    """Scale every row (n, I) so that its largest number becomes 127 or -127, and round to the nearest."""
    scale = _row_scale(rows)
    return Int8Rows((rows / scale).add_(OFFSET).round_().to(torch.uint8), scale)


def _row_scale(rows: Tensor) -> Tensor:
    scale = torch.linalg.vector_norm(rows, float("inf"), dim=1, keepdim=True).div_(LARGEST)
    return scale.clamp_(min=torch.finfo(rows.dtype).tiny)  # a row of zeros


def onednn_is_exact() -> bool:
    """Whether torch has oneDNN's int8 product and it is exact here."""
    return torch.backends.mkldnn.is_available() and _onednn_sums_right()


@cache
def _onednn_sums_right() -> bool:
    # On processors without VNNI it adds pairs of products in 16 bits, which the largest numbers overflow.
    rows = torch.full((1, 64), 255, dtype=torch.uint8, device="cpu")
    weight = torch.full((64, 64), 127, dtype=torch.int8, device="cpu")
    scale, zero_points = torch.ones(64, device="cpu"), torch.zeros(64, dtype=torch.int32, device="cpu")
    try:
        sums = _onednn_product(rows, torch.ops.onednn.qlinear_prepack(weight, [32, 64]), scale, zero_points)
    except (
        AttributeError,
        RuntimeError,
    ) as error:  # a torch without these operators, or without code for this processor
        logger.info(f"oneDNN's int8 product cannot be had, whole numbers are multiplied as float32: {error}")
        return False
    return bool((sums == 64 * (255 - OFFSET) * 127).all())


def _onednn_product(rows: Tensor, packed: Tensor, scale: Tensor, zero_points: Tensor) -> Tensor:
    return torch.ops.onednn.qlinear_pointwise(
        rows, 1.0, OFFSET, packed, scale, zero_points, None, 1.0, 0, torch.float32, "none", [], ""
    )


class Int8Product:
    """The product of int8 rows with one int8 weight (O, I), its outputs scaled by `scale` (O,), in float32.

    oneDNN computes it (AMX or VNNI instructions where the processor has them). Where torch has no oneDNN, on other
    devices, and for processors it does not know, whole numbers are multiplied as float32: right, but not fast.
    """

    def __init__(self, weight: Tensor, scale: Tensor):
        scale = scale.to(torch.float32)
        self._packed = None
        if weight.device.type == "cpu" and onednn_is_exact():
            self._packed = torch.ops.onednn.qlinear_prepack(weight.contiguous(), [32, weight.shape[1]])
        if self._packed is not None:
            self._scale = scale
            self._zero_points = torch.zeros(len(scale), dtype=torch.int32, device=weight.device)
        else:
            self._plain = weight.to(torch.float32) * scale.unsqueeze(1)

    def __call__(self, rows: Tensor) -> Tensor:
        """rows (n, I) uint8 -> (n, O) float32, not yet scaled by the rows' own scale."""
        if self._packed is None:
            return F.linear(rows.to(torch.float32) - OFFSET, self._plain)
        return _onednn_product(rows, self._packed, self._scale, self._zero_points)


def int8_product(copies: WeightCopies, name: str, weight: Tensor, scale: Tensor) -> Int8Product:
    """The `Int8Product` of a weight, prepared once."""
    return copies.get(name, [weight, scale], Int8Product)


def int8_parameters(outputs: int, inputs: int) -> tuple[nn.Parameter, nn.Parameter]:
    """Room for an int8 weight (O, I) and its scale (O,); neither is trained."""
    weight = nn.Parameter(torch.zeros(outputs, inputs, dtype=torch.int8), requires_grad=False)
    return weight, nn.Parameter(torch.ones(outputs), requires_grad=False)


def quantized_parameters(weight: Tensor) -> tuple[nn.Parameter, nn.Parameter]:
    """The int8 weight (O, I) nearest to a float one and its scale (O,); neither is trained."""
    values, scale = quantize_weight(weight.detach())
    return nn.Parameter(values, requires_grad=False), nn.Parameter(scale, requires_grad=False)


class Int8LstmWeights(NamedTuple):
    """Weights of one direction with 8 bits, beside their scales; shapes as in `LstmWeights`."""

    weight_ih: Tensor
    weight_ih_scale: Tensor  # (4M,)
    weight_hh: Tensor
    weight_hh_scale: Tensor  # (4M,)
    bias: Tensor  # (4M,) float, forget bias included
    weight_hr: Tensor | None
    weight_hr_scale: Tensor | None  # (D,)

    def dequantize(self, dtype: torch.dtype) -> LstmWeights:
        """The float weights these stand for."""
        weight_hr = None
        if self.weight_hr is not None and self.weight_hr_scale is not None:
            weight_hr = dequantize_weight(self.weight_hr, self.weight_hr_scale, dtype)
        return LstmWeights(
            dequantize_weight(self.weight_ih, self.weight_ih_scale, dtype),
            dequantize_weight(self.weight_hh, self.weight_hh_scale, dtype),
            self.bias.to(dtype),
            weight_hr,
        )


def int8_lstm_over_packed_words(
    words: Tensor,
    weights: Int8LstmWeights,
    alive: Sequence[int],
    h: Tensor,
    c: Tensor,
    cell_clip: float | None,
    proj_clip: float | None,
    copies: WeightCopies,
) -> tuple[Tensor, Tensor]:
    """`lstm_over_packed_words` with int8 weights, without gradients; the cell itself is computed in float32.

    The projection reads `sigmoid * tanh`, whose bound of 1 is known: its rows all have the scale 1/127.
    """
    dtype = words.dtype
    words, h, last_c = words.to(torch.float32), h.to(torch.float32), c.to(torch.float32, copy=True)
    first_state = (h, c.to(torch.float32))
    bias = weights.bias.to(torch.float32)
    from_input = int8_product(copies, "weight_ih", weights.weight_ih, weights.weight_ih_scale)
    recurrent = int8_product(copies, "weight_hh", weights.weight_hh, weights.weight_hh_scale)
    projection = None
    if weights.weight_hr is not None and weights.weight_hr_scale is not None:
        projection = int8_product(copies, "weight_hr", weights.weight_hr, weights.weight_hr_scale)
    cell_size = c.shape[1]
    c, hidden = last_c, torch.empty_like(last_c)
    outputs = []
    rows = quantize_rows(words)
    for first, last, start, stop in input_blocks(alive):
        block = torch.addcmul(bias, from_input(rows.values[start:stop]), rows.scale[start:stop])
        for gates in block.split(alive[first:last]):
            count = gates.shape[0]
            if count < c.shape[0]:
                h, c, hidden = h[:count], c[:count], hidden[:count]
            previous = quantize_rows(h)
            gates.addcmul_(recurrent(previous.values), previous.scale)
            cell_step_(gates, c, cell_size, cell_clip)
            torch.tanh(c, out=hidden).mul_(gates[:, 3 * cell_size :])
            if projection is None:
                h = hidden.clone()
            else:
                h = projection(hidden.mul_(LARGEST).add_(OFFSET).round_().to(torch.uint8)).div_(LARGEST)
                if proj_clip is not None:
                    h.clamp_(-proj_clip, proj_clip)
            outputs.append(h)
    if bool(last_c.isnan().any()):  # 8 bits have no NaN: the float weights tell where it belongs
        plain, (h, c) = weights.dequantize(torch.float32), first_state
        vectors, c = lstm_over_packed_words(words, plain, alive, h, c, cell_clip, proj_clip, WeightCopies())
        return vectors.to(dtype), c.to(dtype)
    return torch.cat(outputs).to(dtype), last_c.to(dtype)
