# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Peak memory of a long document: measured in a process of its own, after a comparison."""

import json
import subprocess
import sys

import pytest

from hf_elmo import benchmark
from hf_elmo.benchmark import memory

TINY_RUN = ["memory", "--sizes", "tiny", "--words", "300", "--check-words", "50"]


def test_the_document_has_the_words_asked_for(tiny):
    document = memory.make_document(memory.ElmoTokenizer(), 37, seed=1)
    assert document["char_ids"].shape == (1, 39, 50)


def test_memory_is_counted_from_after_loading(tiny):
    found = memory.measure_here(tiny, 3000, seed=1, threads=1)
    assert found["words"] == 3000 and found["outputs_mb"] == round(2 * 3002 * 24 * 4 / 1e6)
    assert found["outputs_mb"] <= found["peak_above_weights_mb"] < 400


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_peak_sees_memory_that_was_given_back():
    memory._reset_peak()
    before = memory._resident_mb("VmHWM")
    block = bytearray(b"x" * 100_000_000)
    del block
    assert memory._resident_mb("VmHWM") - before > 80
    assert memory._resident_mb("VmRSS") - before < 80


def test_a_result_is_written(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(memory, "measure", memory.measure_here)
    path = tmp_path / "result.json"
    assert benchmark.main([*TINY_RUN, "--output", str(path)]) == 0
    (metric,) = json.loads(path.read_text())["metrics"].values()
    assert metric["check"]["words"] == 50 and 0 < metric["check"]["largest_difference"] <= 5e-6
    assert metric["check"]["largest_difference_from_forward"] <= 5e-6
    assert "tiny, one document of 300 words: peak " in capsys.readouterr().out


def test_a_wrong_result_is_not_measured(tiny, monkeypatch, capsys):
    monkeypatch.setattr(memory, "TOLERANCE", 0.0)
    assert benchmark.main(TINY_RUN) == 1
    assert "a document of 50 words differs from the baseline by" in capsys.readouterr().err


def test_the_process_that_measures_is_a_fresh_one(tiny, monkeypatch):
    commands = []

    def run(command, **settings):
        commands.append(command)
        return subprocess.CompletedProcess(command, 0, stdout='warning\n{"words": 5}\n', stderr="")

    monkeypatch.setattr(subprocess, "run", run)
    assert memory.measure(tiny, 5, 1, 1) == {"words": 5}
    ((*command, settings),) = commands
    assert command == [sys.executable, "-m", "hf_elmo.benchmark.memory"]
    assert json.loads(settings) == {"sizes": tiny, "words": 5, "seed": 1, "threads": 1}


def test_a_process_that_dies_is_reported(tiny, monkeypatch):
    def run(command, **settings):
        return subprocess.CompletedProcess(command, -9, stdout="", stderr="out of\nmemory")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(ValueError, match="the process that measures ended with -9: out of memory"):
        memory.measure(tiny, 5, 1, 1)


@pytest.mark.slow
def test_the_real_process(tiny):
    found = memory.measure(tiny, 500, 1, 1)
    assert found["words"] == 500 and found["after_loading_mb"] > 50
