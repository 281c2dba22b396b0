# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""ELMo's recurrent loop as Triton kernels: both directions of a layer at once, forward and backward.

G directions (1 or 2), B sentences, the longest first, N words packed step by step, D `projection_size`, M `cell_size`.
A step is two launches forward (cell, projection) and three backward (sum, cell, recurrent product). The sums of every
product run in a fixed order and no kernel uses atomics, so equal inputs give equal bits.

Tested by Triton's interpreter (`TRITON_INTERPRET=1`) and on an H200, where the block sizes were chosen with
`hf-elmo benchmark gpu --tune`. There the launches, about 40 microseconds each from Python, take longer than the kernels of
the small model.
"""

import math
from itertools import accumulate

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .lstm_triton_kernels import cell_gradient_kernel, cell_kernel, output_gradient_kernel, product_kernel, triton

DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
# A Hopper GPU has 132 multiprocessors: with fewer programs than that, some of them idle.
PROGRAMS_WANTED = 128
# Below 16 the tensor cores work on padding. 16 x 16 has an element for each thread of 8 warps: none is held by two
# threads, so a kernel may write where it has read.
SMALLEST_BLOCK = 16
MOST_SPLITS = 16
MOST_ROWS_TOLD_APART = 1024
ELEMENTS_PER_PROGRAM = 1024

# The largest tiles (rows, columns, terms summed at a time), for 2-byte types on the tensor cores and for wider ones. The
# cell keeps four sums an element, so (128, 64) fills the registers of 8 warps: the original model at B = 128 is then
# one wave of 128 programs.
TILES = {
    "cell": ((128, 64, 64), (64, 32, 32)),
    "projection": ((64, 64, 128), (64, 64, 32)),
    "recurrent_gradient": ((128, 128, 64), (64, 64, 32)),
    "cell_gradient": ((64, 64, 64), (64, 32, 32)),
}
WARPS = (8, 4)  # of a program, for 2-byte types and for wider ones
STAGES = 3  # blocks of terms on their way from memory at a time
# Where the tensor cores win for float32, as three products of TF32 parts each, which keep its precision (1e-6 of the
# largest value): on an H200 6 times in the cell and 2 in the projection of the original model.
ON_TENSOR_CORES = ("cell", "projection")


class _Plan:
    """The grid of a product's kernel over (alive, columns), and the constants it is launched with at every step."""

    def __init__(self, name: str, gates: Tensor, rows: int, columns: int, depth: int = 0, **constants):
        wide = gates.element_size() > 2
        *largest, terms = TILES[name][wide]
        # Every new constant is a kernel to compile, for a second: one for all numbers of rows of similar size.
        rows = min(1 << (rows - 1).bit_length(), MOST_ROWS_TOLD_APART)
        self.columns, self.programs = columns, gates.shape[0]
        self.tile = [
            min(limit, max(SMALLEST_BLOCK, 1 << (needed - 1).bit_length()))
            for limit, needed in zip(largest, (rows, columns), strict=True)
        ]
        if depth:  # the sums are long: share them among programs
            wanted = PROGRAMS_WANTED // math.prod(self.grid(rows))
            wanted = 1 << max(wanted.bit_length() - 1, 0)
            constants["SPLITS"] = max(1, min(wanted, MOST_SPLITS, -(-depth // terms)))
            self.programs *= constants["SPLITS"]
        else:  # halve the longer side until every multiprocessor has work
            while math.prod(self.grid(rows)) < PROGRAMS_WANTED and max(self.tile) > SMALLEST_BLOCK:
                self.tile[0 if self.tile[0] > self.tile[1] else 1] //= 2
        precision = "tf32x3" if name in ON_TENSOR_CORES and gates.dtype == torch.float32 else "ieee"
        if gates.dtype == torch.float32 and torch.backends.cuda.matmul.fp32_precision == "tf32":
            precision = "tf32"
        blocks = dict(zip(("BLOCK_ROWS", "BLOCK_COLUMNS", "BLOCK_DEPTH"), (*self.tile, terms), strict=True))
        launch = {"PRECISION": precision, "num_warps": WARPS[wide], "num_stages": STAGES}
        self.constants = constants | blocks | launch

    def grid(self, alive: int) -> tuple[int, int, int]:
        return -(-self.columns // self.tile[1]), -(-alive // self.tile[0]), self.programs


class _Launcher:
    """Launches of one kernel over the steps of a loop, with tensors that are the same, or new ones, at every step.

    Triton's own launch looks at each argument to find the compiled kernel, which takes longer than a step of a small
    model. Only the first launch goes that way; the others call what it gave (nothing, where Triton is interpreted).
    That serves them all: new tensors are aligned at least as well, and no integer is specialised.
    """

    def __init__(self, kernel, constants: dict):
        self.kernel, self.constants = kernel, constants
        self.compiled, self.others = None, ()

    def __call__(self, grid: tuple[int, int, int], *arguments) -> None:
        if self.compiled is not None:
            self.compiled[grid](*arguments, *self.others)
            return
        self.compiled = self.kernel[grid](*arguments, **self.constants)
        if self.compiled is not None:
            self.others = tuple(self.constants[name] for name in self.kernel.arg_names[len(arguments) :])


def _last_rows(steps: Tensor, alive: list[int]) -> Tensor:
    """(G, B, ...) of every sentence's own last word, from packed (G, N, ...)."""
    ends = zip(accumulate(alive, initial=0), alive, [*alive[1:], 0], strict=False)
    ended = [steps[:, start + after : start + count] for start, count, after in ends if after < count]
    return torch.cat(ended[::-1], dim=1)


def _forward(keep, gates, weight_hh, weight_hr, h0, c0, alive, cell_clip, proj_clip):
    """Outputs, final h and c, and the tensors of the backward pass (empty ones are None, all of them unless `keep`)."""
    directions, words, sentences, kind = gates.shape[0], gates.shape[1], alive[0], gates.dtype
    size, cell_size = weight_hh.shape[2], weight_hh.shape[1] // 4
    sum_type = torch.float64 if kind == torch.float64 else torch.float32

    def empty(rows, width, dtype=kind, when=True):
        return gates.new_empty(directions, rows, width, dtype=dtype) if when else None

    outputs = empty(words, size)
    hidden = outputs if weight_hr is None else empty(sentences, cell_size)
    # A gradient needs all cells, the state given first; without one the running cell overwrites itself.
    cells = empty(sentences + words * keep, cell_size, sum_type)
    cells[:, :sentences] = c0
    activated = empty(words, 4 * cell_size, when=keep)
    cell_passed = empty(words, cell_size, torch.uint8, when=keep and cell_clip is not None)
    proj_passed = empty(words, size, torch.uint8, when=keep and proj_clip is not None)

    cell = _Plan("cell", gates, sentences, cell_size, D=size, M=cell_size, CLIP=cell_clip)
    product = {"DEPTH": cell_size, "WIDTH": size, "DEPTH_STRIDE": 1, "WIDTH_STRIDE": cell_size}
    projection = _Plan("projection", gates, sentences, size, **product, SPLITS=1, CLIP=proj_clip)
    run_cell, project = _Launcher(cell_kernel, cell.constants), _Launcher(product_kernel, projection.constants)
    written = cells, hidden, activated, cell_passed
    h, h_rows, h_start, before, start = h0, sentences, 0, 0, 0
    for count in alive:
        here = sentences + start if keep else 0
        rows = words, h_rows, cells.shape[1], hidden.shape[1]
        starts = start, h_start, before, here, start if weight_hr is None else 0
        run_cell(cell.grid(count), gates, h, weight_hh, *written, *rows, *starts, count)
        if weight_hr is not None:
            tensors = hidden, weight_hr, outputs, proj_passed
            project(projection.grid(count), *tensors, sentences, words, 0, start, count)
        h, h_rows, h_start, before, start = outputs, words, start, here, start + count
    c_n = _last_rows(cells[:, sentences:], alive) if keep else cells
    return outputs, _last_rows(outputs, alive), c_n.to(kind), (activated, cells, cell_passed, proj_passed)


class _TritonSteps(torch.autograd.Function):
    """`triton_steps` with a gradient; weight gradients are one product each after the loop."""

    @staticmethod
    def forward(ctx, *arguments):
        outputs, h_n, c_n, kept = _forward(True, *arguments)
        _, weight_hh, weight_hr, h0, _, ctx.alive, _, _ = arguments
        ctx.save_for_backward(*kept, outputs, weight_hh, weight_hr, h0)
        return outputs, h_n, c_n

    @staticmethod
    @once_differentiable
    def backward(ctx, d_outputs, d_h, d_c):
        activated, cells, cell_passed, proj_passed, outputs, weight_hh, weight_hr, h0 = ctx.saved_tensors
        (directions, words, size), alive, sentences = outputs.shape, ctx.alive, ctx.alive[0]
        cell_size = cells.shape[2]
        # The gradient of the gates takes the place of the activated gates, unless these are needed again.
        graph_is_kept = getattr(torch._C._autograd, "_get_current_graph_task_keep_graph", lambda: True)()
        d_gates = torch.empty_like(activated) if graph_is_kept else activated
        d_projected = torch.empty_like(outputs)
        hidden = outputs.new_empty(directions, words, cell_size) if ctx.needs_input_grad[2] else None
        d_cell = cells.new_empty(directions, sentences, cell_size).copy_(d_c)
        d_outputs, d_h = d_outputs.contiguous(), d_h.contiguous()

        cell = _Plan("cell_gradient", activated, sentences, cell_size, D=size, M=cell_size)
        product = {"DEPTH": 4 * cell_size, "WIDTH": size, "DEPTH_STRIDE": size, "WIDTH_STRIDE": 1}
        recurrent = _Plan("recurrent_gradient", activated, sentences, size, 4 * cell_size, **product, CLIP=None)
        splits = recurrent.constants["SPLITS"]
        parts = cells.new_empty(splits, directions, sentences, size)
        block = {"D": size, "SPLITS": splits, "BLOCK": ELEMENTS_PER_PROGRAM}
        run_recurrent = _Launcher(product_kernel, recurrent.constants)
        run_output, run_cell = (
            _Launcher(output_gradient_kernel, block),
            _Launcher(cell_gradient_kernel, cell.constants),
        )
        of_output = d_outputs, d_h, parts, proj_passed, d_projected, words, sentences
        of_cell = d_projected, weight_hr, activated, cells, cell_passed, d_cell, d_gates, hidden, words, sentences
        start, after = words, 0
        for step in range(len(alive) - 1, -1, -1):
            if after:
                tensors = d_gates, weight_hh, parts, None
                run_recurrent(recurrent.grid(after), *tensors, words, sentences, start, 0, after)
            count = alive[step]
            start -= count
            grid = -(-count * size // ELEMENTS_PER_PROGRAM), directions, 1
            run_output(grid, *of_output, start, count, after)
            before = sentences + start - alive[step - 1] if step else 0
            run_cell(cell.grid(count), *of_cell, start, before, count)
            after = count

        followed = zip(accumulate(alive, initial=0), alive[1:], strict=False)
        h_before = torch.cat([h0, *(outputs[:, row : row + count] for row, count in followed)], dim=1)
        with torch.autocast(outputs.device.type, enabled=False):
            d_h0 = torch.bmm(d_gates[:, :sentences], weight_hh)
            d_weight_hh = torch.bmm(d_gates.transpose(1, 2), h_before)
            d_weight_hr = None if hidden is None else torch.bmm(d_projected.transpose(1, 2), hidden)
        return d_gates, d_weight_hh, d_weight_hr, d_h0, d_cell.to(outputs.dtype), None, None, None


def triton_available(tensor: Tensor) -> bool:
    """Whether `triton_steps` can run on a tensor: Triton is here, and the tensor on a GPU or Triton interpreted."""
    if triton is None or tensor.dtype not in DTYPES:
        return False
    return tensor.is_cuda or not isinstance(cell_kernel, triton.JITFunction)


def triton_steps(
    gates: Tensor,
    weight_hh: Tensor,
    weight_hr: Tensor | None,
    h0: Tensor,
    c0: Tensor,
    alive: list[int],
    cell_clip: float | None,
    proj_clip: float | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Run the recurrent part of the LSTM of `lstm_projection` on packed words, in every direction at once.

    Sums are taken in float32 (float64 for float64), and the cell is carried in that type. Products of float32 keep its
    precision unless `torch.backends.cuda.matmul` allows TF32. The loop neither synchronises nor allocates: a call without
    gradient can be captured by `torch.cuda.graph` after one that compiles.

    With a gradient, elements of s bytes keep s (4M + D) + 4M bytes per word and direction, M more with `cell_clip` and
    D more with `proj_clip`: in the original model 89 KB (float32) and 55 KB (half precision). The backward pass works
    on s (M + 2D) more, and another 4sM if the graph is retained.

    Args:
        gates: (G, N, 4M) float32, bfloat16, float16 or float64, W_ih x + b in the order i, f, g, o; the words packed
            step by step. The other tensors are cast to this type.
        weight_hh, weight_hr: (G, 4M, D) and (G, D, M); without `weight_hr` the output is the hidden vector, unclipped.
        h0, c0: (G, B, D) and (G, B, M) before the first word.
        alive: sentences longer than s, for each step s; they stand longest first and have one word at least.
        cell_clip, proj_clip: bounds on the absolute memory cell and output; None leaves them free.

    Returns:
        outputs (G, N, D); h (G, B, D) and c (G, B, M) after every sentence's own last word.

    Raises:
        ValueError: Triton cannot run on these tensors, or `alive` does not fit them.
    """
    if not triton_available(gates):
        raise ValueError(
            f"gates are {gates.dtype} on {gates.device}; needed are the package triton and a CUDA tensor of "
            f'{", ".join(map(str, DTYPES))}. Take lstm_backend="packed" instead'
        )
    sentences, words = h0.shape[1], gates.shape[1]
    falls = alive == sorted(alive, reverse=True) and min(alive, default=0) > 0
    if not falls or (alive[0], sum(alive)) != (sentences, words):
        needed = f"from {sentences} sentences to no less than 1 and sum up to {words} words"
        raise ValueError(f"alive must fall {needed}; got {alive}")
    tensors = [x if x is None else x.to(gates.dtype).contiguous() for x in (gates, weight_hh, weight_hr, h0, c0)]
    arguments = *tensors, alive, cell_clip, None if weight_hr is None else proj_clip
    with torch.cuda.device_of(gates):  # Triton launches on the current device, the backward pass on its own
        if torch.is_grad_enabled() and any(x is not None and x.requires_grad for x in tensors):
            return _TritonSteps.apply(*arguments)
        return _forward(False, *arguments)[:3]
