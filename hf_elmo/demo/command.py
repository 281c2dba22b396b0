# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The command `hf-elmo demo`: what a pretrained ELMo knows about words in context, in well under a minute."""

import argparse
import json
import os
import sys
from pathlib import Path

DEFAULT_MODEL = "elmo-mini-en"
DEFAULT_WORD = "play"
DEFAULT_OUTPUT = "elmo-demo"
PAGE, PICTURE = "demo.html", "demo.png"

SUMMARY = """\
Show what a pretrained ELMo knows about words in context; needs no network.

The same word in several sentences: do its vectors tell noun from verb, and one sense from another, layer by layer? The
nearest words in context, as in the ELMo paper's table of "play". Words that the language models put in its place. And
pictures of it all, as a page for a browser."""
EXAMPLE = """\
example:
  hf-elmo demo
  hf-elmo demo --word bank --all
with a word and sentences of your own, a sentence a line (a sense and a tab before it, to have senses compared):
  printf 'The mouse ate it.\\nClick the mouse.\\nA mouse ran by.\\n' > mouse.txt
  hf-elmo demo --word mouse --sentences mouse.txt"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to a parser."""
    parser.add_argument(
        "--model",
        default=DEFAULT_MODEL,
        metavar="NAME_OR_PATH",
        help=f"an ELMo: {DEFAULT_MODEL} (in the box, default), a folder from hf-elmo convert, or a model id on the Hub",
    )
    parser.add_argument("--word", help=f"the word to show in detail ({DEFAULT_WORD})")
    parser.add_argument(
        "--sentences", metavar="FILE", help="UTF-8 text with --word in every line, instead of the demo's sentences"
    )
    parser.add_argument(
        "--output", default=DEFAULT_OUTPUT, metavar="FOLDER", help=f"where the pictures go (./{DEFAULT_OUTPUT})"
    )
    parser.add_argument("--all", action="store_true", help="print all tables and neighbours instead of a summary")
    parser.add_argument("--json", action="store_true", help="print all numbers as JSON instead of the text")


def run(options: argparse.Namespace) -> int:
    """Show the demo from parsed arguments; returns the exit code.

    Raises:
        WrongUse: --sentences without --word.
        DemoError: the word, the sentences or the output folder do not fit.
        CorpusError, PretrainedError, DataError, OSError: a model or a file cannot be read, or a file not be written.
    """
    if options.sentences is not None and options.word is None:
        from hf_elmo.cli import WrongUse

        raise WrongUse("--sentences needs the word to look for: --word WORD")
    output = Path(options.output)
    _check_output(output)
    from transformers.utils import logging

    from hf_elmo.benchmark.results import write_atomically
    from hf_elmo.demo.encoding import ElmoEncoder, suitable_threads
    from hf_elmo.demo.page import page
    from hf_elmo.demo.picture import can_draw, draw
    from hf_elmo.demo.report import report
    from hf_elmo.demo.study import as_json, make_study
    from hf_elmo.demo.summary import summary
    from hf_elmo.demo.texts import read_collection

    logging.disable_progress_bar()
    _say(f"will load {options.model}, embed some hundred sentences and write pictures to {output}")
    encoder = ElmoEncoder(options.model)
    groups, main = _groups(options, encoder.split)
    with suitable_threads(encoder.model):
        study = make_study(encoder, groups, main, read_collection(encoder.split))
    output.mkdir(parents=True, exist_ok=True)
    write_atomically(output / PAGE, page(study))
    files = [output / PAGE]
    if can_draw():
        draw(study, output / PICTURE)
        files.append(output / PICTURE)
    else:
        _say("no PNG: matplotlib is not installed (pip install 'hf-elmo[plot]'); the page has the same pictures")
    if options.json:
        print(json.dumps({**as_json(study), "files": [str(path) for path in files]}, indent=2, ensure_ascii=False))
        return 0
    print(report(study) if options.all else summary(study))
    print("\nPictures: " + ", ".join(str(path) for path in files))
    if not options.all:
        print("More: --all, --word WORD, your own --sentences FILE (hf-elmo demo --help)")
    return 0


def _groups(options: argparse.Namespace, split) -> tuple[dict, str]:
    """Occurrences by group and word, and the word to show in detail."""
    from hf_elmo.demo.texts import DemoError, read_groups, read_own

    if options.sentences is not None:
        return {
            f'senses of "{options.word}"': {options.word: read_own(options.word, options.sentences, split)}
        }, options.word
    groups = read_groups(split)
    main = options.word or DEFAULT_WORD
    words = dict.fromkeys(word for group in groups.values() for word in group)
    if main not in words:
        raise DemoError(
            f"the demo has no sentences with {main!r}: it has {', '.join(words)}. Give your own with --sentences FILE"
        )
    return groups, main


def _check_output(output: Path) -> None:
    """Before the model is loaded: can the folder be made?"""
    from hf_elmo.demo.texts import DemoError

    above = next(path for path in (output, *output.absolute().parents) if path.exists())
    if not above.is_dir():
        raise DemoError(f"--output {output}: {above} is a file; give a folder")
    if not os.access(above, os.W_OK):
        raise DemoError(f"--output {output}: {above} cannot be written to; give another folder")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
