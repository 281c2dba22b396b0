# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""BLiMP, the benchmark of linguistic minimal pairs (Warstadt et al. 2020, TACL 8): reading it, and accuracies.

A model is right about a pair if the acceptable sentence has the higher score. Neither torch nor transformers is loaded.
"""

import gzip
import io
import json
import lzma
import tarfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hf_elmo.data.files import OPENERS, DataError, read_lines

FIELDS = ("sentence_good", "sentence_bad", "UID", "field", "linguistics_term")
# The published tables have 4 fields and 12 terms; the files spell a field in two ways and set two paradigms apart.
SAME = {"syntax/semantics": "syntax_semantics", "s-selection": "argument_structure"}
# Sums of the same numbers in another order differ by less, scores of different sentences by far more.
TIE = 1e-9
MAX_ARCHIVE_BYTES = 512 << 20  # unpacked; the benchmark has 25 MB
_END_OF_TAR = bytes(1024)


class Pair(NamedTuple):
    """An acceptable sentence and one that differs in what makes it unacceptable."""

    good: str
    bad: str
    paradigm: str  # "UID" in the files
    field: str
    term: str  # "linguistics_term"


def read_pairs(path: Path, paradigms: Sequence[str] | None = None, max_pairs: int | None = None) -> list[Pair]:
    """The minimal pairs of a tar archive or a folder of JSON lines; nothing of an archive is written to the disk.

    Args:
        path: a folder with .jsonl files (.gz, .xz, .bz2 too), one such file, or a .tar archive of them, compressed or
            not.
        paradigms: names ("UID") to keep; None for all.
        max_pairs: pairs of each paradigm at most, the first ones; None for all.
    Returns:
        pairs by paradigm, paradigms by name.
    Raises:
        DataError: no such file, damaged, not the format, no pair; or a paradigm that is not there, with those that are.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; needed is BLiMP, a folder of .jsonl files or a .tar of them")
    by_paradigm: dict[str, list[Pair]] = {}
    for place, line in _lines(path):
        pair = _pair(place, line)
        by_paradigm.setdefault(pair.paradigm, []).append(pair)
    if not by_paradigm:
        raise DataError(f"{path} has no minimal pairs: needed are .jsonl files with {', '.join(FIELDS)} in each line")
    missing = sorted(set(paradigms or ()) - by_paradigm.keys())
    if missing:
        raise DataError(f"{path} has no paradigm {missing[0]!r}; it has {', '.join(sorted(by_paradigm))}")
    wanted = sorted(by_paradigm if paradigms is None else set(paradigms))
    return [pair for name in wanted for pair in by_paradigm[name][:max_pairs]]


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Non-empty lines, each with the place where it stands."""
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if ".jsonl" in file.suffixes)
    elif ".tar" in path.suffixes or path.suffix == ".tgz":
        yield from _lines_of_archive(path)
        return
    else:
        files = [path]
    for file in files:
        for number, line in enumerate(read_lines(file), start=1):
            if line.strip():
                yield f"{file}, line {number}", line


def _lines_of_archive(path: Path) -> Iterator[tuple[str, str]]:
    opener = gzip.open if path.suffix == ".tgz" else OPENERS.get(path.suffix, open)
    try:
        with opener(path, "rb") as file:
            content = file.read(MAX_ARCHIVE_BYTES + 1)
    except (EOFError, OSError, lzma.LZMAError, zlib.error) as error:
        raise DataError(f"{path} is damaged or cut off: {error}") from error
    if len(content) > MAX_ARCHIVE_BYTES:
        raise DataError(f"{path} holds more than {MAX_ARCHIVE_BYTES:,} bytes: it is not BLiMP")
    if not content.endswith(_END_OF_TAR):  # tarfile takes a file that was cut off between two members for whole
        raise DataError(f"{path} is cut off or no tar archive")
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for member in archive:
                # Links and devices are no files; their targets are never looked at.
                if member.isfile() and member.name.endswith(".jsonl"):
                    file = archive.extractfile(member)
                    assert file is not None  # it is a file
                    for number, line in enumerate(file.read().decode("utf-8").splitlines(), start=1):
                        if line.strip():
                            yield f"{path}, {member.name}, line {number}", line
    except (tarfile.TarError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is damaged: {error}") from error


def _pair(place: str, line: str) -> Pair:
    try:
        found = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{place}: not JSON ({error.msg})") from error
    missing = [name for name in FIELDS if not isinstance(found, dict) or not isinstance(found.get(name), str)]
    if missing:
        raise DataError(f"{place}: {missing[0]} is missing; needed are texts in {', '.join(FIELDS)}")
    good, bad, paradigm, field, term = (found[name] for name in FIELDS)
    return Pair(good, bad, paradigm, SAME.get(field, field), SAME.get(term, term))


# --- accuracies ------------------------------------------------------------------------------------------------------


def distinct_sentences(pairs: Sequence[Pair]) -> tuple[list[str], np.ndarray]:
    """Each sentence of the pairs once, and (pairs, 2) int64 where the good and the bad one stand."""
    numbers: dict[str, int] = {}
    places = [[numbers.setdefault(sentence, len(numbers)) for sentence in (pair.good, pair.bad)] for pair in pairs]
    return list(numbers), np.array(places, np.int64).reshape(-1, 2)


def accuracies(pairs: Sequence[Pair], scores: np.ndarray) -> dict[str, Any]:
    """Shares of pairs whose good sentence has the higher score; equal scores count as half.

    Args:
        scores: (pairs, 2) float64, of the good and the bad sentence.
    Returns:
        `overall`, the mean over the paradigms, as are those of each `field` and each `term`; `ties`; and for each
        `paradigm` its accuracy, pairs and ties.
    Raises:
        ValueError: there are no pairs, or a score is not a number.
    """
    if not pairs:
        raise ValueError("there are no pairs to judge")
    if np.isnan(scores).any():
        raise ValueError(f"{int(np.isnan(scores).any(axis=1).sum())} pairs have a score that is not a number (nan)")
    with np.errstate(invalid="ignore"):  # two sentences that are both impossible
        difference = np.nan_to_num(scores[:, 0] - scores[:, 1], nan=0.0)
    ties = np.abs(difference) <= TIE
    points = np.where(ties, 0.5, difference > 0)
    names = np.array([pair.paradigm for pair in pairs])
    of_name = {pair.paradigm: pair for pair in pairs}
    paradigms = {
        name: {
            "accuracy": float(points[names == name].mean()),
            "pairs": int((names == name).sum()),
            "ties": int(ties[names == name].sum()),
        }
        for name in sorted(of_name)
    }

    def means(attribute: str) -> dict[str, float]:
        groups: dict[str, list[float]] = {}
        for name, found in paradigms.items():
            groups.setdefault(getattr(of_name[name], attribute), []).append(found["accuracy"])
        return {group: float(np.mean(values)) for group, values in sorted(groups.items())}

    return {
        "overall": float(np.mean([found["accuracy"] for found in paradigms.values()])),
        "ties": int(ties.sum()),
        "field": means("field"),
        "term": means("term"),
        "paradigm": paradigms,
    }


def count_identical(ids: Sequence[tuple[int, ...]], places: np.ndarray) -> int:
    """Pairs whose sentences are the same to a vocabulary: all words in which they differ are unknown."""
    return sum(ids[good] == ids[bad] for good, bad in places.tolist())


def describe(pairs: Sequence[Pair]) -> dict[str, Any]:
    """How many pairs of how many paradigms, for the record of a run."""
    sizes = Counter(pair.paradigm for pair in pairs)
    return {"pairs": len(pairs), "paradigms": len(sizes), "pairs_of_a_paradigm": sorted(set(sizes.values()))}


__all__ = ["Pair", "accuracies", "count_identical", "distinct_sentences", "read_pairs"]
