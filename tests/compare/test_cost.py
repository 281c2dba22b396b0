# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Cells of costs: which there are, what they measure, and that tables come from them; times themselves are not judged."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from datasets import Dataset

from hf_elmo.compare import circumstances, cost, cost_pretraining, cost_sides, cost_time
from hf_elmo.compare.contenders import load_contender
from hf_elmo.compare.settings import Settings

NAMES = ["elmo-mini-en", "bert-mini-en"]


@pytest.fixture(scope="module")
def static_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("vectors") / "vectors.txt"
    path.write_text("the 1 2 3\nactor 4 5 6\n")
    return path


@pytest.fixture(scope="module")
def contenders(static_file):
    return [load_contender(name) for name in (*NAMES, f"static:{static_file}")]


def settings(**changes):
    return Settings(Path("unused"), quick=True, models=tuple(NAMES), **changes)


def context(contenders):
    by_name = {each.name: each for each in contenders}
    return SimpleNamespace(settings=settings(), data=None, device="cpu", contender=by_name.__getitem__)


def test_all_contenders_of_a_timing_are_in_one_cell():
    cells = cost.cells(settings(), [*NAMES, "shuffled:elmo-mini-en"])
    timed = [cell for cell in cells if cell["part"] in ("speed", "training")]
    assert timed and {cell["models"] for cell in timed} == {"; ".join(NAMES)}
    assert len({cell.id for cell in cells}) == len(cells)
    assert cost.EXCLUSIVE is True


def test_full_grid_leaves_the_largest_batches_to_gpus():
    grids = {}
    for device in ("cpu", "cuda"):
        full = Settings(Path("unused"), device=device)
        grids[device] = {
            (cell["length"], cell["batch"]) for cell in cost.cells(full, NAMES) if cell["part"] == "speed"
        }
    assert grids["cuda"] == {(length, batch) for length in (8, 32, 128, 512, 2048) for batch in (1, 8, 64)}
    assert grids["cpu"] < grids["cuda"] and (2048, 64) not in grids["cpu"] and (2048, 8) in grids["cpu"]


def test_sentences_follow_the_text_and_begin_anew():
    assert cost.sentences_of(["a", "b", "c"], 2, 2) == [["a", "b"], ["c", "a"]]


def test_inputs_hold_every_word_once(contenders):
    elmo, bert, static = contenders
    sentences = cost.sentences_of(cost.words_of_text(None), 600, 2)
    (batch,) = cost_sides.prepare(elmo, sentences)
    assert int(batch["attention_mask"].sum()) == 2 * (600 + 2)
    windows = [
        int(length) for one in cost_sides.prepare(bert, sentences) for length in one["attention_mask"].sum(dim=1)
    ]
    pieces = [len(bert.pieces(words)[0]) for words in sentences]
    longest = bert.window + len(bert.before) + len(bert.after)
    assert max(windows) == longest and len(windows) > 2 and sum(windows) > sum(pieces)
    (batch,) = cost_sides.prepare(static, [["The", "zzz", "actor"]])
    assert batch["rows"].tolist() == [[0, -1, 1]]


@pytest.mark.extended
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peaks are told by Linux")
@pytest.mark.slow
def test_peak_memory_grows_with_the_text_also_after_larger_ones(contenders):
    words = cost.words_of_text(None)
    peaks = {}
    for length in (2048, 256, 2048):  # the second comes after what the first has freed
        batches = cost_sides.prepare(contenders[1], cost.sentences_of(words, length, 4))
        peaks.setdefault(length, []).append(cost.peak_of(contenders[1], batches))
    assert peaks[256][0] > 1
    assert min(peaks[2048]) > 2 * peaks[256][0]


def test_sizes_of_a_contender(contenders):
    found = cost.sizes(contenders[0], cost.words_of_text(None), settings())
    counted = {length: each["operations"] for length, each in found["counted"].items()}
    assert list(counted) == [str(length) for length in cost.LENGTHS]
    assert found["measured"] and all(
        counted[length] == each["operations"] for length, each in found["measured"].items()
    )
    assert found["parameters"] == sum(each.numel() for each in contenders[0].model.parameters())


def test_pretraining_of_the_box_is_that_of_its_result_files():
    found = []
    for name in (*NAMES, "word2vec-mini-en"):
        cell = cost.Cell("cost", (("part", "size"), ("contender", name)))
        found.append((cell, {"pretraining": cost_pretraining.pretraining_of(name)}))
    seconds, read, passes = cost_pretraining.pretraining_tables(found)
    shown = {
        table["id"]: {
            row["label"]: {column: value["value"] for column, value in row["values"].items()} for row in table["rows"]
        }
        for table in (seconds, read, passes)
    }
    assert set(shown) == {"cost-pretraining", "cost-pretraining-read", "cost-pretraining-passes"}
    results = Path(__file__).parents[2] / "model_cards/results/pretraining"
    for name in NAMES:
        file = json.loads((results / f"{name}.json").read_text())
        assert shown["cost-pretraining"][name]["seconds"] == file["run"]["training_seconds"]
        assert shown["cost-pretraining-read"][name]["words or pieces read"] * 1e6 == file["run"]["words_read"]
        assert file["run"]["device"] in cost_pretraining.pretraining_note(found)[0]
    # The passes that the models' cards tell; how long word2vec took is not known.
    assert {name: round(each["passes"], 1) for name, each in shown["cost-pretraining-passes"].items()} == {
        "elmo-mini-en": 2.8,
        "bert-mini-en": 7,
        "word2vec-mini-en": 5,
    }
    assert "word2vec-mini-en" not in shown["cost-pretraining"]


def test_nothing_is_known_of_the_pretraining_of_other_models(tmp_path, monkeypatch):
    (tmp_path / "elmo-mini-en").mkdir()
    monkeypatch.chdir(tmp_path)  # a folder goes before the box
    assert cost_pretraining.pretraining_of("elmo-mini-en") == cost_pretraining.pretraining_of("org/model") == {}
    cell = cost.Cell("cost", (("part", "size"), ("contender", "org/model")))
    assert list(cost_pretraining.pretraining_tables([(cell, {})])) == []
    assert cost_pretraining.pretraining_note([(cell, {})]) == []
    assert cost_pretraining.of_vectors({"training": {}}) == {}


def test_a_cell_of_sizes_holds_the_pretraining(contenders):
    where = context(contenders)
    first, second = (
        cost.run(cost.Cell("cost", (("part", "size"), ("contender", each.name))), where)
        for each in (contenders[1], contenders[2])
    )
    assert first["pretraining"]["device"] and "pretraining" not in second


def test_speed_memory_and_training_of_all_kinds(contenders, static_file):
    where = context(contenders)
    names = "; ".join(each.name for each in contenders)
    speed, training = (
        cost.Cell("cost", (("part", part), ("models", names), *more))
        for part, more in (("speed", (("length", 8), ("batch", 2))), ("training", ()))
    )
    cost.TRAINING, kept = {"quick": (2, 8)}, cost.TRAINING
    try:
        results = [(cell, cost.run(cell, where)) for cell in (speed, training)]
    finally:
        cost.TRAINING = kept
    for each in results[0][1]["contenders"].values():
        assert len(each["encoder"]["seconds"]) == cost.RUNS[0] and min(each["encoder"]["seconds"]) > 0
    tables = {table["id"]: table for table in cost.summarize(results, where.settings)["tables"]}
    assert set(tables) == {"cost-encoder-batch-2", "cost-words-in-batch-2", "cost-memory-batch-2", "cost-training"}
    static = contenders[2].name
    assert static not in {row["contender"] for row in tables["cost-encoder-batch-2"]["rows"]}
    assert static in {row["contender"] for row in tables["cost-words-in-batch-2"]["rows"]}
    for row in tables["cost-training"]["rows"]:
        assert ("pretraining" in row["values"]) == (row["contender"] != static)
    values = [value for table in tables.values() for row in table["rows"] for value in row["values"].values()]
    assert all(value["cells"] in ([speed.id], [training.id]) for value in values)


def test_time_until_a_score_is_read_off_between_runs():
    runs = {8: {"fast": (1.0, 50.0), "slow": (4.0, 40.0)}, 32: {"fast": (4.0, 100.0), "slow": (16.0, 90.0)}}
    found = [
        (
            cost.Cell("cost", (("part", "time"), ("updates", updates))),
            {"runs": {name: {"seconds": seconds, "score": score} for name, (seconds, score) in of_run.items()}},
        )
        for updates, of_run in runs.items()
    ]
    scores, seconds, needed = cost_time.time_tables(found)
    assert scores["columns"] == seconds["columns"] == ["8", "32"]
    assert needed["columns"] == ["95.0 %"]
    (row,) = needed["rows"]  # the slow one never has 95 % of 100
    # 95 lies nine tenths of the way from 50 to 100; so does the logarithm of the time from 1 to 4 seconds.
    assert row["label"] == "fast" and row["values"]["95.0 %"]["value"] == pytest.approx(4**0.9)


@pytest.mark.extended
@pytest.mark.parametrize(
    "number", [2, pytest.param(0, marks=pytest.mark.slow), pytest.param(1, marks=pytest.mark.slow)]
)
def test_training_runs_are_timed_and_scored(number, contenders, monkeypatch, tmp_path):
    contender = contenders[number]
    sentences = [["The", "actor", "sings", "."], ["A", "cat", "sings", "the", "song", "."]] * 20
    tags = [["DET", "NOUN", "VERB", "PUNCT"], ["DET", "NOUN", "VERB", "DET", "NOUN", "PUNCT"]] * 20
    dataset = Dataset.from_dict({"tokens": sentences, "tags": tags})
    monkeypatch.setattr(cost_time, "read_task", lambda settings, name, split: dataset)
    where = context(contenders)
    where.cache = tmp_path
    run = cost_time.time_training([contender], 30, where)["runs"][contender.name]
    assert run["seconds"] > 0
    assert run["score"] > 40  # the commonest tag is at 30


def test_an_update_changes_every_part_of_a_model(contenders, monkeypatch):
    seen = []
    keep = cost_sides._update

    def update(model, loss, device):
        seen.append(model)
        return keep(model, loss, device)

    monkeypatch.setattr(cost_sides, "_update", update)
    sentences = cost.sentences_of(cost.words_of_text(None), 8, 2)
    for contender in contenders[:2]:
        for make in (cost_sides.head_update, cost_sides.pretraining_update):
            step = make(contender, sentences)
            model = seen.pop()
            before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
            step()
            same = [name for name, weight in model.named_parameters() if torch.equal(weight, before[name])]
            # a label layer's loss does not reach the pooler, nor softmaxes words that are no targets
            assert not [name for name in same if "pooler" not in name and "scalar" not in name], (make, same)


def test_comparisons_running_counts_processes_that_compare():
    if circumstances.comparisons_running() is None:
        pytest.skip("this system has no /proc")
    before = circumstances.comparisons_running()
    code = "import sys, time; print('up', flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code, "hf-elmo", "compare"], stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        assert circumstances.comparisons_running() >= before + 1
    finally:
        process.kill()
        process.wait()
