# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What 8-bit weights cost: planted losses are found to the last item, intervals by formula, interruptions lose a seed at most."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from comparison_tasks import TAGS, WORDS, sentences, tag_of

from hf_elmo import benchmark
from hf_elmo.benchmark import int8, options
from hf_elmo.compare import quantization, tasks
from hf_elmo.compare.contenders import ContenderError
from hf_elmo.compare.quantization import Examples, SeedResult
from hf_elmo.compare.task_probe import Budget, Features

ERROR = {"B-PER": 0, "O": 1}


def features_of(rows, numbers, wrong=()):
    """One layer in which the class of a word is all there is; the words at `wrong` (row, place) have the next class."""
    vectors = np.eye(len(set(numbers.values())), 8, dtype=np.float16)
    values = [
        vectors[(numbers[word] + ((row, place) in wrong)) % len(set(numbers.values()))]
        for row, words in enumerate(rows)
        for place, word in enumerate(words)
    ]
    return Features(np.stack(values)[:, None], np.cumsum([0, *map(len, rows)]))


# ----------------------------------------------------------------------------------------------------------- planted


def test_texts_that_turn_into_the_other_class_are_the_loss(small_heads):
    rows = [[("good", "bad")[number % 2]] * (1 + number % 3) for number in range(60)]
    numbers = {"good": 0, "bad": 1}
    wrong = {(row, place) for row in (3, 10, 11, 40) for place in range(3)}
    examples = Examples("mr", rows, [words[0] for words in rows], None)
    found = quantization.score_seed(
        examples, features_of(rows, numbers), features_of(rows, numbers, wrong), Budget(40), 2, 1
    )
    assert found.counts.shape == (2, 60, 2) and found.counts[0, :, 0].all()
    assert np.flatnonzero(found.counts[1, :, 0] == 0).tolist() == [3, 10, 11, 40]
    assert (found.changed, found.lost, found.gained, found.predictions) == (4, 4, 0, 60)
    metric = quantization.summarize([found, found])
    assert metric["score"] == {"float32": 100, "int8": pytest.approx(100 * 56 / 60, abs=1e-3)}
    assert metric["loss"] == pytest.approx(100 * 4 / 60, abs=1e-4) and metric["loss_sd"] == 0
    assert metric["bar"]["verdict"] == "fails" and metric["mean_per_seed"]["changed_percent"] == pytest.approx(6.6667)


def test_names_that_vanish_lower_f1_by_as_much_as_the_definition_says(small_heads):
    words = [["Ann", "saw", "Bob"], ["no", "one"], ["Bob", "saw"]] * 12
    tags = {"Ann": "B-PER", "Bob": "B-PER", "saw": "O", "no": "O", "one": "O"}
    numbers = {word: ERROR[tag] for word, tag in tags.items()}
    rows = words + words  # the first half is for training
    gold = [[tags[word] for word in row] for row in rows]
    examples = Examples("wikigold", rows, gold, len(words))
    lost = {(0, 0), (0, 2), (5, 0)}
    close = features_of(words, numbers, lost)
    found = quantization.score_seed(examples, features_of(rows, numbers), close, Budget(60), 2, 1)
    true = 3 * 12
    assert found.counts.sum(axis=1).tolist() == [[true, true, true], [true - 3, true - 3, true]]
    loss = quantization.summarize([found])["loss"]
    assert loss == pytest.approx(100 - 100 * 2 * (true - 3) / (2 * true - 3), abs=1e-4)
    assert (found.changed, found.lost, found.gained, found.predictions) == (3, 3, 0, 7 * 12)


class Planted:
    """Gives the tag of a word, but 8 bits take the first word for one of another tag."""

    layers, dimension, spec = ("only",), 8, "planted"

    def __init__(self, name, wrong=()):
        self.name, self.wrong, self.model = name, wrong, torch.nn.Linear(3, 5)

    def vectors(self, rows):
        numbers = [[(TAGS.index(tag_of(word)) + (word in self.wrong)) % 3 for word in words] for words in rows]
        return [torch.eye(3, 8)[each][None] for each in numbers]

    def facts(self):
        return {"name": self.name}


@pytest.fixture
def planted(monkeypatch):
    pair = {"float32": Planted("exact"), "int8": Planted("close", {WORDS[0]})}
    monkeypatch.setattr(quantization, "load_pair", lambda spec: pair)


def command(data, *words):
    return benchmark.main(["int8", "any-model", "--data", str(data), "--updates", "60", "--folds", "2", *words])


def test_the_command_finds_the_share_of_the_word_that_is_taken_for_another(
    planted, small_heads, task_data, tmp_path, capsys
):
    path = tmp_path / "result.json"
    assert command(task_data, "--tasks", "ud_ewt", "mr", "--seeds", "1", "2", "--output", str(path)) == 0
    result = json.loads(path.read_text())
    assert result["run"]["complete"] and list(result["metrics"]) == ["weights", "ud_ewt", "mr"]
    assert [each.name for each in tmp_path.iterdir()] == ["result.json"]  # vectors and seeds are gone
    dev = [word for words in sentences(60, 2) for word in words]
    share = dev.count(WORDS[0]) / len(dev)
    tagging = result["metrics"]["ud_ewt"]
    assert tagging["score"]["float32"] == 100 and tagging["predictions"] == tagging["cosine_words"] == len(dev)
    assert tagging["loss_of_seeds"] == [pytest.approx(100 * share, abs=1e-4)] * 2
    assert tagging["mean_per_seed"]["lost"] == dev.count(WORDS[0])
    assert tagging["cosine"]["only"]["mean"] == pytest.approx(1 - share, abs=1e-6)  # 0 for that word, 1 for others
    assert tagging["cosine"]["only"]["least"] == 0
    assert result["metrics"]["mr"]["examples"] == 120 + 60 and result["metrics"]["mr"]["folds"] == 2
    assert result["metrics"]["weights"]["bytes"] == {"float32": 80, "int8": 80}
    assert tagging["data"]["trained_on_alone"] == 120
    assert f"loss {100 * share:.3f} points" in capsys.readouterr().out


def test_an_interrupted_run_goes_on_with_the_next_seed(planted, small_heads, task_data, tmp_path, capsys, monkeypatch):
    words = ["--tasks", "ud_ewt", "mr", "--seeds", "1", "2", "--updates", "5"]
    whole, path = tmp_path / "whole.json", tmp_path / "result.json"
    assert command(task_data, *words, "--output", str(whole)) == 0
    score, seen = quantization.score_seed, []

    def interrupted(examples, *arguments):
        seen.append((examples.name, arguments[4]))
        if len(seen) == 4:
            raise KeyboardInterrupt
        return score(examples, *arguments)

    monkeypatch.setattr(quantization, "score_seed", interrupted)
    assert command(task_data, *words, "--output", str(path)) == 130
    assert "interrupted: 2 of 3 measurements are in" in capsys.readouterr().err
    assert command(task_data, *words, "--output", str(path)) == 1
    assert "holds an unfinished run: go on with --resume, or remove it" in capsys.readouterr().err
    assert command(task_data, *words, "--output", str(path), "--resume") == 0
    assert seen == [("ud_ewt", 1), ("ud_ewt", 2), ("mr", 1), ("mr", 2), ("mr", 2)]
    assert "UD EWT: 60 examples, after training on 120 (done)" in capsys.readouterr().err
    assert json.loads(path.read_text())["metrics"] == json.loads(whole.read_text())["metrics"]
    assert {each.name for each in tmp_path.iterdir()} == {"whole.json", "result.json"}


def test_seeds_of_a_removed_result_are_not_taken_up(planted, small_heads, task_data, tmp_path, monkeypatch):
    words = ["--tasks", "mr", "--seeds", "1", "2", "--output", str(tmp_path / "result.json"), "--updates"]
    score, seen = quantization.score_seed, []

    def interrupted(examples, exact, close, budget, folds, seed, tick):
        seen.append((seed, budget.updates))
        if len(seen) == 2:
            raise KeyboardInterrupt
        return score(examples, exact, close, budget, folds, seed, tick)

    monkeypatch.setattr(quantization, "score_seed", interrupted)
    assert command(task_data, *words, "3") == 130
    (tmp_path / "result.json").unlink()
    assert command(task_data, *words, "4", "--resume") == 0
    assert seen == [(1, 3), (2, 3), (1, 4), (2, 4)]


def test_a_resumed_run_may_add_a_task_but_not_take_another_model(
    planted, small_heads, task_data, tmp_path, capsys, monkeypatch
):
    words = ["--seeds", "1", "--updates", "3", "--output", str(tmp_path / "result.json"), "--tasks"]
    assert command(task_data, *words, "ud_ewt") == 0
    first = json.loads((tmp_path / "result.json").read_text())["metrics"]
    assert command(task_data, *words, "mr", "--resume") == 0
    found = json.loads((tmp_path / "result.json").read_text())["metrics"]
    assert list(found) == ["weights", "ud_ewt", "mr"] and found["ud_ewt"] == first["ud_ewt"]
    monkeypatch.setattr(int8, "identity", lambda spec: "other weights under this name")
    assert command(task_data, *words, "mr", "--resume") == 1
    assert "cannot be resumed: its settings differ from this run's" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------------- statistics


def counts(right):
    """(S, n) of right and wrong -> counts (S, n, 2)."""
    right = np.asarray(right, dtype=int)
    return np.stack([right, np.ones_like(right)], axis=2)


def test_the_interval_of_many_items_is_that_of_the_normal_distribution():
    exact, close = np.ones((1, 1000)), np.ones((1, 1000))
    close[0, :200] = 0
    low, high = quantization.loss_interval(counts(exact), counts(close))
    half = 1.96 * 100 * np.sqrt(0.2 * 0.8 / 1000)  # 2.48 points
    assert low == pytest.approx(20 - half, abs=0.25) and high == pytest.approx(20 + half, abs=0.25)


def test_the_interval_knows_that_seeds_differ():
    exact, close = np.ones((2, 500)), np.ones((2, 500))
    close[1, :100] = 0  # no loss with one seed, 20 points with the other
    low, high = quantization.loss_interval(counts(exact), counts(close))
    assert low == 0 and high > 19  # of items alone it would be 10 +- 1.8
    assert quantization.loss_interval(counts(exact), counts(exact)) == (0, 0)


def test_the_interval_of_a_word_task_draws_whole_sentences():
    """All errors in one of 50 sentences: about one draw in three has none of it."""
    exact = np.full((1, 50, 2), 20)
    close = exact.copy()
    close[0, 0, 0] = 0
    low, high = quantization.loss_interval(exact, close)
    assert low == 0 and high in (6.0, 8.0)  # Poisson of mean 1: 97.5 % lie at 3 or at 4 times


@pytest.mark.parametrize(
    ("interval", "expected"),
    [((-0.2, 0.3), "holds"), ((0.31, 0.9), "fails"), ((0.3, 0.31), "undecided"), ((-1.0, 1.0), "undecided")],
)
def test_the_bar_holds_or_fails_where_the_whole_interval_says_so(interval, expected):
    assert quantization.verdict(interval) == expected


def test_one_seed_is_tested_by_mcnemar():
    right, wrong = np.ones(40, int), np.ones(40, int)
    wrong[:5] = 0
    result = SeedResult(np.stack([counts([right])[0], counts([wrong])[0]]), 5, 5, 0, 40, 0.1)
    metric = quantization.summarize([result])
    assert metric["p"] == pytest.approx(2 * 0.5**5) and metric["loss"] == 12.5 and metric["loss_sd"] is None


# ---------------------------------------------------------------------------------------------------------- vectors


def test_cosines_are_those_of_the_planted_angles():
    angles = np.linspace(0, 1, 101)
    turned = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    plain = np.tile([1.0, 0.0], (101, 1))
    exact = Features(np.stack([plain, plain], axis=1), np.array([0, 60, 101]))
    close = Features(np.stack([2 * plain, 3 * turned], axis=1), exact.offsets)
    found = quantization.cosines(exact, close, ("same", "turned"))
    assert found["same"] == {"mean": pytest.approx(1), "percentile_1": pytest.approx(1), "least": pytest.approx(1)}
    assert found["turned"]["mean"] == pytest.approx(np.cos(angles).mean())
    assert found["turned"]["percentile_1"] == pytest.approx(np.cos(angles[-2]))  # the second largest angle of 101
    assert found["turned"]["least"] == pytest.approx(np.cos(1))
    summed = np.array([2 + 3 * np.cos(1), 3 * np.sin(1)])
    assert found["mean of layers"]["least"] == pytest.approx(summed[0] / np.hypot(*summed))


def test_vectors_of_other_sentences_are_refused():
    values = np.ones((3, 1, 2))
    with pytest.raises(ValueError, match=r"shapes \(3, 1, 2\) and \(3, 1, 2\) are not of the same sentences"):
        quantization.cosines(Features(values, np.array([0, 1, 3])), Features(values, np.array([0, 2, 3])), ("only",))


def test_rows_of_features_are_those_sentences():
    features = Features(np.arange(12).reshape(6, 2, 1), np.array([0, 1, 1, 4, 6]))
    found = quantization.rows_of(features, [3, 1, 0])
    assert found.offsets.tolist() == [0, 2, 2, 3] and found.values.ravel().tolist() == [8, 9, 10, 11, 0, 1]


# --------------------------------------------------------------------------------------------------------- examples


def test_folds_score_every_example_once_and_never_train_on_it():
    examples = Examples("mr", [["a"]] * 23, ["x"] * 23, None)
    scored = []
    for train, test in examples.divisions(4, seed=1):
        assert sorted([*train, *test]) == list(range(23)) and len(test) in (5, 6)
        scored += test.tolist()
    assert sorted(scored) == list(range(23))
    first, second = (next(examples.divisions(4, seed))[1].tolist() for seed in (1, 2))
    assert first != second and first == next(examples.divisions(4, 1))[1].tolist()


def test_a_set_with_a_part_of_its_own_keeps_it(task_data):
    examples = quantization.read_examples(task_data, "ud_ewt")
    assert (examples.trained, len(examples.words)) == (120, 180)
    assert examples.words == sentences(120, 1) + sentences(60, 2)
    assert examples.gold == [[tag_of(word) for word in words] for words in examples.words]
    ((train, test),) = examples.divisions(9, seed=1)
    assert train.tolist() == list(range(120)) and test.tolist() == list(range(120, 180))
    few = quantization.read_examples(task_data, "mr", most=7)
    assert few.trained is None and len(few.words) == len(few.gold) == 14


def test_too_few_examples_are_refused():
    with pytest.raises(ValueError, match="mr has 2 examples, too few for 3 folds"):
        list(Examples("mr", [["a"]] * 2, ["x"] * 2, None).divisions(3, 1))


# ----------------------------------------------------------------------------------------------------------- models


def test_a_pair_is_the_model_and_its_8_bit_form(elmo_folder, tmp_path):
    pair = quantization.load_pair(str(elmo_folder))
    kinds = {name: {p.dtype for p in each.model.parameters()} for name, each in pair.items()}
    assert kinds == {"float32": {torch.float32}, "int8": {torch.float32, torch.int8}}
    assert pair["float32"].name != pair["int8"].name  # else they would share features
    for name, each in pair.items():
        each.model.save_pretrained(tmp_path / name)
        stored = (tmp_path / name / "model.safetensors").read_bytes()
        header = 8 + int.from_bytes(stored[:8], "little")
        assert quantization.weight_bytes(each.model) == len(stored) - header
    with pytest.raises(ContenderError, match="int8 has 8-bit weights already; give the float weights"):
        pair["int8"].tokenizer.save_pretrained(tmp_path / "int8")
        quantization.load_pair(str(tmp_path / "int8"))


def test_another_kind_of_model_is_refused(bert_folder):
    with pytest.raises(ContenderError, match=r"tiny-bert is no ELMo model \(bert\); needed is one"):
        quantization.load_pair(str(bert_folder))


# ---------------------------------------------------------------------------------------------------------- command


def test_the_tasks_are_some_that_a_network_can_learn():
    assert {tasks.TASKS[name].kind for name in options.INT8_TASKS} == {"tagging", "classification"}
    assert set(options.INT8_TASKS) >= quantization.OWN_SPLIT


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--folds", "1"], "--folds 1 leaves nothing to train on; needed are 2 or more"),
        (["--seeds", "3", "3"], "a seed is given twice in 3 3: it would count as two"),
        (["--tasks", "mr", "snips"], "snips is not in "),
        (["--resume"], "--resume goes on with a result file: name it with --output"),
    ],
)
def test_wrong_use_is_told_before_a_model_is_loaded(task_data, words, text, capsys, monkeypatch):
    monkeypatch.setattr(quantization, "load_pair", lambda spec: pytest.fail("too late"))
    assert command(task_data, *words) == 1
    assert text in capsys.readouterr().err


def test_without_data_the_way_out_is_told(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HF_ELMO_DATA", raising=False)
    assert benchmark.main(["int8"]) == 1
    assert "int8 reads labelled data: give --data FOLDER or set HF_ELMO_DATA" in capsys.readouterr().err


def test_sets_that_are_not_there_are_left_out_with_a_word(task_data, capsys):
    args = SimpleNamespace(data=task_data, tasks=None, seeds=[1], folds=2)
    assert int8.check(args) == task_data and args.tasks == ["mr", "ud_ewt", "wikigold"]
    assert "left out: snips is not in" in capsys.readouterr().err
