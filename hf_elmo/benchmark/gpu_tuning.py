# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Tiles of the Triton kernels, tried on the GPU at hand: the time of each kernel, and of a step with its launches.

What is found belongs into `TILES`, `WARPS` and `STAGES` of `hf_elmo.modeling.lstm_triton`.
"""

import argparse
import contextlib
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from hf_elmo.benchmark import gpu_sides, workloads
from hf_elmo.benchmark.results import ResultFile
from hf_elmo.modeling import lstm_triton

NAMES = ("cell", "projection", "recurrent_gradient", "cell_gradient")
STEPS = 12
SECONDS = 95  # when the tuning stops, whatever is left
COMPILERS = 12
# name -> (D, M): the published models, and a small one to train from scratch
SHAPES = {name: (one["projection_size"], one["cell_size"]) for name, one in workloads.SIZES.items()}
SHAPES["mini"] = (128, 896)
CLIP = 3.0  # as in the published models: the clip is part of a compiled kernel
# ‖out - now‖ / ‖now‖ against the tiles that are there now; only the order of sums differs.
TOLERANCES = {"bfloat16": 2e-2, "float32": 2e-5}


class Settings(NamedTuple):
    """Largest tile (rows, columns, terms at a time), warps and pipeline stages of a kernel, and programs wanted."""

    tile: tuple[int, int, int]
    warps: int
    stages: int
    programs: int = 128


class Variant(NamedTuple):
    """Settings of all kernels, tried together: each kernel's time is read from the profile on its own."""

    name: str
    settings: dict[str, Settings]
    exactness: str = "ieee"  # of float32 products


def variants(kind: str) -> list[Variant]:
    """What is tried for a type of numbers; the first is what is there now."""
    wide = kind == "float32"
    now = {
        name: Settings(lstm_triton.TILES[name][wide], lstm_triton.WARPS[wide], lstm_triton.STAGES, 128)
        for name in NAMES
    }

    def row(name: str, *settings: tuple, exactness: str = "ieee") -> Variant:
        return Variant(name, {key: Settings(*one) for key, one in zip(NAMES, settings, strict=True)}, exactness)

    if kind == "bfloat16":
        return [
            Variant("now", now),
            row("a", ((128, 32, 64), 4, 4), ((32, 32, 128), 4, 4), ((128, 64, 64), 8, 4), ((64, 32, 64), 4, 3)),
            row("b", ((64, 64, 64), 4, 4), ((64, 32, 128), 4, 4, 64), ((128, 128, 64), 8, 3), ((64, 64, 128), 8, 3)),
            row("c", ((128, 64, 32), 8, 4), ((64, 64, 128), 4, 4, 32), ((64, 64, 128), 4, 3), ((128, 64, 64), 8, 3)),
            row("d", ((64, 32, 128), 4, 3), ((64, 16, 256), 4, 3), ((64, 128, 64), 4, 4), ((64, 32, 128), 8, 3)),
            row("e", ((128, 32, 128), 8, 3), ((32, 32, 256), 4, 3), ((128, 32, 128), 4, 3), ((128, 32, 64), 8, 3)),
        ]
    return [
        Variant("now", now),
        row("a", ((64, 16, 32), 4, 3), ((32, 32, 64), 4, 3), ((64, 64, 32), 8, 3), ((64, 64, 32), 8, 3)),
        row("b", ((32, 32, 32), 4, 3), ((32, 16, 64), 4, 3), ((64, 32, 32), 4, 3), ((32, 64, 32), 4, 3)),
        row(
            "x3",
            *[((64, 32, 32), 4, 3), ((64, 64, 32), 4, 3), ((64, 32, 32), 4, 3), ((64, 32, 32), 4, 3)],
            exactness="tf32x3",
        ),
        row(
            "x3 a",
            *[((128, 32, 32), 8, 3), ((32, 32, 64), 4, 3), ((128, 64, 32), 8, 3), ((64, 64, 32), 8, 3)],
            exactness="tf32x3",
        ),
    ]


@contextlib.contextmanager
def chosen(variant: Variant | None) -> Iterator[None]:
    """Let `triton_steps` plan with the settings of a variant; None leaves everything as it is."""
    if variant is None:
        yield
        return
    plan = lstm_triton._Plan
    before = lstm_triton.TILES, lstm_triton.PROGRAMS_WANTED

    def planned(name: str, gates: Tensor, *args, **constants) -> Any:
        one = variant.settings[name]
        lstm_triton.TILES = {name: (one.tile, one.tile)}
        lstm_triton.PROGRAMS_WANTED = one.programs
        made = plan(name, gates, *args, **constants)
        made.constants |= {"num_warps": one.warps, "num_stages": one.stages}
        if gates.dtype == torch.float32:
            made.constants["PRECISION"] = variant.exactness
        return made

    lstm_triton._Plan = planned  # type: ignore[misc, assignment]
    try:
        yield
    finally:
        lstm_triton._Plan = plan  # type: ignore[misc]
        lstm_triton.TILES, lstm_triton.PROGRAMS_WANTED = before


def problem(shape: str, batch: int, kind: str, alive: list[int]) -> tuple[list[Any], list[int]]:
    """Random arguments of `triton_steps` on the GPU, both directions."""
    size, cell_size = SHAPES[shape]
    generator = torch.Generator(gpu_sides.DEVICE).manual_seed(3)

    def random(*sizes: int, scale: float) -> Tensor:
        values = torch.randn(2, *sizes, generator=generator, device=gpu_sides.DEVICE) * scale
        return values.to(getattr(torch, kind)).requires_grad_()

    return [
        random(sum(alive), 4 * cell_size, scale=1.0),
        random(4 * cell_size, size, scale=0.5 * size**-0.5),
        random(size, cell_size, scale=1.4 * cell_size**-0.5),
        random(batch, size, scale=0.3),
        random(batch, cell_size, scale=0.5),
    ], alive


def loop(arguments: list[Any], alive: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    """`triton_steps` with both clips."""
    gates, weight_hh, weight_hr, h0, c0 = arguments
    return lstm_triton.triton_steps(gates, weight_hh, weight_hr, h0, c0, alive, CLIP, CLIP)


def both_passes(arguments: list[Any], alive: list[int]) -> list[Tensor]:
    """Outputs, and the gradients of gates and weights."""
    outputs, _, _ = loop(arguments, alive)
    factors = torch.linspace(-1, 1, outputs.numel(), device=outputs.device, dtype=outputs.dtype).view_as(outputs)
    return [outputs.detach(), *torch.autograd.grad(outputs, arguments[:3], factors)]


def run(args: argparse.Namespace) -> int:
    """Try every variant and print the times of each kernel, the fastest marked."""
    started = time.perf_counter()
    result = ResultFile(args, threads=torch.get_num_threads())
    result.data["gpu"] = torch.cuda.get_device_name()
    cells = [
        (shape, batch, kind)
        for kind in ("bfloat16", "float32")
        for shape, batch in (("original", 128), ("small", 128), ("mini", 128), ("original", 512), ("small", 512))
    ]
    print(f"tries tiles of {len(cells)} sizes, at most {SECONDS} s", file=sys.stderr)
    compile_beforehand(cells, every_variant=True)
    print(f"compiled after {time.perf_counter() - started:.0f} s", file=sys.stderr)
    for shape, batch, kind in tqdm(cells, desc="sizes", disable=None):
        if time.perf_counter() - started > SECONDS:
            print("out of time: the sizes left were not tried", file=sys.stderr)
            break
        result.add(f"{shape}, {batch}, {kind}", tune(shape, batch, kind))
        torch.cuda.empty_cache()
    result.finish()
    return 0


def tune(shape: str, batch: int, kind: str) -> dict[str, Any]:
    """Microseconds a step of each kernel for each variant of a size, checked against the tiles that are there now."""
    arguments, alive = problem(shape, batch, kind, [batch] * STEPS)
    right: list[Tensor] = []
    found: dict[str, Any] = {}
    print(f"\n{shape} {SHAPES[shape]}, batch {batch}, {kind}: microseconds a step, both directions")
    print(f"  {'':<6}{'cell':>9}{'project':>9}{'recurr':>9}{'cell grad':>10}{'out grad':>9}{'forward':>10}{'both':>8}")
    for variant in variants(kind):
        try:
            with chosen(variant):
                got = both_passes(arguments, alive)
                right = right or got
                error = max(map(gpu_sides.relative_error, got, right))
                if not error <= TOLERANCES[kind]:
                    raise ValueError(f"wrong: results differ by {error:.1e} of their norm")
                micros = kernel_micros(arguments, alive)
                seconds = [
                    seconds_of_forward(arguments, alive),
                    gpu_sides.seconds_of(lambda: both_passes(arguments, alive)),
                ]
        except Exception as error_:  # a tile that does not fit the chip, or does not compile, is a result as well
            found[variant.name] = {"error": f"{type(error_).__name__}: {error_}"[:300]}
            print(f"  {variant.name:<6}{found[variant.name]['error'][:100]}")
            continue
        forward, both = (round(1e6 * one / STEPS, 1) for one in seconds)
        found[variant.name] = {
            "settings": {name: one._asdict() for name, one in variant.settings.items()},
            "exactness": variant.exactness,
            "kernels": micros,
            "wall": {"forward": forward, "both": both},
            "relative_difference": error,
        }
        shown = "".join(
            f"{micros.get(name, float('nan')):>{width}.1f}"
            for name, width in zip((*NAMES, "output_gradient"), (9, 9, 9, 10, 9), strict=True)
        )
        print(f"  {variant.name:<6}{shown}{forward:>10.1f}{both:>8.1f}  {error:.0e}")
    for name in NAMES:
        times = {key: one["kernels"][name] for key, one in found.items() if name in one.get("kernels", {})}
        if times:
            best = min(times, key=lambda key: times[key])
            print(f"  best {name}: {best} {found[best]['settings'][name]}")
    sys.stdout.flush()
    return found


@torch.no_grad()
def seconds_of_forward(arguments: list[Any], alive: list[int]) -> float:
    """Wall time of the loop without gradients."""
    return gpu_sides.seconds_of(lambda: loop(arguments, alive))


def kernel_micros(arguments: list[Any], alive: list[int]) -> dict[str, float]:
    """Microseconds of each kernel on the GPU, the mean over the steps of one forward and backward pass."""
    from torch.profiler import ProfilerActivity, profile

    gpu_sides.synchronize()
    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        both_passes(arguments, alive)
        gpu_sides.synchronize()
    events = sorted(
        (event for event in profiled.events() if "_kernel" in event.name), key=lambda event: event.time_range.start
    )
    sums: dict[str, list[float]] = {}
    backward = False
    for event in events:
        took = event.time_range.elapsed_us()
        for part, name in (
            ("output_gradient_kernel", "output_gradient"),
            ("cell_gradient_kernel", "cell_gradient"),
            ("cell_kernel", "cell"),
            ("product_kernel", "recurrent_gradient" if backward else "projection"),
        ):
            if event.name.startswith(part):
                backward |= part == "output_gradient_kernel"
                sums.setdefault(name, []).append(took)
                break
    return {name: round(sum(times) / len(times), 2) for name, times in sums.items()}


def compile_beforehand(cells: list[tuple[str, int, str]], every_variant: bool = False) -> None:
    """Compile the kernels of these (size, batch, precision) in several processes, into the cache of Triton."""
    wanted = [
        (shape, batch, kind, number)
        for shape, batch, kind in cells
        for number in (range(len(variants(kind))) if every_variant else [None])
    ]
    workers = max(1, min(COMPILERS, os.cpu_count() or 1, len(wanted)))
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        for _ in tqdm(
            pool.map(_compile, wanted), total=len(wanted), desc="compiling kernels", disable=None, leave=False
        ):
            pass


def _compile(wanted: tuple[str, int, str, int | None]) -> None:
    shape, batch, kind, number = wanted
    dtype = "float32" if kind == "tf32" else kind
    arguments, alive = problem(shape, batch, dtype, [batch, batch])
    with gpu_sides.precision(kind), chosen(None if number is None else variants(kind)[number]):
        # What does not compile is told, or tried again, where it is measured.
        with contextlib.suppress(Exception):
            both_passes(arguments, alive)
        with contextlib.suppress(Exception), torch.no_grad():
            loop(arguments, alive)
    gpu_sides.synchronize()
