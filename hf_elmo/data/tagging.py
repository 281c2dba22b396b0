# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Sequence tagging: sentences of tokens with one tag each, out of CoNLL columns, .iob2, CoNLL-U or JSON."""

import logging
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from hf_elmo.data.columns import COLUMN_FORMATS, TaggedSentence, detect_column_format, read_columns
from hf_elmo.data.files import JSON_SUFFIXES, DataError, Record, as_paths, format_by_suffix, read_records
from hf_elmo.data.records import check_format, check_text, choose_column, make_dataset, no_examples
from hf_elmo.data.tags import BIO_TAG, is_bio, to_bio2

if TYPE_CHECKING:
    from datasets import Dataset

FORMATS = (*COLUMN_FORMATS, "json", "jsonl")
SCHEMES = ("auto", "bio2", "plain")
TOKEN_COLUMNS = ("tokens", "words")
TAG_COLUMNS = ("tags", "ner_tags", "upos", "pos_tags", "labels")

logger = logging.getLogger(__name__)


def load_tagging(
    paths: str | os.PathLike | Iterable[str | os.PathLike],
    column: int | str | None = None,
    *,
    token_column: int | str | None = None,
    scheme: str = "auto",
    format: str | None = None,
) -> "Dataset":
    """Read sentences with a tag for each token.

    Args:
        paths: files in one of the formats "conll" (columns, tab or spaces), "conllu", "iob2" (id, form, tag), "json"
            and "jsonl" (objects with lists of tokens and tags); plain or .gz, .xz, .bz2.
        column: where the tags are. CoNLL: number of a column, -1 (the last) by default. CoNLL-U: "upos" by default,
            "xpos", "deprel", ..., or "misc:KEY" and "feats:KEY" for one value of these lists. JSON: name of the field.
        token_column: where the tokens are, in CoNLL (0 by default) and JSON ("tokens" or "words").
        scheme: "bio2" makes BIO2 of IOB1 tags and refuses other tags; "plain" leaves tags as they are; "auto" is
            "bio2" for data whose tags mark spans, else "plain".
        format: None takes it from the ending or the first lines of each file.
    Returns:
        Dataset with columns tokens: list[str] and tags: list[str], of equal lengths, at least 1.
    Raises:
        DataError: names the file and the place, what was found and what is needed.
    """
    check_format(format, FORMATS)
    sentences: list[TaggedSentence] = []
    for path in as_paths(paths):
        kind = format or format_by_suffix(path, JSON_SUFFIXES) or detect_column_format(path)
        if kind in COLUMN_FORMATS:
            found = list(read_columns(path, kind, column, token_column))
        else:
            found = list(read_tagged_records(read_records(path, kind), token_column, column))
        if not found:
            raise no_examples(path, "sentence")
        sentences += found
    return tagging_dataset(sentences, scheme)


def tagging_from_records(
    records: Iterable[Record],
    *,
    column: int | str | None = None,
    token_column: int | str | None = None,
    scheme: str = "auto",
) -> "Dataset":
    """The data set of records that have lists of tokens and tags (see `load_tagging`)."""
    return tagging_dataset(list(read_tagged_records(records, token_column, column)), scheme)


def read_tagged_records(
    records: Iterable[Record], token_column: int | str | None, tag_column: int | str | None
) -> Iterator[TaggedSentence]:
    """Sentences of records with a list of tokens and a list of tags; empty sentences are left out.

    Raises:
        DataError: a column is missing, is no list of text, or the two have different lengths.
    """
    token_name = tag_name = None
    for record in records:
        place, fields = record
        if token_name is None or tag_name is None:
            token_name = choose_column(record, token_column, TOKEN_COLUMNS, "token_column")
            tag_name = choose_column(record, tag_column, TAG_COLUMNS, "column")
        tokens = [check_text(token, f"{place}: a token") for token in _list(place, fields, token_name)]
        # Numbers are names of classes like any other.
        tags = [
            str(tag) if type(tag) is int else check_text(tag, f"{place}: a tag")
            for tag in _list(place, fields, tag_name)
        ]
        if len(tokens) != len(tags):
            raise DataError(f"{place}: {len(tokens)} tokens but {len(tags)} tags; each token needs one")
        if tokens:
            yield TaggedSentence(place, tokens, tags)


def _list(place: str, fields: dict[str, Any], name: str) -> list:
    value = fields.get(name)
    if not isinstance(value, list):
        raise DataError(
            f"{place}: {name!r} is {'missing' if value is None else 'no list'}; needed is one item a token"
        )
    return value


def tagging_dataset(sentences: list[TaggedSentence], scheme: str) -> "Dataset":
    """The data set of sentences, its tags brought into the scheme (see `load_tagging`)."""
    if scheme not in SCHEMES:
        raise DataError(f"scheme={scheme!r}; it is one of {', '.join(SCHEMES)}")
    tags = {tag for sentence in sentences for tag in sentence.tags}
    # "O" beside B-... cannot be parts of speech: a tag of another form is a slip or another scheme (BIOES).
    spans = is_bio(tags) or ("O" in tags and is_bio({tag for tag in tags if tag[:2] in ("B-", "I-")}))
    if scheme == "bio2" or (scheme == "auto" and spans):
        tag_lists = [_converted(sentence) for sentence in sentences]
        changed = sum(
            old != new
            for sentence, row in zip(sentences, tag_lists, strict=True)
            for old, new in zip(sentence.tags, row, strict=True)
        )
        if changed:
            logger.info("from %s on: %d tags I- that begin a span became B-", sentences[0].place, changed)
    else:
        tag_lists = [sentence.tags for sentence in sentences]
    columns = {"tokens": [sentence.tokens for sentence in sentences], "tags": tag_lists}
    return make_dataset(columns, {"tokens": ["string"], "tags": ["string"]})


def _converted(sentence: TaggedSentence) -> list[str]:
    for token, tag in zip(sentence.tokens, sentence.tags, strict=True):
        if not BIO_TAG.fullmatch(tag):
            raise DataError(
                f"sentence at {sentence.place}: the tag of {token!r} is {tag!r}, but tags of spans are O, B-... and "
                'I-...; mend it, or give scheme="plain" to take all tags as they are'
            )
    return to_bio2(sentence.tags)
