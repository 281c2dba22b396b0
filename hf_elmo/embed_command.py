# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The arguments of `hf-elmo embed`, and what it prints; torch and transformers are loaded when it runs."""

import argparse

SUMMARY = """Write the vectors of every sentence of a text to a file.

A run that was stopped or killed goes on when the same command is given again. An empty line gives an array
of no words, (0, 2D), so that line numbers stay keys; with --use-sentence-keys it is an error."""
EXAMPLE = """example:
  hf-elmo convert tiny-random elmo-tiny
  echo 'The cat sat.' | hf-elmo embed elmo-tiny - vectors.safetensors
then in Python:
  from safetensors import safe_open
  safe_open("vectors.safetensors", "numpy").get_tensor("0").shape"""

FORMATS = ("safetensors", "hdf5", "npy")  # of hf_elmo.vector_files, which would load NumPy


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to a parser."""
    parser.add_argument(
        "model", metavar="MODEL", help="elmo-mini-en (in the box), a folder from hf-elmo convert, or an id on the Hub"
    )
    parser.add_argument(
        "input", metavar="INPUT", help="UTF-8 text, a sentence a line (.gz, .xz, .bz2 too); - for stdin"
    )
    parser.add_argument(
        "output",
        metavar="OUTPUT",
        help="NAME.safetensors, NAME.hdf5 (or .h5; AllenNLP's layout), or NAME/ for a folder of NumPy files",
    )
    parser.add_argument("--revision", help="branch, tag or commit of a model on the Hub")
    parser.add_argument(
        "--layers",
        type=_layers,
        default="mix",
        metavar="all|top|mean|mix|N",
        help="mix: the learned weighted sum, untrained the mean (default); mean, top, or layer N, 0 being the word "
        "vectors: (n, 2D) each; all: (L+1, n, 2D). AllenNLP's --average, --top, --all are mean, top, all",
    )
    parser.add_argument(
        "--pretokenized", action="store_true", help="words are what stands between white space, as AllenNLP's elmo"
    )
    parser.add_argument("--keep-boundaries", action="store_true", help="keep the vectors of <S> and </S>")
    parser.add_argument("--dtype", default="float32", choices=["float32", "float16"], help="of the file")
    parser.add_argument("--output-format", choices=FORMATS, help="instead of going by the ending of OUTPUT")
    parser.add_argument(
        "--forget-sentences",
        action="store_true",
        help=".hdf5: leave out sentence_to_index, which holds all the text and is built in memory",
    )
    parser.add_argument(
        "--use-sentence-keys", action="store_true", help="the text of a line is its key, not its number"
    )
    parser.add_argument(
        "--max-batch-words", type=_positive, default=4096, metavar="N", help="words in a batch, with padding (4096)"
    )
    parser.add_argument("--device", help="cpu, cuda, cuda:1, mps (default: cuda if there is one)")
    parser.add_argument("--threads", type=_positive, metavar="N", help="CPU threads (default: torch decides)")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace OUTPUT if it exists; a folder only if embed made it"
    )
    parser.add_argument("--restart", action="store_true", help="throw away what an unfinished run left")


def run(options: argparse.Namespace) -> int:
    """Write the vectors that parsed arguments ask for; returns the exit code.

    Raises:
        ValueError, OSError: see `embed_corpus`.
    """
    from transformers.utils import logging

    from hf_elmo.embed_corpus import EmbedSettings, embed_corpus

    logging.disable_progress_bar()  # of loading a model, of no use when it takes a second
    print(embed_corpus(EmbedSettings(**{name: getattr(options, name) for name in EmbedSettings._fields})))
    return 0


def _layers(text: str) -> str:
    """Whether the model has that layer shows when it is loaded."""
    if text not in ("all", "top", "mean", "mix") and not text.isdecimal():
        raise argparse.ArgumentTypeError(f"needed is all, top, mean, mix or a layer number, got {text!r}")
    return text


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"needed is a whole number from 1, got {text!r}")
    return int(text)
