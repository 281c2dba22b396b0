# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""A pretraining run from its settings to a saved model: build, say what will be done, train, evaluate, save."""

import json
import math
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers
from accelerate.utils import set_seed
from transformers.utils import logging

from hf_elmo.benchmark.measuring import code_version, machine, packages
from hf_elmo.benchmark.results import write_atomically
from hf_elmo.training.checkpoint import Checkpoints
from hf_elmo.training.loop import Outcome, Task, evaluate, find_start, refuse_earlier_run, train
from hf_elmo.training.loss_curve import draw_losses
from hf_elmo.training.progress import figures_line
from hf_elmo.training.settings import SETTINGS_NAME, PretrainError, PretrainSettings, settings_text

RESULTS_NAME, CURVE_NAME, MODEL_FOLDER = "results.json", "loss.svg", "model"
BEFORE_NAME = "held_out_before.json"


def pretrain(settings: PretrainSettings, command: Sequence[str] = ()) -> dict[str, Any]:
    """Train a language model; with several processes, each calls this.

    In `output_dir`: `pretrain_settings.yaml`, `checkpoint-STEP/`, `log.jsonl`, and at the end `model/`, which
    `from_pretrained` loads, `results.json` and `loss.svg`. A run that a signal stopped leaves only the former three.

    Args:
        settings: checked ones.
        command: words of the command line, kept in results.json.
    Returns:
        The content of results.json.
    Raises:
        PretrainError, PreparationError, CheckpointError (all ValueError): something does not fit.
        OSError: a folder cannot be written.
    """
    trackers = _trackers(settings.report_to)
    out = Path(settings.output_dir or ".")
    _check_output(out)
    checkpoints = Checkpoints(out, settings.save_total_limit)
    refuse_earlier_run(checkpoints, settings)
    if Path(settings.corpus or "").is_file():
        raise PretrainError(f"--corpus {settings.corpus} is a file; needed is a folder of hf-elmo prepare-corpus")
    accelerator = Accelerator(
        cpu=settings.use_cpu,
        mixed_precision=settings.mixed_precision,
        log_with=trackers or None,
        project_dir=str(out),
    )
    _check_processes(settings, accelerator)

    def say(line: str) -> None:
        if accelerator.is_main_process:
            print(line, file=sys.stderr, flush=True)

    begin = datetime.now(timezone.utc).isoformat(timespec="seconds")
    set_seed(settings.seed)
    task = _make_task(settings, accelerator, say)
    parts = settings.gradient_accumulation_steps
    max_steps = settings.max_steps or math.ceil(task.batches_of(settings.num_train_epochs) / parts)
    if settings.warmup_steps >= max_steps:
        raise PretrainError(f"--warmup_steps {settings.warmup_steps} leaves nothing of the {max_steps} updates")
    for line in (*task.describe(), *_plan(settings, max_steps, accelerator)):
        say(line)
    if task.held_out is None:
        say(
            "no held-out text, so nothing will be evaluated: give --held_out, or prepare the corpus with --held-out 0.01"
        )
    start = find_start(checkpoints, settings, max_steps, accelerator, task.data_facts, say)
    if accelerator.is_main_process:
        out.mkdir(parents=True, exist_ok=True)
        write_atomically(out / SETTINGS_NAME, settings_text(settings))
    if trackers:
        accelerator.init_trackers("hf_elmo-pretrain", config=_flat(settings))
    task.model.to(accelerator.device)
    before = _before(settings, task, accelerator, start is not None, say)
    outcome = train(task, settings, max_steps, accelerator, say, task.data_facts, start)
    found: dict[str, float] = {}
    if outcome.stopped_by == "signal":
        say(f"stopped by a signal; --resume goes on. {MODEL_FOLDER}/ and {RESULTS_NAME} are written at the end")
    else:
        if accelerator.is_main_process:  # before the evaluation, which may fail
            _save_model(out / MODEL_FOLDER, task, accelerator)
        found = _after(settings, task, outcome.step, accelerator, say)
    result = _describe(settings, task, outcome, before, found, max_steps, accelerator, command, begin)
    if accelerator.is_main_process and outcome.stopped_by != "signal":
        _write_results(out, result)
    accelerator.wait_for_everyone()
    accelerator.end_training()
    return result


def _make_task(settings: PretrainSettings, accelerator: Accelerator, say: Any) -> Any:
    rank, world_size, device = accelerator.process_index, accelerator.num_processes, accelerator.device
    if settings.model == "elmo":
        from hf_elmo.training.elmo_task import ElmoTask

        return ElmoTask(settings, rank, world_size, device, say)
    from hf_elmo.training.bert_task import BertTask, prepare_run_pieces

    with accelerator.main_process_first():
        pieces = prepare_run_pieces(settings, os.cpu_count() or 1, say)
    return BertTask(settings, rank, world_size, device, say, pieces)


def _trackers(names: Sequence[str]) -> list[str]:
    """The trackers to report to; the word "none" means none, as elsewhere."""
    known, installed = sorted(LOGGER_TYPE_TO_CLASS), {str(tracker) for tracker in get_available_trackers()}
    wanted = [name for name in names if name != "none"]
    for name in wanted:
        if name not in known:
            raise PretrainError(f"--report_to {name} is no tracker of Accelerate: needed is one of {', '.join(known)}")
        if name not in installed:
            raise PretrainError(f"--report_to {name} is not installed: pip install {name}")
    return wanted


def _check_processes(settings: PretrainSettings, accelerator: Accelerator) -> None:
    """Refuse what Accelerate would do otherwise than it was asked to, without a word, or what nobody has tried."""
    sharded = [name for name in ("FSDP", "DEEPSPEED", "MEGATRON_LM") if _is_set(f"ACCELERATE_USE_{name}")]
    if sharded or accelerator.distributed_type.value in ("FSDP", "DEEPSPEED", "MEGATRON_LM", "TP"):
        raise PretrainError(
            f"{(sharded or [accelerator.distributed_type.value])[0]} is not supported: each process keeps the whole model "
            "(DDP); leave the option out of accelerate launch"
        )
    if settings.mixed_precision == "fp16" and accelerator.device.type == "cpu":
        raise PretrainError("--mixed_precision fp16 needs a GPU; on a processor bf16 and no can be had")
    if settings.sparse_gradient and accelerator.num_processes > 1:
        raise PretrainError(f"--sparse_gradient is for one process, not for {accelerator.num_processes}")


def _is_set(name: str) -> bool:
    return os.environ.get(name, "").lower() in ("1", "true", "yes", "on")


def _check_output(out: Path) -> None:
    """Find out before any work whether the folder can be made and written."""
    there = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    if not there.is_dir():
        raise PretrainError(f"{there} is a file: give another --output_dir")
    if not os.access(there, os.W_OK | os.X_OK):
        raise PretrainError(f"--output_dir {out}: {there} cannot be written; give another one")


def _before(
    settings: PretrainSettings, task: Any, accelerator: Accelerator, resumed: bool, say: Any
) -> dict[str, float]:
    """Figures of the model that is trained on, which results.json keeps beside those at the end."""
    path = Path(settings.output_dir or ".") / BEFORE_NAME
    if resumed:
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if settings.init_from is None or not settings.final_evaluation:
        return {}
    found = evaluate(task, task.model, accelerator, None)
    if found:
        say(f"held-out text before: {figures_line(found)}")
        if accelerator.is_main_process:
            write_atomically(path, json.dumps(found, indent=1) + "\n")
    return found


def _after(settings: PretrainSettings, task: Any, step: int, accelerator: Accelerator, say: Any) -> dict[str, float]:
    """Figures of the trained model."""
    found = evaluate(task, task.model, accelerator, None) if settings.final_evaluation else {}
    if found:
        accelerator.log({f"held_out/{name}": value for name, value in found.items()}, step=step)
        say(f"held-out text: {figures_line(found)}")
    return found


def _plan(settings: PretrainSettings, max_steps: int, accelerator: Accelerator) -> list[str]:
    budget = "" if settings.max_hours is None else f", {settings.max_hours:g} hours at most"
    parts = settings.gradient_accumulation_steps
    return [
        f"will make {max_steps:,} updates of {accelerator.num_processes * parts} batch(es) each{budget}, on "
        f"{accelerator.num_processes} x {accelerator.device.type} ({settings.mixed_precision} mixed precision); "
        f"checkpoints every {settings.save_steps:,} updates in {settings.output_dir}"
    ]


def _flat(settings: PretrainSettings) -> dict[str, Any]:
    values = {**asdict(settings), **{f"config.{name}": value for name, value in settings.config.items()}}
    return {name: value if isinstance(value, int | float | str) else str(value) for name, value in values.items()}


def _describe(
    settings: PretrainSettings,
    task: Any,
    outcome: Outcome,
    before: dict[str, float],
    found: dict[str, float],
    max_steps: int,
    accelerator: Accelerator,
    command: Sequence[str],
    begin: str,
) -> dict[str, Any]:
    speeds = sorted(
        entry["words_per_second"]
        for entry in outcome.history
        if entry.get("step", 0) > 10 and "words_per_second" in entry
    )
    return {
        "run": {
            "command": shlex.join(["hf-elmo", "pretrain", *command]),
            "settings": {name: value for name, value in asdict(settings).items() if name != "resume"},
            "start": begin,
            "training_seconds": round(outcome.seconds, 1),
            "stopped_by": outcome.stopped_by,
            "resumed_from": outcome.resumed_from,
            "steps": outcome.step,
            "max_steps": max_steps,
            "words_read": outcome.words,
            "counted": task.unit,  # what the figures named words are
            "processes": accelerator.num_processes,
            "device": _device_name(accelerator.device),
            "median_words_per_second": speeds[len(speeds) // 2] if speeds else None,
        },
        "metrics": {"held_out": found, "held_out_before": before},
        "model": {
            "parameters": sum(parameter.numel() for parameter in task.model.parameters()),
            "config": task.model.config.to_diff_dict(),
        },
        "data": {
            **task.data_facts,
            "words": getattr(task.shards, "words", None),
            "sentences": task.shards.sentences,
            **({"piece_count": task.shards.pieces} if settings.model == "bert" else {}),  # "pieces" is their hash
        },
        "history": outcome.history,
    }


@contextmanager
def _no_bars() -> Iterator[None]:
    """transformers shows a bar for the one file of weights it writes."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _save_model(folder: Path, task: Task, accelerator: Accelerator) -> None:
    from hf_elmo.conversion.staging import staged_folder

    with staged_folder(folder) as part, _no_bars():
        task.save(accelerator.unwrap_model(task.model), part)


def _write_results(out: Path, result: dict[str, Any]) -> None:
    result |= {"code": code_version(), "packages": packages(), "machine": machine(torch.get_num_threads())}
    write_atomically(out / RESULTS_NAME, json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    write_atomically(out / CURVE_NAME, draw_losses(result))


__all__ = ["pretrain"]
