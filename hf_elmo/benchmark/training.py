# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Words per second of a training step, forward and backward through all of the encoder, without an optimiser."""

import argparse
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from hf_elmo.benchmark import options, sides, workloads
from hf_elmo.benchmark.allennlp_equivalent import AllenNlpEquivalent
from hf_elmo.benchmark.encoder import choose_sides, describe
from hf_elmo.benchmark.measuring import Progress, alternate, torch_threads
from hf_elmo.benchmark.report import print_cell
from hf_elmo.benchmark.results import ResultFile

TOLERANCE = 1e-4  # of a gradient, relative to the largest number of its parameter's gradient
VOCABULARY = 30_000
QUICK = {"sizes": ["small"], "batch_sizes": [8], "runs": 2, "sentences": 8}


class Cell(NamedTuple):
    """One measurement: all sides on the same batches."""

    size: str
    batch_size: int

    def __str__(self) -> str:
        return f"training, {self.size}, batch {self.batch_size}"


class Trainee(NamedTuple):
    """A side: its parameters, and the mix (B, T, 2D) it computes from a prepared batch."""

    module: nn.Module
    prepare: Callable[[workloads.Workload], list[Any]]
    mix: Callable[[Any], Tensor]

    def step(self, batches: list[Any], weights: list[Tensor]) -> float:
        """Forward and backward of every batch, gradients added up; returns the sum of the losses."""
        total = 0.0
        for batch, weight in zip(batches, weights, strict=True):
            loss = (self.mix(batch) * weight).sum()
            loss.backward()
            total += loss.item()
        return total


def run(args: argparse.Namespace) -> int:
    """Measure every cell, print each as it is done and keep it in the result file; 130 if interrupted.

    Raises:
        ValueError: an option contradicts another, or gradients are wrong.
    """
    if args.quick:
        vars(args).update(QUICK)
    args.sides = choose_sides(args.sides, options.TRAINING_SIDES)
    result = ResultFile(args, args.threads)
    text = workloads.make_text(args.text, VOCABULARY, args.seed, args.batch_sizes)
    result.data = text.facts
    cells = [Cell(size, batch_size) for size in args.sizes for batch_size in args.batch_sizes]
    missing = [cell for cell in cells if str(cell) not in result.metrics]
    print(
        f"will measure training steps of {', '.join(args.sides)}\non {', '.join(args.sizes)}, batches of "
        f"{', '.join(map(str, args.batch_sizes))} sentences; {len(missing)} measurements of {args.runs} runs after one "
        f"to warm up, {args.threads} thread(s); the original model takes minutes a measurement",
        file=sys.stderr,
    )
    try:
        with torch_threads(args.threads):
            for size in dict.fromkeys(cell.size for cell in missing):  # one model in memory at a time
                made = make_trainees(workloads.build_model(workloads.SIZES[size], args.seed), text, args.sides)
                for cell in missing:
                    if cell.size == size:
                        measure(cell, made, text, args, result)
                del made
    except KeyboardInterrupt:
        return result.interrupted(len(cells))
    result.finish()
    return 0


def make_trainees(model, text: workloads.Text, names: list[str]) -> dict[str, Trainee]:
    """The sides, each with weights and gradients of its own."""
    equivalent = AllenNlpEquivalent(model).train()
    trainees = {
        options.BASELINE: Trainee(
            equivalent,
            lambda workload: [batch["char_ids"] for batch in workload.batches],
            lambda batch: equivalent(batch)[0],
        ),
        "ours": Trainee(
            model.train(),
            lambda workload: [dict(batch) for batch in workload.batches],
            lambda batch: model(**batch).mixed_state,
        ),
    }
    if "allennlp" in names:
        side = sides.AllenNlp(sides.Shared(model, equivalent, text))
        side.elmo.train()
        trainees["allennlp"] = Trainee(side.elmo, lambda workload: side.prepare(workload, []), side.call)
    return {name: trainees[name] for name in names}


def measure(cell: Cell, made: dict[str, Trainee], text: workloads.Text, args, result: ResultFile) -> None:
    """Compare the gradients of all sides on the batches of a cell, then time them in turns."""
    sentences = 32 if args.sentences is None else args.sentences
    workload = workloads.make_workload(text, cell.batch_size, "corpus", sentences)
    width = 2 * workloads.SIZES[cell.size]["projection_size"]
    weights = [loss_weights(batch["attention_mask"], width) for batch in workload.batches]
    batches = {name: trainee.prepare(workload) for name, trainee in made.items()}
    works = {name: lambda name=name: made[name].step(batches[name], weights) for name in made}

    def forget(name: str) -> None:
        for parameter in made[name].module.parameters():
            parameter.grad = None

    checks = check(made, works, forget)
    with Progress(str(cell), works, args.runs) as progress:

        def before(name: str) -> None:
            progress(name)
            forget(name)

        seconds = alternate(works, args.runs, args.threads, before=before)
    content = {**cell._asdict(), **describe(workload, args.threads, seconds, checks)}
    print_cell(str(cell), content)
    result.add(str(cell), content)


def loss_weights(mask: Tensor, width: int) -> Tensor:
    """Factors (B, T, width) of the loss `sum(mix * factors)`, which reaches all layers: a slope from -1 to 1."""
    return torch.linspace(-1, 1, mask.numel() * width).view(*mask.shape, width)


def check(made: dict[str, Trainee], works: dict[str, Callable], forget: Callable[[str], None]) -> dict[str, dict]:
    """Largest relative difference of any gradient from the baseline's.

    Raises:
        ValueError: it is too large, or a parameter has no gradient.
    """
    gradients: dict[str, dict[str, Tensor]] = {}
    losses: dict[str, float] = {}
    for name, trainee in made.items():
        forget(name)
        losses[name] = works[name]()
        parameters = dict(trainee.module.named_parameters())
        absent = [key for key, one in parameters.items() if one.grad is None]
        if absent:
            raise ValueError(f"{name} gives no gradient for {', '.join(absent)}; nothing was measured")
        gradients[name] = {key: one.grad for key, one in parameters.items() if one.grad is not None}
    expected = gradients[options.BASELINE]
    checks: dict[str, dict] = {options.BASELINE: {"kind": "the baseline itself"}}
    for name in made:
        if name == options.BASELINE:
            continue
        if name == "allennlp":  # its parameters have other names: all gradients as one number, and the loss
            pairs = [(_norm(gradients[name]), _norm(expected)), (losses[name], losses[options.BASELINE])]
            largest = max(abs(got - wanted) / abs(wanted) for got, wanted in pairs)
        else:
            largest = max(
                ((gradients[name][key] - wanted).abs().max() / wanted.abs().max()).item()
                for key, wanted in expected.items()
            )
        if not largest <= TOLERANCE:  # NaN is wrong, too
            raise ValueError(
                f"{name}: gradients differ from the baseline's by {largest:.1e} of their size, allowed are "
                f"{TOLERANCE:.0e}; nothing was measured"
            )
        checks[name] = {
            "kind": "largest relative difference of a gradient",
            "largest_difference": largest,
            "tolerance": TOLERANCE,
        }
    return checks


def _norm(gradients: dict[str, Tensor]) -> float:
    return sum(gradient.double().square().sum().item() for gradient in gradients.values()) ** 0.5
