# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What all tasks need to make a data set of records: choosing columns, checking text, building the Dataset."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_elmo.data.files import DataError, Record

if TYPE_CHECKING:
    from datasets import Dataset


def check_format(format: str | None, formats: Sequence[str]) -> None:
    """Refuse a format that the task has no reader for."""
    if format is not None and format not in formats:
        raise DataError(f"format={format!r} is not known for this task; it is one of {', '.join(formats)}")


def choose_column(record: Record, wanted: int | str | None, usual: Iterable[str], role: str) -> str:
    """Name of the column for a role: the wanted one, else the first of the usual names that the record has.

    Raises:
        DataError: no such column; names those that there are and the argument that chooses.
    """
    place, fields = record
    names = usual if wanted is None else (str(wanted),)
    for name in names:
        if name in fields:
            return name
    looked_for = f"none is called {', '.join(names)}" if wanted is None else f"{str(wanted)!r} is not among them"
    raise DataError(f"{place}: the columns are {', '.join(map(repr, fields))}; {looked_for}. Name it by {role}=")


def as_text(record: Record, name: str) -> str:
    """A field that must be text which UTF-8 can hold."""
    place, fields = record
    if name not in fields:
        raise DataError(f"{place}: there is no {name!r}; the columns are {', '.join(map(repr, fields))}")
    return check_text(fields[name], f"{place}: {name!r}")


def check_text(value: Any, what: str) -> str:
    """The value itself if it is text which UTF-8 can hold: JSON can spell half of a surrogate pair."""
    if not isinstance(value, str):
        raise DataError(f"{what} is {_shown(value)}; needed is text in quotes")
    if not value.isascii():
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise DataError(
                f"{what} has half of a surrogate pair, {ascii(value[error.start])}, at character {error.start + 1}; "
                "write the whole character"
            ) from error
    return value


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def no_examples(path: Path, what: str) -> DataError:
    return DataError(f"{path} holds no {what}; check that it is the right file and format")


def import_datasets() -> Any:
    """The package `datasets`, imported when data are read and not before.

    Raises:
        ImportError: it is not installed; names the extra that brings it.
    """
    try:
        import datasets
    except ImportError as error:
        raise ImportError('reading data sets needs the package datasets: pip install "hf-elmo[train]"') from error
    return datasets


def make_dataset(columns: dict[str, Any], types: dict[str, Any]) -> "Dataset":
    """A data set in memory, with the same types whatever the values are.

    Args:
        columns: a list for each column.
        types: name of the type of each column ("string", "int64", ...), in a list for lists, in a dict for objects.
    """
    datasets = import_datasets()

    def feature(kind: Any) -> Any:
        if isinstance(kind, list):
            return [feature(kind[0])]
        if isinstance(kind, dict):
            return {name: feature(part) for name, part in kind.items()}
        return datasets.Value(kind)

    return datasets.Dataset.from_dict(columns, features=datasets.Features(feature(types)))
