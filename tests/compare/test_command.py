# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""`hf-elmo compare` from the command line to the report, its refusals, and a process killed in the middle."""

import argparse
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from comparison_tasks import write_task_data, write_vectors
from support import ROOT

from hf_elmo.compare import command, running
from hf_elmo.compare.formatting import texts
from hf_elmo.compare.settings import DATA_VARIABLE


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_intermixed_args([*arguments, "--device", "cpu"])


@pytest.fixture
def asked(tmp_path, task_data, vectors_file, monkeypatch):
    """Arguments of a comparison of two contenders on the tiny tasks."""
    monkeypatch.setattr(sys, "argv", ["hf-elmo", "compare"])
    models = [f"static:{vectors_file}", f"shuffled:static:{vectors_file}"]
    common = ["--quick", "--experiments", "quality", "--data", str(task_data), "--seeds", "2"]
    return [*models, "--output", str(tmp_path / "out"), *common]


def test_a_comparison_ends_in_a_report_and_is_not_computed_twice(asked, tmp_path, small_heads, capsys):
    assert command.run(parse(*asked)) == 0
    first = capsys.readouterr().err
    assert "will compare plain, shuffled:plain on cpu, seeds 2" in first and "6 cells, 0 of them done" in first
    assert "left out of quality: snips is not in" in first
    assert "6 of 6 cells done" in first
    out = tmp_path / "out"
    report = json.loads((out / "report.json").read_text())
    assert [section["experiment"] for section in report["sections"]] == ["quality"] and not report["untraced"]
    assert [row["name"] for row in report["facts"]["contenders"]] == ["plain", "shuffled:plain"]
    assert report["facts"]["left_out"][0]["experiment"] == "quality"
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.json")}
    assert len([path for path in times if path.parent.name == "quality"]) == 6

    assert command.run(parse(*asked)) == 0
    second = capsys.readouterr().err
    assert "6 cells, 6 of them done" in second and "is up to date" in second
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.json")} == times

    (out / "report.html").unlink()
    assert command.run(parse(*asked, "--report-only")) == 0
    assert (out / "report.html").exists()


def test_every_fact_of_a_report_has_a_name_in_both_languages(asked, monkeypatch):
    caught = {}
    monkeypatch.setattr(command, "_report", lambda settings, jobs, store, facts, always: caught.update(facts) or [])
    assert command.run(parse(*asked, "--report-only")) == 0
    assert {"contenders", "left_out", "failed"} <= set(caught)
    assert {*caught, "code", "versions", "machine"} <= set(texts("page"))


def test_a_failed_cell_is_told_and_the_rest_reported(asked, tmp_path, small_heads, monkeypatch, capsys):
    from hf_elmo.compare import quality

    true_run = quality.run

    def run(cell, context):
        if cell["task"] == "mr":
            raise OSError("planted")
        return true_run(cell, context)

    monkeypatch.setattr(quality, "run", run)
    assert command.run(parse(*asked)) == 1
    told = capsys.readouterr().err
    assert "2 cells failed, the first: OSError: planted" in told
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [row["error"] for row in report["facts"]["failed"]] == ["OSError: planted"] * 2
    assert report["sections"][0]["tables"][0]["id"] == "quality-upos"


def test_an_interruption_keeps_what_is_done(asked, small_heads, monkeypatch, capsys):
    from hf_elmo.compare import quality

    def run(cell, context):
        raise KeyboardInterrupt

    monkeypatch.setattr(quality, "run", run)
    assert command.run(parse(*asked)) == 130
    assert "give the same command again to go on" in capsys.readouterr().err


def test_a_report_of_nothing_is_refused(asked, capsys):
    assert command.run(parse(*asked, "--report-only")) == 1
    assert "there is no result to report" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--experiments", "beauty"], "there is no experiment 'beauty'; there are quality"),
        (["--seeds", "1", "1"], "a seed is given twice"),
        (["--data", "absent"], "--data absent is no folder with data sets"),
        (["--output", __file__], "is a file; needed is a folder"),
        (["static:a/x.txt", "static:b/x.txt"], "would both be called x"),
    ],
)
def test_wrong_use_is_told_before_any_work(arguments, message, monkeypatch):
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    with pytest.raises(ValueError, match=message):
        command.settings_of(parse(*arguments))


def test_a_model_that_is_not_there_is_told_before_any_work(tmp_path, task_data):
    arguments = [str(tmp_path / "absent"), "--data", str(task_data), "--experiments", "quality"]
    with pytest.raises(ValueError, match="no such folder"):
        command.run(parse(*arguments, "--output", str(tmp_path / "out")))
    assert not (tmp_path / "out").exists()


def test_all_experiments_are_found_and_follow_the_contract(tmp_path):
    found = running.available_experiments()
    assert "quality" in found and set(found) <= set(running.EXPERIMENTS)
    for name in found:
        module = running.import_module(f"hf_elmo.compare.{name}")
        assert module.NAME == name and module.TITLE
        assert all(callable(getattr(module, part)) for part in ("cells", "run", "summarize"))


def test_without_data_what_needs_none_is_still_planned(tmp_path, vectors_file, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    settings = command.settings_of(parse(f"static:{vectors_file}", "--output", str(tmp_path / "out")))
    jobs = running.plan_jobs(settings, running.Context(settings))
    assert not any(job.cell.experiment == "quality" for job in jobs)
    assert ("quality", f"no data: give --data FOLDER or set {DATA_VARIABLE}") in settings.left_out


def test_vectors_of_a_file_are_asked_nothing_that_takes_a_language_model(tmp_path, vectors_file):
    for name in ("blimp", "lm_en_wiki", "lm_en_news", "lm_en_books"):
        (tmp_path / "data" / name).mkdir(parents=True)
    models = ["elmo-mini-en", "copy:elmo-mini-en", f"static:{vectors_file}", f"copy:static:{vectors_file}"]
    models += ["word2vec-mini-en", "copy:word2vec-mini-en", "shuffled:elmo-mini-en"]
    asked = [*models, "--experiments", "grammar", "distance", "agreement", "--data", str(tmp_path / "data")]
    settings = command.settings_of(parse(*asked, "--output", str(tmp_path / "out")))
    planned = {}
    for job in running.plan_jobs(settings, running.Context(settings)):
        planned.setdefault(job.cell.experiment, set()).add(job.cell["contender"])
    assert planned == dict.fromkeys(("grammar", "distance", "agreement"), {"elmo-mini-en", "copy:elmo-mini-en"})


CHILD = """
import sys
from hf_elmo.compare import command, quality, task_probe
task_probe.WIDTH = task_probe.HIDDEN = 16
quality.UPDATES = {"frozen": (60, 60), "fine-tuned": (8, 8)}
import argparse
parser = argparse.ArgumentParser()
command.add_arguments(parser)
sys.exit(command.run(parser.parse_intermixed_args(sys.argv[1:])))
"""


@pytest.mark.extended
@pytest.mark.slow
def test_a_killed_command_goes_on_without_computing_again(tmp_path):
    (tmp_path / "data").mkdir()
    write_task_data(tmp_path / "data")
    vectors = write_vectors(tmp_path / "plain.txt")
    arguments = [
        f"static:{vectors}",
        f"copy:static:{vectors}",
        "--quick",
        "--experiments",
        "quality",
        "--device",
        "cpu",
    ]
    words = [sys.executable, "-c", CHILD, *arguments, "--data", tmp_path / "data", "--output", tmp_path / "out"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    cells = tmp_path / "out" / "cells" / "quality"
    child = subprocess.Popen(words, env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while len(list(cells.glob("*.json"))) < 5:
        assert child.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    kept = {path: path.stat().st_mtime_ns for path in cells.glob("*.json")}
    assert 5 <= len(kept) < 18 and not (tmp_path / "out" / "report.json").exists()
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    assert f"18 cells, {len(kept)} of them done" in done.stderr
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert len(list(cells.glob("*.json"))) == 18 and (tmp_path / "out" / "report.json").exists()
