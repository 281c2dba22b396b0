# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""One file of NumPy arrays in the safetensors format: written in one step, read by memory mapping."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import save

_DTYPES = {"I32": "<i4", "I64": "<i8", "U8": "u1", "U16": "<u2", "U64": "<u8"}


def write_file(path: Path, data: bytes) -> str:
    """Write a file under a temporary name, make sure that it is on the disk, rename it; returns its SHA-256.

    Raises:
        OSError: as the system says; nothing is left then.
    """
    temporary = path.with_name(path.name + ".new")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    return hashlib.sha256(data).hexdigest()


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> str:
    """Write arrays and short facts about them with `write_file`."""
    return write_file(path, save({name: np.ascontiguousarray(a) for name, a in arrays.items()}, dict(metadata)))


def map_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays of a file, memory-mapped and read-only, and the facts about them.

    Raises:
        ValueError: the file is cut off or no such file.
    """
    whole = np.asarray(np.memmap(path, np.uint8, mode="r"))  # refuses an empty file by ValueError
    begin = 8 + int.from_bytes(bytes(whole[:8]), "little")
    if begin > len(whole):
        raise ValueError(f"{path} is cut off")
    header = json.loads(bytes(whole[8:begin]))
    metadata = header.pop("__metadata__", {})
    if begin + max((entry["data_offsets"][1] for entry in header.values()), default=0) != len(whole):
        raise ValueError(f"{path} is cut off")
    arrays = {
        name: whole[begin + entry["data_offsets"][0] : begin + entry["data_offsets"][1]].view(_DTYPES[entry["dtype"]])
        for name, entry in header.items()
    }
    return arrays, metadata


def pack_strings(strings: Iterable[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """UTF-8 strings one after the other (bytes,) uint8, and where each begins and the last ends (n + 1,) int64."""
    strings = list(strings)
    offsets = np.zeros(len(strings) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, strings), np.int64, len(strings)), out=offsets[1:])
    return np.frombuffer(b"".join(strings), np.uint8), offsets


def unpack_strings(data: np.ndarray, offsets: np.ndarray, start: int = 0, end: int | None = None) -> list[str]:
    """The strings from number `start` to `end` of what `pack_strings` packed."""
    places = offsets[start : None if end is None else end + 1].tolist()
    first = places[0]
    text = bytes(data[first : places[-1]])
    return [text[a - first : b - first].decode("utf-8") for a, b in zip(places, places[1:])]  # noqa: B905
