# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Speed and memory on this machine, each measured only after its results were found right; the price of 8 bits.

`hf-elmo benchmark NAME`, or `python -m hf_elmo.benchmark NAME`, compares several ways of doing the same work in
alternating runs (A B A B), reports medians, ratios and their spread, and writes a result file with everything that is
needed to repeat the run. A further benchmark is one more entry of `BENCHMARKS`.
"""

import argparse
import sys
from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

from hf_elmo.benchmark import options


class Benchmark(NamedTuple):
    """One benchmark: what it is for, its options, and the module whose `run` does it, loaded when it is wanted."""

    summary: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    module: str


BENCHMARKS = {
    "tokenizer": Benchmark("words per second of the tokenizer", options.add_tokenizer_arguments, "tokenizer"),
    "encoder": Benchmark(
        "words per second of the encoder, beside AllenNLP's way, BERT and the bare matrix products",
        options.add_encoder_arguments,
        "encoder",
    ),
    "training": Benchmark("forward and backward pass", options.add_training_arguments, "training"),
    "gpu": Benchmark(
        "words per second on a CUDA GPU, beside cuDNN's LSTM, and steps of pretraining",
        options.add_gpu_arguments,
        "gpu",
    ),
    "memory": Benchmark("peak memory for one long document", options.add_memory_arguments, "memory"),
    "int8": Benchmark(
        "what 8-bit weights cost in quality: bytes, cosines of the vectors, points of tasks",
        options.add_int8_arguments,
        "int8",
    ),
    "plot": Benchmark("draw results of encoder and training", options.add_plot_arguments, "plot"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add a subcommand for each benchmark."""
    commands = parser.add_subparsers(dest="benchmark", metavar="NAME", required=True)
    for name, benchmark in BENCHMARKS.items():
        command = commands.add_parser(
            name,
            help=benchmark.summary,
            description=benchmark.summary[0].upper() + benchmark.summary[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        benchmark.add_arguments(command)
        command.add_argument("--debug", action="store_true", help="show the traceback of an error")


def run(args: argparse.Namespace) -> int:
    """Run the chosen benchmark; returns the exit code.

    Raises:
        ValueError: an option is out of range, or the results to be timed are wrong.
    """
    return import_module(f"{__name__}.{BENCHMARKS[args.benchmark].module}").run(args)


def main(argv: list[str] | None = None) -> int:
    """`python -m hf_elmo.benchmark`."""
    parser = argparse.ArgumentParser(
        prog="python -m hf_elmo.benchmark", description=(__doc__ or "").split("\n\n")[0], allow_abbrev=False
    )
    add_arguments(parser)
    args = parser.parse_args(argv)
    try:
        return run(args)
    except (OSError, ValueError) as error:
        if args.debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        return 1
