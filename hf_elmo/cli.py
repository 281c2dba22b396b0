# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The command `hf-elmo`: demo | convert | embed | finetune | prepare-corpus | pretrain | evaluate | compare | card |
publish | benchmark.

Results go to stdout, what is going on to stderr. Exit code 0: done; 1: failed, with one line on stderr (the traceback
with --debug); 2: wrong use; 130: interrupted. Only the subcommand that runs imports torch and transformers.
"""

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hf_elmo import __version__, card_command, embed_command
from hf_elmo.compare import command as compare_command
from hf_elmo.corpus import command as corpus_command
from hf_elmo.demo import command as demo_command
from hf_elmo.evaluation import command as evaluation_command
from hf_elmo.finetune import options as finetune_options
from hf_elmo.messages import say
from hf_elmo.publish import command as publish_command
from hf_elmo.training import command as training_command

EXAMPLES = Path(__file__).resolve().parent / "examples"


# Package, as it is imported -> the extra that brings it.
EXTRAS = {
    **dict.fromkeys(("accelerate", "datasets", "evaluate", "seqeval", "sklearn"), "train"),
    "scipy": "compare",
}


class WrongUse(Exception):
    """The options contradict each other; shown with the usage, exit code 2."""


class Command(NamedTuple):
    """A subcommand: what it is for, how its parser is filled, what it does."""

    summary: str
    example: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    has_subcommands: bool = False
    only_help: bool = False  # the arguments of the parser are for --help; `run` gets the words as `arguments`


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; `argv` is without the program's name."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    try:
        code = _dispatch(arguments)
        sys.stdout.flush()  # a closed pipe shows here, not at the interpreter's end
        return code
    except SystemExit as stop:  # argparse: --help and wrong use
        return stop.code if isinstance(stop.code, int) else 2
    except KeyboardInterrupt:
        if debug:
            raise
        return _fail("interrupted; give the same command again to go on", 128 + signal.SIGINT)
    except BrokenPipeError:  # `hf-elmo convert --list | head`: the reader has seen enough
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + 13
    except Exception as error:
        if debug:
            raise
        return _fail(_one_line(error), 1)


def _dispatch(arguments: list[str]) -> int:
    parser = _main_parser()
    split = next((i for i, argument in enumerate(arguments) if argument in COMMANDS), len(arguments))
    options = parser.parse_args(arguments[: split + 1])
    if options.command is None:
        parser.print_help(sys.stderr)
        return 2
    command = COMMANDS[options.command]
    subparser = argparse.ArgumentParser(
        prog=f"hf-elmo {options.command}",
        description=command.summary,
        epilog=command.example,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # a new option must not change what an old script means
    )
    command.add_arguments(subparser)
    subparser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    words = arguments[split + 1 :]
    if command.only_help and not {"-h", "--help"} & set(words):
        namespace = argparse.Namespace(arguments=words)
        return _run(command, namespace, subparser)
    # intermixed: `convert SOURCE --dtype float16 OUT` is understood as well; argparse cannot with subcommands
    parse = subparser.parse_args if command.has_subcommands else subparser.parse_intermixed_args
    return _run(command, parse(words), subparser)


def _run(command: Command, namespace: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    try:
        return command.run(namespace)
    except WrongUse as error:
        parser.error(str(error))


def _main_parser() -> argparse.ArgumentParser:
    width = max(map(len, COMMANDS))
    listing = "\n".join(f"  {name:<{width}}  {command.summary.splitlines()[0]}" for name, command in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="hf-elmo",
        usage="hf-elmo [--help] [--version] [--debug] COMMAND ...",
        description="ELMo in the transformers API.",
        epilog=f"commands:\n{listing}\n\nhf-elmo COMMAND --help shows its options and an example.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"hf-elmo {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.add_argument("command", nargs="?", choices=list(COMMANDS), help=argparse.SUPPRESS)
    return parser


def _fail(line: str, code: int) -> int:
    print(f"hf-elmo: {line}", file=sys.stderr)
    return code


def _one_line(error: BaseException) -> str:
    """The message of an error as one line; errors that are not meant for people get their type and advice."""
    text = " ".join(str(error).split())
    if isinstance(error, ImportError) and (missing := [name for name in EXTRAS if name in text]):
        return (
            f"{missing[0]} is not installed, or too old: pip install 'hf-elmo[{EXTRAS[missing[0]]}]' brings what this "
            "command needs"
        )
    if isinstance(error, FileNotFoundError) and error.filename is not None:
        return f"{error.filename}: no such file or folder"
    if isinstance(error, ValueError | OSError) and text:
        return text
    return f"{type(error).__name__}: {text} (--debug shows the traceback)"


def _quieten_transformers() -> None:
    """Loading a model shows bars of its own, of no use when it takes a second."""
    from transformers.utils import logging

    logging.disable_progress_bar()


# --- convert ---------------------------------------------------------------------------------------------------------


def _add_convert_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = (
        "hf-elmo convert SOURCE OUT [options]\n"
        "       hf-elmo convert --options FILE --weights FILE OUT [options]\n"
        "       hf-elmo convert --to-allennlp FOLDER OUT\n"
        "       hf-elmo convert --list"
    )
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="SOURCE OUT",
        help="SOURCE: a folder with options.json and one weight file (.hdf5, or an AllenNLP state dict), or a name "
        "from --list. OUT: the folder to make",
    )
    parser.add_argument("--list", action="store_true", help="print the published models that have a name, and stop")
    parser.add_argument("--options", metavar="FILE", help="options.json, instead of SOURCE")
    parser.add_argument("--weights", metavar="FILE", help="the weight file, instead of SOURCE")
    parser.add_argument(
        "--softmax", metavar="FILE", help="HDF5 file with softmax/W and softmax/b, kept as the LM head"
    )
    parser.add_argument("--vocab", metavar="FILE", help="vocabulary of the softmax, one word a line")
    parser.add_argument("--token-embeddings", metavar="FILE", help="HDF5 file with `embedding`, bilm-tf's token cache")
    parser.add_argument(
        "--with-softmax", action="store_true", help="for a name: download its softmax and vocabulary too"
    )
    parser.add_argument("--dtype", default="float32", choices=["float32", "float16", "bfloat16"])
    parser.add_argument(
        "--verify", action="store_true", help="compute sentences from source and result; print how they differ"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace OUT if it exists")
    parser.add_argument(
        "--splitting",
        default="punctuation",
        choices=["punctuation", "whitespace"],
        help="how raw text becomes words: each punctuation mark on its own (default), or at white space only",
    )
    parser.add_argument("--split-cjk", action="store_true", help="every Chinese character is a word")
    parser.add_argument("--prefix", metavar="NAME", help="where the ELMo tensors begin in a larger state dict")
    parser.add_argument(
        "--download-dir", metavar="FOLDER", help="keep downloads here instead of $HF_HOME/hf_elmo; they are re-used"
    )
    parser.add_argument(
        "--to-allennlp", action="store_true", help="the way back: FOLDER to options.json, weights.hdf5"
    )


def _run_convert(options: argparse.Namespace) -> int:
    if options.list:
        from hf_elmo.conversion.known_models import table

        print(table())
        return 0
    source, out = _convert_paths(options)
    _check_out(out, options.overwrite)
    if options.to_allennlp:
        from hf_elmo.conversion.to_allennlp import convert_to_allennlp

        assert source is not None  # `_convert_paths` saw to it
        say(f"will write {source} as options.json and weights.hdf5 into {out}")
        convert_to_allennlp(source, out, overwrite=options.overwrite, progress=say)
        print(f"{out}: ready for AllenNLP and bilm-tf")
        return 0
    files = _convert_files(source, options)
    shown = ", ".join(f"{name} {value}" for name, value in files.items() if value is not None)
    say(f"will convert {shown} to {out} ({options.dtype})")
    from hf_elmo.auto import register_auto_classes
    from hf_elmo.conversion.to_transformers import convert

    register_auto_classes()  # so that the code files go into the folder
    _quieten_transformers()
    report = convert(
        out=out,
        **files,
        token_embeddings=options.token_embeddings,
        dtype=options.dtype,
        verify=options.verify,
        overwrite=options.overwrite,
        splitting=options.splitting,
        split_cjk=options.split_cjk,
        prefix=options.prefix,
        progress=say,
    )
    _print_converted(out, report, options.dtype)
    return 0


def _convert_paths(options: argparse.Namespace) -> tuple[str | None, str]:
    """SOURCE (None with --options and --weights) and OUT; says which are missing."""
    paths = options.paths
    if (options.options is None) != (options.weights is None):
        raise WrongUse("--options and --weights belong together")
    wanted = 1 if options.options is not None else 2
    if len(paths) != wanted:
        names = "OUT alone, besides --options and --weights" if wanted == 1 else "SOURCE and OUT"
        raise WrongUse(f"needed is {names}; got {' '.join(paths) or 'nothing'}")
    if options.to_allennlp and wanted == 1:
        raise WrongUse("--to-allennlp needs FOLDER OUT, no --options and --weights")
    return (None, paths[0]) if wanted == 1 else (paths[0], paths[1])


def _check_out(out: str, overwrite: bool) -> None:
    """Before any download: is the result going to have a place?"""
    if Path(out).exists() and not overwrite:
        raise FileExistsError(f"{out} exists already: give --overwrite, or another name")


def _convert_files(source: str | None, options: argparse.Namespace) -> dict[str, Any]:
    """Arguments of `convert` that name files: from a folder, from the options, or downloaded."""
    from hf_elmo.conversion.known_models import EXAMPLE_NAME, find_model

    extra = {"softmax": options.softmax, "vocab": options.vocab}
    if source is None:
        return {"options": options.options, "weights": options.weights, **extra}
    model = None if Path(source).exists() else find_model(source)
    if options.with_softmax and model is None:
        raise WrongUse("--with-softmax is for a name from --list; give a file with --softmax")
    if model is not None:
        from hf_elmo.conversion.download import cache_folder, download_model

        say(f"will download {model.name} to {cache_folder(options.download_dir) / model.name}, unless it is there")
        files = dict(download_model(model, options.download_dir, with_softmax=options.with_softmax))
        return {**files, **{name: value for name, value in extra.items() if value is not None}}
    if source == EXAMPLE_NAME and not Path(source).exists():
        say("this is the example inside the package: random weights, so its vectors mean nothing")
        return {"source": EXAMPLES, **extra}
    if not Path(source).exists():
        raise FileNotFoundError(
            f"{source} is neither a folder nor a known name: hf-elmo convert --list shows the names"
        )
    return {"source": source, **extra}


def _print_converted(out: str, report: dict, dtype: str) -> None:
    if report["verification"] is not None:
        _print_verification(report["verification"], dtype)
    print(f"{out}: converted. In Python:\n")
    print("from transformers import AutoModel, AutoTokenizer")
    print(f"tokenizer = AutoTokenizer.from_pretrained({out!r}, trust_remote_code=True)")
    print(f"model = AutoModel.from_pretrained({out!r}, trust_remote_code=True)")


def _print_verification(found: dict[str, Any], dtype: str) -> None:
    """What `hf_elmo.conversion.verify_folder` found out."""
    largest = {name: max(found[name]["largest_difference"].values()) for name in ("float64", "float32")}
    print(
        f"verified: {found['sentences']} sentences, {found['words']} words computed again with NumPy from the original "
        f"files; largest difference {largest['float64']:.1e} in float64, {largest['float32']:.1e} in float32"
    )
    effect = found.get(f"effect_of_{dtype}")
    if effect is not None:
        print(
            f"rounding the weights to {dtype} changes the vectors by up to {max(effect.values()):.1e}; "
            "this is not in the numbers above"
        )


# --- finetune --------------------------------------------------------------------------------------------------------


def _run_pretrain(options: argparse.Namespace) -> int:
    from hf_elmo.training.settings import SettingsError

    _quieten_transformers()
    try:
        return training_command.run_command([word for word in options.arguments if word != "--debug"])
    except SettingsError as error:
        raise WrongUse(str(error)) from error


def _run_finetune(options: argparse.Namespace) -> int:
    from hf_elmo.finetune.command import ArgumentsError, run_command

    _quieten_transformers()
    try:
        return run_command([word for word in options.arguments if word != "--debug"])
    except ArgumentsError as error:
        raise WrongUse(str(error)) from error
    except KeyboardInterrupt:
        if "--debug" in options.arguments:
            raise
        return _fail(
            "interrupted; --resume_from_checkpoint last goes on from the last checkpoint", 128 + signal.SIGINT
        )


# --- prepare-corpus --------------------------------------------------------------------------------------------------


def _run_prepare_corpus(options: argparse.Namespace) -> int:
    from hf_elmo.corpus import run

    return run(options)


# --- benchmark -------------------------------------------------------------------------------------------------------


def _add_benchmark_arguments(parser: argparse.ArgumentParser) -> None:
    from hf_elmo.benchmark import add_arguments

    add_arguments(parser)


def _run_benchmark(options: argparse.Namespace) -> int:
    from hf_elmo.benchmark import run

    return run(options) or 0


COMMANDS = {
    "demo": Command(demo_command.SUMMARY, demo_command.EXAMPLE, demo_command.add_arguments, demo_command.run),
    "convert": Command(
        "Convert published ELMo weights (AllenNLP, bilm-tf) for transformers, or back.",
        "example, without a download:\n"
        "  hf-elmo convert tiny-random elmo-tiny\n"
        "with the published small model (about 54 MB):\n"
        "  hf-elmo convert small elmo-small --verify",
        _add_convert_arguments,
        _run_convert,
    ),
    "embed": Command(embed_command.SUMMARY, embed_command.EXAMPLE, embed_command.add_arguments, embed_command.run),
    "finetune": Command(
        finetune_options.SUMMARY, finetune_options.EXAMPLE, finetune_options.add_help, _run_finetune, only_help=True
    ),
    "prepare-corpus": Command(
        corpus_command.SUMMARY, corpus_command.EXAMPLE, corpus_command.add_arguments, _run_prepare_corpus
    ),
    "pretrain": Command(
        training_command.SUMMARY, training_command.EXAMPLE, training_command.add_help, _run_pretrain, only_help=True
    ),
    "evaluate": Command(
        evaluation_command.SUMMARY,
        evaluation_command.EXAMPLE,
        evaluation_command.add_arguments,
        evaluation_command.run,
        has_subcommands=True,
    ),
    "compare": Command(
        compare_command.SUMMARY, compare_command.EXAMPLE, compare_command.add_arguments, compare_command.run
    ),
    "card": Command(card_command.SUMMARY, card_command.EXAMPLE, card_command.add_arguments, card_command.run),
    "publish": Command(
        publish_command.SUMMARY, publish_command.EXAMPLE, publish_command.add_arguments, publish_command.run
    ),
    "benchmark": Command(
        "Measure speed on this machine, after a check that the results are right.",
        "example:\n  hf-elmo benchmark encoder --quick\nhf-elmo benchmark NAME --help shows the options of one.",
        _add_benchmark_arguments,
        _run_benchmark,
        has_subcommands=True,
    ),
}
