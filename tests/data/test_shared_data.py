# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Open data sets of every format are read in full: the numbers of examples are those that their README states."""

import logging

import pytest
from support import SHARED, requires_shared

from hf_elmo.data import is_bio, load_task_data

# Name: task, examples of train and dev (None: no such file), classes or types in the first of the two.
STATED = {
    "wnut17": ("tagging", 3_394, 1_009, 6),
    "wikigold": ("tagging", 1_152, 202, 4),
    "crossner_politics": ("tagging", 200, 541, 9),
    "crossner_science": ("tagging", 200, 450, 17),
    "crossner_music": ("tagging", 100, 380, 13),
    "uner_ewt": ("tagging", None, 2_001, 3),
    "uner_zh_gsdsimp": ("tagging", 3_997, 500, 3),
    "ud_ewt": ("tagging", 12_544, 2_001, 17),
    "gum_open": ("tagging", 4_320, 509, 17),
    "ud_zh_gsdsimp": ("tagging", 400, 100, None),
    "mr": ("classification", 8_530, 1_066, 2),
    "subj": ("classification", 8_000, 1_000, 2),
    "banking77": ("classification", 9_003, 1_000, 77),
    "clinc150": ("classification", 15_100, 3_100, 151),
    "snips": ("classification", 13_084, 700, 7),
    "squadshifts_newwiki": ("qa", 5_546, 1_032, None),
    "xquad_en": ("qa", None, 583, None),
    "cmrc2018": ("qa", 2_408, 1_002, None),
}
TOKENS = {"ud_ewt": (204_577, 25_147), "gum_open": (89_793, 12_216)}


LARGE = ("ud_ewt", "gum_open", "clinc150", "wnut17", "uner_zh_gsdsimp", "squadshifts_newwiki")


@requires_shared
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in LARGE else name for name in STATED]
)
def test_all_examples_are_read(name):
    task, *sizes, labels = STATED[name]
    options = {"keep_unaligned": True} if task == "qa" else {}
    parts = [
        load_task_data(task, SHARED / "data" / name, split, **options)
        for split, size in zip(("train", "dev"), sizes, strict=True)
        if size is not None
    ]
    assert [len(part) for part in parts] == [size for size in sizes if size is not None]
    if task == "tagging" and labels is not None:
        tags = {tag for row in parts[0]["tags"] for tag in row}
        assert len({tag[2:] for tag in tags} - {""} if is_bio(tags) else tags) == labels
    if task == "classification":
        assert len(set(parts[0]["label"])) == labels
    if name in TOKENS:
        assert tuple(sum(map(len, part["tokens"])) for part in parts) == TOKENS[name]


@requires_shared
def test_chinese_answers_without_a_place_are_counted(caplog):
    kept = [len(load_task_data("qa", SHARED / "data" / "cmrc2018", split)) for split in ("train", "dev")]
    messages = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert kept == [2_405, 997]
    assert messages[0].startswith("150 of 7224 answers do not stand at their answer_start")
    assert messages[1].startswith("5 of 1002 answers") and messages[1].endswith(
        "and 5 of 1002 questions with no other"
    )


@requires_shared
def test_iob1_of_wikigold_becomes_bio2():
    for row in load_task_data("tagging", SHARED / "data" / "wikigold", "dev")["tags"]:
        for previous, tag in zip(["O", *row], row, strict=False):
            assert tag[0] != "I" or previous[2:] == tag[2:]
