# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The Triton kernels of ELMo's recurrent loop; `lstm_triton` launches them and tells what they were tested with.

G directions, D `projection_size`, M `cell_size`; words and sentences are packed as described there.
"""

import inspect
from types import SimpleNamespace

try:
    import triton
    import triton.language as tl
except ImportError:  # everything else of the model works without it
    triton, tl = None, SimpleNamespace(constexpr=None)  # type: ignore[assignment, unused-ignore]


def _kernel(function):
    """Hand a function to Triton, if there is one, so that a kernel compiled for some numbers of words serves all."""
    if triton is None:
        return function
    numbers = [name for name in inspect.signature(function).parameters if name.islower() and name[-4:] != "_ptr"]
    return triton.jit(do_not_specialize=numbers)(function)


# Pointers stand at the first row of the first direction, whatever the step: what is known of their alignment holds for
# every step, and so one compiled kernel serves all. The next direction is `..._rows` rows further, a step begins at row
# `..._start`, and for that 32 bits are too few: a book's gates have more than 2^31 elements. Optional pointers may be
# None.
# tanh is written out because the CUDA library's has no interpreter; its absolute error stays at 1e-7.


@_kernel
def cell_kernel(
    gates_ptr,  # (G, words, 4M) of the input
    h_ptr,  # (G, h_rows, D)
    weight_ptr,  # (G, 4M, D)
    cells_ptr,  # (G, cell_rows, M), the step before from row cell_before, this one from cell_start, which may be equal
    hidden_ptr,  # (G, hidden_rows, M)
    activated_ptr,  # (G, words, 4M), optional
    passed_ptr,  # (G, words, M) uint8: 1 where the clip lets the gradient pass, optional
    words,
    h_rows,
    cell_rows,
    hidden_rows,
    start,
    h_start,
    cell_before,
    cell_start,
    hidden_start,
    alive,
    D: tl.constexpr,
    M: tl.constexpr,
    CLIP: tl.constexpr,
    PRECISION: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_COLUMNS: tl.constexpr,
    BLOCK_DEPTH: tl.constexpr,
):
    """Recurrent product, gates, cell and its clip, hidden vector before the projection: one tile of (alive, M)."""
    direction = tl.program_id(2).to(tl.int64)
    rows = (tl.program_id(1) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS))[:, None]
    units = (tl.program_id(0) * BLOCK_COLUMNS + tl.arange(0, BLOCK_COLUMNS))[None, :]
    living = rows < alive
    valid = living & (units < M)
    sum_type = cells_ptr.dtype.element_ty
    zero = tl.full((BLOCK_ROWS, BLOCK_COLUMNS), 0.0, sum_type)
    i, f, g, o = zero, zero, zero, zero
    for first in range(0, D, BLOCK_DEPTH):
        depth = first + tl.arange(0, BLOCK_DEPTH)
        inside = depth < D
        h = tl.load(h_ptr + (direction * h_rows + h_start + rows) * D + depth[None, :], living & inside[None, :], 0.0)
        weight = weight_ptr + (direction * 4 * M + units) * D + depth[:, None]  # transposed: (D, M) of gate i
        inside = inside[:, None] & (units < M)
        i = tl.dot(h, tl.load(weight, inside, 0.0), i, PRECISION, out_dtype=sum_type)
        f = tl.dot(h, tl.load(weight + M * D, inside, 0.0), f, PRECISION, out_dtype=sum_type)
        g = tl.dot(h, tl.load(weight + 2 * M * D, inside, 0.0), g, PRECISION, out_dtype=sum_type)
        o = tl.dot(h, tl.load(weight + 3 * M * D, inside, 0.0), o, PRECISION, out_dtype=sum_type)

    word = direction * words + start + rows
    gate = word * (4 * M) + units
    i += tl.load(gates_ptr + gate, valid, 0.0).to(sum_type)
    f += tl.load(gates_ptr + gate + M, valid, 0.0).to(sum_type)
    g += tl.load(gates_ptr + gate + 2 * M, valid, 0.0).to(sum_type)
    o += tl.load(gates_ptr + gate + 3 * M, valid, 0.0).to(sum_type)
    i = 1.0 / (1.0 + tl.exp(-i))
    f = 1.0 / (1.0 + tl.exp(-f))
    g = 2.0 / (1.0 + tl.exp(-2.0 * g)) - 1.0
    o = 1.0 / (1.0 + tl.exp(-o))
    cell = (direction * cell_rows + rows) * M + units
    c = f * tl.load(cells_ptr + cell + cell_before.to(tl.int64) * M, valid, 0.0) + i * g
    if activated_ptr is not None:
        kind = activated_ptr.dtype.element_ty
        tl.store(activated_ptr + gate, i.to(kind), valid)
        tl.store(activated_ptr + gate + M, f.to(kind), valid)
        tl.store(activated_ptr + gate + 2 * M, g.to(kind), valid)
        tl.store(activated_ptr + gate + 3 * M, o.to(kind), valid)
    if CLIP is not None:
        if passed_ptr is not None:
            tl.store(passed_ptr + word * M + units, ((c >= -CLIP) & (c <= CLIP)).to(tl.uint8), valid)
        c = tl.where(c > CLIP, CLIP, tl.where(c < -CLIP, -CLIP, c))  # a NaN stays one
    tl.store(cells_ptr + cell + cell_start.to(tl.int64) * M, c, valid)
    hidden = o * (2.0 / (1.0 + tl.exp(-2.0 * c)) - 1.0)
    hidden = hidden.to(hidden_ptr.dtype.element_ty)
    tl.store(hidden_ptr + (direction * hidden_rows + hidden_start + rows) * M + units, hidden, valid)


@_kernel
def product_kernel(
    left_ptr,  # (G, left_rows, DEPTH)
    weight_ptr,  # (G, DEPTH, WIDTH), steps of DEPTH_STRIDE and WIDTH_STRIDE
    product_ptr,  # (SPLITS, G, product_rows, WIDTH)
    passed_ptr,  # (G, product_rows, WIDTH) uint8: 1 where the clip lets the gradient pass, optional
    left_rows,
    product_rows,
    left_start,
    product_start,
    alive,
    DEPTH: tl.constexpr,
    WIDTH: tl.constexpr,
    DEPTH_STRIDE: tl.constexpr,
    WIDTH_STRIDE: tl.constexpr,
    SPLITS: tl.constexpr,
    CLIP: tl.constexpr,
    PRECISION: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_COLUMNS: tl.constexpr,
    BLOCK_DEPTH: tl.constexpr,
):
    """A product with the weights, clipped: one tile of (alive, WIDTH), summed over one of SPLITS shares of DEPTH."""
    split = tl.program_id(2) % SPLITS
    direction = (tl.program_id(2) // SPLITS).to(tl.int64)
    rows = (tl.program_id(1) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS))[:, None]
    columns = (tl.program_id(0) * BLOCK_COLUMNS + tl.arange(0, BLOCK_COLUMNS))[None, :]
    living = rows < alive
    sum_type: tl.constexpr = tl.float64 if left_ptr.dtype.element_ty == tl.float64 else tl.float32
    total = tl.full((BLOCK_ROWS, BLOCK_COLUMNS), 0.0, sum_type)
    for start in range(0, DEPTH, BLOCK_DEPTH * SPLITS):
        depth = start + split * BLOCK_DEPTH + tl.arange(0, BLOCK_DEPTH)
        inside = depth < DEPTH
        left = tl.load(
            left_ptr + (direction * left_rows + left_start + rows) * DEPTH + depth[None, :],
            living & inside[None, :],
            0.0,
        )
        weight = weight_ptr + direction * DEPTH * WIDTH + depth[:, None] * DEPTH_STRIDE + columns * WIDTH_STRIDE
        weight = tl.load(weight, inside[:, None] & (columns < WIDTH), 0.0)
        total = tl.dot(left, weight, total, PRECISION, out_dtype=sum_type)

    valid = living & (columns < WIDTH)
    direction += split * (tl.num_programs(2) // SPLITS)
    element = (direction * product_rows + product_start + rows) * WIDTH + columns
    if CLIP is not None:
        if passed_ptr is not None:
            tl.store(passed_ptr + element, ((total >= -CLIP) & (total <= CLIP)).to(tl.uint8), valid)
        total = tl.where(total > CLIP, CLIP, tl.where(total < -CLIP, -CLIP, total))
    tl.store(product_ptr + element, total.to(product_ptr.dtype.element_ty), valid)


@_kernel
def output_gradient_kernel(
    d_outputs_ptr,  # (G, words, D)
    d_last_ptr,  # (G, sentences, D) of every sentence's last output as a state
    parts_ptr,  # (SPLITS, G, sentences, D) from the step after this one
    passed_ptr,  # (G, words, D) uint8, optional
    d_projected_ptr,  # (G, words, D)
    words,
    sentences,
    start,
    alive,
    alive_after,
    D: tl.constexpr,
    SPLITS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Whole gradient of one step's outputs before their clip: BLOCK elements of (alive, D)."""
    direction = tl.program_id(1).to(tl.int64)
    elements = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    valid = elements < alive * D
    carried = elements < alive_after * D  # the sentences of the other elements end at this step
    state = direction * sentences * D + elements
    d_h = tl.load(d_last_ptr + state, valid & (elements >= alive_after * D), 0.0).to(parts_ptr.dtype.element_ty)
    for split in range(SPLITS):
        d_h += tl.load(parts_ptr + tl.num_programs(1) * sentences * D * split + state, carried, 0.0)
    element = (direction * words + start) * D + elements
    d_h += tl.load(d_outputs_ptr + element, valid, 0.0).to(d_h.dtype)
    if passed_ptr is not None:
        d_h = tl.where(tl.load(passed_ptr + element, valid, 0) != 0, d_h, 0.0)
    tl.store(d_projected_ptr + element, d_h.to(d_projected_ptr.dtype.element_ty), valid)


@_kernel
def cell_gradient_kernel(
    d_projected_ptr,  # (G, words, D)
    weight_ptr,  # (G, D, M), optional
    activated_ptr,  # (G, words, 4M)
    cells_ptr,  # (G, sentences + words, M), the state given first; the step before from row cell_before
    passed_ptr,  # (G, words, M) uint8, optional
    d_cell_ptr,  # (G, sentences, M), from the step after to the step before
    d_gates_ptr,  # (G, words, 4M), may be the activated gates
    hidden_ptr,  # (G, words, M), made again, optional
    words,
    sentences,
    start,
    cell_before,
    alive,
    D: tl.constexpr,
    M: tl.constexpr,
    PRECISION: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_COLUMNS: tl.constexpr,
    BLOCK_DEPTH: tl.constexpr,
):
    """Gradient of the gates and of the cell one step before: one tile of (alive, M)."""
    direction = tl.program_id(2).to(tl.int64)
    rows = (tl.program_id(1) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS))[:, None]
    units = (tl.program_id(0) * BLOCK_COLUMNS + tl.arange(0, BLOCK_COLUMNS))[None, :]
    living = rows < alive
    valid = living & (units < M)
    sum_type = cells_ptr.dtype.element_ty
    word = direction * words + start + rows
    if weight_ptr is not None:
        d_hidden = tl.full((BLOCK_ROWS, BLOCK_COLUMNS), 0.0, sum_type)
        for first in range(0, D, BLOCK_DEPTH):
            depth = first + tl.arange(0, BLOCK_DEPTH)
            inside = depth < D
            d_projected = tl.load(d_projected_ptr + word * D + depth[None, :], living & inside[None, :], 0.0)
            weight = weight_ptr + (direction * D + depth[:, None]) * M + units
            weight = tl.load(weight, inside[:, None] & (units < M), 0.0)
            d_hidden = tl.dot(d_projected, weight, d_hidden, PRECISION, out_dtype=sum_type)
    else:
        d_hidden = tl.load(d_projected_ptr + word * D + units, valid, 0.0).to(sum_type)

    gate = word * (4 * M) + units
    i = tl.load(activated_ptr + gate, valid, 0.0).to(sum_type)
    f = tl.load(activated_ptr + gate + M, valid, 0.0).to(sum_type)
    g = tl.load(activated_ptr + gate + 2 * M, valid, 0.0).to(sum_type)
    o = tl.load(activated_ptr + gate + 3 * M, valid, 0.0).to(sum_type)
    cell = (direction * (sentences + words) + rows) * M + units
    c_before = tl.load(cells_ptr + cell + cell_before.to(tl.int64) * M, valid, 0.0)
    c = tl.load(cells_ptr + cell + (sentences + start).to(tl.int64) * M, valid, 0.0)
    c_tanh = 2.0 / (1.0 + tl.exp(-2.0 * c)) - 1.0
    state = d_cell_ptr + (direction * sentences + rows) * M + units
    d_c = tl.load(state, valid, 0.0) + d_hidden * o * (1.0 - c_tanh * c_tanh)
    if passed_ptr is not None:
        d_c = tl.where(tl.load(passed_ptr + word * M + units, valid, 0) != 0, d_c, 0.0)
    tl.store(state, d_c * f, valid)
    kind = d_gates_ptr.dtype.element_ty
    tl.store(d_gates_ptr + gate, (d_c * g * i * (1.0 - i)).to(kind), valid)
    tl.store(d_gates_ptr + gate + M, (d_c * c_before * f * (1.0 - f)).to(kind), valid)
    tl.store(d_gates_ptr + gate + 2 * M, (d_c * i * (1.0 - g * g)).to(kind), valid)
    tl.store(d_gates_ptr + gate + 3 * M, (d_hidden * c_tanh * o * (1.0 - o)).to(kind), valid)
    if hidden_ptr is not None:
        tl.store(hidden_ptr + word * M + units, (o * c_tanh).to(hidden_ptr.dtype.element_ty), valid)
