# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The output folder: checked before a run, and given its results and card after it."""

import shutil
from pathlib import Path
from typing import Any

import torch
from transformers.trainer_utils import get_last_checkpoint

from hf_elmo.benchmark.results import write_atomically
from hf_elmo.finetune import report
from hf_elmo.finetune.arguments import ARGUMENTS_NAME, LAST, Settings, save_arguments
from hf_elmo.finetune.card import make_card
from hf_elmo.finetune.models import Prepared
from hf_elmo.finetune.tasks import Task

CARD_NAME = "README.md"
OWN_NAMES = (report.RESULTS_NAME, ARGUMENTS_NAME, "predictions_validation.jsonl", "predictions_test.jsonl")


class OutputError(ValueError):
    """The output folder cannot be used; one line for people."""


def check_output(settings: Settings) -> str | None:
    """Whether the output folder can be used, and the checkpoint to go on from; nothing is changed yet.

    Raises:
        OutputError: files are in it and neither overwriting nor resuming was asked for; no checkpoint to resume.
    """
    training = settings.training
    folder = Path(str(training.output_dir))
    wanted = training.resume_from_checkpoint
    if wanted in (LAST, "true", "True"):
        found = get_last_checkpoint(str(folder)) if folder.is_dir() else None
        if found is None:
            raise OutputError(f"--resume_from_checkpoint: {folder} has no checkpoint; leave it out to start anew")
        return found
    if wanted is not None:
        if not (Path(wanted) / "trainer_state.json").is_file():
            raise OutputError(
                f"--resume_from_checkpoint {wanted}: no checkpoint folder (it has no trainer_state.json)"
            )
        return wanted
    if training.process_index == 0:  # the others may come after it has begun to write
        if folder.exists() and not folder.is_dir():
            raise OutputError(f"{folder} is a file: give another --output_dir")
        if folder.is_dir() and any(folder.iterdir()) and not settings.run.overwrite_output_dir:
            raise OutputError(
                f"{folder} is not empty: give --overwrite_output_dir, --resume_from_checkpoint {LAST}, or another "
                "--output_dir"
            )
    return None


def make_room(settings: Settings) -> None:
    """Make the folder, and write down what was asked for.

    Of an earlier run that is overwritten, checkpoints and results go: mixed with those of the new run they would
    mislead. Other files stay.
    """
    folder = Path(str(settings.training.output_dir))
    if settings.run.overwrite_output_dir:
        for path in folder.glob("checkpoint-*"):
            if (path / "trainer_state.json").is_file():
                shutil.rmtree(path)
        for name in OWN_NAMES:
            (folder / name).unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    save_arguments(settings, folder / ARGUMENTS_NAME)


def leave_behind(settings: Settings, task: Task, prepared: Prepared, result: dict[str, Any]) -> dict[str, Any]:
    """Write results.json and the card beside the saved model; returns the content of results.json."""
    folder = Path(str(settings.training.output_dir))
    result = report.write_results(folder, result, torch.get_num_threads())
    is_best = settings.training.load_best_model_at_end
    card = make_card(
        folder.resolve().name,
        settings.data.task or "",
        prepared.model.config.model_type,
        task.auto_class,
        base_model=_id_on_hub(settings),
        chosen_by=settings.training.metric_for_best_model if is_best else None,
        result=result,
    )
    write_atomically(folder / CARD_NAME, card)
    return result


def _id_on_hub(settings: Settings) -> str | None:
    name = settings.model.model
    return None if name is None or Path(name).exists() else name
