# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Lines, JSON and records out of files: UTF-8, plain or .gz, .xz, .bz2; every error names the file and the place."""

import bz2
import csv
import gzip
import json
import lzma
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}
ARCHIVES = {".tar", ".tgz", ".zip", ".7z", ".rar"}
RECORD_FORMATS = ("csv", "tsv", "json", "jsonl")
JSON_SUFFIXES = {".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl"}
RECORD_SUFFIXES = {".csv": "csv", ".tsv": "tsv", **JSON_SUFFIXES}

# What a reader passes on for each example: where it stands (for messages) and its fields by name.
Record = tuple[str, dict[str, Any]]


class DataError(ValueError):
    """Data cannot be read as asked; the message is one line that names file and place, and says what to do."""


def as_paths(source: str | os.PathLike | Iterable[str | os.PathLike]) -> list[Path]:
    """One path or several as a list of files that exist.

    Raises:
        DataError: nothing given, a file is missing, or a folder or an archive stands where a file is needed.
    """
    paths = [Path(source)] if isinstance(source, str | os.PathLike) else [Path(item) for item in source]
    if not paths:
        raise DataError("no data file given: name at least one")
    for path in paths:
        if path.is_dir():
            raise DataError(f"{path} is a folder: name files, or give the folder to load_task_data")
        if not path.is_file():
            raise DataError(f"{path}: no such file")
        if ARCHIVES.intersection(suffix.lower() for suffix in path.suffixes):
            raise DataError(f"{path} is an archive of several files: unpack it and name the files inside")
    return paths


def name_parts(path: Path) -> list[str]:
    """Name of a file in lower case, split at dots, without the ending of the compression."""
    parts = path.name.lower().split(".")
    return parts[:-1] if len(parts) > 1 and f".{parts[-1]}" in OPENERS else parts


def format_by_suffix(path: Path, formats: dict[str, str]) -> str | None:
    """Format that the ending of a name stands for (compression aside), None for an unknown ending."""
    return formats.get("." + name_parts(path)[-1])


def read_lines(path: Path, keep_ends: bool = False, may_be_empty: bool = False) -> Iterator[str]:
    r"""Lines of a UTF-8 file, one at a time; only \n and \r\n end a line, and a byte order mark is dropped.

    Raises:
        DataError: not UTF-8, naming the line; damaged or cut-off compressed file; empty file unless it may be.
    """
    opener = OPENERS.get(path.suffix.lower(), open)
    number = 0
    try:
        with opener(path, "rb") as file:
            for number, raw in enumerate(file, start=1):
                if number == 1:
                    raw = raw.removeprefix(b"\xef\xbb\xbf")
                text = raw.decode("utf-8")
                yield text if keep_ends else text.removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        utf16 = number == 1 and error.object[:2] in (b"\xff\xfe", b"\xfe\xff")
        raise DataError(
            f"{path}, line {number}: not UTF-8 (byte 0x{error.object[error.start]:02x} at position {error.start + 1} of "
            f"the line); convert the file first, for example iconv -f {'utf-16' if utf16 else 'latin1'} -t utf-8"
        ) from error
    except (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
        raise DataError(f"{path} is damaged or cut off after line {number}: {error}") from error
    except OSError as error:  # bz2 has no exception of its own
        if path.suffix.lower() == ".bz2":
            raise DataError(f"{path} is damaged or cut off after line {number}: {error}") from error
        raise
    if number == 0 and not may_be_empty:
        raise DataError(f"{path} is empty")


def _parse_json(text: str, place: str, first_line: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        raise DataError(f"{place}, line {line}, column {error.colno}: not JSON ({error.msg})") from error


def read_json_lines(path: Path) -> Iterator[Record]:
    """One JSON object a line.

    Raises:
        DataError: a line is not JSON or not an object.
    """
    for number, line in enumerate(read_lines(path), start=1):
        if line.strip():
            yield _as_record(_parse_json(line, str(path), number), f"{path}, line {number}")


def read_json_records(path: Path) -> Iterator[Record]:
    """Records of a JSON file: a list of objects, an object with such a list under "data", or an object a line.

    Raises:
        DataError: none of these.
    """
    content = read_json_or_lines(path)
    if content is None:
        yield from read_json_lines(path)
    else:
        yield from json_records(content, path)


def read_json_or_lines(path: Path) -> Any:
    """The value in a JSON file; None where the file holds JSON lines, as `Dataset.to_json` writes into .json too.

    Raises:
        DataError: neither of the two.
    """
    text = "".join(read_lines(path, keep_ends=True))
    first, _, rest = text.lstrip().partition("\n")
    if rest.strip():
        try:
            if isinstance(json.loads(first), dict):
                return None
        except json.JSONDecodeError:
            pass  # a value over several lines
    return _parse_json(text, str(path), first_line=1)


def json_records(content: Any, path: Path) -> Iterator[Record]:
    """Records in a JSON value: a list of objects, an object with such a list under "data", or a single object.

    Raises:
        DataError: something else.
    """
    if isinstance(content, dict):
        content = content["data"] if isinstance(content.get("data"), list) else [content]
    if not isinstance(content, list):
        raise DataError(f"{path} holds one {_kind(content)}; needed is a list of objects, or an object a line")
    for number, item in enumerate(content, start=1):
        yield _as_record(item, f"{path}, record {number}")


def _as_record(value: Any, place: str) -> Record:
    if not isinstance(value, dict):
        raise DataError(f'{place}: a {_kind(value)}; needed is an object with named fields, as {{"text": ...}}')
    return place, value


def _kind(value: Any) -> str:
    kinds = {dict: "object", list: "list", str: "string", bool: "truth value", type(None): "null"}
    return kinds.get(type(value), "number")


def read_table(
    path: Path, delimiter: str | None = None, header: bool = True, quoted: bool | None = None
) -> Iterator[Record]:
    """Rows of a CSV or TSV file by column name.

    Args:
        delimiter: None stands for a tab in a .tsv file, else for the first of comma, semicolon and tab that the
            first line contains.
        header: whether the first line names the columns; without, they are called "0", "1", ...
        quoted: whether double quotes enclose fields; None stands for yes, but no with tabs, where a quote is nearly
            always a character of the text.
    Raises:
        DataError: a row has more or fewer fields than the first, an unclosed quote, a column name twice.
    """
    lines = read_lines(path, keep_ends=True)
    first = next(lines)
    if delimiter is None:
        is_tsv = name_parts(path)[-1] == "tsv"
        delimiter = "\t" if is_tsv else next((mark for mark in ",;\t" if mark in first), ",")
    if quoted is None:
        quoted = delimiter != "\t"
    rows = csv.reader(
        chain([first], lines),
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
        strict=True,  # else an unclosed quote swallows the rest of the file
    )
    names: list[str] | None = None
    try:
        for row in rows:
            place = f"{path}, line {rows.line_num}"
            if not row:
                continue
            if names is None:
                names = [name.strip() for name in row] if header else [str(index) for index in range(len(row))]
                repeated = sorted({name for name in names if names.count(name) > 1})
                if repeated:
                    raise DataError(f"{place}: two columns are called {repeated[0]!r}; rename one")
                if header:
                    continue
            if len(row) != len(names):
                raise DataError(
                    f"{place}: {len(row)} fields, but the first line has {len(names)} (separated by {delimiter!r}, "
                    f"{'with' if quoted else 'without'} quotes); mend the line, or say otherwise by delimiter= or "
                    f"quoted={not quoted}"
                )
            yield place, dict(zip(names, row, strict=True))
    except csv.Error as error:
        raise DataError(
            f"{path}, line {rows.line_num}: {error}; a quote inside a quoted field is written twice, quoted=False "
            "takes quotes as text, and fields of any length can be stored as JSON lines"
        ) from error


def read_records(path: Path, kind: str, **table_options: Any) -> Iterator[Record]:
    """Records of a file in one of RECORD_FORMATS; `table_options` (see `read_table`) count for CSV and TSV."""
    if kind == "jsonl":
        return read_json_lines(path)
    if kind == "json":
        return read_json_records(path)
    return read_table(path, **table_options)
