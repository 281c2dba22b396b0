# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""From examples to labels of tokens, and from logits back to predictions and scores, without training."""

from types import SimpleNamespace

import numpy as np
import pytest
from datasets import Dataset
from transformers import AutoTokenizer

from hf_elmo import ElmoTokenizer
from hf_elmo.finetune.options import DataArguments
from hf_elmo.finetune.tasks import Classification, MultipleChoice, QuestionAnswering, Tagging, TaskError


def options(task, **changes):
    return DataArguments(task=task, **changes)


@pytest.fixture(scope="module")
def bert_tokenizer(models):
    return AutoTokenizer.from_pretrained(models / "bert")


TAGGED = Dataset.from_dict(
    {
        "tokens": [["Anna", "plays"], ["New", "York", "is", "good"]],
        "tags": [["B-PER", "O"], ["B-LOC", "I-LOC", "O", "O"]],
    }
)


def test_the_first_piece_of_a_word_carries_its_tag(bert_tokenizer):
    task = Tagging(options("tagging"), TAGGED)
    assert task.labels == ["B-LOC", "B-PER", "I-LOC", "O"] and task.is_bio
    features = task.encode(TAGGED, bert_tokenizer, None, True).features
    assert bert_tokenizer.convert_ids_to_tokens(features[0]["input_ids"]) == ["[CLS]", "anna", "play", "##s", "[SEP]"]
    assert features[0]["labels"] == [-100, 1, 3, -100, -100]
    words = task.encode(TAGGED, ElmoTokenizer(), None, True).features
    assert [feature["labels"] for feature in words] == [[-100, 1, 3, -100], [-100, 0, 2, 3, 3, -100]]
    assert words[0]["char_ids"].dtype == np.int16 and words[0]["char_ids"].shape == (4, 50)


def test_words_beyond_the_limit_count_as_o_and_are_told(bert_tokenizer):
    task = Tagging(options("tagging"), TAGGED)
    encoded = task.encode(TAGGED, bert_tokenizer, 4, False)
    assert encoded.notes == ["2 words without a prediction: beyond 4 tokens, or nothing to the tokenizer"]
    predicted = task.predict(np.array([[3, 1, 0, 0], [3, 0, 2, 0]]), encoded, TAGGED)
    assert predicted == [["B-PER", "B-LOC"], ["B-LOC", "I-LOC", "O", "O"]]
    scores = task.score(predicted, TAGGED)
    assert scores["accuracy"] == pytest.approx(5 / 6) and scores["recall"] == 1.0 and scores["precision"] < 1


def test_tags_that_training_lacks_are_always_wrong():
    task = Tagging(options("tagging"), TAGGED)
    other = Dataset.from_dict({"tokens": [["Anna", "Ltd"]], "tags": [["B-ORG", "O"]]})
    encoded = task.encode(other, ElmoTokenizer(), None, False)
    assert encoded.features[0]["labels"] == [-100, -100, 3, -100]
    predicted = task.predict(np.array([[0, 1, 3, 0]]), encoded, other)
    assert predicted == [["B-PER", "O"]]
    scores = task.score(predicted, other)
    assert (scores["f1"], scores["accuracy"]) == (0.0, 0.5)


def test_parts_of_speech_have_accuracy_only_and_cut_words_are_wrong():
    data = Dataset.from_dict({"tokens": [["a", "b", "c"]], "tags": [["DET", "NOUN", "NOUN"]]})
    task = Tagging(options("tagging"), data)
    assert (task.best_metric(), task.common, task.is_bio) == ("accuracy", "NOUN", False)
    encoded = task.encode(data, ElmoTokenizer(), 4, False)
    assert task.score(task.predict(np.array([[0, 0, 1, 0]]), encoded, data), data) == {
        "accuracy": pytest.approx(2 / 3)
    }
    assert task.score(task.baseline(data), data) == {"accuracy": pytest.approx(2 / 3)}


def test_a_metric_must_give_a_fraction():
    task = Tagging(options("tagging"), TAGGED)
    task.options, task.metric = options("tagging", metric="mine"), SimpleNamespace(compute=lambda **_: {"right": 3})
    with pytest.raises(TaskError, match="--metric mine gives no fraction, but {'right': 3}"):
        task.score(task.baseline(TAGGED), TAGGED)


def classified(labels, **columns):
    return Dataset.from_dict({"text": [f"text {i}" for i in range(len(labels))], **columns, "label": labels})


def test_classes_in_order_and_the_commonest_as_baseline():
    data = classified(["b", "a", "b", "c"])
    task = Classification(options("classification"), data)
    assert task.config_changes() == {
        "id2label": {0: "a", 1: "b", 2: "c"},
        "label2id": {"a": 0, "b": 1, "c": 2},
        "problem_type": "single_label_classification",
    }
    assert task.score(task.baseline(data), data)["accuracy"] == 0.5
    assert task.predict(np.array([[0, 2, 1], [3, 1, 2]]), None, None) == ["b", "a"]
    other = classified(["b", "new"])
    encoded = task.encode(other, ElmoTokenizer(), None, False)
    assert [feature["labels"] for feature in encoded.features] == [1, -100]
    assert encoded.notes == ["1 examples have a label that the training data lack: always wrong"]
    assert task.score(["b", "b"], other)["accuracy"] == 0.5


def test_numbers_are_a_regression():
    data = classified([1.0, 2.5, 4.0])
    task = Classification(options("classification"), data)
    assert task.config_changes() == {"num_labels": 1, "problem_type": "regression"}
    assert task.best_metric() == "pearson"
    assert task.score(task.baseline(data), data) == {"pearson": 0.0, "spearman": 0.0, "mse": pytest.approx(1.5)}
    scores = task.score(task.predict(np.array([[1.0], [2.0], [3.0]]), None, None), data)
    assert scores["pearson"] == pytest.approx(1.0) and scores["mse"] == pytest.approx(1.25 / 3)


def test_lists_are_any_number_of_labels():
    data = classified([["x"], [], ["x", "y"], ["x"]])
    task = Classification(options("classification"), data)
    assert (task.labels, task.common, task.best_metric()) == (["x", "y"], ["x"], "micro_f1")
    encoded = task.encode(data, ElmoTokenizer(), None, True)
    assert [feature["labels"] for feature in encoded.features] == [[1.0, 0.0], [0.0, 0.0], [1.0, 1.0], [1.0, 0.0]]
    predicted = task.predict(np.array([[0.1, -3.0], [-1.0, -1.0], [2.0, 0.3], [-0.2, 5.0]]), None, None)
    assert predicted == [["x"], [], ["x", "y"], ["y"]]
    assert task.score(predicted, data)["accuracy"] == 0.75
    assert task.score([["x"], [], ["x", "y"], ["x"]], classified([["z"], [], ["x"], ["x"]]))["accuracy"] == 0.5


def test_pairs_are_read_as_one_input():
    data = classified(["a", "b"], text_pair=["pair 0", "pair 1"])
    task = Classification(options("classification"), data)
    tokenizer = ElmoTokenizer()
    ids = task.encode(data, tokenizer, None, True).features[1]["input_ids"]
    assert ids == tokenizer("text 1", "pair 1")["input_ids"] and list(task.texts(data))[2:] == ["pair 0", "pair 1"]


def test_one_class_is_not_enough():
    with pytest.raises(TaskError, match="the training data have 1 label.*: at least 2 are needed"):
        Classification(options("classification"), classified(["a", "a"]))


def choices(*rows):
    return Dataset.from_list([{"context": "c", "choices": list(row), "label": 1} for row in rows])


def test_examples_need_the_same_number_of_choices():
    task = MultipleChoice(options("multiple-choice"), choices(["a", "b"], ["c", "d"]))
    with pytest.raises(TaskError, match="example 1 has 3 choices, the first of the training data 2"):
        task.encode(choices(["a", "b"], ["a", "b", "c"]), ElmoTokenizer(), None, False)


def test_every_choice_is_read_behind_its_context():
    data = choices(["a b", "c"])
    task, tokenizer = MultipleChoice(options("multiple-choice"), data), ElmoTokenizer()
    (feature,) = task.encode(data, tokenizer, None, True).features
    assert feature["input_ids"] == [tokenizer("c", "a b")["input_ids"], tokenizer("c", "c")["input_ids"]]
    assert feature["labels"] == 1 and task.score(task.predict(np.array([[0.0, 1.0]]), None, data), data) == {
        "accuracy": 1
    }
    alone = data.map(lambda _: {"context": ""})
    (feature,) = task.encode(alone, tokenizer, None, True).features
    assert feature["input_ids"][1] == tokenizer("c")["input_ids"]


def test_the_baseline_of_questions_is_a_place_in_the_context():
    rows = [("one two three four", ["two three"]), ("five six", ["six seven"]), ("a b", ["a"])]
    data = Dataset.from_list(
        [
            {"id": str(i), "question": "?", "context": context, "answers": {"text": texts, "answer_start": [0]}}
            for i, (context, texts) in enumerate(rows)
        ]
    )
    task = QuestionAnswering(options("qa"), data)
    assert task.baseline(data) == ["one two", "five six", "a b"]
    # words in common: two; six; none but an article, which does not count
    assert task.score(task.baseline(data), data) == {"exact_match": 0.0, "f1": pytest.approx(100 / 3)}
    without = data.map(lambda _: {"answers": {"text": [], "answer_start": []}})
    with pytest.raises(TaskError, match="the training data have no answer to learn from"):
        QuestionAnswering(options("qa"), without)
