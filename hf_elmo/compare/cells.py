# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Cells, the pieces a comparison is made of, and the folder their results lie in.

A cell is one experiment for one contender, task, seed, ...; it takes seconds and is computed once. An experiment is a module with

    NAME, TITLE     name of its cells, title of its section
    VERSION         (may be left out) an int, raised when its results change their meaning
    SECONDS         (may be left out) of a cell, quick and full or None, for the estimate before any is measured here
    EXCLUSIVE       (may be left out) True: timings, computed last and by one process at a time
    cells(settings, names) -> list[Cell]          without loading a model; what cannot be run goes to settings.missing
    run(cell, context) -> dict                    JSON values; context is hf_elmo.compare.running.Context
    summarize(results, settings) -> Section       results: list[tuple[Cell, dict]]; tables for the report, see `figure`
"""

import hashlib
import json
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from filelock import FileLock

from hf_elmo.benchmark.measuring import code_version, machine, packages
from hf_elmo.benchmark.results import write_atomically
from hf_elmo.compare.settings import without_folders

LARGEST_CELL_BYTES = 200_000


@dataclass(frozen=True)
class Cell:
    """One piece of an experiment, e.g. key=(("task", "ud_ewt"), ("contender", "elmo-mini-en"), ("seed", 1))."""

    experiment: str
    key: tuple[tuple[str, str | int], ...]

    @property
    def id(self) -> str:
        """A stable name that a file can have, different for different cells."""
        readable = re.sub(r"[^A-Za-z0-9.+-]+", "-", "_".join(str(value) for _, value in self.key))[:80].strip("-.")
        digest = hashlib.sha256(json.dumps([self.experiment, self.key]).encode()).hexdigest()[:8]
        return f"{readable}_{digest}"

    def __getitem__(self, name: str) -> Any:
        """A value of the key.

        Raises:
            KeyError: the key has no such name.
        """
        for key, value in self.key:
            if key == name:
                return value
        raise KeyError(f"the cell {self.id} has no {name!r}")

    def get(self, name: str, default: Any = None) -> Any:
        """A value of the key, or `default`."""
        return dict(self.key).get(name, default)


class Section(TypedDict):
    """What an experiment tells the report."""

    experiment: str
    title: str
    tables: list[dict[str, Any]]  # {"id", "title", "unit", "higher_is_better", "columns", "rows", "plot"}
    tests: list[dict[str, Any]]
    notes: list[str]


def figure(
    value: float,
    cells: Sequence[str],
    sd: float | None = None,
    interval: tuple[float, float] | None = None,
    n: int | None = None,
) -> dict[str, Any]:
    """One number of a table with the ids of the cells it was computed from.

    Args:
        value: the number; `sd` over seeds, `interval` of 95 %, `n` items or seeds behind it.
        cells: ids of cells.
    Raises:
        ValueError: no cells: a figure must lead to a file.
    """
    if not cells:
        raise ValueError(f"the figure {value} names no cells; each figure must lead to the files it came from")
    bounds = None if interval is None else [float(end) for end in interval]
    return {
        "value": float(value),
        "sd": None if sd is None else float(sd),
        "interval": bounds,
        "n": n,
        "cells": list(cells),
    }


def table(
    name: str,
    title: str,
    unit: str,
    higher_is_better: bool | None,
    columns: Sequence[str],
    rows: list[dict[str, Any]],
    plot: dict[str, Any] | None,
) -> dict[str, Any]:
    """A table of a section, as `hf_elmo.compare.report` reads it; `name` is its id in the whole report."""
    return {
        "id": name,
        "title": title,
        "unit": unit,
        "higher_is_better": higher_is_better,
        "columns": list(columns),
        "rows": rows,
        "plot": plot,
    }


def command_line() -> str:
    """The command that was given, to be given again; folders and files by their last name only."""
    words = ["hf-elmo" if Path(sys.argv[0]).name == "__main__.py" else Path(sys.argv[0]).name, *sys.argv[1:]]
    return shlex.join(map(without_folders, words))


class Store:
    """Results of cells in FOLDER/cells/EXPERIMENT/ID.json, one file each, whole or not there.

    Args:
        folder: of the comparison; made if it does not exist.
    """

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        self._facts: dict[str, Any] | None = None

    def path(self, cell: Cell) -> Path:
        return self.folder / "cells" / cell.experiment / f"{cell.id}.json"

    def content(self, cell: Cell, fingerprint: str | None = None) -> dict[str, Any] | None:
        """All that the file of a cell holds; None if it is missing, damaged or of other settings."""
        try:
            content = json.loads(self.path(cell).read_text(encoding="utf-8"))
            whole = content["experiment"] == cell.experiment and content["key"] == [list(pair) for pair in cell.key]
            same = fingerprint is None or content["settings_fingerprint"] == fingerprint
            return content if whole and same and isinstance(content["result"], dict) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def done(self, cell: Cell, fingerprint: str | None = None) -> bool:
        """Whether a whole result of the same settings lies there."""
        return self.content(cell, fingerprint) is not None

    def read(self, cell: Cell) -> dict[str, Any]:
        """The result of a finished cell.

        Raises:
            ValueError: there is none, or its file is damaged.
        """
        content = self.content(cell)
        if content is None:
            raise ValueError(f"{self.path(cell)} holds no result; give the same command again to compute it")
        return content["result"]

    def write(self, cell: Cell, result: dict[str, Any], seconds: float, fingerprint: str = "") -> None:
        """Keep a result, with all that is needed to repeat it.

        Raises:
            ValueError: the result is larger than 200 kB, or holds what JSON cannot (nan, inf, arrays).
        """
        if self._facts is None:
            import torch

            threads = torch.get_num_threads()
            self._facts = {"versions": packages(), "machine": machine(threads), "code": code_version()}
        content = {
            "experiment": cell.experiment,
            "key": [list(pair) for pair in cell.key],
            "result": result,
            "seconds": round(seconds, 3),
            "command": command_line(),
            **self._facts,
            "settings_fingerprint": fingerprint,
        }
        try:
            text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"
        except (TypeError, ValueError) as error:
            raise ValueError(f"the result of {cell.experiment} {cell.id} is no JSON: {error}") from error
        if len(text.encode()) > LARGEST_CELL_BYTES:
            raise ValueError(
                f"the result of {cell.experiment} {cell.id} has {len(text.encode()):,} bytes; a cell may have "
                f"{LARGEST_CELL_BYTES:,}: pack its scores of single items"
            )
        path = self.path(cell)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text)

    def lock(self, cell: Cell) -> FileLock:
        """Held while a cell is computed; the system frees it when its process dies, however it dies."""
        path = self.folder / "locks" / cell.experiment / f"{cell.id}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(path)
