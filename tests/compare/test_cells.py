# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Cells and their files: names, whole or not there, several processes, and kill -9 in the middle."""

import json
import os
import signal
import sys
import time
from collections import Counter
from types import SimpleNamespace

import pytest

from hf_elmo.compare.cells import LARGEST_CELL_BYTES, Cell, Store, command_line, figure
from hf_elmo.compare.running import Clock, Context, Job, run_jobs
from hf_elmo.compare.settings import Settings


def cell_of(**key) -> Cell:
    return Cell("trial", tuple(key.items()))


def test_ids_are_stable_file_names_and_differ():
    cell = cell_of(task="ud_ewt", contender="static:a/b c.txt", seed=1)
    assert cell.id == "ud-ewt-static-a-b-c.txt-1_" + cell.id[-8:]
    assert set(cell.id) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-_")
    cells = [cell_of(a="x", b="y"), cell_of(a="x_y"), cell_of(a="x y"), cell_of(a=1), cell_of(a="1"), cell_of(b="x")]
    cells += [Cell("other", (("a", "x"),)), cell_of(a="long" * 100), cell_of(a="long" * 101)]
    assert len({(one.experiment, one.id) for one in cells}) == len(cells)
    assert max(len(one.id) for one in cells) < 100
    assert cell["seed"] == 1 and cell.get("mode", "none") == "none"
    with pytest.raises(KeyError, match="mode"):
        cell["mode"]


def test_a_result_comes_back_with_all_that_is_needed_to_repeat_it(tmp_path):
    store, cell = Store(tmp_path), cell_of(task="x", seed=1)
    assert not store.done(cell) and store.content(cell) is None
    store.write(cell, {"score": 1.5, "items": [1, 0]}, 2.25, "print")
    assert store.read(cell) == {"score": 1.5, "items": [1, 0]}
    content = json.loads((tmp_path / "cells" / "trial" / f"{cell.id}.json").read_text())
    assert content["key"] == [["task", "x"], ["seed", 1]] and content["seconds"] == 2.25
    assert {"command", "versions", "machine", "code", "settings_fingerprint"} <= content.keys()
    assert "torch" in content["versions"]
    assert not [path for path in (tmp_path / "cells" / "trial").iterdir() if path.suffix != ".json"]


def test_damaged_files_and_other_settings_count_as_not_done(tmp_path):
    store, cell = Store(tmp_path), cell_of(task="x")
    store.write(cell, {"score": 1}, 1, "print")
    assert store.done(cell, "print") and store.done(cell) and not store.done(cell, "another")
    whole = store.path(cell).read_text()
    for damaged in (whole[:50], "", "[]", "null", whole.replace('"x"', '"y"'), whole.replace('{"score":1}', "3")):
        store.path(cell).write_text(damaged)
        assert not store.done(cell, "print")
        with pytest.raises(ValueError, match="holds no result"):
            store.read(cell)


@pytest.mark.parametrize("result", [{"a": float("nan")}, {"a": float("inf")}, {"a": {1, 2}}])
def test_what_json_cannot_hold_is_refused(tmp_path, result):
    with pytest.raises(ValueError, match="is no JSON"):
        Store(tmp_path).write(cell_of(a=1), result, 1)
    assert not (tmp_path / "cells" / "trial").exists()


def test_commands_name_no_folders(monkeypatch, tmp_path):
    (tmp_path / "vectors.txt").touch()
    words = ["compare", "elmo-mini-en", "org/name", f"copy:static:{tmp_path}/vectors.txt", "--data", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["/usr/bin/hf-elmo", *words])
    assert command_line() == f"hf-elmo compare elmo-mini-en org/name copy:static:vectors.txt --data {tmp_path.name}"
    monkeypatch.setattr(sys, "argv", ["/usr/lib/hf_elmo/__main__.py", "compare"])
    assert command_line() == "hf-elmo compare"


def test_large_results_are_refused(tmp_path):
    with pytest.raises(ValueError, match="pack its scores"):
        Store(tmp_path).write(cell_of(a=1), {"items": "1" * LARGEST_CELL_BYTES}, 1)


def test_a_figure_leads_to_cells():
    assert figure(1, ["a"], sd=0.5, interval=(0, 2), n=3) == {
        "value": 1.0,
        "sd": 0.5,
        "interval": [0.0, 2.0],
        "n": 3,
        "cells": ["a"],
    }
    with pytest.raises(ValueError, match="names no cells"):
        figure(1, [])


# --- running them ------------------------------------------------------------------------------------------------------


def trial(tmp_path, count: int = 6, seconds: float = 0.0, fails: tuple[int, ...] = ()):
    """An experiment that notes in a file which cells it computes."""

    def run(cell, context):
        with open(tmp_path / "log", "a") as log:
            log.write(f"{cell['number']}\n")
        time.sleep(seconds)
        if cell["number"] in fails:
            raise RuntimeError("planted\nfailure")
        return {"square": cell["number"] ** 2}

    module = SimpleNamespace(run=run)
    return [Job(module, cell_of(number=number), "print") for number in range(count)]


def computed(tmp_path) -> Counter:
    return Counter((tmp_path / "log").read_text().split())


def in_child(work) -> int:
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    return child


@pytest.fixture
def context(tmp_path):
    return Context(Settings(tmp_path, models=("a",)))


def test_finished_cells_are_not_computed_again(tmp_path, context):
    jobs, store = trial(tmp_path), Store(tmp_path)
    assert run_jobs(jobs[:4], store, context).computed == 4
    assert run_jobs(jobs, store, context).computed == 2
    assert set(computed(tmp_path).values()) == {1} and len(computed(tmp_path)) == 6
    store.path(jobs[2].cell).write_text("damaged")
    assert run_jobs(jobs, store, context).computed == 1
    assert computed(tmp_path)["2"] == 2
    assert store.read(jobs[2].cell) == {"square": 4}


def test_a_cell_that_fails_costs_no_other(tmp_path, context):
    lines = []
    context.say = lines.append
    outcome = run_jobs(trial(tmp_path, fails=(1,)), Store(tmp_path), context)
    assert outcome.computed == 5 and [cell["number"] for cell, _ in outcome.failed] == [1]
    assert outcome.failed[0][1] == "RuntimeError: planted failure"
    assert any(line.startswith("failed: trial 1_") for line in lines)


def test_a_run_killed_in_the_middle_goes_on(tmp_path, context):
    jobs, store = trial(tmp_path, seconds=0.15), Store(tmp_path)
    child = in_child(lambda: run_jobs(jobs, store, context))
    while not store.done(jobs[2].cell, "print"):
        time.sleep(0.01)
    time.sleep(0.05)  # into the next cell
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    finished = {job.cell.id: store.path(job.cell).stat().st_mtime_ns for job in jobs if store.done(job.cell)}
    assert 3 <= len(finished) < 6
    assert run_jobs(jobs, store, context).computed == 6 - len(finished)
    assert all(store.read(job.cell) == {"square": job.cell["number"] ** 2} for job in jobs)
    assert {id_: (tmp_path / "cells/trial" / f"{id_}.json").stat().st_mtime_ns for id_ in finished} == finished


def test_several_processes_share_the_cells(tmp_path, context):
    jobs, store = trial(tmp_path, count=12, seconds=0.03), Store(tmp_path)
    children = [in_child(lambda: run_jobs(jobs, store, context)) for _ in range(3)]
    run_jobs(jobs, store, context)
    assert all(store.done(job.cell, "print") for job in jobs)  # nobody leaves before all is there
    for child in children:
        os.waitpid(child, 0)
    assert computed(tmp_path) == {str(number): 1 for number in range(12)}


def test_timings_come_last_and_alone(tmp_path, context):
    jobs, store = trial(tmp_path, count=8, seconds=0.03), Store(tmp_path)
    running = tmp_path / "running"

    def run(cell, context):
        running.touch(exist_ok=False)  # fails if another process is at a timing, too
        time.sleep(0.05)
        running.unlink()
        assert sum(store.done(job.cell) for job in jobs[3:]) == 5
        return {}

    timings = [Job(SimpleNamespace(run=run, EXCLUSIVE=True), job.cell, "print") for job in jobs[:3]]
    mixed = [*timings, *jobs[3:]]
    child = in_child(lambda: run_jobs(mixed, store, context))
    outcome = run_jobs(mixed, store, context)
    os.waitpid(child, 0)
    assert not outcome.failed and all(store.done(job.cell, "print") for job in mixed)


def test_time_left_is_that_of_cells_like_the_open_ones(tmp_path):
    store = Store(tmp_path)
    cells = [cell_of(task=t, contender=c, seed=s) for t in "ab" for c in ("x", "y") for s in (1, 2)]
    jobs = [Job(SimpleNamespace(), cell, "print") for cell in cells]
    assert Clock(jobs, store).seconds_left() == (0, ["trial"])
    assert Clock(jobs, store).told() == "about 0 s and what trial may take"
    guessed = [Job(SimpleNamespace(SECONDS=(1.0, 7.0)), cell, "print") for cell in cells]
    assert Clock(guessed, store).seconds_left() == (8 * 7, [])
    assert Clock(guessed, store, quick=True).told() == "about 8 s"
    store.write(cells[0], {}, 10, "print")  # a x 1
    store.write(cells[2], {}, 20, "print")  # a y 1
    # a x 2: 10, a y 2: 20, the four of b: 15 each
    assert Clock(jobs, store).seconds_left() == (pytest.approx(10 + 20 + 4 * 15), [])
    clock = Clock(jobs, store)
    store.write(cells[1], {}, 30, "print")
    clock.look_for_others(store)
    assert clock.done == 3 and clock.seconds_left()[0] == pytest.approx(20 + 4 * 20)
