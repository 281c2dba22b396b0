# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Sentences out of files with a token a line: CoNLL columns, CoNLL-U, and the .iob2 of Universal NER."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from hf_elmo.data.files import DataError, format_by_suffix, read_lines
from hf_elmo.data.tags import BIO_TAG

BLANKS = " \t"  # not str.isspace: a no-break space can be a token
DOCUMENT_START = "-DOCSTART-"


class TaggedSentence(NamedTuple):
    """A sentence, and where it begins (for messages)."""

    place: str
    tokens: list[str]
    tags: list[str]


class NumberedFormat(NamedTuple):
    """A format whose lines are "id form ...", separated by tabs."""

    names: tuple[str, ...]  # of the columns; a line may have more only where `most` says so
    most: int
    tag: str  # the column that is read when none is named


NUMBERED_FORMATS = {
    # https://universaldependencies.org/format.html
    "conllu": NumberedFormat(
        ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc"), most=10, tag="upos"
    ),
    # https://www.universalner.org; up to two columns that say who annotated follow
    "iob2": NumberedFormat(("id", "form", "tag"), most=5, tag="tag"),
}
COLUMN_FORMATS = ("conll", *NUMBERED_FORMATS)
SUFFIXES = {".conllu": "conllu", ".iob2": "iob2"}
FEATURE_LISTS = ("feats", "misc")  # KEY=value|KEY=value


def detect_column_format(path: Path) -> str:
    """Format of a file with a token a line: by its ending, else by its first token line."""
    known = format_by_suffix(path, SUFFIXES)
    if known is not None:
        return known
    cells = _first_token_line(path).split("\t")
    if len(cells) == 10 and _is_number(cells[0]):
        return "conllu"
    if 3 <= len(cells) <= 5 and cells[0] == "1" and BIO_TAG.fullmatch(cells[2]):
        return "iob2"
    return "conll"


def read_columns(
    path: Path, kind: str, column: int | str | None, token_column: int | str | None
) -> Iterator[TaggedSentence]:
    """Sentences of a file in one of COLUMN_FORMATS; an empty line ends a sentence.

    Args:
        column: where the tags are: number of a column (-1 is the last), its name where the format has names, or
            "misc:KEY" and "feats:KEY" for one value of CoNLL-U's lists ("O" where a token lacks the key). None: the
            last column, CoNLL-U's upos, the tag of .iob2.
        token_column: number of the column with the tokens in CoNLL files, 0 for None; the others have it fixed.
    Raises:
        DataError: a line has more or fewer columns than it should, an empty cell, ids that do not count from 1, a
            column that is not there.
    """
    if kind == "conll":
        return _read_conll(path, _as_number(path, column, -1), _as_number(path, token_column, 0))
    if token_column is not None:
        raise DataError(f"{path}: {kind} has its tokens in the column 'form'; leave out token_column=")
    return _read_numbered(path, kind, column)


def _as_number(path: Path, column: int | str | None, default: int) -> int:
    """Number of a CoNLL column, which may come as text from a command line."""
    if column is None:
        return default
    try:
        return int(column)
    except ValueError:
        raise DataError(
            f"{path}: columns of CoNLL files have no names, but {column!r} was asked for; give a number"
        ) from None


def _read_conll(path: Path, column: int, token_column: int) -> Iterator[TaggedSentence]:
    """Plain columns, separated by tabs or spaces; -DOCSTART- lines are left out.

    A line with # is a comment only between sentences and only if it cannot be a token line: "#" is a frequent word
    of web text.
    """
    first = _first_token_line(path)
    if not first:
        return
    separator = "\t" if "\t" in first else " "
    width = len(_split(first, separator))
    if width == 1:
        raise DataError(
            f"{path}: one column, {first[:40]!r}; needed are a token and its tag in each line, separated by a tab or "
            "a space"
        )
    for wanted in (token_column, column):
        if not -width <= wanted < width:
            raise DataError(f"{path} has {width} columns, numbered from 0; there is no column {wanted}")
    tokens: list[str] = []
    tags: list[str] = []
    begin = 0
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip(BLANKS) or line.startswith(DOCUMENT_START):
            if tokens:
                yield TaggedSentence(f"{path}, line {begin}", tokens, tags)
            tokens, tags = [], []
            continue
        cells = _split(line, separator)
        if len(cells) != width:
            if line.startswith("#") and not tokens:
                continue
            raise DataError(
                f"{path}, line {number}: {len(cells)} columns where the first token line has {width} (separated by "
                f"{separator!r}): {line[:40]!r}; mend the line"
            )
        begin = begin if tokens else number
        tokens.append(_filled(cells[token_column], "token", path, number))
        tags.append(_filled(cells[column].strip(BLANKS), "tag", path, number))
    if tokens:
        yield TaggedSentence(f"{path}, line {begin}", tokens, tags)


def _read_numbered(path: Path, kind: str, column: int | str | None) -> Iterator[TaggedSentence]:
    """CoNLL-U and .iob2; ranges (3-4, words that are written as one) and empty nodes (3.1) are left out."""
    pick = _column_picker(path, kind, column)
    fewest, most = len(NUMBERED_FORMATS[kind].names), NUMBERED_FORMATS[kind].most
    tokens: list[str] = []
    tags: list[str] = []
    begin = 0
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip(BLANKS):
            if tokens:
                yield TaggedSentence(f"{path}, line {begin}", tokens, tags)
            tokens, tags = [], []
            continue
        if line.startswith("#") and "\t" not in line:
            continue
        cells = line.split("\t")
        if not fewest <= len(cells) <= most:
            raise DataError(
                f"{path}, line {number}: {len(cells)} columns separated by tabs; {kind} has "
                f"{fewest if fewest == most else f'{fewest} to {most}'}. Mend the line, or give another format"
            )
        if not _is_number(cells[0]):
            if all(_is_number(part) for part in cells[0].replace("-", ".").split(".")):
                continue
            raise DataError(f"{path}, line {number}: {cells[0]!r} stands where {kind} has the number of the token")
        if int(cells[0]) != len(tokens) + 1:
            raise DataError(
                f"{path}, line {number}: token {cells[0]} follows {len(tokens) or 'the begin of a sentence'}; a line is "
                "missing, or the empty line between two sentences"
            )
        begin = begin if tokens else number
        tokens.append(_filled(cells[1], "form", path, number))
        tags.append(_filled(pick(cells), "tag", path, number))
    if tokens:
        yield TaggedSentence(f"{path}, line {begin}", tokens, tags)


def _column_picker(path: Path, kind: str, column: int | str | None) -> Callable[[list[str]], str]:
    """Function from the cells of a line to its tag."""
    names = NUMBERED_FORMATS[kind].names
    wanted = NUMBERED_FORMATS[kind].tag if column is None else str(column)
    name, _, key = wanted.partition(":")
    if _is_number(name.removeprefix("-")) and -len(names) <= int(name) < len(names):
        name = names[int(name)]
    if name not in names or (key and name not in FEATURE_LISTS):
        lists = [f"{name}:KEY" for name in FEATURE_LISTS if name in names]
        raise DataError(f"{path}: {kind} has no column {wanted!r}; its columns are {', '.join([*names, *lists])}")
    place = names.index(name)
    if key:
        return lambda cells: _value_of(key, cells[place])
    return lambda cells: cells[place].strip(BLANKS)


def _value_of(key: str, features: str) -> str:
    pairs = (pair.partition("=") for pair in features.split("|"))
    return next((value for name, _, value in pairs if name == key), "O")


def _first_token_line(path: Path) -> str:
    """First line that is neither empty nor begins with # or -DOCSTART-; if there is none, the first with #, or ""."""
    first = ""
    for line in read_lines(path):
        if line.strip(BLANKS) and not line.startswith(DOCUMENT_START):
            if not line.startswith("#"):
                return line
            first = first or line
    return first


def _split(line: str, separator: str) -> list[str]:
    return line.split("\t") if separator == "\t" else [cell for cell in line.split(" ") if cell]


def _filled(value: str, what: str, path: Path, number: int) -> str:
    if not value:
        raise DataError(f"{path}, line {number}: the {what} is empty; mend the line")
    return value


def _is_number(text: str) -> bool:
    return text.isdigit() and text.isascii()
