# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What a run tells while it works: its speed, the time left, and `log.jsonl`."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hf_elmo.benchmark.results import write_atomically


class Speed:
    """Speed of training since it was last measured, and the time that evaluations and checkpoints take besides.

    Nothing counts before `begin`, which is called after the first update of a process: that one starts and compiles.
    """

    def __init__(self) -> None:
        self.has_begun = False
        self.words_per_second = 0.0
        self.seconds_per_update = 0.0  # of training alone
        self.pause_per_update = 0.0  # mean since `begin`
        self._pauses = 0.0

    def begin(self, step: int, words: int) -> None:
        """Measure from here: after update `step`, with so many words read."""
        self.has_begun = True
        self._first_step = step
        self._pauses = 0.0
        self._last = (step, words, time.perf_counter(), 0.0)

    def measures(self, step: int, words: int) -> bool:
        """Measure from the last time to this update; False if there is none in between."""
        if not self.has_begun or step <= self._last[0]:
            return False
        now = time.perf_counter()
        last_step, last_words, since, pauses = self._last
        seconds = max(now - since - (self._pauses - pauses), 1e-9)
        self.words_per_second = (words - last_words) / seconds
        self.seconds_per_update = seconds / (step - last_step)
        self.pause_per_update = self._pauses / (step - self._first_step)
        self._last = (step, words, now, self._pauses)
        return True

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Around what is no training."""
        begin = time.perf_counter()
        yield
        self._pauses += time.perf_counter() - begin


class RunLog:
    """`log.jsonl`: one line of JSON for each entry of the history, there as soon as it is known.

    What stands in it is as far as a killed run came. A resumed run begins with the entries of its checkpoint and makes
    the later ones again.

    Args:
        path: of the file; its folder exists or is made.
        history: entries so far; `add` appends to this list.
        writes: whether this process is the one that writes.
    """

    def __init__(self, path: Path, history: list[dict[str, Any]], writes: bool = True):
        self._path, self._history, self._writes = path, history, writes
        if writes:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, "".join(map(_json_line, history)))

    def add(self, entry: dict[str, Any]) -> None:
        """Append an entry to the history and, where this process writes, to the file."""
        self._history.append(entry)
        if self._writes:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(_json_line(entry))


def _json_line(entry: dict[str, Any]) -> str:
    return json.dumps(entry) + "\n"


def progress_line(
    entry: dict[str, Any],
    max_steps: int,
    speed: Speed,
    max_hours: float | None,
    seconds: float,
    unit: str = "words",
) -> str:
    """Losses, speed and time left; without the latter two before they are known.

    Args:
        entry: of the history.
        max_steps: updates of the run.
        speed: as measured last.
        max_hours: the time budget.
        seconds: of training so far.
        unit: what `words_per_second` counts.
    """
    losses = {name: value for name, value in entry.items() if name.endswith("loss")}
    line = f"step {entry['step']:,}/{max_steps:,}: {figures_line(losses)}"
    if "words_per_second" not in entry:
        return line
    left = (speed.seconds_per_update + speed.pause_per_update) * (max_steps - entry["step"])
    if max_hours is not None:
        left = min(left, 3600 * max_hours - seconds)
    return f"{line}, {entry['words_per_second']:,.0f} {unit}/s, time left {_clock(max(left, 0))}"


def figures_line(values: dict[str, float]) -> str:
    """Names and figures for people."""
    return ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in values.items())


def _clock(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"


__all__ = ["RunLog", "Speed", "figures_line", "progress_line"]
