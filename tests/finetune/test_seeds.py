# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Runs of several seeds become one result, and runs that do not belong together are refused."""

import copy
import json

import pytest

from hf_elmo.finetune.seeds import main, summarize


def result_of(seed: int, accuracy: float) -> dict:
    return {
        "run": {
            "command": f"hf-elmo finetune --seed {seed}",
            "settings": {"seed": seed, "output_dir": f"run{seed}", "learning_rate": 0.001},
            "seed": seed,
            "start": "2026-01-01T00:00:00+00:00",
            "duration_seconds": 10.0 * seed,
        },
        "metrics": {"validation": {"accuracy": {"value": accuracy, "baseline": 0.25, "n": 400}}},
        "baseline": "the commonest label",
        "model": {"parameters": 5},
        "data": {"train": {"examples": 3}},
        "notes": [],
        "code": {"commit": "abc"},
        "packages": {"torch": "2"},
        "machine": {"cores": 2},
    }


@pytest.fixture
def runs():
    return {f"run{seed}": result_of(seed, accuracy) for seed, accuracy in [(1, 0.5), (2, 0.7), (4, 0.9)]}


def test_mean_and_deviation_over_the_seeds(runs):
    result = summarize(runs)
    metric = result["metrics"]["validation"]["accuracy"]
    assert metric["mean"] == pytest.approx(0.7) and metric["standard_deviation"] == pytest.approx(0.2)
    assert metric["values"] == {"1": 0.5, "2": 0.7, "4": 0.9} and metric["baseline"] == 0.25 and metric["n"] == 400
    assert result["run"]["seeds"] == [1, 2, 4] and result["run"]["duration_seconds"] == 70
    assert result["run"]["settings"] == {"learning_rate": 0.001} and len(result["run"]["commands"]) == 3


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda runs: runs.pop("run1") and runs.pop("run2"), "needed are at least two runs, got 1"),
        (lambda runs: runs["run2"]["run"].update(seed=1), "two runs have the same seed: 1, 1, 4"),
        (
            lambda runs: runs["run2"]["run"]["settings"].update(learning_rate=1),
            "run2 and run1 differ in learning_rate",
        ),
        (lambda runs: runs["run4"]["data"].update(train={}), "run4 and run1 have different data"),
        (lambda runs: runs["run4"]["code"].update(commit="x"), "run4 and run1 have different code"),
    ],
)
def test_runs_that_do_not_belong_together_are_refused(runs, change, message):
    runs = copy.deepcopy(runs)
    change(runs)
    with pytest.raises(ValueError, match=message):
        summarize(runs)


def test_the_command_writes_a_file_and_prints_a_table(tmp_path, runs, capsys):
    for name, run in runs.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text(json.dumps(run))
    folders = [str(tmp_path / name) for name in runs]
    assert main([str(tmp_path / "all.json"), *folders]) == 0
    assert "| validation | accuracy | 0.7 | 0.2 | 0.25 | 400 |" in capsys.readouterr().out
    assert json.loads((tmp_path / "all.json").read_text())["run"]["seeds"] == [1, 2, 4]
    (tmp_path / "run2" / "results.json").unlink()
    assert main([str(tmp_path / "none.json"), *folders]) == 1
    assert "run2" in capsys.readouterr().err and not (tmp_path / "none.json").exists()
