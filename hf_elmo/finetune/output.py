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
from hf_elmo.model_cards.check import LICENSES, card_metadata
from hf_elmo.pretrained import resolve

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
    """Write results.json and the card, in which no folders are told, beside the saved model; returns the whole result."""
    folder = Path(str(settings.training.output_dir))
    told = report.write_results(folder, report.without_folders(result), torch.get_num_threads())
    is_best = settings.training.load_best_model_at_end
    card = make_card(
        folder.resolve().name,
        settings.data.task or "",
        prepared.model.config.model_type,
        task.auto_class,
        base=describe_base(settings.model.model),
        chosen_by=settings.training.metric_for_best_model if is_best else None,
        result=told,
    )
    write_atomically(folder / CARD_NAME, card)
    return {**told, "run": result["run"]}


def describe_base(name: str | None) -> dict[str, Any]:
    """Metadata that a card takes from the model that training started from: `license`, and `base_model` of the Hub.

    Args:
        name: folder, name of a model of the box, or id on the Hub; None of random weights.
    Returns:
        `license`, as the card of that model names it, else "unknown"; its `license_name` and `license_link` where it has
        them; `base_model` if the name is an id of the form org/name.
    """
    if name is None:
        return {"license": "unknown"}
    folder = Path(resolve(name))
    found = _license_of(folder / CARD_NAME if folder.is_dir() else _card_on_hub(name))
    return found if folder.is_dir() or "/" not in name else {**found, "base_model": name}


def _card_on_hub(name: str) -> Path | None:
    import huggingface_hub

    try:
        return Path(huggingface_hub.hf_hub_download(name, CARD_NAME))
    except Exception:  # of any kind: the training is finished, and is not lost for want of a card
        return None


def _license_of(card: Path | None) -> dict[str, Any]:
    try:
        data = card_metadata(card.read_text(encoding="utf-8")) if card is not None else {}
    except (OSError, ValueError):
        data = {}
    if not (isinstance(data.get("license"), str) and data["license"] in LICENSES):
        return {"license": "unknown"}
    found = {key: data[key] for key in ("license", "license_name", "license_link") if data.get(key)}
    if not str(found.get("license_link", "https:")).startswith("https:"):
        del found["license_link"]  # a file of the other repository
    return found
