# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The one training loop, for ELMo and BERT: an update, a line of progress, an evaluation, a checkpoint, from the top down.

A task brings model and data; the loop brings everything else. Nothing in it depends on the clock but when it stops, so
that a run that was killed and resumed ends with the same bits on a processor.
"""

import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.sparse import check_sparse_tensor_invariants

from hf_elmo.training.checkpoint import Checkpoint, CheckpointError, Checkpoints
from hf_elmo.training.optimization import clip_gradients, make_optimizer, rate_factor
from hf_elmo.training.prefetch import Placed, Prefetched, on_device, pinned
from hf_elmo.training.progress import RunLog, Speed, figures_line, progress_line
from hf_elmo.training.settings import PretrainSettings

LOG_NAME = "log.jsonl"
CARRIED = "carried_state_{}.safetensors"  # of each process


class Task(Protocol):
    """What is trained on what."""

    model: nn.Module
    unit: str  # what the first of `counts` counts, "words" or "pieces"
    batches: Any  # an endless iterator with `state_dict`, `load_state_dict` and `epoch`
    carried: dict[str, Tensor]  # state that goes from batch to batch, such as the LSTM's in lanes; may be empty

    def counts(self, batch: dict) -> list[int]:
        """What the sums of a batch's losses are divided by; the first is told as progress and speed."""

    def loss(self, model: nn.Module, batch: dict, totals: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """A batch's share of the loss of its update, and the shares of its named parts, detached.

        `totals` are the sums of `counts` over all batches of the update in all processes.
        """

    def evaluate(self, model: nn.Module, most: int | None) -> dict[str, float]:
        """Figures on held-out text, of `most` sentences or all of them; empty without such text."""

    def save(self, model: nn.Module, folder: Path) -> None:
        """Write a folder that `from_pretrained` loads."""


class Outcome(NamedTuple):
    """How a run ended."""

    step: int
    seconds: float  # of training, resumed runs added up
    words: int  # read, repetitions included
    stopped_by: str  # "max_steps", "max_hours" or "signal"
    history: list[dict[str, Any]]
    resumed_from: int | None


class Progress(NamedTuple):
    """What a checkpoint keeps besides weights, optimiser and random states."""

    step: int = 0
    words: int = 0
    seconds: float = 0.0
    history: tuple[dict[str, Any], ...] = ()


def train(
    task: Task,
    settings: PretrainSettings,
    max_steps: int,
    accelerator: Accelerator,
    say: Callable[[str], None],
    facts: dict[str, Any] | None = None,
    start: Checkpoint | None = None,
) -> Outcome:
    """Train until `max_steps`, the time budget or a signal, and leave checkpoints and `log.jsonl` behind.

    Args:
        task: model and data; its model is put on the accelerator's device.
        max_steps: updates of the whole run; the learning rate ends there.
        say: takes lines for people; of the main process.
        facts: of the run, kept in its checkpoints: resuming needs the same.
        start: where to go on, from `find_start`; None at the beginning.
    Raises:
        CheckpointError: a checkpoint cannot be written.
        ValueError: a loss or, without fp16, a gradient is not finite any more.
    """
    checkpoints = Checkpoints(settings.output_dir or ".", settings.save_total_limit)
    accelerator.register_save_state_pre_hook(_without_tied_weights)
    model, optimizer = accelerator.prepare(task.model, make_optimizer(task.model, settings))
    set_seed(settings.seed, device_specific=True)  # processes drop out and draw each on their own
    progress = Progress()
    if start is not None:
        progress = take_up(start, task, accelerator)
    sums, speed = _Sums(accelerator), Speed()
    step, words, history = progress.step, progress.words, list(progress.history)
    log = RunLog(checkpoints.folder / LOG_NAME, history, accelerator.is_main_process)
    started = time.perf_counter() - progress.seconds
    stopped_by, last_saved = "max_steps", progress.step if start is not None else None

    def save(position: dict[str, Any]) -> None:
        record = {"words": words, "seconds": time.perf_counter() - started, "history": history, "position": position}
        record |= {"run": _needed_again(settings, max_steps, accelerator, facts or {})}
        checkpoints.write(step, lambda folder: _fill(folder, task, accelerator), record, accelerator)

    with ExitStack() as stack:
        stop_asked = stack.enter_context(_stop_on_signals())
        prepare = pinned if accelerator.device.type == "cuda" else lambda batch: batch
        data = Prefetched(task.batches, settings.prefetch_batches, prepare)
        stack.callback(data.close)
        model.train()
        while step < max_steps:
            placed = [next(data) for _ in range(settings.gradient_accumulation_steps)]
            out_of_time = settings.max_hours is not None and time.perf_counter() - started > 3600 * settings.max_hours
            totals, stop = _agree(task, placed, accelerator, stop_asked(), out_of_time)
            rate = settings.learning_rate * rate_factor(step, max_steps, settings)
            for group in optimizer.param_groups:
                group["lr"] = rate
            update(task, model, optimizer, placed, totals, settings, accelerator, sums)
            step += 1
            words += totals.words
            if step % settings.logging_steps == 0 or step in (1, 10) or step == max_steps:
                entry = {"step": step, "epoch": placed[-1].epoch, "learning_rate": rate, **sums.take()}
                _refuse_broken(entry, step)
                if speed.measures(step, words):
                    entry["words_per_second"] = round(speed.words_per_second, 1)
                log.add(entry)
                accelerator.log(_numbers(entry), step=step)
                seconds = time.perf_counter() - started
                say(progress_line(entry, max_steps, speed, settings.max_hours, seconds, task.unit))
            if not speed.has_begun:  # after the first update, which starts and compiles much
                speed.begin(step, words)
            if settings.eval_steps and step % settings.eval_steps == 0 and step < max_steps:
                with speed.paused():
                    found = evaluate(task, model, accelerator, settings.eval_sentences)
                    log.add({"step": step, **found})
                    accelerator.log(_numbers(found), step=step)
                    say(f"step {step:,}: {figures_line(found)}")
            if step % settings.save_steps == 0 or stop or step == max_steps:
                with speed.paused():
                    _refuse_broken(sums.peek(), step)
                    save(placed[-1].position)
                    last_saved = step
            if stop:
                stopped_by = stop
                break
    seconds = time.perf_counter() - started
    if last_saved is not None:
        say(f"step {step:,}: checkpoint-{last_saved} in {settings.output_dir}")
    resumed_from = None if start is None else progress.step
    return Outcome(step, seconds, words, stopped_by, history, resumed_from)


def update(task, model, optimizer, placed: list[Placed], totals, settings, accelerator, sums) -> None:
    """One update of the weights from one or more batches of each process, as if they were one batch."""
    # Processes and parts add up: DDP takes the mean of the processes' gradients.
    factor = settings.loss_factor * accelerator.num_processes
    for number, part in enumerate(placed):
        last = number + 1 == len(placed)
        with nullcontext() if last else accelerator.no_sync(model):
            loss, parts = task.loss(model, on_device(part.batch, accelerator.device), totals.of_update)
            accelerator.backward(loss * factor)
        sums.add(parts)
    if settings.sparse_gradient:
        norm = clip_gradients(model.parameters(), settings.max_grad_norm)
    else:
        norm = accelerator.clip_grad_norm_(model.parameters(), settings.max_grad_norm)
    sums.update_done(norm)
    # Adagrad makes sparse tensors; torch wants to be told whether to check them, which `clip_gradients` saw to.
    with check_sparse_tensor_invariants(False) if settings.sparse_gradient else nullcontext():
        optimizer.step()
    optimizer.zero_grad()


class _Totals(NamedTuple):
    of_update: Tensor  # (k,) float32 on the device
    words: int


def _agree(task, placed, accelerator, signalled: bool, out_of_time: bool) -> tuple[_Totals, str]:
    """Sums of the counts over all processes, and whether one of them wants to stop after this update."""
    counts = torch.tensor([task.counts(part.batch) for part in placed], dtype=torch.float64).sum(dim=0)
    numbers = torch.cat([counts, torch.tensor([float(signalled), float(out_of_time)], dtype=torch.float64)])
    if accelerator.num_processes > 1:
        numbers = accelerator.reduce(numbers.to(accelerator.device, torch.float32), "sum").double().cpu()
    *_, signalled_sum, time_sum = numbers.tolist()
    stop = "signal" if signalled_sum else "max_hours" if time_sum else ""
    return _Totals(numbers[:-2].to(accelerator.device, torch.float32), round(float(numbers[0]))), stop


def evaluate(task: Task, model: nn.Module, accelerator: Accelerator, most: int | None) -> dict[str, float]:
    """Figures on held-out text; every process computes them, and torch's random states are as before."""
    with torch.random.fork_rng(devices=[accelerator.device] if accelerator.device.type == "cuda" else []):
        found = task.evaluate(accelerator.unwrap_model(model), most)
    model.train()
    return found


# ------------------------------------------------------------------------------------------------------- checkpoints


def refuse_earlier_run(checkpoints: Checkpoints, settings: PretrainSettings) -> None:
    """Before any work: do not write into the folder of another run unasked.

    Raises:
        CheckpointError: there are checkpoints, but nobody asked to go on.
    """
    if not settings.resume and checkpoints.steps():
        raise CheckpointError(
            f"{checkpoints.folder} holds checkpoints of an earlier run: go on with --resume, or give another --output_dir"
        )


def find_start(
    checkpoints: Checkpoints,
    settings: PretrainSettings,
    max_steps: int,
    accelerator: Accelerator,
    facts: dict[str, Any],
    say: Callable[[str], None],
) -> Checkpoint | None:
    """The checkpoint to go on from; None for the beginning.

    Raises:
        CheckpointError: there are checkpoints, but nobody asked to go on; or they are of another run: names what differs.
    """
    refuse_earlier_run(checkpoints, settings)
    if not settings.resume:
        return None
    if accelerator.is_main_process:
        checkpoints.remove_unfinished()
    accelerator.wait_for_everyone()
    found = checkpoints.last_whole(say)
    if found is None:
        say(f"no whole checkpoint in {checkpoints.folder}: from the beginning")
        return None
    own, saved = _needed_again(settings, max_steps, accelerator, facts), found.record["run"]
    different = [
        f"{name} {saved.get(name)!r} there, {own[name]!r} here" for name in own if saved.get(name) != own[name]
    ]
    if different:
        raise CheckpointError(f"{found.folder} is of another run: {'; '.join(different)}")
    if found.record["step"] > max_steps:
        raise CheckpointError(f"{found.folder} is beyond the {max_steps:,} updates asked for: give more --max_steps")
    say(f"going on from {found.folder}")
    return found


def _needed_again(
    settings: PretrainSettings, max_steps: int, accelerator: Accelerator, facts: dict[str, Any]
) -> dict[str, Any]:
    """What must be the same when a run is resumed."""
    values = {**settings.of_the_run(), "processes": accelerator.num_processes, **facts}
    del values["num_train_epochs"]  # only a way to say how many updates
    values["max_steps"] = max_steps
    if settings.lr_scheduler_type == "constant":
        del values["max_steps"]  # nothing depends on the last update: a run may go further
    return values


def take_up(start: Checkpoint, task: Task, accelerator: Accelerator) -> Progress:
    """Put weights, optimiser, random states, carried state and data where they were."""
    accelerator.load_state(str(start.folder))
    path = start.folder / CARRIED.format(accelerator.process_index)
    if path.exists():
        task.carried = {name: tensor.to(accelerator.device) for name, tensor in load_file(path).items()}
    record = start.record
    task.batches.load_state_dict(record["position"])
    return Progress(record["step"], record["words"], record["seconds"], tuple(record["history"]))


def _without_tied_weights(models: list[nn.Module], weights: list[dict[str, Tensor]], folder: str) -> None:
    """Leave out the names that a model gives to a tensor again: loading ties them, and safetensors keeps each once."""
    for model, tensors in zip(models, weights, strict=True):
        tied = getattr(getattr(model, "module", model), "all_tied_weights_keys", None) or {}
        for name in [name for name in tensors if name.removeprefix("module.") in tied]:
            del tensors[name]


def _fill(folder: Path, task: Task, accelerator: Accelerator) -> None:
    accelerator.save_state(str(folder))
    if task.carried:
        tensors = {name: tensor.contiguous().cpu() for name, tensor in task.carried.items()}
        save_file(tensors, folder / CARRIED.format(accelerator.process_index))


# ----------------------------------------------------------------------------------------------------------- figures


class _Sums:
    """Losses added up on the device; they are read only when a line is due."""

    def __init__(self, accelerator: Accelerator):
        self.accelerator = accelerator
        self.parts: dict[str, Tensor] = {}
        self.norm = self.largest_norm = torch.zeros(())
        self.updates = 0

    def add(self, parts: dict[str, Tensor]) -> None:
        for name, value in parts.items():
            self.parts[name] = self.parts[name] + value if name in self.parts else value

    def update_done(self, norm: Tensor) -> None:
        self.norm = norm
        # Not finite once one is not: the next norms may be, though weights that are seldom used are lost.
        self.largest_norm = torch.maximum(self.largest_norm, norm) if self.updates else norm
        self.updates += 1

    def peek(self) -> dict[str, Any]:
        """Mean of each part over the updates, all processes added up, and the last norm, or one that is not finite."""
        if not self.updates:
            return {}
        names = list(self.parts)
        values = torch.stack([self.parts[name].float() for name in names])
        if self.accelerator.num_processes > 1:
            values = self.accelerator.reduce(values, "sum")
        found = {name: value / self.updates for name, value in zip(names, values.tolist(), strict=True)}
        norm, largest = float(self.norm), float(self.largest_norm)
        if self.accelerator.mixed_precision == "fp16":
            # An update whose gradients overflow is left out; JSON knows no infinity.
            return found | {"gradient_norm": norm if math.isfinite(norm) else None}
        return found | {"gradient_norm": norm if math.isfinite(largest) else largest}

    def take(self) -> dict[str, Any]:
        found = self.peek()
        self.parts, self.updates = {}, 0
        return found


def _refuse_broken(entry: dict[str, Any], step: int) -> None:
    for name, value in entry.items():
        told = name.endswith("loss") or name == "gradient_norm"
        if told and value is not None and not math.isfinite(value):
            raise ValueError(
                f"the training diverged before step {step}: {name} is {value}; lower --learning_rate or "
                "--max_grad_norm. Checkpoints of better days are kept"
            )


def _numbers(entry: dict[str, Any]) -> dict[str, Any]:
    """What trackers take."""
    return {name: value for name, value in entry.items() if value is not None}


@contextmanager
def _stop_on_signals() -> Iterator[Callable[[], bool]]:
    """SIGINT and SIGTERM end the run after the update that is next to begin; a second one at once."""
    asked: list[int] = []

    def remember(number: int, frame: Any) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    try:
        before = {number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread
        before = {}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


__all__ = ["CheckpointError", "Outcome", "Task", "evaluate", "train", "update"]
