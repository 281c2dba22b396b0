# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Words per second of `ElmoTokenizer`, beside a stock tokenizer with the same splitter and vocabulary."""

import argparse
import hashlib
import os
import random
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from hf_elmo.benchmark.measuring import alternate, speeds, torch_threads
from hf_elmo.benchmark.report import print_speeds
from hf_elmo.benchmark.results import ResultFile
from hf_elmo.data import files

SAMPLE = 200  # sentences compared with the plain computation before measuring


def run(args: argparse.Namespace) -> int:
    """Check and measure, print a table, write the result file.

    Raises:
        ValueError: the results to be timed are wrong, or the text is empty.
    """
    result = ResultFile(args)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["RAYON_NUM_THREADS"] = "1"
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
    with torch_threads(1):
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
    unknown = sum(one == ours.unk_token_id for one in ids) / len(ids)
    text = "\n".join(lines).encode("utf-8", "surrogatepass")
    result.data = {
        "text": args.text.name if args.text is not None else "made",
        "sha256": hashlib.sha256(text).hexdigest(),
        "sentences": len(lines),
        "words": len(ids),
        "unknown_fraction": round(unknown, 4),
        "vocabulary": len(ours),
    }
    result.metrics = metrics
    print_speeds(metrics)
    result.finish()
    return 0


def call_each(tokenizer, batches: list[list[str]], options: dict) -> None:
    """Encode batch after batch, keeping nothing."""
    for batch in batches:
        tokenizer(batch, **options)


def read_lines(path: Path) -> list[str]:
    """Lines of a text that hold anything but white space; UTF-8, plain or packed as .gz, .xz or .bz2.

    Raises:
        ValueError: the file has no such line, or is no such text.
    """
    lines = [line for line in files.read_lines(path, may_be_empty=True) if line.strip()]
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
