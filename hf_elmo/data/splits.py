# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Train, validation and test: which of them a file name or a key speaks of."""

import re
from collections.abc import Iterable
from pathlib import Path

from hf_elmo.data.files import DataError, name_parts

SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "development": "validation",
    "test": "test",
    "testing": "test",
}


def canonical_split(name: str) -> str:
    """train, validation or test for each of their usual names; any other name is returned as it is."""
    return SPLIT_WORDS.get(name.lower(), name)


def split_of_name(name: str) -> str | None:
    """The split that a name speaks of, by its words between dots, hyphens and underscores; None without one.

    Raises:
        DataError: it speaks of two.
    """
    found = {SPLIT_WORDS[word] for word in re.split(r"[^a-z0-9]+", name.lower()) if word in SPLIT_WORDS}
    if len(found) > 1:
        raise DataError(f"the name {name} speaks of {' and '.join(sorted(found))}: rename it")
    return found.pop() if found else None


def choose_by_split(names: Iterable[str], split: str | None, where: str) -> list[str]:
    """Those of the names that belong to a split; all of them where no name speaks of a split.

    Raises:
        DataError: the split is not there, or none is asked for and there are several; names those that there are.
    """
    of_split: dict[str | None, list[str]] = {}
    for name in names:
        of_split.setdefault(split_of_name(name), []).append(name)
    everywhere = of_split.pop(None, [])
    if not of_split:
        return everywhere
    found = ", ".join(sorted(map(str, of_split)))
    if split is None and len(of_split) > 1:
        raise DataError(f"{where} holds the splits {found}; say which one by split=")
    wanted = next(iter(of_split)) if split is None else canonical_split(split)
    if wanted not in of_split:
        raise DataError(f"{where} has no split {split!r}; it has {found}")
    return of_split[wanted]


def class_of_name(path: Path) -> str | None:
    """The class that the name of a file with a text a line stands for: train.pos.gz and pos.txt are both pos.

    It is the last part of the name, other than .txt, that is left without the words for splits; None if none is.
    """
    parts = [part for part in path.name.split(".")[: len(name_parts(path))] if part.lower() not in ("txt", "text")]
    for part in reversed(parts):
        words = [word for word in re.split(r"[-_]+", part) if word and word.lower() not in SPLIT_WORDS]
        if words:
            return "-".join(words) if len(words) < len(re.split(r"[-_]+", part)) else part
    return None
