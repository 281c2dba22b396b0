# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Pretraining beyond this process: killed at any moment and resumed, and several processes at once."""

import json
import os
import random
import subprocess
import sys
import time

import pytest
from safetensors.torch import load_file
from support import ROOT
from training_runs import same_bits, weights_of

from hf_elmo.training.checkpoint import RECORD, Checkpoints
from hf_elmo.training.settings import settings_text

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
KILLS = 10


def command(settings, tmp_path, prefix=(), **changes) -> list[str]:
    path = tmp_path / "settings.yaml"
    path.write_text(settings_text(settings))
    options = [word for name, value in changes.items() for word in (f"--{name}", str(value))]
    return [sys.executable, *prefix, "-m", "hf_elmo", "pretrain", "--recipe", str(path), "--use_cpu", *options]


@pytest.mark.extended
@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "changes"),
    [("elmo", {}), ("elmo", {"order": "lanes"}), ("bert", {})],
    ids=["sentences", "lanes", "bert"],
)
def test_a_run_killed_ten_times_ends_with_the_bits_of_one_that_was_not(model, changes, settings_of, tmp_path):
    """SIGKILL at random moments, some of them while a checkpoint is written: one is written at every update."""
    settings = settings_of(model, max_steps=400, save_steps=1, logging_steps=50, **changes)
    words = command(settings, tmp_path)
    done = subprocess.run(
        [*words, "--output_dir", str(tmp_path / "whole")], env=ENVIRONMENT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    rng, run, reached = random.Random(5), tmp_path / "run", []
    for _ in range(KILLS):
        process = subprocess.Popen([*words, "--resume"], env=ENVIRONMENT, stderr=subprocess.DEVNULL)
        # Counted in updates: in a second a fast machine makes all of them.
        wanted = max(Checkpoints(run).steps(), default=0) + rng.randint(1, 25)
        deadline = time.monotonic() + 120
        while max(Checkpoints(run).steps(), default=0) < wanted and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.02 * rng.random())  # somewhere within an update or a checkpoint
        assert process.poll() is None
        process.kill()
        process.wait()
        whole = Checkpoints(run).last_whole()
        assert whole is not None
        reached.append(whole.record["step"])
    assert reached == sorted(reached) and 0 < reached[0] < reached[-1] < 400
    done = subprocess.run([*words, "--resume"], env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert same_bits(weights_of(run), weights_of(tmp_path / "whole"))
    assert not [path.name for path in run.iterdir() if path.suffix in (".part", ".old")]
    results = [json.loads((tmp_path / name / "results.json").read_text()) for name in ("run", "whole")]
    assert results[0]["metrics"] == results[1]["metrics"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "changes"),
    [("elmo", {}), ("elmo", {"order": "lanes"}), ("bert", {})],
    ids=["sentences", "lanes", "bert"],
)
def test_two_processes_have_the_losses_of_one(model, changes, settings_of, tmp_path):
    """With the same global batch; without dropout, whose noise processes cannot share."""
    dropout = ["lstm_dropout=0"] if model == "elmo" else ["hidden_dropout_prob=0", "attention_probs_dropout_prob=0"]
    settings = settings_of(model, config=dropout, max_steps=12, logging_steps=1, save_steps=5, **changes)
    launch = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--main_process_port", "0"]
    sizes = {"max_tokens": (128, 64), "lanes": (4, 2)} if model == "elmo" else {"batch_size": (4, 2)}
    losses, weights = [], []
    for number, prefix in enumerate(([], launch)):
        out = tmp_path / f"run{number + 1}"
        words = command(
            settings, tmp_path, prefix, output_dir=out, **{name: size[number] for name, size in sizes.items()}
        )
        done = subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("saved in ") == 1
        result = json.loads((out / "results.json").read_text())
        assert result["run"]["processes"] == number + 1
        losses.append([entry["loss"] for entry in result["history"]])
        weights.append(load_file(out / "model" / "model.safetensors"))
    assert len(losses[0]) == 12 and max(losses[0]) - min(losses[0]) > 1e-2
    assert losses[1] == pytest.approx(losses[0], abs=1e-4)
    # One that was stopped goes on, with the carried state of each process.
    for name in ("checkpoint-12", "model"):
        subprocess.run(["rm", "-r", str(tmp_path / "run2" / name)], check=True)
    done = subprocess.run([*words, "--resume"], env=ENVIRONMENT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "going on from" in done.stderr and (tmp_path / "run2" / "checkpoint-12" / RECORD).is_file()
    assert same_bits(load_file(tmp_path / "run2" / "model" / "model.safetensors"), weights[1])
