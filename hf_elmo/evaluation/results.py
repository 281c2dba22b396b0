# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The result file of an evaluation, written once at its end, and tables for people."""

import argparse
import hashlib
import json
import shlex
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from hf_elmo.benchmark.measuring import code_version, machine, packages
from hf_elmo.benchmark.results import write_atomically
from hf_elmo.messages import say

NOT_SETTINGS = {"evaluation", "command", "output", "debug"}
POSITIONAL = ("model", "data")


class Record:
    """What was asked for, and when it began; checked before any work whether its file can be written.

    Args:
        options: of the command; paths appear by their last name only.
    Raises:
        ValueError: the folder of `--output` does not exist, or a file that is no result file is in its place.
    """

    def __init__(self, options: argparse.Namespace):
        self.path: Path | None = options.output
        self.start, self._clock = datetime.now(timezone.utc).isoformat(timespec="seconds"), time.perf_counter()
        self.evaluation = options.evaluation
        self.settings = {
            name: _named(value) for name, value in sorted(vars(options).items()) if name not in NOT_SETTINGS
        }
        if self.path is None:
            return
        if not self.path.parent.is_dir():
            raise ValueError(f"the folder of --output, {self.path.parent}, does not exist; make it first")
        if self.path.exists() and not _is_result(self.path):
            raise ValueError(f"{self.path} is no result file and is not overwritten; give another --output")

    def command(self) -> str:
        """The command line with all settings, to be given again."""
        words = ["hf-elmo", "evaluate", self.evaluation, *(str(self.settings[name]) for name in POSITIONAL)]
        for name, value in self.settings.items():
            if name in POSITIONAL or value is None or value is False:
                continue
            words.append(f"--{name.replace('_', '-')}")
            if value is not True:
                words += map(str, value) if isinstance(value, list | tuple) else [str(value)]
        return shlex.join(words)

    def finish(self, metrics: dict[str, Any], data: dict[str, Any], model: dict[str, Any] | None) -> None:
        """Write the file under a temporary name and rename it; without `--output` nothing is written."""
        if self.path is None:
            return
        import torch

        content = {
            "run": {
                "evaluation": self.evaluation,
                "command": self.command(),
                "settings": self.settings,
                "start": self.start,
                "duration_seconds": round(time.perf_counter() - self._clock, 1),
                "complete": True,
            },
            "metrics": metrics,
            "data": data,
            "model": model,
            "code": code_version(),
            "packages": packages(),
            "machine": machine(torch.get_num_threads()),
        }
        write_atomically(self.path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
        say(f"result written to {self.path}")


def _named(value: Any) -> Any:
    return value.name if isinstance(value, Path) else value


def _is_result(path: Path) -> bool:
    try:
        return "evaluation" in json.loads(path.read_text(encoding="utf-8"))["run"]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def sha256_of(path: Path) -> str:
    """SHA-256 of a file; of a folder, that of the names and hashes of the files in it."""
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file())
        listing = "".join(f"{sha256_of(file)}  {file.name}\n" for file in files)
        return hashlib.sha256(listing.encode()).hexdigest()
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of text, the first one to the left and the others to the right."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines = []
    for row in (header, *rows):
        cells = [
            row[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
