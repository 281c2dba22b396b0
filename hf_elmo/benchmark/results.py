# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The result file of a run: written whole after each measurement, and taken up again after an interruption."""

import argparse
import json
import os
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from hf_elmo.benchmark.measuring import code_version, machine, packages

# Options that say where and how, not what is measured.
NOT_SETTINGS = {"benchmark", "command", "output", "resume", "debug"}


class ResultFile:
    """Metrics of one run and all that is needed to repeat it; without `--output` nothing is written.

    Args:
        args: the options of the run; all but `output` and the like become its settings.
        threads: thread counts that torch used.
    Raises:
        ValueError: the folder does not exist; an unfinished run lies there and `--resume` was not given; or
            `--resume` was given and the file is of other settings, another commit or another machine.
    """

    def __init__(self, args: argparse.Namespace, threads: int | list[int] = 1):
        self.path: Path | None = args.output
        self.metrics: dict[str, Any] = {}
        self.data: dict[str, Any] = {}
        self.started = time.perf_counter()
        self.run = {
            "benchmark": args.benchmark,
            "settings": {
                name: value.name if isinstance(value, Path) else value
                for name, value in sorted(vars(args).items())
                if name not in NOT_SETTINGS
            },
            "start": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "duration_seconds": 0.0,
            "complete": False,
        }
        self.facts = {"code": code_version(), "packages": packages(), "machine": machine(threads)}
        self.earlier_seconds = 0.0
        self.resumed = False
        resume = getattr(args, "resume", False)
        if self.path is None:
            if resume:
                raise ValueError("--resume goes on with a result file: name it with --output")
            return
        if not self.path.parent.is_dir():
            raise ValueError(f"the folder of --output, {self.path.parent}, does not exist; make it first")
        if self.path.exists():
            self._take_up(self.path, resume)

    def _take_up(self, path: Path, resume: bool) -> None:
        try:
            earlier = json.loads(path.read_text(encoding="utf-8"))
            complete = earlier["run"].get("complete", True)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is no result file and is not overwritten; give another --output") from error
        if not resume:
            if not complete:
                raise ValueError(f"{path} holds an unfinished run: go on with --resume, or remove it")
            return
        asked = {
            "benchmark": self.run["benchmark"],
            "settings": self.run["settings"],
            "code.commit": self.facts["code"]["commit"],
            "code.dirty": self.facts["code"].get("dirty"),
            "packages": self.facts["packages"],
            "machine": self.facts["machine"],
        }
        found = {
            "benchmark": earlier["run"]["benchmark"],
            "settings": earlier["run"]["settings"],
            "code.commit": earlier["code"]["commit"],
            "code.dirty": earlier["code"].get("dirty"),
            "packages": earlier["packages"],
            "machine": earlier["machine"],
        }
        different = [name for name in asked if json.loads(json.dumps(asked[name])) != found[name]]
        if different:
            raise ValueError(
                f"{path} cannot be resumed: its {', '.join(different)} differ from this run's; give another --output"
            )
        self.resumed = True
        self.metrics = earlier["metrics"]
        self.run["start"] = earlier["run"]["start"]
        self.earlier_seconds = earlier["run"]["duration_seconds"]

    def add(self, name: str, metric: dict) -> None:
        """Keep a finished measurement, on disk too."""
        self.metrics[name] = metric
        self._write()

    def interrupted(self, cells: int) -> int:
        """Say how many of the measurements are kept; returns the exit code of an interruption."""
        kept = f"{len(self.metrics)} of {cells} measurements are in {self.path}; --resume goes on"
        print(f"\ninterrupted: {'nothing was kept' if self.path is None else kept}", file=sys.stderr)
        return 130

    def finish(self) -> None:
        """Mark the run as complete and say where its result lies."""
        self.run["complete"] = True
        self._write()
        if self.path is not None:
            print(f"result written to {self.path}", file=sys.stderr)

    def _write(self) -> None:
        if self.path is None:
            return
        self.run["duration_seconds"] = round(self.earlier_seconds + time.perf_counter() - self.started, 1)
        content = {"run": self.run, "metrics": self.metrics, "data": self.data, **self.facts}
        write_atomically(self.path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def write_atomically(path: Path, text: str) -> None:
    """Write a text file in one step: a reader sees the old file or the new one, never half of it."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8", newline="\n")
    os.replace(part, path)
