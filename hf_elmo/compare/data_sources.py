# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Where the data sets of a comparison come from, under which licence, and whether a folder holds the same texts.

Nothing is downloaded. The table is texts/data_sources.json; its SHA-256 are of the unpacked files, so that it does not matter
which program packed them.
"""

import hashlib
import json
import lzma
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hf_elmo.data.files import OPENERS

TABLE = Path(__file__).resolve().parent / "texts" / "data_sources.json"
SAME, OTHER, MISSING = "same", "other", "missing"


@dataclass(frozen=True)
class DataSource:
    """A data set as the comparison reads it.

    Attributes:
        name: of its folder.
        use: what the comparison does with it.
        repository, commit, folder: on GitHub; folder is "" where the set is the whole repository or spread over it.
        licence: as its authors state it.
        cite: the work to name.
        made: how the files were made of those in the repository.
        files: name in the folder -> SHA-256 of its unpacked content.
    """

    name: str
    use: str
    repository: str
    commit: str
    folder: str
    licence: str
    cite: str
    made: str
    files: Mapping[str, str]

    @property
    def url(self) -> str:
        """Address of the files at the commit they were taken from."""
        return f"https://github.com/{self.repository}/tree/{self.commit}/{self.folder}".rstrip("/")


@cache
def data_sources() -> dict[str, DataSource]:
    """All data sets by the name of their folder."""
    return {entry["name"]: DataSource(**entry) for entry in json.loads(TABLE.read_text(encoding="utf-8"))}


def check_data(data: Path) -> dict[str, dict[str, str]]:
    """Compare the files of a folder of data with the table.

    Args:
        data: with a folder for each data set.
    Returns:
        name of the set -> name of the file -> "same", "other" (another content, or damaged) or "missing".
    """
    return {
        source.name: {name: _state(data / source.name / name, digest) for name, digest in source.files.items()}
        for source in data_sources().values()
    }


def _state(path: Path, digest: str) -> str:
    if not path.is_file():
        return MISSING
    found = hashlib.sha256()
    try:
        with OPENERS.get(path.suffix, open)(path, "rb") as file:
            while block := file.read(1 << 20):
                found.update(block)
    except (OSError, EOFError, lzma.LZMAError, zlib.error):  # damaged, or not what its name says
        return OTHER
    return SAME if found.hexdigest() == digest else OTHER


def list_data(data: Path | None = None) -> str:
    """The table for people: `hf-elmo compare --list-data`.

    Args:
        data: a folder to compare with the table, file by file.
    """
    states = check_data(data) if data is not None else {}
    blocks = [_block(source, states.get(source.name)) for source in data_sources().values()]
    head = (
        "Data sets of hf-elmo compare. It reads DATA/NAME/FILE, DATA being --data or $HF_ELMO_DATA, and leaves out what is\n"
        "not there. The files are those of the address, changed only as said; mind the licences."
    )
    if data is not None:
        counts = [state for files in states.values() for state in files.values()]
        head += f"\n{data}: " + ", ".join(f"{counts.count(state)} files {word}" for state, word in _WORDS.items())
    return "\n\n".join([head, *blocks])


_WORDS = {SAME: "with the same content", OTHER: "with another content", MISSING: "missing"}


def _block(source: DataSource, states: Mapping[str, str] | None) -> str:
    files = [
        f"    {name}  " + (f"sha256 of the unpacked file {digest}" if states is None else _WORDS[states[name]])
        for name, digest in source.files.items()
    ]
    return "\n".join(
        [
            f"{source.name}: {source.use}",
            f"    {source.url}",
            f"    licence: {source.licence}",
            f"    cite: {source.cite}",
            f"    made of it: {source.made}",
            *files,
        ]
    )
