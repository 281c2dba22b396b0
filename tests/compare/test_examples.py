# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Scores against training examples: which are drawn, that more of them teach more, and what the section makes of scores."""

import numpy as np
import pytest
from comparison_tasks import write_vectors

from hf_elmo.compare import examples
from hf_elmo.compare.cells import Cell
from hf_elmo.compare.running import Context
from hf_elmo.compare.settings import Settings


def cell_of(share, contender="plain", seed=1, task="ud_ewt"):
    return Cell("examples", (("task", task), ("share", share), ("contender", contender), ("seed", seed)))


@pytest.fixture
def settings(tmp_path, task_data, vectors_file, monkeypatch):
    monkeypatch.setattr(examples, "UPDATES", (80, 80))
    examples._read.cache_clear()
    return Settings(tmp_path / "out", data=task_data, models=(f"static:{vectors_file}",), quick=True, batch_size=16)


@pytest.mark.parametrize("total", [1, 7, 600, 12_544])
def test_a_smaller_share_is_part_of_a_larger_one(total):
    rows = [examples.rows_of_share(total, share, 3) for share in (1, 3, 10, 30, 100)]
    assert [len(part) for part in rows] == [max(1, round(total * share / 100)) for share in (1, 3, 10, 30, 100)]
    for smaller, larger in zip(rows, rows[1:], strict=False):
        assert set(smaller) <= set(larger) and smaller == sorted(set(smaller))
    assert rows[-1] == list(range(total))
    assert rows == [examples.rows_of_share(total, share, 3) for share in (1, 3, 10, 30, 100)]
    if total > 100:
        assert rows[1] != examples.rows_of_share(total, 3, 4)


def test_a_cell_for_everything_there_is_data_for(settings, tmp_path):
    cells = examples.cells(settings, ["a", "b"])  # the tiny data have no snips
    assert len(cells) == len({cell.id for cell in cells}) == 3 * 3 * 2
    assert ("examples", "snips is not in " + settings.data.name) in settings.left_out
    settings.quick = False
    assert {cell["share"] for cell in examples.cells(settings, ["a"])} == {1, 3, 10, 30, 100}
    nothing = Settings(tmp_path)
    assert examples.cells(nothing, ["a"]) == [] and nothing.left_out


def test_more_examples_teach_more(settings, small_heads):
    context = Context(settings)
    few, all_of_them = (examples.run(cell_of(share), context) for share in (1, 100))
    assert few["examples"] == 1 and all_of_them["examples"] == 120
    assert few["updates"] == all_of_them["updates"] == 80
    assert len(few["items"]) == len(all_of_them["items"]) == 60  # the whole dev set
    # one sentence holds a part of the 24 words, 120 hold them all
    assert few["score"] < 75 and all_of_them["score"] > 95
    assert examples.run(cell_of(1), context) == few  # the same again


def result(score, number, items=400):
    """A result whose first items are right; as many as the score says."""
    right = round(items * score / 100)
    return {
        "metric": "accuracy",
        "score": 100 * right / items,
        "items": [1] * right + [0] * (items - right),
        "examples": number,
    }


def section_of(scores, settings):
    """Scores: contender -> share -> a score for each seed, of 1000 examples in all."""
    results = [
        (cell_of(share, name, seed, "snips"), result(score, 10 * share))
        for name, shares in scores.items()
        for share, found in shares.items()
        for seed, score in enumerate(found, 1)
    ]
    return examples.summarize(results, settings)


SCORES = {
    "good": {1: [60, 61, 62], 10: [80, 81, 82], 100: [90, 90, 90]},
    "weak": {1: [20, 21, 22], 10: [50, 51, 52], 100: [88, 88, 88]},
    "twin": {1: [60, 61, 62], 10: [80, 81, 82], 100: [90, 90, 90]},
}


def test_curves_and_their_spread(settings):
    section = section_of(SCORES, settings)
    table, needed = section["tables"]
    assert table["id"] == "examples-snips" and table["columns"] == ["10", "100", "1000"]
    assert table["plot"] == {"kind": "lines", "x": "training examples of Snips", "log_x": True}
    assert [row["contender"] for row in table["rows"]] == ["good", "weak", "twin"]
    value = table["rows"][1]["values"]["100"]
    assert value["value"] == pytest.approx(51) and value["sd"] == pytest.approx(1) and value["n"] == 3
    assert value["cells"] == [cell_of(10, "weak", seed, "snips").id for seed in (1, 2, 3)]
    # 95 % of 90 is 85.5, which lies half of the way from 81 to 90
    values = {row["label"]: row["values"]["Snips"]["value"] for row in needed["rows"]}
    assert values["good"] == pytest.approx(10 ** (2 + 4.5 / 9)) and values["weak"] == pytest.approx(
        10 ** (2 + 34.5 / 37)
    )
    assert needed["higher_is_better"] is False and len(needed["rows"][0]["values"]["Snips"]["cells"]) == 9


def test_planted_differences_are_found_and_twins_are_not_told_apart(settings):
    tests = section_of(SCORES, settings)["tests"]
    assert len(tests) == 9
    for test in tests:
        twins = {test["a"], test["b"]} == {"good", "twin"}
        assert test["significant"] != twins
        assert test["p_holm"] >= test["p"] and (test["difference"] == 0) == twins


def test_what_never_reaches_the_goal_has_no_number(settings):
    needed = section_of({"good": {1: [50], 100: [90]}, "bad": {1: [10], 100: [30]}}, settings)["tables"][-1]
    assert [row["label"] for row in needed["rows"]] == ["good"]
    assert examples.examples_needed({10: 50.0, 1000: 90.0}, 70) == pytest.approx(100)
    assert examples.examples_needed({10: 50.0, 1000: 90.0}, 40) == 10
    assert examples.examples_needed({10: 50.0, 100: 40.0, 1000: 90.0}, 90) == pytest.approx(1000)
    assert examples.examples_needed({10: 50.0}, 50.1) is None


def test_no_results_make_an_empty_section(settings):
    assert examples.summarize([], settings)["tables"] == []


def test_contenders_learn_from_the_same_sentences(settings, small_heads, tmp_path, monkeypatch):
    other = write_vectors(tmp_path / "other.txt", seed=5)
    settings.models = (*settings.models, f"static:{other}")
    seen = []

    def watched(contender, task, train, sets, *rest):
        seen.append((contender.name, train["tokens"], sets[0]["tokens"]))
        return [[["NOUN"] * len(words) for words in sets[0]["tokens"]]], {}

    monkeypatch.setattr(examples, "probe", watched)
    context = Context(settings)
    found = [examples.run(cell_of(10, name), context) for name in ("plain", "other")]
    assert seen[0][0] != seen[1][0] and seen[0][1:] == seen[1][1:] and len(seen[0][1]) == 12
    tags = np.array([tag for tags in examples._read(settings.data, True, "ud_ewt")[1]["tags"] for tag in tags])
    assert found[0]["score"] == pytest.approx(100 * (tags == "NOUN").mean())
