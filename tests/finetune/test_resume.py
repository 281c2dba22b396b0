# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""A run that was stopped goes on as if it had not been."""

import json

import pytest
from safetensors.torch import load_file

from hf_elmo.finetune.trainer import FinetuneTrainer


@pytest.fixture
def stop_at(monkeypatch):
    """Press Ctrl-C once, in a step of the training counted from 1."""

    def install(step):
        done = []

        def training_step(self, *args, **kwargs):
            done.append(None)
            if len(done) == step:
                raise KeyboardInterrupt
            return original(self, *args, **kwargs)

        original = FinetuneTrainer.training_step
        monkeypatch.setattr(FinetuneTrainer, "training_step", training_step)

    return install


@pytest.mark.parametrize(
    ("kind", "extra"),
    [
        ("elmo", ["--task_head", "recurrent", "--config_overrides", "task_hidden_size=4", "--gradual_unfreezing"]),
        pytest.param("bert", ["--layer_decay", 0.5], marks=pytest.mark.slow),
    ],
)
def test_a_resumed_run_equals_an_uninterrupted_one_to_the_bit(kind, extra, command, models, tmp_path, capsys, stop_at):
    options = [
        "--model",
        models / kind,
        "--num_train_epochs",
        3,
        "--learning_rate",
        0.01,
        "--weight_decay",
        0.1,
        *extra,
    ]
    assert command("tagging", *options, out="whole") == 0
    stop_at(6)  # of 6: the second epoch has been saved
    assert command("tagging", *options, out="parts") == 130
    assert capsys.readouterr().err.splitlines()[-1] == (
        "hf-elmo: interrupted; --resume_from_checkpoint last goes on from the last checkpoint"
    )
    assert not (tmp_path / "parts" / "model.safetensors").exists()
    assert command("tagging", *options, "--resume_from_checkpoint", "last", out="parts") == 0
    assert f"going on from {tmp_path / 'parts' / 'checkpoint-4'}" in capsys.readouterr().err
    checkpoints = [load_file(tmp_path / name / "checkpoint-6" / "model.safetensors") for name in ("whole", "parts")]
    assert checkpoints[0].keys() == checkpoints[1].keys()
    assert all(checkpoints[0][name].equal(checkpoints[1][name]) for name in checkpoints[0])
    results = [json.loads((tmp_path / name / "results.json").read_text()) for name in ("whole", "parts")]
    assert results[0]["metrics"] == results[1]["metrics"]
    assert [result["run"]["resumed_from"] for result in results] == [None, "checkpoint-4"]


def test_an_output_folder_with_files_is_refused_or_cleared_of_the_earlier_run(command, models, tmp_path, capsys):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    options = ["--model", models / "bert", "--max_steps", 1]
    assert command("tagging", *options) == 1
    assert capsys.readouterr().err == (
        f"hf-elmo: {folder} is not empty: give --overwrite_output_dir, --resume_from_checkpoint last, or another "
        "--output_dir\n"
    )
    old = folder / "checkpoint-99"
    old.mkdir()
    (old / "trainer_state.json").write_text("{}")
    (folder / "checkpoint-of-mine").mkdir()
    (folder / "results.json").write_text("of the earlier run")
    assert command("tagging", *options, "--overwrite_output_dir", "--metric", tmp_path / "nothing") == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"hf-elmo: --metric {tmp_path / 'nothing'}: ")
    assert old.exists() and (folder / "results.json").exists()  # it failed before it began
    assert command("tagging", *options, "--overwrite_output_dir") == 0
    assert not old.exists() and (folder / "checkpoint-of-mine").exists() and (folder / "notes.txt").exists()
    assert json.loads((folder / "results.json").read_text())["run"]["steps"] == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("last", "--resume_from_checkpoint: {folder} has no checkpoint; leave it out to start anew"),
        ("{folder}", "--resume_from_checkpoint {folder}: no checkpoint folder (it has no trainer_state.json)"),
    ],
)
def test_nothing_to_resume(given, message, command, models, tmp_path, capsys):
    folder = tmp_path / "out"
    words = ["--model", models / "bert", "--resume_from_checkpoint", given.format(folder=folder)]
    assert command("tagging", *words) == 1
    assert capsys.readouterr().err == f"hf-elmo: {message.format(folder=folder)}\n"


def test_an_output_that_is_a_file(command, models, tmp_path, capsys):
    (tmp_path / "out").write_text("")
    assert command("tagging", "--model", models / "bert") == 1
    assert capsys.readouterr().err == f"hf-elmo: {tmp_path / 'out'} is a file: give another --output_dir\n"
