# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Words per second of the encoder for each size, batch size and order of sentences, all sides in the same run."""

import argparse
import sys
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch

from hf_elmo.benchmark import options, sides, workloads
from hf_elmo.benchmark.allennlp_equivalent import AllenNlpEquivalent
from hf_elmo.benchmark.measuring import Progress, alternate, ratio, summary, torch_threads
from hf_elmo.benchmark.report import print_cell
from hf_elmo.benchmark.results import ResultFile

# title -> (slower side, faster side): how many times faster the second one is
COMPARISONS = {
    "warm word cache against none": ("ours", "ours-warm-cache"),
    "native kernel against none": ("ours", "ours-native"),
    "int8 against float32": ("ours", "ours-int8"),
    "native int8 against native float32": ("ours-native", "ours-native-int8"),
    "ours against BERT-base": ("bert", "ours"),
    "ours, native, against BERT-base": ("bert", "ours-native"),
    "ours int8 against BERT-base int8": ("bert-int8", "ours-int8"),
    "ours int8, native, against BERT-base int8": ("bert-int8", "ours-native-int8"),
    "LSTM stage against AllenNLP's way": ("lstm-allennlp-equivalent", "lstm-ours"),
    "LSTM stage against torch.nn.LSTM without clips": ("lstm-torch", "lstm-ours"),
    "LSTM stage, native, against torch.nn.LSTM without clips": ("lstm-torch", "lstm-native"),
    "LSTM stage, share of its bare products": ("lstm-products", "lstm-ours"),
    "LSTM stage, native, share of its bare products": ("lstm-products", "lstm-native"),
    "end to end, share of all bare products": ("products", "ours"),
    "end to end, native, share of all bare products": ("products", "ours-native"),
}
NATIVE = {"ours-native", "ours-native-int8", "lstm-native"}
QUICK = {"sizes": ["small"], "batch_sizes": [8], "runs": 2, "vocabulary_size": 2000}


class Cell(NamedTuple):
    """One measurement: all sides on the same batches."""

    size: str
    batch_size: int
    order: str

    def __str__(self) -> str:
        return f"{self.size}, batch {self.batch_size}, {self.order} order"


def run(args: argparse.Namespace) -> int:
    """Measure every cell, print each as it is done and keep it in the result file; 130 if interrupted.

    Raises:
        ValueError: an option contradicts another, or a side gives wrong results.
    """
    if args.quick:
        vars(args).update(QUICK)
    args.sides = choose_sides(args.sides, options.SIDES)
    result = ResultFile(args, args.threads)
    text = workloads.make_text(args.text, args.vocabulary_size, args.seed, args.batch_sizes)
    if args.wordpieces is not None:
        text = workloads.with_word_pieces(text, args.wordpieces)
    result.data = text.facts
    cells = list(dict.fromkeys(plan(args)))
    missing = [cell for cell in cells if str(cell) not in result.metrics]
    announce(args, text, cells, missing)
    try:
        with torch_threads(args.threads[0]):
            for size in dict.fromkeys(cell.size for cell in missing):  # one model in memory at a time
                model = workloads.build_model(workloads.SIZES[size], args.seed)
                shared = sides.Shared(model, AllenNlpEquivalent(model).eval(), text)
                made = {name: sides.CLASSES[name](shared) for name in args.sides}
                for cell in missing:
                    if cell.size == size:
                        measure(cell, made, shared, args, result)
                del model, shared, made
    except KeyboardInterrupt:
        return result.interrupted(len(cells))
    result.finish()
    return 0


def choose_sides(wanted: list[str] | None, known) -> list[str]:
    """The sides to measure in the order of the table, the baseline always among them.

    Raises:
        ValueError: AllenNLP itself or the compiled kernel was asked for and is not there.
    """
    if wanted is not None and "allennlp" in wanted and not sides.can_import_allennlp():
        raise ValueError("--sides allennlp needs AllenNLP installed (`import allennlp.modules.elmo` fails)")
    if wanted is not None and NATIVE & {*wanted} and not sides.can_run_native():
        raise ValueError(f"--sides {' '.join(sorted(NATIVE & {*wanted}))} needs a C compiler (gcc, clang or $CC)")
    if wanted is not None and "ours-native-int8" in wanted and not sides.can_run_native_int8():
        raise ValueError("--sides ours-native-int8 needs a processor with VNNI instructions")
    if wanted is None:
        missing = set() if sides.can_import_allennlp() else {"allennlp"}
        missing |= set() if sides.can_run_native() else NATIVE
        missing |= set() if sides.can_run_native_int8() else {"ours-native-int8"}
        wanted = [name for name in known if name not in missing]
    return [name for name in known if name in {*wanted, options.BASELINE}]


def plan(args: argparse.Namespace) -> Iterator[Cell]:
    """The cells in running order; a batch of one sentence has no order."""
    for size in args.sizes:
        for batch_size in args.batch_sizes:
            for order in args.orders:
                if batch_size > 1 or order == args.orders[0]:
                    yield Cell(size, batch_size, order)


def announce(args: argparse.Namespace, text: workloads.Text, cells: list[Cell], missing: list[Cell]) -> None:
    """Say what is going to happen and about how long it takes."""
    sentences = {size: workloads.count_sentences(size, args.sentences) for size in args.batch_sizes}
    shown = ", ".join(f"{count} sentences in batches of {size}" for size, count in sentences.items())
    seconds = sum(estimate(cell, args, text) for cell in missing)
    done = f" ({len(cells) - len(missing)} done)" if len(missing) < len(cells) else ""
    print(
        f"will measure {', '.join(args.sides)}\n"
        f"on {', '.join(args.sizes)}; {shown}; {' and '.join(args.orders)} order\n"
        f"{len(cells)} measurements{done}, each of {args.runs} runs after one to warm up, "
        f"{args.threads[0]} thread(s), {text.facts['text']} text; about {_duration(seconds)}",
        file=sys.stderr,
    )


def estimate(cell: Cell, args: argparse.Namespace, text: workloads.Text) -> float:
    """Rough seconds of a cell: multiplications of each side, at the speed of one product of its batch size."""
    config = workloads.ElmoConfig(**workloads.SIZES[cell.size])
    size, cell_size, width = config.projection_size, config.cell_size, config.char_cnn_size
    lstm = config.num_hidden_layers * 2 * 9 * cell_size * size  # per word: 4M x D twice, D x M
    columns, embedding = config.max_characters_per_token, config.char_embedding_size
    windows = sum(span * embedding * count * (columns - span + 1) for span, count in config.char_filters)
    characters = windows + config.num_highway_layers * 2 * width**2 + width * size
    words = workloads.count_sentences(cell.batch_size, args.sentences) * (text.facts["words_per_sentence"] + 2)
    padded = words if cell.order == "bucketed" or cell.batch_size == 1 else 2 * words
    work = {name: words * lstm if name.startswith("lstm") else words * (lstm + characters / 2) for name in args.sides}
    for name in ("allennlp-equivalent", "allennlp"):
        work[name] = 1.5 * padded * characters + 3 * words * lstm if name in work else 0
    for name in ("bert", "bert-int8"):
        work[name] = padded * 85e6 if name in work else 0
    left, right = torch.rand(cell.batch_size, size), torch.rand(size, 4 * cell_size)
    with torch_threads(args.threads[0]):
        started, products = time.perf_counter(), 0
        while time.perf_counter() - started < 0.05:
            torch.mm(left, right)
            products += 1
        seconds_of_one = (time.perf_counter() - started) / (products * left.numel() * right.shape[1])
    return sum(work.values()) * seconds_of_one * (args.runs + 2)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 100 else f"{seconds / 60:.0f} minutes"


@torch.inference_mode()
def measure(cell: Cell, made: dict[str, sides.Side], shared: sides.Shared, args, result: ResultFile) -> None:
    """Check all sides on the batches of a cell, then time them in turns."""
    workload = workloads.make_workload(shared.text, cell.batch_size, cell.order, args.sentences)
    expected = sides.expect(shared.equivalent, workload)
    works, checks = {}, {}
    for name, side in made.items():
        batches = side.prepare(workload, expected)
        checks[name] = side.check(batches, expected)
        works[name] = side.work(batches)
    del expected
    threads = args.threads[0]
    with Progress(str(cell), works, args.runs) as progress:
        seconds = alternate(works, args.runs, threads, before=progress)
    content = {**cell._asdict(), **describe(workload, threads, seconds, checks)}
    if len(args.threads) > 1:
        for name in ("ours", "ours-native"):
            if name in made:
                content["ratios"] |= measure_threads(name, made[name], workload, args)
    print_cell(str(cell), content)
    result.add(str(cell), content)


def describe(
    workload: workloads.Workload, threads: int, seconds: dict[str, list[float]], checks: dict[str, dict]
) -> dict[str, Any]:
    """What a result file says about a measurement: the work, each side, and ratios between them."""
    measured = {}
    for name in seconds:
        measured[name] = {"about": options.SIDES[name], **summary(workload.words, seconds[name])}
        measured[name]["check"] = checks[name]
        if name in options.WHOLE and name != options.BASELINE:
            measured[name]["ratio"] = {"of": options.BASELINE, **ratio(seconds[options.BASELINE], seconds[name])}
    return {
        **workload.facts,
        "threads": threads,
        "clock": "processor time" if threads == 1 else "time on the wall",
        "sides": measured,
        "ratios": {
            title: {"of": [slow, fast], **ratio(seconds[slow], seconds[fast])}
            for title, (slow, fast) in COMPARISONS.items()
            if slow in seconds and fast in seconds
        },
    }


def measure_threads(name: str, side: sides.Side, workload: workloads.Workload, args) -> dict[str, Any]:
    """One side with each number of threads in turns, by the time on the wall."""
    work = side.work(side.prepare(workload, []))
    works = {count: work for count in args.threads}
    with Progress("threads", works, args.runs) as progress:

        def before(count: int) -> None:
            progress(count)
            torch.set_num_threads(count)

        seconds = alternate(works, args.runs, threads=0, before=before)
    torch.set_num_threads(args.threads[0])
    first = args.threads[0]
    return {
        f"{name}, {count} threads over {first}, time on the wall": {
            "of": [f"{name}, {first}", f"{name}, {count}"],
            **ratio(seconds[first], seconds[count]),
            "seconds": {str(key): [round(one, 6) for one in seconds[key]] for key in (first, count)},
        }
        for count in args.threads[1:]
    }
