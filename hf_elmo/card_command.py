# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""`hf-elmo card`: the arguments, and what it prints or writes; neither torch nor transformers is loaded."""

import argparse
from pathlib import Path

SUMMARY = """Write the model card of a model of the published set, or check a card.

Every number in a card comes from a result file or a cited source. --check names what would make the Hub refuse a card,
fields that were never filled in, and links that lead nowhere."""
EXAMPLE = """examples:
  hf-elmo card --list
  hf-elmo card elmo-mini-en
  hf-elmo card elmo-original --output elmo-original
  hf-elmo card --check elmo-original/README.md"""

LANGUAGES = ("en", "zh")  # of hf_elmo.model_cards.facts


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to a parser."""
    parser.add_argument("name", metavar="NAME", nargs="?", help="a model of --list")
    parser.add_argument("--list", action="store_true", help="the models that have a card")
    parser.add_argument("--check", type=Path, metavar="FILE", help="a card to check, in the folder of its model")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER|FILE",
        help="a folder that exists: README.md and README_zh.md are written there, with the sizes and code files of the model "
        "in it; or NAME.md for one card (default: print it)",
    )
    parser.add_argument("--language", choices=LANGUAGES, help="of the card (en; with a folder both)")
    parser.add_argument("--facts", type=Path, metavar="FILE", help="facts of a model of your own (YAML)")
    parser.add_argument("--results", type=Path, metavar="FOLDER", help="result files (those of this package)")
    parser.add_argument("--repo-id", metavar="ORG/NAME", help="place on the Hub that the snippets load from")
    parser.add_argument("--revision", help="tag or commit that the snippets pin; needed with --repo-id")


def run(options: argparse.Namespace) -> int:
    """List, check, print or write cards as parsed arguments ask; returns the exit code, 1 for a card with faults.

    Raises:
        ValueError, OSError: no such card, wrong facts, a result that is not there, a file that cannot be written.
    """
    asked = [name for name in ("list", "check", "name", "facts") if getattr(options, name)]
    if len(asked) != 1:
        given = " and ".join(name if name == "name" else f"--{name}" for name in asked) or "nothing"
        raise ValueError(
            f"give one of NAME, --facts, --list and --check, not {given}; hf-elmo card --help shows examples"
        )
    if options.list:
        return _list()
    if options.check is not None:
        return _check(options.check)
    return _write(options)


def _list() -> int:
    from hf_elmo.model_cards.facts import load_facts, names

    for name in names():
        facts = load_facts(name)
        from_where = "trained by hf_elmo" if facts.origin == "trained" else f"hf-elmo convert {facts.known_model}"
        print(f"{name:<20}{facts.kind:<6}{facts.language:<4}{facts.license:<12}{from_where}")
    return 0


def _check(path: Path) -> int:
    from hf_elmo.model_cards.check import check_card

    faults = check_card(path.read_text(encoding="utf-8"), path.resolve().parent)
    for fault in faults:
        print(f"{path}: {fault}")
    if not faults:
        print(f"{path}: no faults")
    return 1 if faults else 0


def _write(options: argparse.Namespace) -> int:
    from hf_elmo.benchmark.results import write_atomically
    from hf_elmo.model_cards.facts import load_facts
    from hf_elmo.model_cards.numbers import RESULTS, Results
    from hf_elmo.model_cards.rendering import FILES, render_card

    facts, output = load_facts(options.facts or options.name), options.output
    if options.results is not None and not options.results.is_dir():
        raise OSError(f"{options.results}: no such folder of result files")
    into_folder = output is not None and output.is_dir()
    if output is not None and not into_folder and output.suffix != ".md":
        raise ValueError(f"--output {output} is no folder that exists, and no name of a card, which ends in .md")
    if output is not None and not output.parent.is_dir():
        raise OSError(f"the folder of --output, {output.parent}, does not exist; make it first")
    languages = [options.language] if options.language else list(LANGUAGES) if into_folder else ["en"]
    # A folder of the box needs the installed package, and its card says so.
    model = output if into_folder and (output / "config.json").is_file() else None
    cards = {
        language: render_card(
            facts,
            language,
            folder=model,
            repo_id=options.repo_id,
            revision=options.revision,
            results=Results(options.results or RESULTS),
        )
        for language in languages
    }
    for language, text in cards.items():
        if output is None:
            print(text, end="")
            continue
        path = output / FILES[language] if into_folder else output
        write_atomically(path, text)
        print(f"{path} written")
    return 0
