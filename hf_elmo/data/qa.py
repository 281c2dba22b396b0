# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Extractive question answering: SQuAD v1.1 and v2 JSON, or a question with its context in each JSON object."""

import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hf_elmo.data.files import (
    JSON_SUFFIXES,
    DataError,
    Record,
    as_paths,
    format_by_suffix,
    json_records,
    read_json_lines,
    read_json_or_lines,
)
from hf_elmo.data.records import as_text, check_format, check_text, make_dataset, no_examples

if TYPE_CHECKING:
    from datasets import Dataset

FORMATS = ("squad", "json", "jsonl")

logger = logging.getLogger(__name__)


class Question(NamedTuple):
    """A question about a text; `unaligned` counts answers whose text does not stand at answer_start."""

    place: str
    id: str
    question: str
    context: str
    texts: list[str]
    starts: list[int]
    unaligned: int


def load_qa(
    paths: str | os.PathLike | Iterable[str | os.PathLike],
    *,
    keep_unaligned: bool = False,
    format: str | None = None,
) -> "Dataset":
    """Read questions whose answers are spans of a text.

    Rajpurkar et al. 2016 and 2018. Questions that have no answer (v2) come with empty lists. An answer whose text does
    not stand at its answer_start cannot be learnt from: it is left out, and a question that has no other answer
    with it, or it would count as one without an answer. How many is logged as a warning.

    Args:
        paths: files in one of the formats "squad" (SQuAD's JSON), "json" and "jsonl" (objects with id, question,
            context and answers, as `datasets` has squad); plain or .gz, .xz, .bz2.
        keep_unaligned: keep such answers with answer_start -1, for scores that compare texts only.
        format: None takes it from the ending and the content of each file.
    Returns:
        Dataset with columns id: str, question: str, context: str, answers: {text: list[str], answer_start: list[int]}.
    Raises:
        DataError: names the file and the place, what was found and what is needed; an id occurs twice.
    """
    check_format(format, FORMATS)
    questions: list[Question] = []
    for path in as_paths(paths):
        found = list(read_questions(_records(path, format)))
        if not found:
            raise no_examples(path, "question")
        questions += found
    return qa_dataset(questions, keep_unaligned)


def _records(path: Path, format: str | None) -> Iterator[Record]:
    kind = format or format_by_suffix(path, JSON_SUFFIXES)
    if kind is None:
        raise DataError(f"{path}: unknown format; questions are read from .json and .jsonl, or give format=")
    content = None if kind == "jsonl" else read_json_or_lines(path)
    if content is None:
        return read_json_lines(path)
    articles = content.get("data") if isinstance(content, dict) else None
    if isinstance(articles, list) and all(isinstance(item, dict) and "paragraphs" in item for item in articles):
        return _squad_records(articles, path)
    if kind == "squad":
        raise DataError(f'{path} is not SQuAD\'s JSON, {{"data": [{{"paragraphs": [{{"context", "qas"}}]}}]}}')
    return json_records(content, path)


def _squad_records(articles: list[dict[str, Any]], path: Path) -> Iterator[Record]:
    for article_number, article in enumerate(articles, start=1):
        for number, paragraph in enumerate(_objects(article["paragraphs"], f"{path}, article {article_number}"), 1):
            place = f"{path}, article {article_number}, paragraph {number}"
            context = as_text((place, paragraph), "context")
            for question_number, fields in enumerate(_objects(paragraph.get("qas"), f"{place}, 'qas'"), start=1):
                yield f"{place}, question {question_number}", {**fields, "context": context}


def _objects(value: Any, place: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise DataError(f"{place}: needed is a list of objects")
    return value


def qa_from_records(records: Iterable[Record], *, keep_unaligned: bool = False) -> "Dataset":
    """The data set of records with questions, contexts and answers (see `load_qa`)."""
    return qa_dataset(list(read_questions(records)), keep_unaligned)


def read_questions(records: Iterable[Record]) -> Iterator[Question]:
    """Questions of records with id, question, context, answers and, in SQuAD v2, is_impossible.

    Raises:
        DataError: a field is missing or has another form, or an id occurs twice.
    """
    for record in records:
        place, fields = record
        if not isinstance(fields.get("id"), str | int):
            raise DataError(f"{place}: no id; each question needs its own, as predictions are compared by id")
        context = as_text(record, "context")
        texts: list[str] = []
        starts: list[int] = []
        unaligned = 0
        for text, start in [] if fields.get("is_impossible") is True else _answers(record):
            aligned = 0 <= start and context.startswith(text, start) and text != ""
            unaligned += not aligned
            texts.append(text)
            starts.append(start if aligned else -1)
        yield Question(place, str(fields["id"]), as_text(record, "question"), context, texts, starts, unaligned)


def _answers(record: Record) -> Iterator[tuple[str, int]]:
    """Text and start of each answer: a list of objects as in SQuAD's files, or two lists as in `datasets`."""
    place, fields = record
    answers = fields.get("answers")
    if isinstance(answers, dict) and isinstance(answers.get("text"), list):
        texts, starts = answers["text"], answers.get("answer_start")
        if not isinstance(starts, list) or len(starts) != len(texts):
            raise DataError(f"{place}: 'answers' needs as many items in 'answer_start' as in 'text'")
        answers = [{"text": text, "answer_start": start} for text, start in zip(texts, starts, strict=True)]
    for answer in _objects(answers, f"{place}, 'answers'"):
        if type(answer.get("answer_start")) is not int:
            raise DataError(
                f"{place}: an answer has no number in 'answer_start', where its text begins in the context"
            )
        yield check_text(answer.get("text"), f"{place}: the text of an answer"), answer["answer_start"]


def qa_dataset(questions: list[Question], keep_unaligned: bool) -> "Dataset":
    """The data set of questions (see `load_qa`)."""
    place_of: dict[str, str] = {}
    for question in questions:
        if question.id in place_of:
            raise DataError(
                f"{question.place}: the id {question.id!r} is also that of {place_of[question.id]}; ids must differ"
            )
        place_of[question.id] = question.place
    kept = questions if keep_unaligned else [item for item in questions if not _has_only_unaligned(item)]
    unaligned = sum(question.unaligned for question in questions)
    if unaligned:
        logger.warning(
            "%d of %d answers do not stand at their answer_start (the first: %s); %s",
            unaligned,
            sum(len(question.texts) for question in questions),
            next(question.place for question in questions if question.unaligned),
            "they are kept with answer_start -1"
            if keep_unaligned
            else f"they are left out, and {len(questions) - len(kept)} of {len(questions)} questions with no other",
        )
    answers = [
        {
            "text": [text for text, start in _spans(item) if keep_unaligned or start >= 0],
            "answer_start": [start for _, start in _spans(item) if keep_unaligned or start >= 0],
        }
        for item in kept
    ]
    columns = {
        "id": [item.id for item in kept],
        "question": [item.question for item in kept],
        "context": [item.context for item in kept],
        "answers": answers,
    }
    types = {"id": "string", "question": "string", "context": "string"}
    return make_dataset(columns, {**types, "answers": {"text": ["string"], "answer_start": ["int32"]}})


def _has_only_unaligned(question: Question) -> bool:
    return 0 < question.unaligned == len(question.texts)


def _spans(question: Question) -> list[tuple[str, int]]:
    return list(zip(question.texts, question.starts, strict=True))
