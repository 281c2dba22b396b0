# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Files of word vectors: the finished pieces of a run (shards), and the three formats they are put together to.

    safetensors   one tensor for each sentence, key = number of its line, counted from 0
    hdf5          the layout of AllenNLP's `elmo` command: one dataset for each sentence, and `sentence_to_index`
    npy           a folder for NumPy: vectors.npy with the words of all sentences in a row, offsets.npy saying where
                  each sentence begins, info.json; can be memory-mapped, so it is the one for large corpora

An .npz is not among them: it is a zip that can neither be memory-mapped nor appended to, and NumPy users get the
same with less in the folder. Every writer reads one shard at a time: memory does not grow with the corpus.
"""

import hashlib
import json
import os
import shutil
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

SUFFIXES = {".safetensors": "safetensors", ".hdf5": "hdf5", ".h5": "hdf5"}
ASSEMBLED = "assembled"
REPLACED = "replaced"
FORMATS = ("safetensors", "hdf5", "npy")
FORMAT_NAME = "hf_elmo embed"  # "format" in the metadata of every file
NUMPY_FILES = {"vectors.npy", "offsets.npy", "info.json"}

# safetensors refuses to read a longer header.
LARGEST_SAFETENSORS_HEADER = 100_000_000


class VectorFileError(ValueError):
    """A vector file cannot be written as asked; the message is one line for people."""


class VectorShape(NamedTuple):
    """What the array of a sentence looks like: `layers` is 0 for (n, size), else (layers, n, size)."""

    layers: int
    size: int
    dtype: str  # "float32" or "float16"

    def of(self, words: int) -> tuple[int, ...]:
        return (words, self.size) if self.layers == 0 else (self.layers, words, self.size)

    @property
    def bytes_per_word(self) -> int:
        return max(self.layers, 1) * self.size * np.dtype(self.dtype).itemsize


def format_of(output: str, explicit: str | None = None) -> str:
    """Format of an output path: the explicit one, else by the ending; a trailing slash means the NumPy folder.

    Raises:
        VectorFileError: the ending tells nothing.
    """
    if explicit is not None:
        return explicit
    if output.endswith(("/", os.sep)):
        return "npy"
    suffix = Path(output).suffix.lower()
    if suffix in (".npy", ".npz"):
        raise VectorFileError(
            f"vectors for NumPy are a folder, not a {suffix} file: write {Path(output).with_suffix('')}/ "
            "(with the slash), or give --output-format npy"
        )
    if suffix not in SUFFIXES:
        raise VectorFileError(
            f"cannot tell the format of {output}: end it in {', '.join(SUFFIXES)} or a slash (NumPy folder), or give "
            f"--output-format {'|'.join(FORMATS)}"
        )
    return SUFFIXES[suffix]


def check_output(kind: str, output: Path) -> None:
    """Refuse an output that is a folder with anything in it but vectors of an earlier run: it would be removed.

    Raises:
        VectorFileError: a file format and `output` is a folder; a folder with files of somebody else, named.
    """
    if not output.is_dir():
        return
    if kind != "npy":
        raise VectorFileError(f"{output} is a folder, and {kind} is one file: give another name")
    names = sorted(path.name for path in output.iterdir())
    foreign = [name for name in names if name not in NUMPY_FILES] if _is_numpy_folder(output) else names
    if foreign:
        shown = ", ".join(foreign[:3]) + (", ..." if len(foreign) > 3 else "")
        raise VectorFileError(
            f"{output} is a folder with files that are not from hf-elmo embed ({shown}): give another name, or empty it"
        )


def _is_numpy_folder(folder: Path) -> bool:
    try:
        info = json.loads((folder / "info.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(info, dict) and info.get("format") == FORMAT_NAME and (folder / "vectors.npy").is_file()


class Shards:
    """The finished pieces of a run, in a folder: numbered safetensors files, each of them whole or not there.

    A shard holds "values", the vectors of consecutive sentences one after the other, and "lengths" (n,) int64.
    """

    def __init__(self, folder: Path, shape: VectorShape):
        self.folder, self.shape = folder, shape
        self.lengths = array("q")  # words of each finished sentence
        self.count = 0
        while self._path(self.count).exists():
            try:
                with safe_open(self._path(self.count), framework="numpy") as shard:
                    lengths = shard.get_tensor("lengths")
            except (SafetensorError, OSError):
                break  # cut off by a power failure: it and what follows are made again
            self.lengths.extend(lengths.tolist())
            self.count += 1
        for path in folder.glob("shard-*"):
            if not path.name.endswith(".safetensors") or int(path.name[6:-12]) >= self.count:
                path.unlink()

    def _path(self, index: int) -> Path:
        return self.folder / f"shard-{index:06d}.safetensors"

    def append(self, arrays: list[np.ndarray]) -> None:
        """Add the vectors of the next sentences; they are on disk for good when this returns."""
        lengths = np.array([item.shape[-2] for item in arrays], dtype=np.int64)
        values = np.concatenate([item.ravel() for item in arrays]) if arrays else np.zeros(0, self.shape.dtype)
        path = self._path(self.count)
        temporary = path.with_name(path.name + ".new")
        save_file({"values": values, "lengths": lengths}, temporary)
        _sync(temporary)
        os.replace(temporary, path)
        self.lengths.extend(lengths.tolist())
        self.count += 1

    def __iter__(self) -> Iterator[np.ndarray]:
        for index in range(self.count):
            with safe_open(self._path(index), framework="numpy") as shard:
                values, lengths = shard.get_tensor("values"), shard.get_tensor("lengths")
            start = 0
            for words in lengths.tolist():
                shape = self.shape.of(words)
                end = start + int(np.prod(shape))
                yield values[start:end].reshape(shape)
                start = end


def write_vectors(
    kind: str,
    output: Path,
    shards: Shards,
    keys: Iterable[str] | None,
    sentences: Iterable[str] | None,
    metadata: dict[str, str],
) -> None:
    """Put the shards together to one file or folder, under a temporary name until it is complete.

    Args:
        kind: "safetensors", "hdf5" or "npy".
        keys: name of each sentence, or None for its line number.
        sentences: text of each sentence, for `sentence_to_index` of the HDF5 layout; None leaves that out.
        metadata: short facts about the run, kept inside the file.
    Raises:
        VectorFileError: too many sentences for the format, a key the format cannot hold, or `output` is a folder that
            `check_output` refuses.
    """
    check_output(kind, output)
    # In the folder of the pieces, which lies beside the output: on the same file system, and cleaned up with them.
    temporary, mark = shards.folder / f"assembled.{kind}", shards.folder / ASSEMBLED
    mark.unlink(missing_ok=True)
    discard(temporary)
    names = keys if keys is not None else (str(line) for line in range(len(shards.lengths)))
    if kind == "safetensors":
        _write_safetensors(temporary, shards, names, metadata)
    elif kind == "hdf5":
        _write_hdf5(temporary, shards, names, sentences, metadata)
    else:
        _write_npy(temporary, shards, metadata)
    for path in temporary.iterdir() if temporary.is_dir() else [temporary]:
        _sync(path)
    mark.touch()
    old = shards.folder / REPLACED
    discard(old)
    if temporary.is_dir() and output.exists():
        os.replace(output, old)  # a folder cannot be replaced in one step, and half removed it is not known as ours
    os.replace(temporary, output)
    discard(old)


def is_assembled(folder: Path, kind: str) -> bool:
    """Whether a run was killed after its output got its name and before its pieces were removed."""
    return (folder / ASSEMBLED).exists() and not (folder / f"assembled.{kind}").exists()


def _write_safetensors(path: Path, shards: Shards, names: Iterable[str], metadata: dict[str, str]) -> None:
    kind = {"float32": "F32", "float16": "F16"}[shards.shape.dtype]
    header = bytearray(b'{"__metadata__":' + json.dumps(metadata).encode())
    start = 0
    for name, words in zip(names, shards.lengths, strict=True):
        end = start + words * shards.shape.bytes_per_word
        shape = ",".join(map(str, shards.shape.of(words)))
        entry = f',{json.dumps(name)}:{{"dtype":"{kind}","shape":[{shape}],"data_offsets":[{start},{end}]}}'
        header += entry.encode()
        start = end
        if len(header) > LARGEST_SAFETENSORS_HEADER - 16:
            raise VectorFileError(
                "too many sentences for one .safetensors file (its list of contents may not exceed 100 MB): run the "
                "same command with a .hdf5 output or a NumPy folder, or split the input"
            )
    header += b"}"
    header += b" " * (-len(header) % 8)  # tensors begin at a multiple of 8 bytes
    with open(path, "wb") as file:
        file.write(len(header).to_bytes(8, "little"))
        file.write(header)
        for item in shards:
            file.write(np.ascontiguousarray(item).data if item.size else b"")


def _write_hdf5(
    path: Path, shards: Shards, names: Iterable[str], sentences: Iterable[str] | None, metadata: dict[str, str]
) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["hf_elmo"] = json.dumps(metadata)
        for line, (name, item) in enumerate(zip(names, shards, strict=True)):
            try:
                file.create_dataset(name, data=item)
            except (ValueError, OSError, RuntimeError) as error:
                raise VectorFileError(
                    f"line {line + 1}: HDF5 cannot use {name[:60]!r} as a key ({error}); leave out --use-sentence-keys"
                ) from error
        if sentences is not None:
            index = {sentence: str(line) for line, sentence in enumerate(sentences)}  # the last of equal ones stays
            dataset = file.create_dataset("sentence_to_index", (1,), dtype=h5py.string_dtype())
            dataset[0] = json.dumps(index)


def _write_npy(folder: Path, shards: Shards, metadata: dict[str, str]) -> None:
    folder.mkdir()
    offsets = np.zeros(len(shards.lengths) + 1, dtype=np.int64)
    np.cumsum(shards.lengths, out=offsets[1:])
    np.save(folder / "offsets.npy", offsets)
    total, shape = int(offsets[-1]), shards.shape
    row = shape.size * np.dtype(shape.dtype).itemsize
    with open(folder / "vectors.npy", "wb") as file:
        dtype = np.dtype(shape.dtype).newbyteorder("<")
        fields = {"descr": dtype.str, "fortran_order": False, "shape": shape.of(total)}
        np.lib.format.write_array_header_1_0(file, fields)
        begin = file.tell()
        for position, item in zip(offsets[:-1].tolist(), shards, strict=True):
            for layer, values in enumerate(item if shape.layers else item[None]):
                file.seek(begin + (layer * total + position) * row)
                file.write(np.ascontiguousarray(values).data if values.size else b"")
        file.truncate(begin + max(shape.layers, 1) * total * row)
    (folder / "info.json").write_text(json.dumps(metadata, indent=1) + "\n", encoding="utf-8")


class KeyCheck:
    """Find sentences that cannot be keys before hours of work; keeps 8 bytes for each sentence, not its text."""

    def __init__(self, kind: str):
        self.kind = kind
        self.digests, self.parents = array("Q"), array("Q")

    def add(self, line: int, key: str) -> None:
        """Take note of the key of line `line`, counted from 0.

        Raises:
            VectorFileError: this key alone is impossible; names the line.
        """
        parts = [part for part in key.split("/") if part not in ("", ".")] if self.kind == "hdf5" else [key]
        if not key or not parts or "\0" in key or (self.kind == "safetensors" and key == "__metadata__"):
            what = "is empty" if not key else f"({key[:40]!r}) is no possible key"
            raise VectorFileError(f"line {line + 1} {what}: mend the line or leave out --use-sentence-keys")
        self.digests.append(_digest("/".join(parts)))
        self.parents.extend(_digest("/".join(parts[:end])) for end in range(1, len(parts)))

    def repeated(self) -> set[int]:
        """Digests that stand for more than one sentence, or for a sentence and the group of another one."""
        digests = np.frombuffer(self.digests, dtype=np.uint64) if self.digests else np.zeros(0, np.uint64)
        values, counts = np.unique(digests, return_counts=True)
        found = {int(value) for value in values[counts > 1]}
        if self.parents:
            found |= {int(value) for value in np.intersect1d(values, np.frombuffer(self.parents, dtype=np.uint64))}
        return found

    def raise_if_repeated(self) -> None:
        """Raises VectorFileError naming the first line whose key is taken."""
        found = self.repeated()
        lines = [line + 1 for line, digest in enumerate(self.digests) if digest in found][:5]
        if not found:
            return
        if len(lines) == 1:
            raise VectorFileError(
                f"line {lines[0]} is the beginning of another line up to a '/', which HDF5 takes for a group: leave out "
                "--use-sentence-keys"
            )
        raise VectorFileError(
            f"lines {', '.join(map(str, lines))}: equal sentences cannot all be keys; remove the repeated ones or leave "
            "out --use-sentence-keys"
        )


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def discard(path: Path) -> None:
    """Remove a file or a folder, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
