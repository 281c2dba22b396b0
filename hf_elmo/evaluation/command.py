# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""`hf-elmo evaluate`: the arguments; what is evaluated is loaded when it is wanted, and so are torch and transformers."""

import argparse
import signal
import sys
from importlib import import_module
from pathlib import Path

SUMMARY = "Evaluate language models: perplexity on held-out text, and grammar by BLiMP's minimal pairs."
EXAMPLE = """examples:
  hf-elmo evaluate perplexity elmo-mini-en held-out.txt
  hf-elmo evaluate perplexity MODEL corpus --ngram-corpus corpus --output perplexity.json
  hf-elmo evaluate blimp elmo-mini-en blimp.tar.xz --max-pairs 20
hf-elmo evaluate NAME --help shows the options of one."""

NO_MODEL = "none"
STATES = ("sentences", "lanes")
_MODULES = {"perplexity": "run_perplexity", "blimp": "run_blimp"}
_SUMMARIES = {
    "perplexity": "perplexity on held-out text, forward, backward and joint, beside n-grams of a corpus",
    "blimp": "accuracy on BLiMP's minimal pairs (Warstadt et al. 2020): ELMo and n-grams by exact log-probabilities, "
    "masked language models by pseudo-log-likelihood",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add a subcommand for each evaluation."""
    commands = parser.add_subparsers(dest="evaluation", metavar="NAME", required=True)
    for name, add in (("perplexity", _add_perplexity), ("blimp", _add_blimp)):
        command = commands.add_parser(
            name,
            help=_SUMMARIES[name],
            description=_SUMMARIES[name][0].upper() + _SUMMARIES[name][1:] + ".",
            allow_abbrev=False,
        )
        add(command)
        _add_common(command)


def _add_perplexity(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help=f"ELMo with its softmax: {_MODEL}")
    parser.add_argument(
        "data",
        type=Path,
        metavar="CORPUS|TEXT",
        help="held-out text: a folder of hf-elmo prepare-corpus, or a UTF-8 file, a sentence a line (.gz, .xz, .bz2 too)",
    )
    parser.add_argument("--split", metavar="PART", help="of CORPUS: held_out or train (held_out, if there is one)")
    parser.add_argument(
        "--pretokenized", action="store_true", help="words of TEXT are what stands between white space"
    )
    parser.add_argument("--max-sentences", type=_positive, metavar="N", help="the first ones only")
    parser.add_argument(
        "--states",
        nargs="+",
        choices=STATES,
        default=list(STATES),
        metavar="POLICY",
        help="sentences: each from zero states; lanes: the state is carried on, as bilm-tf does (both)",
    )
    parser.add_argument(
        "--num-lanes", type=_positive, default=32, metavar="N", help="streams of lanes; changes their result (32)"
    )
    parser.add_argument("--batch-size", type=_positive, default=32, metavar="N", help="changes no result (32)")


def _add_blimp(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help=f"ELMo with its softmax, or a masked language model: {_MODEL}")
    parser.add_argument(
        "data", type=Path, metavar="DATA", help="a folder of BLiMP's .jsonl files, or a .tar archive of them"
    )
    parser.add_argument("--paradigms", nargs="+", metavar="NAME", help="paradigms (UID) to score (all)")
    parser.add_argument(
        "--max-pairs", type=_positive, metavar="N", help="pairs of each paradigm, the first ones (all)"
    )
    parser.add_argument(
        "--max-batch-words", type=_positive, default=2048, metavar="N", help="words computed at once (2048)"
    )


_MODEL = f"a folder, a model of the box, an id on the Hub, or {NO_MODEL} for n-grams alone"


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ngram-corpus",
        type=Path,
        metavar="FOLDER",
        help="a prepared corpus with the model's vocabulary, on whose train part n-grams are trained",
    )
    parser.add_argument(
        "--ngram-orders",
        nargs="+",
        type=int,
        choices=range(1, 6),
        default=[1, 5],
        metavar="N",
        help="1: unigrams; 2 to 5: interpolated modified Kneser-Ney n-grams (1 5)",
    )
    parser.add_argument(
        "--fallback-discounts",
        nargs=3,
        type=float,
        metavar=("D1", "D2", "D3"),
        help="of orders whose discounts cannot be estimated, usually 0.5 1 1.5 (an error)",
    )
    parser.add_argument("--revision", help="branch, tag or commit of a model on the Hub")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, mps (default: cuda if there is one)")
    parser.add_argument("--threads", type=_positive, metavar="N", help="CPU threads (default: torch decides)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the result to this JSON file")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"needed is a whole number from 1, got {text!r}")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Run the chosen evaluation from parsed arguments; returns the exit code.

    Raises:
        ValueError, OSError: a model or a text cannot be evaluated as asked; the message is one line.
    """
    if options.model == NO_MODEL and options.ngram_corpus is None:
        raise ValueError(f"MODEL is {NO_MODEL}: there is nothing to evaluate without --ngram-corpus")
    evaluation = import_module(f"hf_elmo.evaluation.{_MODULES[options.evaluation]}")
    try:
        return evaluation.run(options)
    except KeyboardInterrupt:
        if options.debug:
            raise
        print("hf-elmo: interrupted; nothing was written", file=sys.stderr)
        return 128 + signal.SIGINT
