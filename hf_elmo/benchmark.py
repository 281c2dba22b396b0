# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Speed of single functions, each measured only after its results were found right.

`python -m hf_elmo.benchmark tokenizer` compares two ways of doing the same work in alternating runs (A B A B) on one
thread, reports medians, and writes a result file with everything that is needed to repeat the run. A further benchmark
is one more entry of `BENCHMARKS`.
"""

import argparse
import hashlib
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

SAMPLE = 200  # sentences compared with the plain computation before measuring


class Benchmark(NamedTuple):
    """One benchmark: what it measures, its own options, and the function that gives its metrics and data."""

    summary: str
    add_arguments: Callable[[Any], None]
    run: Callable[[argparse.Namespace], tuple[dict, dict]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the choice of a benchmark, the options of all, and a group of options for each."""
    names = "; ".join(f"{name}: {benchmark.summary}" for name, benchmark in BENCHMARKS.items())
    parser.add_argument("benchmark", choices=list(BENCHMARKS), help=names)
    parser.add_argument("--runs", type=int, default=7, help="measured runs of each side, after one more to warm up")
    parser.add_argument("--output", type=Path, help="write the result to this JSON file")
    for name, benchmark in BENCHMARKS.items():
        benchmark.add_arguments(parser.add_argument_group(name))


def run(args: argparse.Namespace) -> int:
    """Run the chosen benchmark, print its metrics as a table and write the result file.

    Raises:
        ValueError: an option is out of range, or the results to be timed are wrong.
    """
    if args.runs < 1:
        raise ValueError(f"--runs must be at least 1, got {args.runs}")
    if args.output is not None and not args.output.parent.is_dir():
        raise ValueError(f"the folder of --output, {args.output.parent}, does not exist; make it first")
    start, clock = datetime.now(timezone.utc), time.perf_counter()
    metrics, data = BENCHMARKS[args.benchmark].run(args)
    print_table(metrics)
    if args.output is not None:
        result = {
            "run": {
                "benchmark": args.benchmark,
                "settings": {name: v.name if isinstance(v, Path) else v for name, v in sorted(vars(args).items())},
                "start": start.isoformat(timespec="seconds"),
                "duration_seconds": round(time.perf_counter() - clock, 1),
            },
            "metrics": metrics,
            "code": code_version(),
            "packages": {name: metadata.version(name) for name in ("torch", "transformers", "tokenizers", "numpy")},
            "data": data,
            "machine": machine(),
        }
        part = args.output.with_name(args.output.name + ".part")
        part.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(part, args.output)
        print(f"result written to {args.output}", file=sys.stderr)
    return 0


# ------------------------------------------------------------------------------------------------ measuring, reporting


def alternate(sides: Mapping[str, Callable[[], Any]], runs: int) -> dict[str, list[float]]:
    """Seconds of processor time of every run of every side, in turns, after a run of each to warm up."""
    for work in sides.values():
        work()
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(runs):
        for name, work in sides.items():
            started = time.process_time()
            work()
            seconds[name].append(time.process_time() - started)
    return seconds


def speeds(words: int, seconds: list[float]) -> dict:
    """Words per second of processor time: median, slowest and fastest run."""
    return {
        "value": round(words / statistics.median(seconds)),
        "unit": "words/s",
        "slowest": round(words / max(seconds)),
        "fastest": round(words / min(seconds)),
        "words": words,
        "runs": len(seconds),
    }


def print_table(metrics: dict[str, dict]) -> None:
    """A line for each metric: value, unit and the range over the runs."""
    width = max(map(len, metrics))
    for name, metric in metrics.items():
        value = f"{metric['value']:,}" if isinstance(metric["value"], int) else f"{metric['value']:.3f}"
        spread = f"{metric['slowest']:,} to {metric['fastest']:,}" if "slowest" in metric else ""
        print(f"{name:<{width}}  {value:>12} {metric['unit']:<8} {spread}".rstrip())


def code_version() -> dict:
    """Commit of the checkout this file lies in, and whether it had changes; nothing for an installed package."""
    folder = Path(__file__).resolve().parent

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "dirty": None, "version": metadata_version("hf-elmo")}


def metadata_version(name: str) -> str | None:
    """Version of an installed distribution, None if it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def machine() -> dict:
    """Processor, cores and interpreter."""
    model = platform.processor() or platform.machine()
    cpu_file = Path("/proc/cpuinfo")
    if cpu_file.is_file():
        lines = cpu_file.read_text(encoding="utf-8", errors="replace").splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "threads": 1,
    }


# ----------------------------------------------------------------------------------------------------------- tokenizer


def add_tokenizer_arguments(parser) -> None:
    parser.add_argument("--text", type=Path, help="text, a sentence a line, words split by white space; .gz, .xz too")
    parser.add_argument("--vocabulary-text", type=Path, help="text to take the vocabulary from; default: --text")
    parser.add_argument("--vocabulary-size", type=int, default=30_000, help="commonest words that have an id")
    parser.add_argument("--words", type=int, default=100_000, help="words of the made text, without --text")
    parser.add_argument("--batch-size", type=int, default=64, help="sentences a call")


def run_tokenizer(args: argparse.Namespace) -> tuple[dict, dict]:
    """Words per second of `ElmoTokenizer`, beside a stock tokenizer with the same splitter and vocabulary."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["RAYON_NUM_THREADS"] = "1"
    import torch
    from transformers import PreTrainedTokenizerFast

    from hf_elmo.modeling import ElmoTokenizer

    lines = read_lines(args.text) if args.text is not None else made_text(args.words)
    known = lines if args.vocabulary_text is None else read_lines(args.vocabulary_text)
    ours = ElmoTokenizer().train_new_from_iterator(known, args.vocabulary_size)
    marks = {name: getattr(ours, name) for name in ("unk_token", "pad_token", "bos_token", "eos_token")}
    stock = PreTrainedTokenizerFast(tokenizer_object=ours.backend_tokenizer, **marks)
    split = ElmoTokenizer(splitting="whitespace").train_new_from_iterator(known, args.vocabulary_size)
    check_calls(ours, stock, lines[:SAMPLE])
    check_corpus(split, lines[:SAMPLE])

    batches = [lines[start : start + args.batch_size] for start in range(0, len(lines), args.batch_size)]
    ids = [one for line in lines for one in ours.encode(line, add_special_tokens=False)]
    metrics: dict[str, dict] = {}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        outputs: dict[str, dict] = {"tensors": {"padding": True, "return_tensors": "pt"}, "lists": {}}
        for output, options in outputs.items():
            tokenizers = {"ElmoTokenizer": ours, "stock": stock}
            sides = {name: partial(call_each, one, batches, options) for name, one in tokenizers.items()}
            seconds = alternate(sides, args.runs)
            for name, measured in seconds.items():
                metrics[f"call, {output}, {name}"] = speeds(len(ids), measured)
            ratio = statistics.median(seconds["stock"]) / statistics.median(seconds["ElmoTokenizer"])
            metrics[f"call, {output}, ratio"] = {"value": round(ratio, 3), "unit": "x stock"}
        words = [line.split() for line in lines]
        corpora: dict[str, Callable[[], Any]] = {
            "from strings": partial(split.encode_corpus, lines),
            "from lists": partial(split.encode_corpus, words),
            "from strings, no char_ids": partial(split.encode_corpus, lines, char_ids=False),
        }
        for name, measured in alternate(corpora, args.runs).items():
            metrics[f"encode_corpus, {name}"] = speeds(sum(map(len, words)), measured)
    finally:
        torch.set_num_threads(threads)
    unknown = sum(one == ours.unk_token_id for one in ids) / len(ids)
    text = "\n".join(lines).encode("utf-8", "surrogatepass")
    data = {
        "text": args.text.name if args.text is not None else "made",
        "sha256": hashlib.sha256(text).hexdigest(),
        "sentences": len(lines),
        "words": len(ids),
        "unknown_fraction": round(unknown, 4),
        "vocabulary": len(ours),
    }
    return metrics, data


def call_each(tokenizer, batches: list[list[str]], options: dict) -> None:
    """Encode batch after batch, keeping nothing."""
    for batch in batches:
        tokenizer(batch, **options)


def read_lines(path: Path) -> list[str]:
    """Lines of a text that hold anything but white space; UTF-8, plain or packed as .gz or .xz.

    Raises:
        ValueError: the file has no such line.
    """
    import gzip
    import lzma

    openers: dict[str, Callable] = {".gz": gzip.open, ".xz": lzma.open}
    with openers.get(path.suffix, open)(path, "rt", encoding="utf-8") as text:
        lines = [line.rstrip("\n") for line in text if line.strip()]
    if not lines:
        raise ValueError(f"{path} has no text in it")
    return lines


def made_text(words: int) -> list[str]:
    """Lines of made-up words, always the same: 50,000 spellings drawn with Zipf's frequencies, and some punctuation."""
    chance = random.Random(20180215)
    spellings = ["".join(chance.choices("etaoinshrdlu", k=chance.randint(1, 11))) for _ in range(50_000)]
    drawn = chance.choices(spellings, [1 / rank for rank in range(3, 50_003)], k=words)
    lines = []
    while drawn:
        length = chance.randint(4, 45)
        sentence, drawn = drawn[:length], drawn[length:]
        sentence[len(sentence) // 2] += ","
        lines.append(" ".join(sentence) + " .")
    return lines


def plain_char_ids(word: str) -> list[int]:
    """Character ids of a word, a byte at a time: what the measured functions have to give."""
    marks = {"<S>": [257], "</S>": [258]}
    row = [259, *marks.get(word, [byte + 1 for byte in word.encode("utf-8", "ignore")[:48]]), 260]
    return row + [261] * (50 - len(row))


def check_calls(ours, stock, lines: list[str]) -> None:
    """Compare a sample of calls: ids with those of the stock tokenizer, characters with the plain computation."""
    expected = stock(lines, return_offsets_mapping=True)
    got = ours(lines)
    for number, line in enumerate(lines):
        spelt = [line[first:last] for first, last in expected["offset_mapping"][number][1:-1]]
        chars = [plain_char_ids(word) for word in ["<S>", *spelt, "</S>"]]
        if got["input_ids"][number] != expected["input_ids"][number] or got["char_ids"][number] != chars:
            raise ValueError(f"the tokenizer gives wrong ids, nothing was measured; the text is {line!r}")


def check_corpus(tokenizer, lines: list[str]) -> None:
    """Compare a sample of a corpus with look-ups and characters one word at a time."""
    corpus = tokenizer.encode_corpus(lines)
    vocabulary = tokenizer.get_vocab()
    words = [word for line in lines for word in ["<S>", *line.split(), "</S>"]]
    ids = [vocabulary.get(word, tokenizer.unk_token_id) for word in words]
    if corpus.input_ids.tolist() != ids or corpus.char_ids.tolist() != [plain_char_ids(word) for word in words]:
        raise ValueError("encode_corpus gives wrong ids, nothing was measured")


BENCHMARKS = {
    "tokenizer": Benchmark("words per second of the tokenizer", add_tokenizer_arguments, run_tokenizer),
}


def main(argv: list[str] | None = None) -> int:
    """`python -m hf_elmo.benchmark`."""
    parser = argparse.ArgumentParser(prog="python -m hf_elmo.benchmark", description=__doc__.split("\n\n")[0])
    add_arguments(parser)
    try:
        return run(parser.parse_args(argv))
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
