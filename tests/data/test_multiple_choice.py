# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Contexts with choices: SWAG's table, HellaSwag's objects, plain ones."""

import json
import re

import pytest

from hf_elmo.data import DataError, load_multiple_choice

SWAG = (
    ",video-id,fold-ind,startphrase,sent1,sent2,gold-source,ending0,ending1,ending2,ending3,label\n"
    '0,v1,1,A man sits. He,"A man sits, still.",He,gold,sings.,"runs, fast.",is a car.,sleeps.,3\n'
)


def load(tmp_path, content, name="train.json", **options):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return list(load_multiple_choice(path, **options))


def test_swag(tmp_path):
    assert load(tmp_path, SWAG, "train.csv") == [
        {
            "context": "A man sits, still.",
            "choices": ["He sings.", "He runs, fast.", "He is a car.", "He sleeps."],
            "label": 3,
        }
    ]


def test_hellaswag(tmp_path):
    row = {"ctx_a": "A dog.", "ctx_b": "It", "ctx": "A dog. It", "endings": ["barks.", "sings."], "label": 0}
    expected = {"context": "A dog.", "choices": ["It barks.", "It sings."], "label": 0}
    assert load(tmp_path, json.dumps(row), "train.jsonl") == [expected]
    assert load(tmp_path, [{**row, "ctx_b": "", "label": "1"}])[0]["choices"] == ["barks.", "sings."]


def test_columns_by_name_and_number(tmp_path):
    row = {"sentence": "c", "premise": "p", "choice2": "y", "choice10": "z", "choice1": "x", "gold": 2, "label": 0}
    assert load(tmp_path, [row]) == [{"context": "c", "choices": ["x", "y", "z"], "label": 0}]
    names = {"context_column": "premise", "label_column": "gold"}
    assert load(tmp_path, [row], **names) == [{"context": "p", "choices": ["x", "y", "z"], "label": 2}]
    row = {"question": "q", "choices": ["a", "b"], "others": ["c", "d"], "label": 1}
    assert load(tmp_path, [row], choices_column="others")[0]["choices"] == ["c", "d"]


GOOD = {"context": "c", "choices": ["a", "b"], "label": 0}
BAD = [
    ([{**GOOD, "label": 2}], "record 1: the label is 2; needed is the number of the right choice, 0 to 1"),
    ([{**GOOD, "label": "A"}], "record 1: the label is 'A'; needed is the number"),
    ([{**GOOD, "label": None}], "record 1: the label is None; needed is the number"),
    ([{**GOOD, "label": -1}], "record 1: the label is -1; needed is the number"),
    ([{**GOOD, "choices": ["a"]}], "record 1: 1 choice(s); needed are at least two"),
    ([{**GOOD, "choices": "ab"}], "record 1: 'choices' is no list; needed is a list of texts, or columns ending0"),
    ([{**GOOD, "choices": ["a", 1]}], "record 1: a choice is 1; needed is text in quotes"),
    ([GOOD, {**GOOD, "choices": ["a", "b", "c"]}], "record 2: 3 choices, but"),
    ([{"context": "c", "label": 0}], "the columns are 'context', 'label'; none is called choices, endings"),
    ([{"choices": ["a", "b"], "label": 0}], "none is called sent1, ctx_a, context"),
    ([{"context": "c", "choices": ["a", "b"]}], "none is called label. Name it by label_column="),
    ([], "train.json holds no example"),
]


@pytest.mark.parametrize(("content", "message"), BAD)
def test_errors_name_file_and_place(tmp_path, content, message):
    with pytest.raises(DataError, match=re.escape(message)) as error:
        load(tmp_path, content)
    assert "train.json" in str(error.value)


def test_unknown_formats(tmp_path):
    with pytest.raises(DataError, match=r"a\.xml: unknown format; choices are read from \.csv, \.tsv, \.json"):
        load(tmp_path, "", "a.xml")
    with pytest.raises(DataError, match="format='squad' is not known for this task; it is one of csv, tsv"):
        load(tmp_path, "", format="squad")
