# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Quality on tasks: scores against seqeval and SQuAD's, heads that learn, planted differences."""

import json

import numpy as np
import pytest
import torch
from comparison_tasks import WORDS, sentences, write_vectors
from seqeval.metrics import f1_score

from hf_elmo.compare import quality, task_probe, tasks
from hf_elmo.compare.answer_probe import answer_words
from hf_elmo.compare.cells import Cell
from hf_elmo.compare.contenders import load_contender
from hf_elmo.compare.running import Context
from hf_elmo.compare.settings import Settings


def settings_of(tmp_path, data, models, **changes):
    return Settings(tmp_path / "out", data=data, models=tuple(models), quick=True, batch_size=16, **changes)


def cell_of(task, contender, mode="frozen", seed=1):
    return Cell("quality", (("task", task), ("mode", mode), ("contender", contender), ("seed", seed)))


# --- data and scores ---------------------------------------------------------------------------------------------------


def test_the_first_part_of_a_sample_is_a_sample(tmp_path, task_data, monkeypatch):
    settings = settings_of(tmp_path, task_data, ["a"])
    whole = tasks.read_task(settings, "ud_ewt", "train")
    assert len(whole) == 120
    monkeypatch.setattr(tasks, "EXAMPLES", {"train": (50, 50), "validation": (9, 9)})
    part = tasks.read_task(settings, "ud_ewt", "train")
    assert part["tokens"] == whole["tokens"][:50]
    assert sorted(map(tuple, whole["tokens"])) == sorted(map(tuple, sentences(120, 1)))
    with pytest.raises(ValueError, match="give --data"):
        tasks.read_task(settings_of(tmp_path, None, ["a"]), "ud_ewt", "train")


def test_span_scores_are_seqevals():
    gold = [["B-A", "I-A", "O", "B-B"], ["O", "O"], ["B-A", "B-A", "I-B"]]
    found = [["B-A", "I-A", "O", "B-A"], ["O", "B-B"], ["B-A", "B-A", "O"]]
    scores = tasks.score_tags(gold, found)
    assert scores["metric"] == "f1" and scores["score"] == pytest.approx(100 * f1_score(gold, found))
    assert np.sum(scores["items"], axis=0).tolist() == [3, 5, 5]
    accuracy = tasks.score_tags([["N", "V"], ["N"]], [["N", "N"], ["N"]])
    assert accuracy["metric"] == "accuracy" and accuracy["score"] == pytest.approx(200 / 3)
    assert accuracy["items"] == [[1, 2], [1, 1]]
    assert tasks.score_labels(["a", "b"], ["a", "a"]) == {"metric": "accuracy", "score": 50.0, "items": [1, 0]}


def test_types_of_another_set_are_mapped_and_the_rest_dropped():
    tags = [["B-politician", "I-politician", "O", "B-event", "I-event", "B-band"]]
    assert tasks.shared_types(tags, tasks.CROSSNER_TYPES) == [["B-PER", "I-PER", "O", "O", "O", "B-ORG"]]


def test_words_of_an_answer():
    context = "In 1984, George Orwell wrote it."
    row = {"context": context, "answers": {"text": ["George Orwell"], "answer_start": [9]}}
    words = tasks.split_words(context)
    first, last = answer_words(row)
    assert words[first : last + 1] == ["George", "Orwell"]
    assert answer_words({"context": context, "answers": {"text": ["absent"], "answer_start": [3]}}) is None


# --- features and heads ------------------------------------------------------------------------------------------------


def test_features_are_computed_once_and_belong_to_the_model(tmp_path, vectors_file, monkeypatch):
    contender = load_contender(f"static:{vectors_file}")
    rows = [WORDS[:3], [], WORDS[5:9]]
    features = task_probe.cached_features(contender, rows, tmp_path / "cache")
    assert features.values.shape == (7, 1, 12) and features.values.dtype == np.float16
    values, mask = features.batch([2, 0, 1])
    assert mask.tolist() == [[True] * 4, [True] * 3 + [False], [False] * 4]
    expected = contender.vectors(rows)[2][0]
    torch.testing.assert_close(values[0, :, 0], expected, atol=2e-3, rtol=1e-3)
    assert not values[1, 3].any() and not values[2].any()
    monkeypatch.setattr(contender, "vectors", lambda sentences: pytest.fail("computed again"))
    task_probe.cached_features(contender, rows, tmp_path / "cache")
    other = load_contender(f"static:{write_vectors(tmp_path / 'other.txt', seed=5)}")
    other.name = contender.name
    again = task_probe.cached_features(other, rows, tmp_path / "cache")
    assert not np.array_equal(again.values, features.values)


def test_the_input_of_a_head_mixes_normalised_layers(tmp_path, elmo_folder):
    from hf_elmo.modeling.scalar_mix import ScalarMix

    features = task_probe.cached_features(load_contender(str(elmo_folder)), sentences(30, 3), tmp_path)
    layer = task_probe.LayerInput(features).eval()
    with torch.no_grad():
        layer.mix.scalar_parameters.copy_(torch.tensor([0.3, -1.0, 0.5]))
        layer.mix.gamma.fill_(1.7)
    vectors, mask = features.batch(range(8))
    values = torch.from_numpy(np.array(features.values, dtype=np.float32))
    normal = (vectors - values.mean(dim=0)) / values.std(dim=0, correction=0)
    mix = ScalarMix(3)
    mix.load_state_dict(layer.mix.state_dict())
    expected = layer.project(mix(normal.unbind(dim=2), mask))
    torch.testing.assert_close(layer(vectors, mask), expected, atol=1e-3, rtol=1e-3)


def test_batches_hold_every_row_once_a_pass():
    lengths = np.arange(50) % 7
    batches = list(task_probe.bucketed_batches(lengths, 8, 14, np.random.default_rng(0)))
    assert len(batches) == 14 and sorted(np.concatenate(batches[:7]).tolist()) == list(range(50))
    again = list(task_probe.bucketed_batches(lengths, 8, 14, np.random.default_rng(0)))
    assert all(map(np.array_equal, batches, again))


@pytest.mark.parametrize("task, least", [("ud_ewt", 60), ("wikigold", 30), ("mr", 70)])
def test_a_head_learns_what_words_tell(tmp_path, task_data, vectors_file, small_heads, task, least):
    context = Context(settings_of(tmp_path, task_data, [f"static:{vectors_file}"]))
    result = quality.run(cell_of(task, "plain"), context)
    assert result["score"] > least
    assert result == quality.run(cell_of(task, "plain"), context)  # the same seed, the same result
    assert result["layer_shares"] == {"vectors": 1.0}
    json.dumps(result)
    if task == "wikigold":
        assert list(result["transfer"]) == ["crossner_politics"]
        assert result["transfer"]["crossner_politics"]["score"] > least


@pytest.mark.parametrize("task", ["ud_ewt", "mr"])
@pytest.mark.parametrize("kind", ["elmo_folder", "bert_folder", "vectors_file"])
def test_all_kinds_are_fine_tuned(tmp_path, task_data, small_heads, request, kind, task):
    place = request.getfixturevalue(kind)
    context = Context(settings_of(tmp_path, task_data, [f"static:{place}" if kind == "vectors_file" else str(place)]))
    (name,) = context._specs
    result = quality.run(cell_of(task, name, "fine-tuned"), context)
    assert 0 <= result["score"] <= 100 and result["updates"] == 8 and np.isfinite(result["training_loss"])
    assert len(result["items"]) == result["evaluated"] == 60


def test_fine_tuning_moves_every_part_of_the_model(tmp_path, task_data, elmo_folder, small_heads, monkeypatch):
    from hf_elmo.compare import fine_tuning

    before, models = [], []

    def spy(*arguments):
        loaded = fine_tuning_load(*arguments)
        models.append(loaded.model)
        before.append({name: value.detach().clone() for name, value in loaded.model.named_parameters()})
        return loaded

    fine_tuning_load = fine_tuning.load_model
    monkeypatch.setattr(fine_tuning, "load_model", spy)
    context = Context(settings_of(tmp_path, task_data, [str(elmo_folder)]))
    result = quality.run(cell_of("ud_ewt", "tiny-elmo", "fine-tuned"), context)
    assert result["learning_rate"] == fine_tuning.ELMO_LEARNING_RATE
    same = [name for name, value in models[0].named_parameters() if torch.equal(value, before[0][name])]
    assert not same


def test_questions_are_answered(tmp_path, vectors_file, small_heads, monkeypatch):
    rng = np.random.default_rng(0)
    articles: dict = {}
    for split, count in (("train", 150), ("dev", 20)):
        paragraphs = []
        for number in range(count):
            words = list(rng.choice(WORDS, 12))
            asked = int(rng.integers(len(words)))
            start = len(" ".join(words[:asked])) + (asked > 0)
            answers = [{"text": words[asked], "answer_start": start}]
            question = {"id": f"{split}{number}", "question": words[asked], "answers": answers}
            paragraphs.append({"context": " ".join(words), "qas": [question]})
        articles[split] = {"data": [{"paragraphs": paragraphs}]}
        folder = tmp_path / "squadshifts_newwiki"
        folder.mkdir(exist_ok=True)
        (folder / f"{split}.json").write_text(json.dumps(articles[split]))
    monkeypatch.setattr(quality, "QA_UPDATES", {"frozen": (70, 70), "fine-tuned": (5, 5)})
    context = Context(settings_of(tmp_path, tmp_path, [f"static:{vectors_file}"]))
    result = quality.run(cell_of("squadshifts_newwiki", "plain"), context)
    assert result["metric"] == "f1" and result["learned"] == 150
    assert result["score"] > 30  # the word of the question, out of twelve
    assert np.mean(result["items"]) == pytest.approx(result["score"], abs=0.01)
    quality.run(cell_of("squadshifts_newwiki", "plain", "fine-tuned"), context)


# --- planted differences -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def planted(tmp_path_factory, task_data, vectors_file, small_heads):
    """The section of a contender, the same in disorder, and a copy of it."""
    plain = f"static:{vectors_file}"
    settings = settings_of(
        tmp_path_factory.mktemp("planted"), task_data, [plain, f"shuffled:{plain}", f"copy:{plain}"]
    )
    context = Context(settings)
    cells = quality.cells(settings, list(context._specs))
    return quality.summarize([(cell, quality.run(cell, context)) for cell in cells], settings), cells


def test_planted_differences_are_found_and_copies_are_not(planted):
    section, cells = planted
    assert len(cells) == 3 * 3 * 3  # tasks that are there, contenders, seeds
    by_pair: dict = {}
    for test in section["tests"]:
        by_pair.setdefault((test["a"], test["b"]), []).append(test)
    worse, same = by_pair["plain", "shuffled:plain"], by_pair["plain", "copy:plain"]
    assert len(worse) == len(same) == 4  # with the transfer
    for test in worse:
        assert test["significant"] and test["difference"] > 0 and test["p_holm"] < 0.05, test
    for test in same:
        assert not test["significant"] and test["p_holm"] == 1.0 and test["difference"] == 0
    assert all(test["significant"] and test["difference"] < 0 for test in by_pair["shuffled:plain", "copy:plain"])


def test_every_figure_leads_to_its_cells(planted):
    section, cells = planted
    ids = {cell.id for cell in cells}
    assert [table["id"] for table in section["tables"]] == [
        "quality-upos",
        "quality-ner",
        "quality-transfer",
        "quality-classification",
    ]
    for table in section["tables"]:
        assert [row["contender"] for row in table["rows"]] == ["plain", "shuffled:plain", "copy:plain"]
        for row in table["rows"]:
            assert list(row["values"]) == table["columns"]
            for value in row["values"].values():
                low, high = value["interval"]
                assert len(value["cells"]) == value["n"] == 3 and set(value["cells"]) <= ids
                assert low - 1e-9 <= value["value"] <= high + 1e-9 and value["sd"] >= 0


def test_a_difference_that_another_seed_turns_round_does_not_count():
    def series(scores):
        items = [[int(n < score) for n in range(100)] for score in scores]
        return [
            (cell_of("mr", "x", seed=seed), {"metric": "accuracy", "score": float(score), "items": one})
            for seed, (score, one) in enumerate(zip(scores, items, strict=True))
        ]

    test = quality.compare_series(series([90, 90, 50]), series([50, 50, 51]))
    assert test["p"] < 0.05 and not test["same_sign"]
    assert quality.compare_series(series([90, 90, 60]), series([50, 50, 51]))["same_sign"]
    assert quality.compare_series(series([90])[:0], series([50])) is None


def test_what_is_not_there_is_left_out_and_said(tmp_path, task_data):
    settings = settings_of(tmp_path, task_data, ["a"])
    found = quality.cells(settings, ["a"])
    assert {cell["task"] for cell in found} == {"ud_ewt", "wikigold", "mr"}
    assert any("snips is not in" in reason for _, reason in settings.left_out)
    settings = settings_of(tmp_path, None, ["a"])
    assert quality.cells(settings, ["a"]) == [] and "--data" in settings.left_out[-1][1]
    full = Settings(tmp_path, data=task_data, models=("a",))
    modes = {(cell["contender"], cell["mode"]) for cell in quality.cells(full, ["a", "shuffled:a"])}
    assert modes == {("a", "frozen"), ("a", "fine-tuned"), ("shuffled:a", "frozen")}


@pytest.mark.extended
@pytest.mark.slow
def test_planted_differences_with_the_model_of_the_box(tmp_path):
    from support import SHARED

    if SHARED is None:
        pytest.skip("the reference data (../shared) is not beside the repository")
    models = ["elmo-mini-en", "shuffled:elmo-mini-en", "copy:elmo-mini-en"]
    settings = settings_of(tmp_path, SHARED / "data", models)
    context = Context(settings)
    cells = [cell for cell in quality.cells(settings, models) if cell["task"] in ("ud_ewt", "wikigold")]
    section = quality.summarize([(cell, quality.run(cell, context)) for cell in cells], settings)
    for test in section["tests"]:
        planted_difference = (test["a"] == models[1]) != (test["b"] == models[1])
        assert test["significant"] == planted_difference, test
