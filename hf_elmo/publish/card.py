# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Which cards are sent: those of the folder, those of the repository, or both in one."""

from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import yaml

from hf_elmo.model_cards.check import card_metadata, check_card, plain_text
from hf_elmo.publish.errors import PublishError, RefusedFiles
from hf_elmo.publish.facts_check import check_facts
from hf_elmo.publish.repository import CARD

CHOICES = ("keep", "replace", "merge")


def make_cards(staged: Path, facts: str, repo_id: str, revision: str) -> list[str]:
    """Write README.md and README_zh.md from facts and results, for the files in the staged folder.

    Args:
        facts: a name of the published set, or a facts file.
        revision: tag that the snippets of the card load, or a branch, which pins nothing.
    Returns:
        notes for people, one line each.
    Raises:
        PublishError: there are no such facts, they are those of another model, or a number of the card has no source.
    """
    try:
        from hf_elmo.model_cards.facts import load_facts
        from hf_elmo.model_cards.rendering import FILES, render_card
    except ImportError as error:
        if error.name != "jinja2":
            raise
        raise PublishError("cards are made by jinja2, which is not installed: pip install jinja2") from error
    try:
        known = load_facts(facts)
    except (ValueError, OSError) as error:
        raise PublishError(f"{CARD} cannot be made from {facts}: {' '.join(str(error).split())}") from error
    check_facts(known, staged)
    for language, name in FILES.items():
        try:
            text = render_card(facts, language, folder=staged, repo_id=repo_id, revision=revision)
        except (ValueError, OSError) as error:
            raise PublishError(f"{name} cannot be made from {facts}: {' '.join(str(error).split())}") from error
        (staged / name).write_bytes(text.encode("utf-8"))
    return [f"{' and '.join(FILES.values())}: made from the facts of {facts}"]


def check_cards(staged: Path, kept: Container[str] = ()) -> None:
    """Check README.md, and its translations, by the rules of the Hub and of this package.

    Args:
        kept: names of the cards of the repository that stay, so that those of the folder are not sent.
    Raises:
        PublishError: there is no card.
        RefusedFiles: a card has faults, each named.
    """
    if CARD not in kept and not (staged / CARD).is_file():
        raise PublishError(f"there is no {CARD}, and no model is published without a card: write one, or give --facts")
    problems = []
    for path in sorted(staged.glob("README*.md")):
        if path.name in kept:
            continue
        problems += [f"{path.name}: {fault}" for fault in check_card(read_text(path), staged)]
    if problems:
        raise RefusedFiles(f"the card has {len(problems)} faults; nothing was sent", problems)


def read_text(path: Path) -> str:
    """A UTF-8 text with its line ends as they are."""
    return path.read_bytes().decode("utf-8")


def settle(staged: Path, theirs: Mapping[str, str], choice: str | None, repo_id: str) -> list[str]:
    """Put the cards that are to stand in the repository into the staged folder.

    Args:
        theirs: cards of the repository by name (README.md, README_zh.md) that differ from those in the folder.
        choice: "keep" theirs, "replace" them by those of the folder, or "merge": theirs, with the metadata of ours that
            they lack. None: there must be nothing to choose.
    Returns:
        notes for people, one line each.
    Raises:
        PublishError: cards differ and `choice` is None, or they cannot be merged.
        RefusedFiles: a merged card has faults.
    """
    notes = []
    for name, their_text in theirs.items():
        if choice is None:
            raise PublishError(
                f"{repo_id} has another {name}: --card keep leaves it, --card replace puts yours in its place, --card "
                "merge leaves its text and adds the metadata that it lacks"
            )
        if choice == "replace":
            notes.append(f"{name}: takes the place of that of {repo_id}")
        elif choice == "keep":
            (staged / name).write_bytes(their_text.encode("utf-8"))
            notes.append(f"{name}: that of {repo_id} stays")
            notes += [f"{name} of {repo_id}: {fault}" for fault in check_card(their_text, staged)]
        else:
            merged, conflicts = merge(read_text(staged / name), their_text)
            (staged / name).write_bytes(merged.encode("utf-8"))
            notes += [
                f"{name}: that of {repo_id}, with metadata of yours",
                *(f"{name}: {conflict}" for conflict in conflicts),
            ]
    if choice == "merge":
        check_cards(staged)
    return notes


def merge(ours: str, theirs: str) -> tuple[str, list[str]]:
    """Their card, in LF, with the metadata of ours that it lacks; where both say something, theirs stays.

    Lists are joined. A card of theirs without any text, such as the Hub makes for a new repository, gets ours.

    Returns:
        the text of the card, and a note on each value of ours that was not taken.
    Raises:
        PublishError: the metadata of one cannot be read.
    """
    ours, theirs = plain_text(ours), plain_text(theirs)
    body = _body(theirs)
    try:
        data = card_metadata(theirs) if theirs.startswith("---") else {}
        added = card_metadata(ours)
    except ValueError as error:
        raise PublishError(f"the cards cannot be merged: {error}; --card keep or --card replace") from error
    notes = []
    for key, value in added.items():
        if data.get(key) in (None, "", []):
            data[key] = value
        elif _is_list(value, key) and _is_list(data[key], key):
            data[key] = data[key] + [item for item in value if item not in data[key]]
        elif data[key] != value:
            notes.append(f"{key} stays {_short(data[key])}, yours was {_short(value)}")
    block = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=1000)
    return f"---\n{block}---\n" + (body if body.strip() else _body(ours)), notes


def _is_list(value: Any, key: str) -> bool:
    return isinstance(value, list) and key != "model-index"  # results of one model are not results of another


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _body(card: str) -> str:
    lines = card.splitlines(keepends=True)
    if not lines or lines[0].strip() != "---":
        return card
    end = next((number for number, line in enumerate(lines[1:], start=1) if line.strip() == "---"), None)
    return card if end is None else "".join(lines[end + 1 :])
