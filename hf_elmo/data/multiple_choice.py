# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Multiple choice: a context, several ways to go on, and the number of the right one, as SWAG and HellaSwag have it."""

import os
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from hf_elmo.data.files import (
    RECORD_FORMATS,
    RECORD_SUFFIXES,
    DataError,
    Record,
    as_paths,
    format_by_suffix,
    read_records,
)
from hf_elmo.data.records import as_text, check_format, check_text, choose_column, make_dataset, no_examples

if TYPE_CHECKING:
    from datasets import Dataset

FORMATS = RECORD_FORMATS
CONTEXT_COLUMNS = ("sent1", "ctx_a", "context", "ctx", "sentence", "premise", "question", "startphrase")
# Begin of a sentence that every choice completes.
OPENING_OF_CONTEXT = {"sent1": "sent2", "ctx_a": "ctx_b"}
CHOICES_COLUMNS = ("choices", "endings")
NUMBERED_CHOICE = re.compile(r"(choice|ending|option|answer)_?(\d+)")


class Choice(NamedTuple):
    """A context with its choices; `label` is the number of the right one, from 0."""

    place: str
    context: str
    choices: list[str]
    label: int


def load_multiple_choice(
    paths: str | os.PathLike | Iterable[str | os.PathLike],
    *,
    context_column: str | None = None,
    choices_column: str | None = None,
    label_column: str | None = None,
    delimiter: str | None = None,
    quoted: bool | None = None,
    format: str | None = None,
) -> "Dataset":
    """Read contexts with several choices of which one is right.

    Zellers et al. 2018 (SWAG: sent1, sent2, ending0 to ending3, label) and 2019 (HellaSwag: ctx_a, ctx_b, endings,
    label); sent2 and ctx_b are put before each choice.

    Args:
        paths: files in one of the formats "csv", "tsv", "json", "jsonl"; plain or .gz, .xz, .bz2.
        context_column, choices_column, label_column: None for the usual names. The choices are a list in JSON, else
            columns with numbers (ending0, ending1, ...; choice1, choice2, ...).
        delimiter, quoted: of CSV and TSV, see `hf_elmo.data.files.read_table`.
        format: None takes it from the ending of each file.
    Returns:
        Dataset with columns context: str, choices: list[str], all of one length, and label: int.
    Raises:
        DataError: names the file and the place, what was found and what is needed.
    """
    check_format(format, FORMATS)
    names = (context_column, choices_column, label_column)
    examples: list[Choice] = []
    for path in as_paths(paths):
        kind = format or format_by_suffix(path, RECORD_SUFFIXES)
        if kind is None:
            raise DataError(f"{path}: unknown format; choices are read from {', '.join(RECORD_SUFFIXES)}")
        found = list(read_choices(read_records(path, kind, delimiter=delimiter, quoted=quoted), *names))
        if not found:
            raise no_examples(path, "example")
        examples += found
    return multiple_choice_dataset(examples)


def multiple_choice_from_records(
    records: Iterable[Record],
    *,
    context_column: str | None = None,
    choices_column: str | None = None,
    label_column: str | None = None,
) -> "Dataset":
    """The data set of records with a context, choices and a label (see `load_multiple_choice`)."""
    return multiple_choice_dataset(list(read_choices(records, context_column, choices_column, label_column)))


def read_choices(
    records: Iterable[Record], context_column: str | None, choices_column: str | None, label_column: str | None
) -> Iterator[Choice]:
    """Examples of records.

    Raises:
        DataError: a column is missing, there are fewer than two choices, or the label is not the number of one.
    """
    for record in records:
        place, fields = record
        context_name = choose_column(record, context_column, CONTEXT_COLUMNS, "context_column")
        label_name = choose_column(record, label_column, ("label",), "label_column")
        choices = _choices(record, choices_column)
        opening = OPENING_OF_CONTEXT.get(context_name)
        if opening in fields:
            start = as_text(record, opening).strip()
            choices = [f"{start} {choice}".strip() for choice in choices]
        label = str(fields[label_name]).strip()
        if not label.isdecimal() or int(label) >= len(choices):
            raise DataError(
                f"{place}: the label is {fields[label_name]!r}; needed is the number of the right choice, 0 to "
                f"{len(choices) - 1}"
            )
        yield Choice(place, as_text(record, context_name), choices, int(label))


def _choices(record: Record, wanted: str | None) -> list[str]:
    place, fields = record
    numbered = sorted((int(match[2]), name) for name in fields if (match := NUMBERED_CHOICE.fullmatch(name)))
    if wanted is None and numbered:
        choices = [as_text(record, name) for _, name in numbered]
    else:
        name = choose_column(record, wanted, CHOICES_COLUMNS, "choices_column")
        choices = fields[name]
        if not isinstance(choices, list):
            raise DataError(
                f"{place}: {name!r} is no list; needed is a list of texts, or columns ending0, ending1, ..."
            )
        choices = [check_text(choice, f"{place}: a choice") for choice in choices]
    if len(choices) < 2:
        raise DataError(f"{place}: {len(choices)} choice(s); needed are at least two")
    return choices


def multiple_choice_dataset(examples: list[Choice]) -> "Dataset":
    """The data set of examples.

    Raises:
        DataError: they differ in the number of choices, which makes no batch.
    """
    for example in examples:
        if len(example.choices) != len(examples[0].choices):
            raise DataError(
                f"{example.place}: {len(example.choices)} choices, but {examples[0].place} has "
                f"{len(examples[0].choices)}; all examples need the same number"
            )
    columns = {
        "context": [example.context for example in examples],
        "choices": [example.choices for example in examples],
        "label": [example.label for example in examples],
    }
    return make_dataset(columns, {"context": "string", "choices": ["string"], "label": "int64"})
