# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The sentences the demo looks at: those of the package, or the user's own."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from hf_elmo.data.files import read_lines

FOLDER = Path(__file__).resolve().parent
GRAMMAR = FOLDER / "grammar.txt"
SENSES = FOLDER / "senses.txt"
# What the two uses of each word differ in, and the file with them.
GROUPS = {"uses that differ in grammar": GRAMMAR, "senses of the same part of speech": SENSES}
COLLECTION = FOLDER / "sentences.txt"

Splitter = Callable[[str], list[str]]


class DemoError(ValueError):
    """The demo cannot show what is asked for; one line for people."""


class Occurrence(NamedTuple):
    """A word where it stands: `words[position]` in the text, with the sense it has there, if that was told."""

    text: str
    words: list[str]
    position: int
    sense: str | None

    @property
    def word(self) -> str:
        return self.words[self.position]


class Sentence(NamedTuple):
    """A sentence of a collection, its words, and what the collection says it is about."""

    text: str
    words: list[str]
    topic: str | None


def read_groups(split: Splitter) -> dict[str, dict[str, list[Occurrence]]]:
    """The words of the package by group, and their occurrences; every group is measured in the same way."""
    return {name: read_senses(split, path) for name, path in GROUPS.items()}


def read_senses(split: Splitter, path: str | os.PathLike = SENSES) -> dict[str, list[Occurrence]]:
    """Occurrences of each word in a file with a word, its sense and a sentence a line, between tabs.

    Raises:
        DemoError: a line has other columns, or its word is not in its sentence; names the line.
    """
    found: dict[str, list[Occurrence]] = {}
    for place, line in _lines(path):
        columns = line.split("\t")
        if len(columns) != 3:
            raise DemoError(f"{place}: {len(columns)} columns; needed are word, sense and sentence, separated by tabs")
        word, sense, text = (column.strip() for column in columns)
        found.setdefault(word, []).append(find_word(word, text, sense, split, place))
    return found


def read_own(word: str, path: str | os.PathLike, split: Splitter) -> list[Occurrence]:
    """Occurrences of a word in the user's file: a sentence a line, with its sense and a tab before it, or without.

    Raises:
        DemoError: fewer than two sentences; a sentence without the word; some lines with a sense and some without.
        DataError: the file is not UTF-8, damaged or empty.
    """
    found = []
    for place, line in _lines(path):
        sense, tab, text = line.partition("\t")
        sense, text = (sense.strip(), text.strip()) if tab else ("", line.strip())
        found.append(find_word(word, text, sense or None, split, place))
    if len(found) < 2:
        raise DemoError(
            f"{path} has {len(found)} sentence{'s' * (len(found) != 1)} with {word!r}; needed are two or more"
        )
    labelled = sum(occurrence.sense is not None for occurrence in found)
    if labelled not in (0, len(found)):
        raise DemoError(
            f"{path}: {labelled} of {len(found)} lines have a sense (sense, tab, sentence); give it to all, or to none"
        )
    return found


def read_collection(split: Splitter, path: str | os.PathLike = COLLECTION) -> list[Sentence]:
    """Sentences of a file with one a line; `[topic]` on a line of its own stands before those it is about."""
    found, topic = [], None
    for _, line in _lines(path):
        if line.startswith("[") and line.endswith("]"):
            topic = line[1:-1]
        else:
            found.append(Sentence(line, split(line), topic))
    return found


def find_word(word: str, text: str, sense: str | None, split: Splitter, place: str) -> Occurrence:
    """The first occurrence of a word in a text, as it is written or, if it is not there, in other letter case.

    Raises:
        DemoError: the word is not there; names the place.
    """
    words = split(text)
    for wanted, candidates in ((word, words), (word.lower(), [other.lower() for other in words])):
        if wanted in candidates:
            return Occurrence(text, words, candidates.index(wanted), sense)
    raise DemoError(f"{place}: {word!r} is not a word of the sentence {text[:60]!r}")


def _lines(path: str | os.PathLike) -> list[tuple[str, str]]:
    """Place and text of each line that is neither empty nor a comment."""
    lines = enumerate(read_lines(Path(path)), start=1)
    return [(f"{path}, line {number}", line) for number, line in lines if line.strip() and not line.startswith("#")]
