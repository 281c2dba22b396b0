# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The recurrent loop of `lstm_triton`: its cases, its inputs, and the definition on one word after the other."""

import importlib
import sys
from itertools import accumulate
from types import ModuleType

import numpy as np
import pytest
import torch
from support import ROOT

NAMES = ("outputs", "h_n", "c_n", "gates", "weight_hh", "weight_hr", "h0", "c0")
CLIPS = (0.5, 0.3)
# lengths of the sentences, directions, D, M, projection, clips
CASES = {
    "ragged": ([4, 4, 2, 1], 2, 5, 7, True, CLIPS),
    "small": ([2, 1], 1, 5, 7, True, CLIPS),
    "free": ([2, 2, 1], 2, 5, 7, True, (None, None)),
    "cell clip alone": ([2, 2], 1, 5, 7, True, (0.5, None)),
    "bare": ([2, 2, 1], 2, 7, 7, False, CLIPS),
    "bare and free": ([2, 1], 1, 7, 7, False, (None, None)),
    "one word": ([1], 1, 5, 7, True, CLIPS),
    "one step": ([1, 1, 1], 2, 5, 7, True, CLIPS),
}


def load(interpreted: bool) -> ModuleType:
    """`lstm_triton` in a package of its own, with kernels made for the interpreter or for the compiler."""
    package = ModuleType("triton_interpreted" if interpreted else "triton_compiled")
    package.__path__ = [str(ROOT / "modeling")]
    files = [f"{package.__name__}.{name}" for name in ("lstm_triton", "lstm_triton_kernels")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1" if interpreted else "0")
        patch.setitem(sys.modules, package.__name__, package)
        try:
            return importlib.import_module(files[0])
        finally:  # the next call makes them anew
            for file in files:
                sys.modules.pop(file, None)


def interpret_bfloat16(monkeypatch) -> None:
    """Let Triton's interpreter multiply bfloat16, whose bits it would take for integers."""
    from triton.runtime import interpreter

    right = interpreter.InterpreterBuilder.create_dot

    def create_dot(self, a, b, *others):
        if a.dtype.scalar == interpreter.tl.bfloat16:
            a, b = (
                interpreter.TensorHandle((x.data.astype(np.uint32) << 16).view(np.float32), interpreter.tl.float32)
                for x in (a, b)
            )
        return right(self, a, b, *others)

    monkeypatch.setattr(interpreter.InterpreterBuilder, "create_dot", create_dot)


def alive_of(lengths: list[int]) -> list[int]:
    return [sum(length > step for length in lengths) for step in range(max(lengths))]


def make_inputs(lengths, directions, size, cell_size, projected, dtype=torch.float64, scale=0.6) -> list:
    generator = torch.Generator().manual_seed(3)

    def random(*shape, scale=scale):
        values = torch.randn(*shape, generator=generator, dtype=torch.float64) * scale
        return values.to(dtype)

    return [
        random(directions, sum(lengths), 4 * cell_size, scale=1.5),
        random(directions, 4 * cell_size, size),
        random(directions, size, cell_size) if projected else None,
        random(directions, len(lengths), size),
        random(directions, len(lengths), cell_size, scale=1.0),  # beyond the clip: a state given is not clipped
    ]


def definition(gates, weight_hh, weight_hr, h0, c0, lengths, cell_clip, proj_clip):
    """The formulas on one word after the other; also the largest values before each clip."""
    starts = [0, *accumulate(alive_of(lengths))]
    rows: dict = {}
    h_n, c_n, free = [], [], {"cell": [], "output": []}
    for direction in range(gates.shape[0]):
        for sentence, length in enumerate(lengths):
            h, c = h0[direction, sentence], c0[direction, sentence]
            for step in range(length):
                row = starts[step] + sentence
                i, f, g, o = (gates[direction, row] + weight_hh[direction] @ h).chunk(4)
                c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
                free["cell"].append(c.detach())
                if cell_clip is not None:
                    c = c.clamp(-cell_clip, cell_clip)
                h = torch.sigmoid(o) * torch.tanh(c)
                if weight_hr is not None:
                    h = weight_hr[direction] @ h
                    free["output"].append(h.detach())
                    if proj_clip is not None:
                        h = h.clamp(-proj_clip, proj_clip)
                rows[direction, row] = h
            h_n.append(h)
            c_n.append(c)
    words = gates.shape[1]
    outputs = torch.stack([rows[d, r] for d in range(gates.shape[0]) for r in range(words)]).view(*gates.shape[:2], -1)
    return outputs, torch.stack(h_n).view_as(h0), torch.stack(c_n).view_as(c0), free


def with_gradients(function, inputs, use=(0, 1, 2)) -> dict[str, torch.Tensor]:
    """Results of a function, and the gradients of a sum over those in `use` with weights of both signs."""
    leaves = [None if x is None else x.detach().requires_grad_() for x in inputs]
    results = function(*leaves)[:3]
    loss = 0
    for number, result in enumerate(results):
        weights = torch.cos(torch.arange(result.numel(), dtype=torch.float64) * 1.7 + number)
        if number in use:
            loss = loss + (result.double().cpu() * weights.view(result.shape)).sum()
    wanted = [leaf for leaf in leaves if leaf is not None]
    gradients = iter(torch.autograd.grad(loss, wanted))
    return dict(zip(NAMES, [*results, *(None if leaf is None else next(gradients) for leaf in leaves)], strict=True))


def check(got: dict, expected: dict, tolerance: float) -> None:
    """Differences against the largest value of each tensor, or against 1 where all are smaller."""
    for name, right in expected.items():
        if right is None:
            assert got[name] is None
            continue
        difference = (got[name].detach().cpu().double() - right.detach()).abs().max()
        assert difference <= tolerance * max(1.0, float(right.detach().abs().max())), f"{name}: {difference:.1e}"
