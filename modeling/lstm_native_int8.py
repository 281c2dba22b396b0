# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The LSTM loop with 8-bit weights as one call of compiled C: `lstm_backend="native"` after `model.quantize_int8()`.

It needs a processor with VNNI (Intel since 2019, AMD since 2022); elsewhere `int8_lstm_over_packed_words` runs with
oneDNN. Whole numbers are summed exactly, so that a sentence has the same bits in any company.

Shapes: N words of the batch as `PackedWords` orders them, n sentences (the longest first), D `projection_size`, M
`cell_size`.
"""

import ctypes
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers.utils import logging

from .int8 import OFFSET, Int8LstmWeights, int8_lstm_over_packed_words, quantize_weight
from .lstm_native import NativeRun, native_applies, native_kernel, pack_columns, pack_gates, pad_cells
from .weight_copies import WeightCopies

logger = logging.get_logger(__name__)

# A few numbers may be rounded to a neighbouring whole one, of 127.
LARGEST_DIFFERENCE = 0.02


def native_int8_applies(*of_call: Tensor | None) -> bool:
    """Whether the kernel takes these tensors: plain, float32, on a CPU with VNNI, no gradient wanted."""
    if not native_applies(*of_call):
        return False
    kernel = native_kernel()
    return kernel is not None and kernel.lstm_int8 is not None and _is_right()


@cache
def _is_right() -> bool:
    """Whether a small example comes out as without the kernel: a compiler may be wrong."""
    kernel = native_kernel()
    assert kernel is not None
    generator = torch.Generator(device="cpu").manual_seed(0)

    def numbers(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device="cpu").mul_(2).sub_(1)

    size, cell, alive = 70, kernel.width + 3, [8, 8, 3, 1]
    shapes = {"ih": (4 * cell, size), "hh": (4 * cell, size), "hr": (size, cell)}
    ih, hh, hr = (quantize_weight(numbers(*shape) / shape[1] ** 0.5) for shape in shapes.values())
    weights = Int8LstmWeights(*ih, *hh, numbers(4 * cell), *hr)
    arguments = numbers(sum(alive), size), weights, alive, numbers(8, size), numbers(8, cell), 0.9, 0.8
    run, expected = (
        Int8Run(kernel, *arguments, WeightCopies()),
        int8_lstm_over_packed_words(*arguments, WeightCopies()),
    )
    run()
    differences = [(a - b).abs().max().item() for a, b in zip((run.outputs, run.last_c), expected, strict=True)]
    right = run.answer == 0 and max(differences) <= LARGEST_DIFFERENCE
    if not right:
        logger.info(f"the compiled int8 kernel is off by {max(differences):.1e} and is not used")
    return right


def int8_lstm_over_packed_words_native(
    words: Tensor,
    weights: Int8LstmWeights,
    alive: Sequence[int],
    h: Tensor,
    c: Tensor,
    cell_clip: float | None,
    proj_clip: float | None,
    copies: WeightCopies,
) -> tuple[Tensor, Tensor]:
    """`int8_lstm_over_packed_words` by the compiled kernel where it applies (`native_int8_applies`), else as it is."""
    if native_int8_applies(words, weights.bias, h, c):
        run = Int8Run(native_kernel(), words, weights, alive, h, c, cell_clip, proj_clip, copies)
        run()
        if not run.answer:
            return run.outputs, run.last_c
    return int8_lstm_over_packed_words(words, weights, alive, h, c, cell_clip, proj_clip, copies)


class Matrix(ctypes.Structure):
    """An int8 matrix as the kernel reads it; `kept` holds the tensors it points to."""

    _fields_ = [("panels", ctypes.c_void_p), ("scale", ctypes.c_void_p), ("excess", ctypes.c_void_p)]

    @classmethod
    def of(cls, panels: Tensor, scale: Tensor, sums: Tensor) -> "Matrix":
        kept = (panels, scale, (sums * OFFSET).to(torch.int32))
        matrix = cls(*(tensor.data_ptr() for tensor in kept))
        matrix.kept = kept
        return matrix


class Int8Run(NativeRun):
    """One direction, ready to be called: packed weights, room to work in, and the results."""

    def __init__(self, kernel, words, weights, alive, h, c, cell_clip, proj_clip, copies):
        width, size, cell_size = kernel.width, words.shape[1], c.shape[1]
        rows, c_padded, panel = min(max(alive[0], kernel.block_words), len(words)), pad_cells(c, width), 4 * width
        self.outputs = torch.empty_like(words, memory_format=torch.contiguous_format)
        self.last_c = c_padded[:, :cell_size]

        def gates_of(weight: Tensor, scale: Tensor) -> Matrix:
            columns = [pack_gates(column.unsqueeze(1), width) for column in (scale.float(), weight.sum(dim=1))]
            return Matrix.of(pack_gates_int8(weight, width), *columns)

        def projection_of(weight: Tensor, scale: Tensor) -> Matrix:
            columns = [F.pad(column, (0, -size % panel)) for column in (scale.float(), weight.sum(dim=1))]
            return Matrix.of(pack_weight_hr_int8(weight, width, kernel.depth_int8), *columns)

        matrices = [
            copies.get("native_ih", [weights.weight_ih, weights.weight_ih_scale], gates_of),
            copies.get("native_hh", [weights.weight_hh, weights.weight_hh_scale], gates_of),
            None,
        ]
        if weights.weight_hr is not None:
            matrices[2] = copies.get("native_hr", [weights.weight_hr, weights.weight_hr_scale], projection_of)
        room = [
            torch.empty_like(c_padded),  # hidden
            c.new_empty(c_padded.shape, dtype=torch.uint8),
            c.new_empty(rows * (size + -size % 4), dtype=torch.uint8),
            c.new_empty(rows),
            c.new_empty(len(c)),
            c.new_empty(rows * 4 * c_padded.shape[1], dtype=torch.int32),  # gates
            c.new_empty(len(c) * panel, dtype=torch.int32),  # recurrent
            c.new_empty(len(c) * (size + -size % panel), dtype=torch.int32),  # projected
        ]
        first, second, third = (None if matrix is None else ctypes.byref(matrix) for matrix in matrices)
        bias = pack_gates(weights.bias.to(torch.float32).unsqueeze(1), width)
        pointers: list[Any] = [words.contiguous(), first, second, bias, third, h.contiguous(), c_padded]
        super().__init__(
            kernel.lstm_int8, [*pointers, *room, self.outputs], alive, size, cell_size, cell_clip, proj_clip
        )
        self._matrices = matrices


def pack_gates_int8(weight: Tensor, width: int) -> Tensor:
    """Rows of all gates (4M, D) int8 -> (M / width rounded up, D / 4 rounded up, 4 * width, 4)."""
    panels = pack_gates(F.pad(weight, (0, -weight.shape[1] % 4)), width)  # (panels, D4, 4 * width)
    return panels.unflatten(1, (-1, 4)).movedim(2, -1).contiguous()


def pack_weight_hr_int8(weight: Tensor, width: int, depth: int) -> Tensor:
    """The projection (D, M) int8 -> flat, as `pack_weight_hr`, four neighbours of M side by side."""
    padded = F.pad(weight, (0, -weight.shape[1] % width))
    return pack_columns(padded, width, depth, 4)
