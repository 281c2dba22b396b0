# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""One entry for files, folders and data sets that `datasets` loads; which file belongs to which split."""

import json
import re

import datasets
import pytest

from hf_elmo.data import DataError, load_task_data


def write(folder, **texts):
    """Tagged files, each with one word."""
    for name, word in texts.items():
        (folder / name.replace("__", ".")).write_text(f"{word} O\n")
    return folder


def words(*arguments, **options):
    return [row["tokens"][0] for row in load_task_data("tagging", *arguments, **options)]


def test_a_folder_with_a_file_for_each_split(tmp_path):
    write(tmp_path, train__conll="a", en_ewt_dev__txt="b", test_2__conll="c", latest="d", README__md="e")
    assert words(tmp_path, "train") == ["a"]
    assert words(str(tmp_path), "validation") == words(tmp_path, "dev") == words(tmp_path, "valid") == ["b"]
    assert words(tmp_path, "Test") == ["c"]
    with pytest.raises(DataError, match="holds the splits test, train, validation; say which one by split="):
        words(tmp_path)


def test_a_folder_without_names_of_splits(tmp_path):
    write(tmp_path, a__conll="a", b__conll="b", README__md="e", LICENSE="f", notice__txt="g", __hidden="h")
    assert words(tmp_path) == words(tmp_path, "train") == ["a", "b"]


def test_one_split_needs_no_name(tmp_path):
    write(tmp_path, dev1__conll="x", dev__conll="a", valid_2__conll="b")
    assert words(tmp_path) == ["a", "b"]
    with pytest.raises(DataError, match="has no split 'train'; it has validation"):
        words(tmp_path, "train")


def test_files_by_name(tmp_path):
    write(tmp_path, train__conll="a", dev__conll="b", more__conll="c")
    train, dev, more = (tmp_path / f"{name}.conll" for name in ("train", "dev", "more"))
    assert words([train, str(dev)], "train") == ["a"]
    assert words(dev, "train") == ["b"]  # named alone, it is what is wanted
    assert words([more, more]) == ["c", "c"]
    write(tmp_path, train_dev__conll="d")
    with pytest.raises(DataError, match=r"the name train_dev\.conll speaks of train and validation: rename it"):
        words(tmp_path, "train")


def test_every_task(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "t", "label": "x"}')
    assert load_task_data("classification", tmp_path / "a.jsonl", label_column="text")["label"][:] == ["t"]
    row = {"id": "1", "question": "q", "context": "c d", "answers": {"text": ["d"], "answer_start": [2]}}
    (tmp_path / "b.jsonl").write_text(json.dumps(row))
    assert load_task_data("qa", tmp_path / "b.jsonl", "train")[0] == row
    row = {"context": "c", "choices": ["a", "b"], "label": 1}
    (tmp_path / "c.jsonl").write_text(json.dumps(row))
    assert load_task_data("multiple-choice", tmp_path / "c.jsonl")[0] == row


def test_a_split_inside_of_a_file(tmp_path):
    (tmp_path / "data_full.json").write_text(json.dumps({"train": [["a", "x"]], "val": [["b", "y"]]}))
    assert load_task_data("classification", tmp_path / "data_full.json", "dev")["text"][:] == ["b"]


def test_errors_say_what_is_needed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    for arguments, options, message in [
        (("parsing", "x"), {}, "unknown task 'parsing'; it is one of tagging, classification, qa, multiple-choice"),
        (("tagging", tmp_path / "empty"), {}, "empty holds no data file; a data set on disk that `datasets` made"),
        (("tagging", "train.conll"), {}, "train.conll: no such file"),
        (("tagging", "data/train.csv.gz"), {}, "data/train.csv.gz: no such file"),
        (("tagging", "/data/ewt"), {}, "/data/ewt: no such file"),
        (("tagging", [tmp_path]), {"format": "datasets"}, "format='datasets' takes one folder or id, not a list"),
        (("tagging", "nobody/nothing"), {}, "nobody/nothing is no file or folder here, and `datasets` cannot load it"),
    ]:
        with pytest.raises(DataError, match=re.escape(message)):
            load_task_data(*arguments, **options)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Reads a data set as from the Hub: `datasets.load_dataset` gets a local folder of Parquet files for its id."""
    load_dataset = datasets.load_dataset
    folder = tmp_path / "hub"
    folder.mkdir()

    def load_local(name, *arguments, **options):
        assert name == "org/name"
        return load_dataset(str(folder), *arguments, **{**options, "cache_dir": str(tmp_path / "cache")})

    def fill(**splits):
        for split, (columns, features) in splits.items():
            data = datasets.Dataset.from_dict(columns, features=datasets.Features(features))
            data.to_parquet(folder / f"{split}.parquet")
        monkeypatch.setattr(datasets, "load_dataset", load_local)

    return fill


NAMES = datasets.ClassLabel(names=["O", "B-PER", "I-PER"])
TEXT = datasets.Value("string")


def test_tagging_from_the_hub(hub):
    features = {"tokens": [TEXT], "ner_tags": [NAMES], "pos_tags": [datasets.ClassLabel(names=["N", "V"])]}
    rows = {"tokens": [["Ann", "ran"]], "ner_tags": [[2, 0]], "pos_tags": [[0, 1]]}
    hub(train=(rows, features), validation=({**rows, "tokens": [["Bob", "sat"]]}, features))
    assert load_task_data("tagging", "org/name", "train")[:] == {"tokens": [["Ann", "ran"]], "tags": [["B-PER", "O"]]}
    assert load_task_data("tagging", "org/name", "dev", column="pos_tags")["tags"][:] == [["N", "V"]]
    for split, message in [(None, "say which one by split="), ("test", "'test' is not among them")]:
        with pytest.raises(DataError, match=f"org/name has the splits train, validation; {message}"):
            load_task_data("tagging", "org/name", split)


def test_classification_from_the_hub(hub):
    features = {"sentence": TEXT, "label": datasets.ClassLabel(names=["bad", "good"])}
    hub(
        train=({"sentence": ["a", "b"], "label": [1, 0]}, features),
        test=({"sentence": ["c"], "label": [-1]}, features),
    )
    assert load_task_data("classification", "org/name", "train")["label"][:] == ["good", "bad"]
    with pytest.raises(DataError, match=r"org/name \(test\), row 1: the label is -1, which stands for a hidden one"):
        load_task_data("classification", "org/name", "test")
    with pytest.raises(DataError, match=r"org/name \(train\), row 1: the columns are 'sentence', 'label'; 'x' is not"):
        load_task_data("classification", "org/name", "train", text_column="x")


def test_an_empty_split_of_the_hub(hub):
    hub(train=({"text": [], "label": []}, {"text": TEXT, "label": TEXT}))
    with pytest.raises(DataError, match="corresponds to no data"):
        load_task_data("classification", "org/name")


def test_qa_from_the_hub(hub):
    answers = {"text": ["d"], "answer_start": [2]}
    row = {"id": "1", "title": "t", "context": "c d", "question": "q", "answers": answers}
    features = {name: TEXT for name in row} | {"answers": {"text": [TEXT], "answer_start": [datasets.Value("int32")]}}
    hub(train=({name: [value] for name, value in row.items()}, features))
    row.pop("title")
    assert load_task_data("qa", "org/name")[0] == row


def test_multiple_choice_from_the_hub(hub):
    features = {"sent1": TEXT, "sent2": TEXT, "ending0": TEXT, "ending1": TEXT, "label": datasets.ClassLabel(2)}
    hub(train=({"sent1": ["s"], "sent2": ["t"], "ending0": ["a"], "ending1": ["b"], "label": [1]}, features))
    expected = {"context": "s", "choices": ["t a", "t b"], "label": 1}
    assert load_task_data("multiple-choice", "org/name")[0] == expected


def test_a_local_folder_through_datasets(tmp_path):
    (tmp_path / "train.csv").write_text("text,label\na,x\n")
    (tmp_path / "test.csv").write_text("text,label\nb,y\n")
    options = {"format": "datasets", "cache_dir": str(tmp_path / "cache")}
    assert load_task_data("classification", tmp_path, "test", **options)["text"][:] == ["b"]
