# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Taking time in turns, ratios, facts about machine and code, and the result file."""

import argparse
import gc
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from support import ROOT

from hf_elmo import benchmark
from hf_elmo.benchmark import measuring
from hf_elmo.benchmark.results import ResultFile


def test_sides_take_turns_after_warming_up():
    order = []
    sides = {"a": lambda: order.append("a"), "b": lambda: order.append("b")}
    seconds = measuring.alternate(sides, runs=3, before=lambda name: order.append(f"before {name}"))
    assert order == ["before a", "a", "before b", "b"] * 4
    assert {name: len(runs) for name, runs in seconds.items()} == {"a": 3, "b": 3}


def test_one_thread_counts_processor_time_and_several_the_wall():
    sides = {"sleeps": lambda: time.sleep(0.05)}
    assert measuring.alternate(sides, runs=1, threads=1)["sleeps"][0] < 0.03
    assert measuring.alternate(sides, runs=1, threads=2)["sleeps"][0] >= 0.05


def test_the_garbage_collector_rests_while_time_is_taken():
    seen = []

    def work():
        seen.append(gc.isenabled())
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measuring.alternate({"a": work}, runs=3)
    assert seen == [False, False] and gc.isenabled()


def test_what_comes_before_a_run_is_not_counted():
    slow = measuring.alternate({"a": lambda: None}, runs=1, threads=2, before=lambda name: time.sleep(0.05))
    assert slow["a"][0] < 0.03


def test_summary_and_ratio_are_medians_with_their_range():
    assert measuring.summary(100, [1.0, 4.0, 2.0]) == {
        "words_per_second": 50.0,
        "median": 2.0,
        "min": 1.0,
        "max": 4.0,
        "seconds": [1.0, 4.0, 2.0],
    }
    assert measuring.speeds(100, [1.0, 4.0, 2.0])["value"] == 50
    # Round by round: 2, 8, 3; the ratio of the medians would be 4.
    assert measuring.ratio([2.0, 8.0, 6.0], [1.0, 1.0, 2.0]) == {"median": 3.0, "lowest": 2.0, "highest": 8.0}


def test_threads_are_set_and_given_back():
    before = torch.get_num_threads()
    with pytest.raises(KeyError), measuring.torch_threads(before + 1):
        assert torch.get_num_threads() == before + 1
        raise KeyError
    assert torch.get_num_threads() == before


def test_the_machine_is_described():
    facts = measuring.machine([1, 2])
    assert facts["threads"] == [1, 2] and facts["cores"] >= 1 and facts["cpu"]
    assert facts["torch_cpu"] == torch.backends.cpu.get_cpu_capability()
    cpu_file = Path("/proc/cpuinfo")
    if cpu_file.is_file():
        flags = re.search(r"^(?:flags|Features)\s*:(.*)$", cpu_file.read_text(), re.M).group(1).split()
        assert set(facts["flags"]) <= set(flags) and ("avx2" in facts["flags"]) == ("avx2" in flags)


def test_the_commit_is_that_of_the_checkout(tmp_path, monkeypatch):
    head = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True)
    if head.returncode != 0:
        pytest.skip("not a git checkout")
    assert measuring.code_version()["commit"] == head.stdout.strip()
    monkeypatch.setattr(measuring, "__file__", str(tmp_path / "measuring.py"))
    assert measuring.code_version()["commit"] is None


# --- the result file ------------------------------------------------------------------------------------------------


def options_of(path, resume=False, **settings) -> argparse.Namespace:
    return argparse.Namespace(benchmark="encoder", output=path, resume=resume, **settings)


def test_a_result_is_never_half_written(tmp_path, monkeypatch):
    path = tmp_path / "result.json"
    result = ResultFile(options_of(path, runs=2))
    result.add("one", {"value": 1})
    monkeypatch.setattr(json, "dumps", lambda *a, **k: (_ for _ in ()).throw(RuntimeError("full disk")))
    with pytest.raises(RuntimeError):
        result.add("two", {"value": 2})
    monkeypatch.undo()
    assert json.loads(path.read_text())["metrics"] == {"one": {"value": 1}}
    result.finish()
    assert [file.name for file in tmp_path.iterdir()] == ["result.json"]
    content = json.loads(path.read_text())
    assert set(content) == {"run", "metrics", "code", "packages", "data", "machine"}
    assert content["run"]["complete"] and content["run"]["settings"] == {"runs": 2}


def test_an_unfinished_run_is_taken_up_and_not_overwritten(tmp_path):
    path = tmp_path / "result.json"
    ResultFile(options_of(path, runs=2)).add("one", {"value": 1})
    with pytest.raises(ValueError, match="holds an unfinished run: go on with --resume, or remove it"):
        ResultFile(options_of(path, runs=2))
    again = ResultFile(options_of(path, resume=True, runs=2))
    assert again.metrics == {"one": {"value": 1}}
    again.finish()
    assert ResultFile(options_of(path, runs=2)).metrics == {}  # a finished one may be measured anew


@pytest.mark.parametrize(
    "part, value", [("settings", None), ("commit", "0" * 40), ("dirty", "perhaps"), ("machine", {"cpu": "another"})]
)
def test_a_run_of_something_else_is_not_resumed(part, value, tmp_path):
    path = tmp_path / "result.json"
    ResultFile(options_of(path, runs=2)).add("one", {"value": 1})
    content = json.loads(path.read_text())
    if part in ("commit", "dirty"):
        content["code"][part] = value
    elif part == "machine":
        content["machine"] = value
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=f"cannot be resumed: its (code.)?{part} differ"):
        ResultFile(options_of(path, resume=True, runs=3 if part == "settings" else 2))


@pytest.mark.parametrize("content", ["no json", "[]", '{"run": 1}'])
def test_a_file_that_is_no_result_is_not_overwritten(content, tmp_path):
    path = tmp_path / "notes.json"
    path.write_text(content)
    with pytest.raises(ValueError, match="notes.json is no result file and is not overwritten"):
        ResultFile(options_of(path))
    assert path.read_text() == content


def test_resume_needs_a_file():
    with pytest.raises(ValueError, match="--resume goes on with a result file: name it with --output"):
        ResultFile(options_of(None, resume=True))


# --- the command ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "required: NAME"),
        (["encoder", "--runs", "0"], "needed is a whole number from 1, got '0'"),
        (["encoder", "--sizes", "huge"], "invalid choice: 'huge'"),
        (["encoder", "--batch-size", "8"], "unrecognized arguments: --batch-size 8"),
        (["training", "--sides", "bert"], "invalid choice: 'bert'"),
        (["plot", "result.json"], "required: --output"),
    ],
)
def test_wrong_use_is_refused_by_the_parser(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        benchmark.main(arguments)
    assert stop.value.code == 2 and message in capsys.readouterr().err


def test_help_loads_neither_torch_nor_transformers():
    code = (
        "import sys; sys.argv = ['hf-elmo']; from hf_elmo.cli import main; "
        "main(['benchmark', 'encoder', '--help']); print({'torch', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()" and "allennlp-equivalent" in done.stdout
