# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Reads HDF5 files that nobody vouches for: what is in them is known before anything of it is read.

The HDF5 library runs in a process of its own (`hdf5_child.py`): of 40,000 files with changed metadata, 2 made
it loop until all memory was gone, which no exception handler sees.
"""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .errors import ConversionError, name_some

# Seconds the other process may take to start, for an answer, and in addition for each million bytes of it.
SECONDS_TO_START = 60.0
SECONDS_PER_MILLION_BYTES = 1.0

# `-I` keeps the working directory and the environment out; the module path is then the one of this process.
BOOT = "import sys; sys.path[:] = sys.argv[2:-1]; exec(compile(open(sys.argv[1], 'rb').read(), sys.argv[1], 'exec'))"
SUFFIXES = (".hdf5", ".h5")
MARK = b"\x89HDF\r\n\x1a\n"
FLOATS = {"float16": "<f2", "float32": "<f4", "float64": "<f8"}


def is_hdf5(path: Path) -> bool:
    """Whether a file is an HDF5 file by its name, or, if it has another name, by its first bytes."""
    if path.suffix.lower() in SUFFIXES:
        return True
    with open(path, "rb") as file:
        return file.read(len(MARK)) == MARK


class Found(NamedTuple):
    """What a file says about one of its tensors."""

    shape: tuple[int, ...] | None
    dtype: str
    problem: str | None = None  # why it cannot be used, whatever its shape


class Hdf5File:
    """An open HDF5 file: `datasets` by name, and `read(name)`. Use it in a `with` statement.

    Raises:
        ConversionError: the file is no HDF5 file, is damaged, or reading it takes too long.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        self._timed_out = False
        child = Path(__file__).with_name("hdf5_child.py")
        module_path = [entry for entry in sys.path if entry]
        self._process = subprocess.Popen(
            [sys.executable or "python3", "-I", "-c", BOOT, str(child), *module_path, str(self.path.resolve())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # Each thread of a linear algebra library reserves address space, which is limited there.
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
        )
        try:
            size = self.path.stat().st_size
            listing = self._receive_line(SECONDS_TO_START + size / 1e6 * SECONDS_PER_MILLION_BYTES)
            self.datasets = {
                name: Found(
                    None if entry["shape"] is None else tuple(entry["shape"]), entry["dtype"], entry["problem"]
                )
                for name, entry in listing["datasets"].items()
            }
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Hdf5File":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """End the reading process."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # what was still to be sent has no reader any more
                    pass

    def read(self, name: str) -> np.ndarray:
        """Dataset `name` with the dtype it is stored in (float16, float32 or float64).

        Only for datasets without a problem whose shape has been compared with the needed one: all of it is read.
        """
        found = self.datasets[name]
        if found.shape is None or found.problem or found.dtype not in FLOATS:
            raise ConversionError(
                f"{self.path.name}: {name} {found.problem or 'does not hold floating-point numbers'}"
            )
        array = np.empty(found.shape, FLOATS[found.dtype])
        seconds = SECONDS_TO_START + array.nbytes / 1e6 * SECONDS_PER_MILLION_BYTES
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(name).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            pass  # it has ended: the answer below says how
        answer = self._receive_line(seconds, name)
        if answer["bytes"] != array.nbytes:
            raise ConversionError(
                f"{self.path.name}: {name} has {answer['bytes']} bytes, {array.nbytes} were announced"
            )
        with self._limited(seconds):
            view = array.reshape(-1).data.cast("B") if array.size else memoryview(b"")
            done = 0
            while done < array.nbytes:
                count = self._process.stdout.readinto(view[done:])  # type: ignore[attr-defined]
                if not count:
                    raise self._ended(name)
                done += count
        return array

    def _receive_line(self, seconds: float, name: str | None = None) -> dict:
        assert self._process.stdout is not None
        with self._limited(seconds):
            line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._ended(name)
        message = json.loads(line)
        if "error" in message:
            what = f"{name} cannot be read" if name else "is no readable HDF5 file"
            raise ConversionError(
                f"{self.path.name}{':' if name else ''} {what} ({message['error']}). Get the file again."
            )
        return message

    def _limited(self, seconds: float) -> "_KillAfter":
        return _KillAfter(self, seconds)

    def _ended(self, name: str | None) -> ConversionError:
        code = self._process.wait()
        where = f"at {name}" if name else "while its datasets were listed"
        how = f"ended with code {code}"
        if self._timed_out:
            how = "took too long"
        elif code < 0:
            how = f"crashed (signal {-code})"
        return ConversionError(f"{self.path.name}: the HDF5 library {how} {where}. The file is damaged: get it again.")


class _KillAfter:
    """Ends the reading process if the `with` block takes longer than `seconds`."""

    def __init__(self, file: Hdf5File, seconds: float):
        self.file = file
        self.timer = threading.Timer(seconds, self._kill)
        self.timer.daemon = True

    def _kill(self) -> None:
        self.file._timed_out = True
        self.file._process.kill()

    def __enter__(self) -> None:
        self.timer.start()

    def __exit__(self, *_) -> None:
        self.timer.cancel()


def check_tensors(
    where: str,
    found: dict[str, Found],
    needed: dict[str, tuple[int, ...]],
    kind: str = "dataset",
    described_by: str = "options.json",
) -> None:
    """Compare what a file says it holds with what the model needs, before anything is read.

    Args:
        where: name of the file, for messages.
        kind: what it calls its tensors.
        described_by: where the needed shapes come from.
    Raises:
        ConversionError: a tensor is missing, too many, of another shape, no floating-point tensor or damaged; names
            the first such tensor, its shape and the shape needed.
    """
    together = f"{where} and {described_by} must belong together."
    missing = [name for name in needed if name not in found]
    if missing:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        holds = f"; the file holds {name_some(found)}" if found and len(missing) == len(needed) else ""
        raise ConversionError(
            f"{where}: {kind} {missing[0]} of shape {needed[missing[0]]} is missing{more}{holds}. {together}"
        )
    for name, shape in needed.items():
        came = found[name]
        if came.problem:
            raise ConversionError(f"{where}: {name} {came.problem}; needed is shape {shape}. Get the file again.")
        if came.shape != shape:
            raise ConversionError(f"{where}: {name} has shape {came.shape}; {described_by} needs {shape}")
        if came.dtype not in FLOATS and came.dtype != "bfloat16":
            raise ConversionError(
                f"{where}: {name} {came.shape} has dtype {came.dtype}; needed are floating-point numbers {shape}"
            )
    surplus = [name for name in found if name not in needed]
    if surplus:
        more = f" (and {len(surplus) - 1} more)" if len(surplus) > 1 else ""
        raise ConversionError(
            f"{where}: {kind} {surplus[0]} of shape {found[surplus[0]].shape}{more} belongs to no part of the model that "
            f"{described_by} describes. {together}"
        )


def as_float32(where: str, name: str, array: np.ndarray) -> np.ndarray:
    """`array` as float32; float16 fits exactly, float64 is rounded.

    Raises:
        ConversionError: it holds NaN or infinity, or numbers float32 cannot hold; says how many.
    """
    with np.errstate(over="ignore"):
        result = np.ascontiguousarray(array, dtype=np.float32)
    finite = np.isfinite(result)
    if not finite.all():
        count = int(result.size - np.count_nonzero(finite))
        raise ConversionError(
            f"{where}: {name} {array.shape} holds NaN or infinity at {count} of {result.size} places. The file is "
            "damaged, or its training diverged."
        )
    return result
