# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Folders that appear complete or not at all, and facts about files."""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from .errors import ConversionError

FILES_OF_ALLENNLP = {"options.json", "weights.hdf5", "softmax_weights.hdf5", "vocab.txt"}


def is_model_folder(folder: Path) -> bool:
    """Whether `convert` (conversion.json) or `save_pretrained` (config.json of an ELMo) has written the folder.

    The names alone are no proof: other programs have a config.json too, beside what nobody wants to lose.
    """
    packages = _read_object(folder / "conversion.json").get("packages")
    if isinstance(packages, dict) and "hf_elmo" in packages:
        return True
    return _read_object(folder / "config.json").get("model_type") == "elmo"


def is_allennlp_folder(folder: Path) -> bool:
    """Whether the folder holds what `convert_to_allennlp` writes, and nothing else."""
    names = {entry.name for entry in folder.iterdir() if entry.is_file()}
    return {"options.json", "weights.hdf5"} <= names <= FILES_OF_ALLENNLP and len(names) == len(os.listdir(folder))


def _read_object(path: Path) -> dict:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def check_target(
    out: Path,
    sources: Sequence[Path],
    overwrite: bool,
    is_ours: Callable[[Path], bool] = is_model_folder,
    needed: str = "no converted model (conversion.json, or config.json of model_type elmo)",
) -> None:
    """Refuse a target before any work is done, so that a slip of the keyboard costs nobody's files.

    Args:
        is_ours: whether a folder that is not empty may be replaced.
        needed: what such a folder was found to be otherwise, for the message.
    Raises:
        ConversionError: `out` exists and may not be replaced, or holds one of the sources.
    """
    if not os.path.lexists(out):
        return
    if not overwrite:
        raise ConversionError(f"{out} exists already; choose another folder, or allow it to be replaced (overwrite)")
    if out.is_symlink() or not out.is_dir():
        raise ConversionError(f"{out} is not a folder and is not replaced; choose another name")
    inside = [source for source in sources if out.resolve() in source.resolve().parents]
    if inside:
        raise ConversionError(f"{out} holds the source {inside[0].name} and is not replaced; choose another folder")
    if any(out.iterdir()) and not is_ours(out):
        raise ConversionError(
            f"{out} is not replaced: it is not empty, and {needed}. Remove it yourself, or choose another folder."
        )


@contextlib.contextmanager
def staged_folder(out: Path) -> Iterator[Path]:
    """A temporary folder that becomes `out` when the block ends well, and vanishes when it does not.

    It lies beside `out` (in the nearest folder above it that exists), so becoming `out` is one rename. An existing
    folder `out` is replaced at that moment and not before.
    """
    out = Path(os.path.abspath(out))
    above = out.parent
    while not above.exists():
        above = above.parent
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{out.name[:100]}.", suffix=".partial", dir=above))
    except OSError as error:
        raise ConversionError(f"{out} cannot be written: {error.strerror} ({above})") from error
    try:
        yield folder
        umask = os.umask(0)
        os.umask(umask)
        folder.chmod(0o777 & ~umask)  # mkdtemp lets nobody else read
        out.parent.mkdir(parents=True, exist_ok=True)
        _put_in_place(folder, out)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _put_in_place(folder: Path, out: Path) -> None:
    if not out.exists():
        os.rename(folder, out)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{out.name[:100]}.", suffix=".old", dir=out.parent))
    os.rename(out, old / "folder")
    try:
        os.rename(folder, out)
    except BaseException:
        os.rename(old / "folder", out)
        os.rmdir(old)
        raise
    shutil.rmtree(old, ignore_errors=True)


def file_facts(path: Path, role: str) -> dict:
    """Name, size in bytes and sha256 of a file, for reports; no folder, which is nobody else's business."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return {"role": role, "name": Path(path).name, "bytes": os.path.getsize(path), "sha256": digest.hexdigest()}
