# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""How time is taken: all sides in turns, medians with their range, and what is known of the machine and the code."""

import contextlib
import gc
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

# What decides how fast products of narrow numbers are.
CPU_FLAGS = (
    "avx2 fma f16c avx_vnni avx512f avx512_vnni avx512_bf16 avx512_fp16 amx_tile amx_int8 amx_bf16 amx_fp16 "
    "asimd asimddp asimdhp bf16 i8mm sve sve2"
).split()
PACKAGES = ("hf-elmo", "torch", "transformers", "tokenizers", "numpy")


Key = TypeVar("Key", bound=Hashable)


def alternate(
    sides: Mapping[Key, Callable[[], Any]],
    runs: int,
    threads: int = 1,
    before: Callable[[Key], Any] | None = None,
) -> dict[Key, list[float]]:
    """Seconds of every run of every side, in turns A B C A B C …, after a run of each to warm up.

    Args:
        sides: name -> the work to be timed.
        runs: timed runs of each.
        threads: 1 takes processor time, which other programs do not disturb; any other number the time on the wall.
        before: called with the name of a side before each of its runs, outside of the time.
    """
    clock = time.process_time if threads == 1 else time.perf_counter
    seconds: dict[Key, list[float]] = {name: [] for name in sides}
    collects = gc.isenabled()
    gc.disable()  # a full collection in the middle of a run would be counted
    try:
        for number in range(runs + 1):
            for name, work in sides.items():
                gc.collect(0)  # what the run before left in circles
                if before is not None:
                    before(name)
                started = clock()
                work()
                if number > 0:
                    seconds[name].append(clock() - started)
    finally:
        if collects:
            gc.enable()
    return seconds


class Progress:
    """A bar on stderr that counts runs, where stderr is a terminal; give it to `alternate` as `before`."""

    def __init__(self, title: str, sides: Collection, runs: int):
        self.bar = tqdm(total=len(sides) * (runs + 1), desc=title, leave=False, disable=None)
        self.started = False

    def __call__(self, side: Any) -> None:
        self.bar.set_postfix_str(str(side), refresh=False)
        self.bar.update(int(self.started))
        self.started = True

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *error) -> None:
        self.bar.close()


def summary(words: int, seconds: list[float]) -> dict[str, Any]:
    """Seconds of every run, their median and range, and words per second of the median."""
    median = statistics.median(seconds)
    return {
        "words_per_second": round(words / median, 1),
        "median": round(median, 6),
        "min": round(min(seconds), 6),
        "max": round(max(seconds), 6),
        "seconds": [round(one, 6) for one in seconds],
    }


def speeds(words: int, seconds: list[float]) -> dict:
    """Words per second: median, slowest and fastest run."""
    return {
        "value": round(words / statistics.median(seconds)),
        "unit": "words/s",
        "slowest": round(words / max(seconds)),
        "fastest": round(words / min(seconds)),
        "words": words,
        "runs": len(seconds),
    }


def ratio(slow: list[float], fast: list[float]) -> dict[str, float]:
    """How many times faster the second side was: median and range of the rounds' ratios."""
    rounds = [one / other for one, other in zip(slow, fast, strict=True)]
    return {
        "median": round(statistics.median(rounds), 3),
        "lowest": round(min(rounds), 3),
        "highest": round(max(rounds), 3),
    }


@contextlib.contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch use so many threads, and afterwards as many as before."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def code_version() -> dict:
    """Commit of the checkout this file lies in, and whether it had changes; nothing for an installed package."""
    folder = Path(__file__).resolve().parent

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "dirty": None, "version": package_version("hf-elmo")}


def package_version(name: str) -> str | None:
    """Version of an installed distribution, None if it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def packages() -> dict[str, str]:
    """Versions of what a result depends on, as far as it is installed."""
    versions = {name: package_version(name) for name in (*PACKAGES, "allennlp")}
    return {name: version for name, version in versions.items() if version is not None}


def machine(threads: int | list[int] = 1) -> dict:
    """Processor with the instructions that matter, cores, memory, interpreter, and what torch makes of it."""
    import torch

    model, flags = platform.processor() or platform.machine(), ""
    cpu_file = Path("/proc/cpuinfo")
    if cpu_file.is_file():
        lines = cpu_file.read_text(encoding="utf-8", errors="replace").splitlines()
        fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
        model = fields.get("model name", model)
        flags = fields.get("flags", fields.get("Features", ""))
    return {
        "cpu": model,
        "flags": [flag for flag in CPU_FLAGS if flag in flags.split()],
        "cores": os.cpu_count(),
        "memory_gb": _memory_gb(),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch_cpu": torch.backends.cpu.get_cpu_capability(),
        "torch_quantized_engine": torch.backends.quantized.engine,
        "environment": {
            name: value
            for name, value in sorted(os.environ.items())
            if name.startswith(("OMP_", "MKL_", "KMP_", "ONEDNN_", "DNNL_", "ATEN_"))
        },
        "threads": threads,
    }


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (AttributeError, ValueError, OSError):  # not on Windows
        return None
