# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The arguments of `hf-elmo prepare-corpus`, and what it prints."""

import argparse
import os
from dataclasses import fields
from typing import Any

from hf_elmo.corpus.settings import DEFAULT_VOCABULARY_SIZE, DOCUMENTS, FORMATS, CorpusSettings

SUMMARY = """Turn text into token shards with a vocabulary, for pretraining.

A run that was stopped or killed goes on when the same command is given again."""
EXAMPLE = """example:
  hf-elmo prepare-corpus books/ news.jsonl.xz corpus --vocabulary-size 50000 --held-out 0.01
of the Hub, without keeping it here:
  hf-elmo prepare-corpus datasets:wikimedia/wikipedia corpus --dataset-config 20231101.simple"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to a parser."""
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="files, folders (.txt, .md, .jsonl; .gz, .xz, .bz2 too), or datasets:NAME for what datasets.load_dataset reads",
    )
    parser.add_argument("output", metavar="OUTPUT", help="a new folder")
    parser.add_argument("--format", choices=FORMATS, help="of every file, instead of going by its name")
    parser.add_argument("--text-field", default="text", metavar="NAME", help="of JSON lines and data sets (text)")
    parser.add_argument(
        "--documents", choices=DOCUMENTS, default="file", help="what a document of a text file is (file)"
    )
    parser.add_argument(
        "--sentence-per-line", action="store_true", help="lines are sentences; look for no sentence ends"
    )
    parser.add_argument(
        "--pretokenized", action="store_true", help="words are what stands between white space; split nothing else"
    )
    parser.add_argument("--split-cjk", action="store_true", help="make every Chinese character a word")
    parser.add_argument("--vocabulary", metavar="FILE", help="use this vocabulary, a word a line, as bilm-tf's")
    parser.add_argument(
        "--vocabulary-size",
        type=int,
        metavar="N",
        help=f"lines of a new vocabulary at most, <S>, </S> and <UNK> included ({DEFAULT_VOCABULARY_SIZE}, and without "
        "bound if --min-count is given)",
    )
    parser.add_argument("--min-count", type=int, default=1, metavar="N", help="leave rarer words out (1)")
    parser.add_argument("--held-out", type=float, default=0.0, metavar="SHARE", help="of the documents, 0 to 1 (0)")
    parser.add_argument(
        "--exclude",
        nargs="+",
        default=(),
        metavar="FILE",
        help="text that must not be trained on, such as development sets: leave out every document that shares a run of "
        "words with it (files or folders, the format by their names)",
    )
    parser.add_argument(
        "--exclude-run-words",
        type=int,
        default=13,
        metavar="N",
        help="words of such a run, whatever their case and without punctuation marks (13)",
    )
    parser.add_argument(
        "--max-sentence-words", type=int, default=1000, metavar="N", help="cut longer sentences (1000)"
    )
    parser.add_argument(
        "--shard-characters", type=int, default=8_000_000, metavar="N", help="text of a shard (8000000)"
    )
    parser.add_argument("--dataset-config", metavar="NAME", help="configuration of a data set")
    parser.add_argument("--dataset-split", default="train", metavar="NAME", help="split of a data set (train)")
    parser.add_argument("--dataset-revision", metavar="REV", help="branch, tag or commit of a data set")
    parser.add_argument("--processes", type=int, metavar="N", help="that split text (default: one for each processor)")
    parser.add_argument("--overwrite", action="store_true", help="replace OUTPUT if it is a prepared corpus")
    parser.add_argument("--restart", action="store_true", help="throw away what an unfinished run left")


def run(options: argparse.Namespace) -> int:
    """Prepare a corpus from parsed arguments; returns the exit code.

    Raises:
        ValueError, OSError: see `prepare`.
    """
    from hf_elmo.corpus.preparation import prepare

    values = {
        **vars(options),
        "sentences": "lines" if options.sentence_per_line else "rules",
        "splitting": "whitespace" if options.pretokenized else "punctuation",
    }
    manifest = prepare(
        options.sources,
        options.output,
        processes=options.processes or _processors(),
        overwrite=options.overwrite,
        restart=options.restart,
        **{field.name: values[field.name] for field in fields(CorpusSettings)},
    )
    for line in report(manifest):
        print(line)
    print(f"saved in {options.output}")
    return 0


def _processors() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def report(manifest: dict[str, Any]) -> list[str]:
    """What was found out about a corpus, as lines for people."""
    vocabulary = manifest["vocabulary"]
    distinct = vocabulary["distinct_words"]
    lines = [
        f"vocabulary: {vocabulary['ids'] - 1:,} words"
        + (f" of {distinct:,} distinct ones" if distinct is not None else "")
    ]
    if manifest["exclude"]:
        lines.append(
            f"left out: {manifest['left_out_documents']:,} documents that share "
            f"{manifest['settings']['exclude_run_words']} words in a row with excluded text"
        )
    for name, part in manifest["parts"].items():
        lines.append(
            f"{name.replace('_', '-')}: {part['words']:,} words, {part['sentences']:,} sentences, {part['documents']:,} "
            f"documents, {len(part['shards']):,} shards; unknown words {part['unknown_rate']:.2%}; repeated sentences "
            f"{part['repeated_sentences'] / part['sentences']:.2%}; cut sentences {part['cut_sentences']:,}"
            + (f"; sentences also in train {part['sentences_in_train']:,}" if "sentences_in_train" in part else "")
        )
    return lines
