# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Text classification: tables and JSON with named columns, one file a class, and the JSON of CLINC150 and Snips."""

import json
import logging
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hf_elmo.data.class_formats import clinc150_records, json_kind, read_class_lines, snips_records
from hf_elmo.data.files import (
    RECORD_FORMATS,
    RECORD_SUFFIXES,
    DataError,
    Record,
    as_paths,
    format_by_suffix,
    json_records,
    read_json_lines,
    read_json_or_lines,
    read_table,
)
from hf_elmo.data.records import as_text, check_format, check_text, choose_column, make_dataset, no_examples

if TYPE_CHECKING:
    from datasets import Dataset

FORMATS = (*RECORD_FORMATS, "lines", "clinc150", "snips")
PROBLEM_TYPES = ("single_label_classification", "multi_label_classification", "regression")  # as in transformers
PAIR_COLUMNS = {
    "text": "text_pair",
    "sentence1": "sentence2",
    "premise": "hypothesis",
    "question1": "question2",
    "question": "sentence",
    "text_a": "text_b",
}
TEXT_COLUMNS = ("text", "sentence", "sentence1", "utterance", "query", "review", "content")
LABEL_COLUMNS = ("label", "labels", "category", "intent", "class", "sentiment", "target", "score")
WHOLE = re.compile(r"[+-]?\d+")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")

logger = logging.getLogger(__name__)


class ColumnNames(NamedTuple):
    """Columns that the caller names; None stands for the usual names."""

    text: int | str | None = None
    pair: int | str | None = None
    label: int | str | None = None


class Example(NamedTuple):
    """A text or two, and the label as the file has it."""

    place: str
    text: str
    pair: str | None
    label: Any


def load_classification(
    paths: str | os.PathLike | Iterable[str | os.PathLike],
    *,
    text_column: int | str | None = None,
    text_pair_column: int | str | None = None,
    label_column: int | str | None = None,
    problem_type: str | None = None,
    label_separator: str = ",",
    delimiter: str | None = None,
    header: bool = True,
    quoted: bool | None = None,
    split: str | None = None,
    format: str | None = None,
) -> "Dataset":
    """Read texts, or pairs of texts, with their classes or scores.

    Args:
        paths: files in one of the formats "csv", "tsv", "json" (list of objects, or objects under "data"), "jsonl",
            "lines" (a text a line; the class is in the name: train.pos, neg.txt), "clinc150" and "snips" (their own
            JSON); plain or .gz, .xz, .bz2.
        text_column, text_pair_column, label_column: names of columns, or numbers with header=False. None: the first
            of the usual names (text, sentence, sentence1 and sentence2, premise and hypothesis, ...; label, category,
            intent, ...).
        problem_type: as in transformers' configurations. "regression" makes numbers of the labels,
            "multi_label_classification" lists (tables: separated by `label_separator`). None: lists stay lists, labels
            that are all numbers, one at least with a decimal point, become numbers, others text. Give it where train
            and dev could look different.
        delimiter, header, quoted: of CSV and TSV, see `hf_elmo.data.files.read_table`.
        split: which part to take of a CLINC150 file that holds several; its out-of-scope texts come with it.
        format: None takes it from the ending and the content of each file.
    Returns:
        Dataset with columns text: str, text_pair: str where there are pairs, and label: str, float or list[str].
    Raises:
        DataError: names the file and the place, what was found and what is needed.
    """
    check_format(format, FORMATS)
    columns = ColumnNames(text_column, text_pair_column, label_column)
    table = {"delimiter": delimiter, "header": header, "quoted": quoted}
    examples: list[Example] = []
    kinds = set()
    for path in as_paths(paths):
        kind = format or format_by_suffix(path, RECORD_SUFFIXES) or "lines"
        found = list(read_examples(_records(path, kind, split, table), columns))
        if not found:
            raise no_examples(path, "example")
        kinds.add(kind)
        examples += found
    if kinds == {"lines"} and len({example.label for example in examples}) == 1:
        raise DataError(
            f"{examples[0].place}: all texts are of the class {examples[0].label!r}, by the name of the file; give the "
            "files of the other classes too, or a table with labels (.csv, .tsv, .json, .jsonl)"
        )
    return classification_dataset(examples, problem_type, label_separator)


def _records(path: Path, kind: str, split: str | None, table: dict[str, Any]) -> Iterator[Record]:
    if kind == "lines":
        return read_class_lines(path)
    if kind in ("csv", "tsv"):
        return read_table(path, **table)
    if kind == "jsonl":
        return read_json_lines(path)
    content = read_json_or_lines(path)
    if content is None:
        return read_json_lines(path)
    kind = json_kind(content) if kind == "json" else kind
    if kind == "clinc150":
        return clinc150_records(content, path, split)
    if kind == "snips":
        return snips_records(content, path)
    return json_records(content, path)


def classification_from_records(
    records: Iterable[Record],
    *,
    text_column: int | str | None = None,
    text_pair_column: int | str | None = None,
    label_column: int | str | None = None,
    problem_type: str | None = None,
    label_separator: str = ",",
) -> "Dataset":
    """The data set of records with texts and labels (see `load_classification`)."""
    columns = ColumnNames(text_column, text_pair_column, label_column)
    return classification_dataset(list(read_examples(records, columns)), problem_type, label_separator)


def read_examples(records: Iterable[Record], columns: ColumnNames) -> Iterator[Example]:
    """Examples of records; the columns are chosen at the first record.

    Raises:
        DataError: a column is missing, or a text is none.
    """
    names = None
    for record in records:
        place, fields = record
        names = names or _choose_columns(record, columns)
        text, pair, label = names
        if label not in fields:
            raise DataError(f"{place}: there is no {label!r}; the columns are {', '.join(map(repr, fields))}")
        yield Example(place, as_text(record, text), as_text(record, pair) if pair else None, fields[label])


def _choose_columns(record: Record, columns: ColumnNames) -> tuple[str, str | None, str]:
    label = choose_column(record, columns.label, LABEL_COLUMNS, "label_column")
    if columns.text is None and columns.pair is None:
        for first, second in PAIR_COLUMNS.items():
            if first in record[1] and second in record[1]:
                return first, second, label
    text = choose_column(record, columns.text, TEXT_COLUMNS, "text_column")
    pair = None if columns.pair is None else choose_column(record, columns.pair, (), "text_pair_column")
    return text, pair, label


def classification_dataset(examples: list[Example], problem_type: str | None, label_separator: str) -> "Dataset":
    """The data set of examples, with labels as `problem_type` says (see `load_classification`)."""
    if problem_type not in (None, *PROBLEM_TYPES):
        raise DataError(f"problem_type={problem_type!r}; it is one of {', '.join(PROBLEM_TYPES)}")
    with_pair = {example.pair is not None for example in examples}
    if len(with_pair) > 1:
        odd = next(example for example in examples if (example.pair is None) != (examples[0].pair is None))
        raise DataError(f"{odd.place}: pairs of texts and single texts cannot be mixed; name the columns alike")
    if problem_type is None:
        problem_type = _guess_problem_type([example.label for example in examples])
        if problem_type != "single_label_classification":
            logger.info("from %s on: labels are read for %s", examples[0].place, problem_type)
    convert, label_type = {
        "regression": (_as_number, "float64"),
        "multi_label_classification": (lambda example: _as_list(example, label_separator), ["string"]),
        "single_label_classification": (_as_class, "string"),
    }[problem_type]
    columns: dict[str, list] = {"text": [example.text for example in examples]}
    types: dict[str, Any] = {"text": "string", "label": label_type}
    if with_pair == {True}:
        columns["text_pair"], types["text_pair"] = [example.pair for example in examples], "string"
    columns["label"] = [convert(example) for example in examples]
    return make_dataset(columns, {name: types[name] for name in columns})


def _guess_problem_type(labels: list[Any]) -> str:
    if any(isinstance(label, list) for label in labels):
        return "multi_label_classification"
    texts = [json.dumps(label) if isinstance(label, int | float) else label for label in labels]
    if all(isinstance(text, str) and NUMBER.fullmatch(text.strip()) for text in texts):
        if not all(WHOLE.fullmatch(text.strip()) for text in texts):
            return "regression"
    return "single_label_classification"


def _as_class(example: Example) -> str:
    label = example.label
    if isinstance(label, int | float):  # true and false too
        label = json.dumps(label)
    label = check_text(label, f"{example.place}: the label").strip()
    if not label:
        raise DataError(f"{example.place}: the label is empty")
    return label


def _as_number(example: Example) -> float:
    try:
        number = float(example.label)
    except (TypeError, ValueError):
        number = float("nan")
    if not float("-inf") < number < float("inf"):
        raise DataError(f"{example.place}: the label is {example.label!r}; regression needs a finite number")
    return number


def _as_list(example: Example, separator: str) -> list[str]:
    labels = example.label.split(separator) if isinstance(example.label, str) else example.label
    if not isinstance(labels, list):
        raise DataError(f"{example.place}: the label is {labels!r}; with several labels a text needs a list of them")
    single = [_as_class(example._replace(label=label)) for label in labels if label != "" or len(labels) > 1]
    return list(dict.fromkeys(single))
