# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Matrix products without gradients whose rows do not depend on their company.

BLAS libraries choose how to sum by the size of the whole product, so a row may come out with other last bits when other
rows stand beside it. Two habits avoid that with MKL on processors with AVX-512 (tried for 2 to 1000 rows, one and two
threads): inner dimensions of at most 512 at a time, and never a single row, for which there is a routine of its own.
Where a library knows further ways, results stay within rounding (5e-6).

Shapes: n rows, I inputs, O outputs.
"""

import torch
from torch import Tensor

INNER = 512


def add_product_(out: Tensor, rows: Tensor, weight: Tensor) -> Tensor:
    """`out += rows @ weight` in place: out (n, O), rows (n, I), weight (I, O), each row the same in any company."""
    if len(rows) == 1:
        pair = out.expand(2, -1).contiguous()
        out.copy_(add_product_(pair, rows.expand(2, -1).contiguous(), weight)[:1])
        return out
    for start in range(0, len(weight), INNER):
        out.addmm_(rows[:, start : start + INNER], weight[start : start + INNER])
    return out


def needs_plain_torch(rows: Tensor, weight: Tensor) -> bool:
    """Whether a gradient, a graph, autocast or another precision asks for torch's own operations instead."""
    traced = torch.compiler.is_compiling() or torch.is_grad_enabled()
    return traced or torch.is_autocast_enabled(rows.device.type) or rows.dtype != weight.dtype
