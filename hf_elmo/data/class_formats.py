# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Files of classified texts that have a form of their own: a file a class, CLINC150's and Snips' JSON."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hf_elmo.data.files import DataError, Record, read_lines
from hf_elmo.data.records import check_text
from hf_elmo.data.splits import choose_by_split, class_of_name


def read_class_lines(path: Path) -> Iterator[Record]:
    """A text a line, all of the class that the file's name stands for; empty lines are left out.

    Raises:
        DataError: the name holds no class.
    """
    label = class_of_name(path)
    if label is None:
        raise DataError(
            f"{path}: no class in the name; a file with a text a line is called after its class (train.pos, "
            "train.neg); for tables and JSON end the name in .csv, .tsv, .json or .jsonl, or give format="
        )
    for number, line in enumerate(read_lines(path), start=1):
        if line.strip():
            yield f"{path}, line {number}", {"text": line.strip(), "label": label}


def json_kind(content: Any) -> str:
    """ "clinc150", "snips" or "json" (records), by the form of what a file holds."""
    if isinstance(content, dict) and content and all(isinstance(value, list) and value for value in content.values()):
        firsts = [value[0] for value in content.values()]
        if all(isinstance(item, list) for item in firsts):
            return "clinc150"
        if all(isinstance(item, dict) and isinstance(item.get("data"), list) for item in firsts):
            return "snips"
    return "json"


def clinc150_records(content: Any, path: Path, split: str | None) -> Iterator[Record]:
    """CLINC150 (Larson et al. 2019): {"train": [[text, intent], ...], "oos_train": ..., "val": ..., ...}.

    Raises:
        DataError: another form, or several splits in the file and none is chosen.
    """
    if json_kind(content) != "clinc150":
        raise DataError(f"{path} is not CLINC150's JSON, an object of lists of [text, intent]")
    for key in choose_by_split(content, split, str(path)):
        for number, item in enumerate(content[key], start=1):
            place = f"{path}, item {number} of {key!r}"
            if not isinstance(item, list) or len(item) != 2:
                raise DataError(f"{place}: needed is [text, intent]")
            yield place, {"text": item[0], "label": item[1]}


def snips_records(content: Any, path: Path) -> Iterator[Record]:
    """Snips (Coucke et al. 2018): {intent: [{"data": [{"text": ..., "entity": ...}, ...]}, ...]}; slots are left out.

    Raises:
        DataError: another form.
    """
    if json_kind(content) != "snips":
        raise DataError(f'{path} is not Snips\' JSON, an object of lists of {{"data": [{{"text": ...}}]}}')
    for intent, utterances in content.items():
        for number, utterance in enumerate(utterances, start=1):
            place = f"{path}, utterance {number} of {intent!r}"
            pieces = utterance.get("data") if isinstance(utterance, dict) else None
            if not isinstance(pieces, list) or not all(
                isinstance(piece, dict) and "text" in piece for piece in pieces
            ):
                raise DataError(f'{place}: needed is {{"data": [{{"text": ...}}, ...]}}')
            texts = [check_text(piece["text"], f"{place}: a piece of it") for piece in pieces]
            yield place, {"text": "".join(texts).strip(), "label": intent}
