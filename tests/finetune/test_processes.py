# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Fine-tuning beyond this process: several at once, and the saved folder where hf_elmo is not installed."""

import json
import os
import subprocess
import sys

import pytest
from support import ROOT

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "options"),
    [
        pytest.param("tagging", [], marks=pytest.mark.extended),
        ("tagging", ["--use_crf", "--task_head", "recurrent", "--gradual_unfreezing"]),
        ("classification", []),
        pytest.param("qa", [], marks=pytest.mark.extended),
        ("multiple-choice", ["--freeze_encoder", "--cache_features", "--learning_rate", "0.5"]),
    ],
)
def test_two_processes_have_the_losses_of_one(task, options, models, source_of, tmp_path):
    """Of the same batches, halved; without dropout, whose noise processes cannot share. About 20 s each."""
    launch = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--main_process_port", "0"]
    source = str(source_of(task))
    words = ["--task", task, "--train_data", source, "--validation_data", source, "--model", str(models / "elmo")]
    words += ["--num_train_epochs", "3", "--logging_steps", "1", "--learning_rate", "0.01", "--use_cpu", *options]
    words += ["--dataloader_drop_last", "true"]  # several processes fill up the last batch with the first examples
    words += ["--max_length", "32", "--doc_stride", "4", "--disable_tqdm", "True"]
    words += ["--config_overrides", "embedding_dropout=0", "classifier_dropout=0"]
    if "--cache_features" in options:
        words += ["--feature_cache_dir", str(tmp_path / "cache")]
    losses, scores = [], []
    for name, prefix, size in (("one", [], "4"), ("two", launch, "2")):
        command = [sys.executable, *prefix, "-m", "hf_elmo", "finetune", *words]
        command += ["--output_dir", str(tmp_path / name), "--per_device_train_batch_size", size]
        done = subprocess.run(command, env=ENVIRONMENT, cwd=tmp_path, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("saved in ") == 1
        history = json.loads((tmp_path / name / "trainer_state.json").read_text())["log_history"]
        losses.append([entry["loss"] for entry in history if "loss" in entry])
        result = json.loads((tmp_path / name / "results.json").read_text())
        assert result["run"]["processes"] == (2 if prefix else 1)
        found = result["metrics"]["validation"]  # Trainer's loss of an evaluation is a mean of the processes' means
        scores.append({name: found[name]["value"] for name in found if name != "loss"})
    assert len(losses[0]) >= 3 and max(losses[0]) - min(losses[0]) > 1e-3
    assert losses[1] == pytest.approx(losses[0], abs=1e-4)
    assert scores[1] == scores[0]


@pytest.mark.slow
@pytest.mark.parametrize("task", ["tagging", "classification"])
def test_the_folder_serves_a_pipeline_without_hf_elmo(task, command, models, tmp_path):
    from transformers import pipeline

    text = "Anna sleeps in New York ."
    options = ["--model", models / "elmo", "--max_steps", 2, "--task_head", "recurrent"]
    assert command(task, *options) == 0
    kind = {"tagging": "token-classification", "classification": "text-classification"}[task]
    expected = pipeline(kind, str(tmp_path / "out"))(text)
    code = (
        "import sys, json; from transformers import pipeline\n"
        f"found = pipeline({kind!r}, {str(tmp_path / 'out')!r}, trust_remote_code=True)({text!r})\n"
        "assert 'hf_elmo' not in sys.modules\n"
        "print(json.dumps(found, default=float))"
    )
    environment = {**os.environ, "HF_MODULES_CACHE": str(tmp_path / "modules"), "PYTHONSAFEPATH": "1"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [{**one, "score": pytest.approx(float(one["score"]), abs=1e-6)} for one in expected] == found
