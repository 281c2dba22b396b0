# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Texts with classes or scores: columns, labels, a file a class, CLINC150 and Snips."""

import json
import re

import pytest

from hf_elmo.data import DataError, load_classification


def write(folder, files):
    paths = []
    for name, content in files.items():
        paths.append(folder / name)
        paths[-1].write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return paths


def load(tmp_path, content, name="a.json", **options):
    return load_classification(write(tmp_path, {name: content}), **options)[:]


@pytest.mark.parametrize(
    ("header", "options", "expected"),
    [
        ("id,sentence,label", {}, {"text": ["x"], "label": ["y"]}),
        ("intent,id,utterance", {}, {"text": ["y"], "label": ["0"]}),
        ("sentence1,sentence2,label", {}, {"text": ["0"], "text_pair": ["x"], "label": ["y"]}),
        ("question,sentence,label", {}, {"text": ["0"], "text_pair": ["x"], "label": ["y"]}),
        ("premise,label,hypothesis", {}, {"text": ["0"], "text_pair": ["y"], "label": ["x"]}),
        ("a,b,label", {"text_column": "b"}, {"text": ["x"], "label": ["y"]}),
        (
            "a,text,c",
            {"text_pair_column": "a", "label_column": "c"},
            {"text": ["x"], "text_pair": ["0"], "label": ["y"]},
        ),
        ("sentence1,sentence2,label", {"text_column": "sentence2"}, {"text": ["x"], "label": ["y"]}),
    ],
)
def test_columns(tmp_path, header, options, expected):
    assert load(tmp_path, f"{header}\n0,x,y\n", "a.csv", **options) == expected


@pytest.mark.parametrize(
    ("labels", "problem_type", "expected"),
    [
        (["x", " y "], None, ["x", "y"]),
        ([0, 1], None, ["0", "1"]),
        ([True, False], None, ["true", "false"]),
        (["3", "12"], None, ["3", "12"]),  # stars are classes unless said otherwise
        (["3", "12"], "regression", [3.0, 12.0]),
        ([3, "2.5"], None, [3.0, 2.5]),
        ([-1.5, 1e-7], None, [-1.5, 1e-7]),
        (["2.5", "x"], None, ["2.5", "x"]),
        ([["a", "b", "a"], []], None, [["a", "b"], []]),
        (["a, b", ""], "multi_label_classification", [["a", "b"], []]),
        ([2.5, 1], "single_label_classification", ["2.5", "1"]),
    ],
)
def test_labels(tmp_path, labels, problem_type, expected):
    rows = [{"text": "t", "label": label} for label in labels]
    assert load(tmp_path, rows, problem_type=problem_type)["label"] == expected


def test_separator_of_several_labels(tmp_path):
    options = {"problem_type": "multi_label_classification", "label_separator": "|"}
    assert load(tmp_path, "text,label\nt,a|b\n", "a.csv", **options)["label"] == [["a", "b"]]


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (["train.neg", "train.pos"], ["neg", "pos"]),
        (["neg.txt", "pos.txt"], ["neg", "pos"]),
        (["rt-polarity.neg.txt", "rt-polarity.Pos"], ["neg", "Pos"]),
        (["train_neg.txt", "pos-train.txt"], ["neg", "pos"]),
        (["neg.train.txt", "very_good.train.txt"], ["neg", "very_good"]),
        (["train-not-so_good.txt", "good.dev"], ["not-so-good", "good"]),
    ],
)
def test_a_file_a_class(tmp_path, names, classes):
    paths = write(tmp_path, {names[0]: " bad film \n\nworse\n", names[1]: "good\n"})
    expected = {"text": ["bad film", "worse", "good"], "label": [classes[0], classes[0], classes[1]]}
    assert load_classification(paths)[:] == expected


CLINC = {"train": [["a", "x"]], "oos_train": [["b", "oos"]], "val": [["c", "x"]], "oos_val": [["d", "oos"]]}


def test_clinc150_by_split(tmp_path):
    assert load(tmp_path, CLINC, split="train") == {"text": ["a", "b"], "label": ["x", "oos"]}
    assert load(tmp_path, CLINC, split="dev") == {"text": ["c", "d"], "label": ["x", "oos"]}
    assert load(tmp_path, {"val": [["c", "x"]], "oos_val": [["d", "oos"]]})["text"] == ["c", "d"]
    with pytest.raises(DataError, match=r"a\.json holds the splits train, validation; say which one by split="):
        load(tmp_path, CLINC)
    with pytest.raises(DataError, match=r"a\.json has no split 'test'; it has train, validation"):
        load(tmp_path, CLINC, split="test")


def test_snips(tmp_path):
    content = {
        "PlayMusic": [{"data": [{"text": "play "}, {"text": "Björk", "entity": "artist"}, {"text": "."}]}],
        "GetWeather": [{"data": [{"text": "rain? "}]}],
    }
    assert load(tmp_path, content) == {"text": ["play Björk.", "rain?"], "label": ["PlayMusic", "GetWeather"]}


ONE = [{"text": "t", "label": "x"}]
BAD = [
    ("a.csv", "a,b\nx,y\n", {}, "a.csv, line 2: the columns are 'a', 'b'; none is called label, labels, category"),
    ("a.csv", "a,label\nx,y\n", {}, "none is called text, sentence"),
    ("a.csv", "a,label\nx,y\n", {"text_column": "b"}, "'b' is not among them. Name it by text_column="),
    ("a.csv", "text,label\nx,y\n", {"text_pair_column": "b"}, "'b' is not among them. Name it by text_pair_column="),
    ("a.csv", "text,label\nx,\n", {}, "a.csv, line 2: the label is empty"),
    ("a.csv", "text,label\nx,1\ny,good\n", {"problem_type": "regression"}, "line 3: the label is 'good'; regression needs"),
    ("a.csv", "text,label\nx,nan\n", {"problem_type": "regression"}, "line 2: the label is 'nan'; regression needs a finite"),
    ("a.csv", "text,label\nx,y\n", {"problem_type": "ranking"}, "problem_type='ranking'; it is one of single_label"),
    ("a.csv", "text,label\nx,y\n", {"format": "conll"}, "format='conll' is not known for this task; it is one of csv"),
    ("a.json", [{"text": "t", "label": None}], {}, "record 1: the label is None; needed is text in quotes"),
    ("a.json", [*ONE, {"text": "t"}], {}, "record 2: there is no 'label'; the columns are 'text'"),
    ("a.json", [*ONE, {"label": "t"}], {}, "record 2: there is no 'text'; the columns are 'label'"),
    ("a.json", [{"text": ["t"], "label": "x"}], {}, "record 1: 'text' is ['t']; needed is text in quotes"),
    ("a.json", [{"text": "t", "label": ["a"]}, *ONE, {"text": "t", "label": 3}], {}, "record 3: the label is 3; with several"),
    ("train.txt", "x\n", {}, "train.txt: no class in the name; a file with a text a line is called after its class"),
    ("pos.txt", "x\ny\n", {}, "pos.txt, line 1: all texts are of the class 'pos', by the name of the file; give the"),
    ("a.json", {"a": [["x", "y", "z"]]}, {}, "a.json, item 1 of 'a': needed is [text, intent]"),
    ("a.json", {"A": [{"data": [{"text": 3}]}]}, {}, "a.json, utterance 1 of 'A': a piece of it is 3; needed is text"),
    ("a.json", {"A": [{"data": [{"text": "b"}]}, {"data": None}]}, {}, "a.json, utterance 2 of 'A': needed is"),
    ("a.json", ONE, {"format": "clinc150"}, "a.json is not CLINC150's JSON"),
    ("a.json", ONE, {"format": "snips"}, "a.json is not Snips' JSON"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "options", "message"), BAD)
def test_errors_name_file_and_place(tmp_path, name, content, options, message):
    with pytest.raises(DataError, match=re.escape(message)):
        load(tmp_path, content, name, **options)


def test_pairs_and_single_texts_do_not_mix(tmp_path):
    paths = write(tmp_path, {"a.csv": "text,label\nx,y\n", "b.csv": "text,text_pair,label\nx,y,z\n"})
    with pytest.raises(DataError, match=r"b\.csv, line 2: pairs of texts and single texts cannot be mixed"):
        load_classification(paths)
