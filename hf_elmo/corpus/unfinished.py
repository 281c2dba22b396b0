# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Around work in a folder beside its output: one process at a time, and the system's errors in plain words."""

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from hf_elmo.corpus.settings import PreparationError


@contextlib.contextmanager
def alone(part: Path, target: Path) -> Iterator[None]:
    """Keep a second run with the same output out; the lock lies beside the folder, which is renamed at the end."""
    from filelock import FileLock, Timeout

    path = part.with_name(part.name + ".lock")
    try:
        with FileLock(path, timeout=1):
            try:
                yield
            finally:
                with contextlib.suppress(OSError):  # Windows removes no open file
                    path.unlink()
    except Timeout as error:
        raise PreparationError(f"another process is writing {target}: wait for it, or stop it") from error


@contextlib.contextmanager
def plain_errors(target: Path, part: Path) -> Iterator[None]:
    """The system's errors about the output, in words that say what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            advice = f"the disk of {target} is full: make room and give the same command again to go on"
            raise OSError(error.errno, advice) from error
        if str(error.filename).startswith(str(part)):
            raise OSError(error.errno, f"{target} cannot be written: {error.strerror}") from error
        raise
