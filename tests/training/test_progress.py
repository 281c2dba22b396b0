# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Speed, time left and `log.jsonl`, by a clock that the tests set."""

import json

import pytest

from hf_elmo.training import progress
from hf_elmo.training.progress import RunLog, Speed, figures_line, progress_line


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1000.0

    monkeypatch.setattr(progress.time, "perf_counter", lambda: Clock.now)
    return Clock


def test_start_up_and_pauses_are_no_part_of_the_speed(clock):
    speed = Speed()
    clock.now += 60  # the first update compiles
    assert not speed.measures(1, 500)
    speed.begin(1, 500)
    assert not speed.measures(1, 500)
    clock.now += 9
    with speed.paused():
        clock.now += 18
    assert speed.measures(10, 5000)
    assert (speed.words_per_second, speed.seconds_per_update, speed.pause_per_update) == (500.0, 1.0, 2.0)


def test_the_time_left_is_of_the_last_speed_and_knows_pauses_and_the_budget(clock):
    speed = Speed()
    speed.begin(0, 0)
    clock.now += 100
    speed.measures(10, 1000)
    clock.now += 10
    speed.measures(20, 2000)
    with speed.paused():
        clock.now += 30
    entry = {"step": 20, "loss": 2.5, "words_per_second": 100.0, "gradient_norm": 3.0}
    # 80 updates of one second each; the pause is counted when the speed is measured next.
    assert progress_line(entry, 100, speed, None, 140.0) == "step 20/100: loss 2.5, 100 words/s, time left 0:01:20"
    assert progress_line(entry, 100, speed, 0.05, 140.0, "pieces").endswith("100 pieces/s, time left 0:00:40")
    assert progress_line(entry, 100, speed, 0.01, 140.0).endswith("time left 0:00:00")
    clock.now += 10
    speed.measures(30, 3000)
    assert progress_line({**entry, "step": 30}, 100, speed, None, 180.0).endswith("time left 0:02:20")


def test_without_a_speed_the_line_tells_none():
    assert progress_line({"step": 1, "loss": 7.0}, 1000, Speed(), 1.0, 50.0) == "step 1/1,000: loss 7"
    assert figures_line({"a_b": 0.123456, "c": 2}) == "a b 0.1235, c 2"


def test_entries_are_in_the_log_as_soon_as_they_are_known(tmp_path):
    path, history = tmp_path / "run" / "log.jsonl", [{"step": 1}]
    log = RunLog(path, history)
    log.add({"step": 2, "loss": None})
    assert path.read_text() == '{"step": 1}\n{"step": 2, "loss": null}\n'
    assert history == [{"step": 1}, {"step": 2, "loss": None}]
    # Half a line of a process that was killed, and entries after the checkpoint, go.
    path.write_text(path.read_text() + '{"step": 3}\n{"ste')
    RunLog(path, [{"step": 1}]).add({"step": 2})
    assert [json.loads(line) for line in path.read_text().splitlines()] == [{"step": 1}, {"step": 2}]
    assert [file.name for file in path.parent.iterdir()] == ["log.jsonl"]


def test_other_processes_write_nothing(tmp_path):
    history: list = []
    RunLog(tmp_path / "log.jsonl", history, writes=False).add({"step": 1})
    assert history == [{"step": 1}] and not list(tmp_path.iterdir())
