# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Checkpoints that are whole or not there: written under another name, hashed, renamed, and checked before use.

A checkpoint is a folder `checkpoint-STEP` with weights, optimiser and random states as `Accelerator.save_state` writes
them, files of each process, and `checkpoint.json`, which lists every file with its hash and is written last.
"""

import hashlib
import json
import os
import re
import shutil
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError

RECORD = "checkpoint.json"
FORMAT_VERSION = 1
_NAME = re.compile(r"checkpoint-(\d+)")
_UNFINISHED = re.compile(r"checkpoint-\d+\.(part|old)")


class CheckpointError(ValueError):
    """A checkpoint cannot be written or taken up; one line for people."""


class Checkpoint(NamedTuple):
    """A whole checkpoint: its folder and what `checkpoint.json` says besides the files."""

    folder: Path
    record: dict[str, Any]


class Checkpoints:
    """The checkpoints of a run.

    Args:
        folder: output folder of the run.
        keep: how many stay; the oldest go first.
    """

    def __init__(self, folder: str | os.PathLike, keep: int = 2):
        self.folder, self.keep = Path(folder), keep

    def steps(self) -> list[int]:
        """Steps of which a folder is there, whole or not, ascending."""
        if not self.folder.is_dir():
            return []
        found = (_NAME.fullmatch(path.name) for path in self.folder.iterdir() if path.is_dir())
        return sorted(int(match[1]) for match in found if match)

    def path(self, step: int) -> Path:
        """The folder of the checkpoint after update `step`, whether or not it is there."""
        return self.folder / f"checkpoint-{step}"

    def write(
        self, step: int, fill: Callable[[Path], None], record: dict[str, Any], accelerator: Any | None = None
    ) -> Path:
        """Write a checkpoint in one step; with several processes all of them call this.

        Args:
            fill: writes files into the folder it is given; of every process.
            record: goes into `checkpoint.json`, numbers and text only.
            accelerator: of several processes; the main one writes the record and renames the folder.
        Raises:
            CheckpointError: the disk is full, or the folder cannot be written; what was there before stays.
        """
        is_main = accelerator is None or accelerator.is_main_process
        target, part = self.path(step), self.folder / f"checkpoint-{step}.part"
        try:
            if is_main:
                shutil.rmtree(part, ignore_errors=True)
                part.mkdir(parents=True)
            _wait(accelerator)
            fill(part)
            _wait(accelerator)
            if is_main:
                files = {path.relative_to(part).as_posix(): _describe(path) for path in _files(part)}
                content = {"version": FORMAT_VERSION, "step": step, **record, "files": files}
                _write_durably(part / RECORD, json.dumps(content, indent=1))
                self._put_in_place(part, target)
                self._remove_old(step)
        except Exception as error:
            if is_main:
                shutil.rmtree(part, ignore_errors=True)
            if not _comes_from_writing(error):
                raise
            raise CheckpointError(
                f"checkpoint-{step} cannot be written into {self.folder}: {' '.join(str(error).split())}. Earlier "
                "checkpoints are kept; make room on the disk and go on with --resume"
            ) from error
        _wait(accelerator)
        return target

    def _put_in_place(self, part: Path, target: Path) -> None:
        if target.exists():  # a damaged one: a whole one of this step is never written again
            shutil.rmtree(target)
        os.rename(part, target)
        _sync_folder(self.folder)

    def _remove_old(self, newest: int) -> None:
        for step in [step for step in self.steps() if step <= newest][: -self.keep]:
            old = self.path(step).with_suffix(".old")
            os.rename(self.path(step), old)  # so that half of it is never taken for a checkpoint
            shutil.rmtree(old, ignore_errors=True)

    def last_whole(self, say: Callable[[str], None] = lambda line: None) -> Checkpoint | None:
        """The latest checkpoint whose every file is as it was written; None if there is none.

        Raises:
            CheckpointError: the latest is of a newer program.
        """
        for step in reversed(self.steps()):
            folder = self.path(step)
            problem = _problem_of(folder)
            if problem is None:
                record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
                if record["version"] > FORMAT_VERSION:
                    raise CheckpointError(f"{folder} is from a newer version of hf_elmo: update this one")
                return Checkpoint(folder, record)
            say(f"{folder} is passed over: {problem}")
        return None

    def remove_unfinished(self) -> None:
        """Throw away what a killed process left half done."""
        if self.folder.is_dir():
            for path in self.folder.iterdir():
                if _UNFINISHED.fullmatch(path.name):
                    shutil.rmtree(path, ignore_errors=True)


def _comes_from_writing(error: BaseException) -> bool:
    """Whether a file could not be written: torch and safetensors wrap what the system says in errors of their own."""
    if isinstance(error, OSError | SafetensorError):
        return True
    frames = traceback.extract_tb(error.__traceback__)
    return any(Path(frame.filename).parts[-2:] == ("torch", "serialization.py") for frame in frames)


def _wait(accelerator: Any | None) -> None:
    if accelerator is not None:
        accelerator.wait_for_everyone()


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _describe(path: Path) -> list[Any]:
    """Size and SHA-256 of a file, which is on the disk afterwards."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
        os.fsync(file.fileno())
    return [path.stat().st_size, digest.hexdigest()]


def _problem_of(folder: Path) -> str | None:
    """Why a checkpoint is not whole."""
    try:
        files = json.loads((folder / RECORD).read_text(encoding="utf-8"))["files"]
        for name, (size, sha256) in files.items():
            path = folder / name
            if not path.is_file():
                return f"{name} is missing"
            if path.stat().st_size != size or _describe(path)[1] != sha256:
                return f"{name} is damaged"
    except FileNotFoundError:
        return f"it has no {RECORD}"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"{RECORD} cannot be read ({type(error).__name__})"
    return None


def _write_durably(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


__all__ = ["Checkpoint", "CheckpointError", "Checkpoints"]
