# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The vocabulary and the repeated sentences of a whole corpus, from its raw shards, in bounded memory.

Words are counted a bucket at a time: every raw shard has its words sorted by bucket, so that one bucket of all shards
(a 64th of the distinct words) and the words chosen so far are in memory. The counts are exact. Sentences are compared
by 64-bit hashes, a range of the hashes at a time.
"""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hf_elmo.corpus.raw_shards import BUCKETS
from hf_elmo.corpus.settings import PADDING_WORD, SPECIAL_WORDS, PreparationError
from hf_elmo.corpus.shard_files import map_arrays, unpack_strings, write_file

_CANDIDATES = 1_000_000  # words more than wanted that are kept before they are sorted
_HASHES = 4_000_000  # in memory at a time


class CountedWords(NamedTuple):
    """A new vocabulary: its words besides the special ones, commonest first, and the number of distinct words."""

    words: list[str]
    distinct: int


def count_words(shards: Sequence[Path], wanted: int | None, min_count: int) -> CountedWords:
    """The commonest words of raw shards, equally frequent ones by spelling.

    Args:
        wanted: words at most; None for all.
        min_count: a rarer word stays out.
    """
    kept: list[tuple[int, str]] = []
    distinct = 0
    for bucket in range(BUCKETS):
        counts: Counter[str] = Counter()
        for path in shards:
            arrays, _ = map_arrays(path)
            start, end = arrays["buckets"][bucket : bucket + 2].tolist()
            words = unpack_strings(arrays["spellings"], arrays["spelling_offsets"], start, end)
            for word, count in zip(words, arrays["counts"][start:end].tolist(), strict=True):
                counts[word] += count
        distinct += len(counts)
        kept += [(-count, word) for word, count in counts.items() if count >= min_count and _fits(word)]
        if wanted is not None and len(kept) > wanted + _CANDIDATES:
            kept = sorted(kept)[:wanted]
    return CountedWords([word for _, word in sorted(kept)[:wanted]], distinct)


def _fits(word: str) -> bool:
    """Whether a vocabulary file can hold the word: see `read_vocabulary_file`."""
    if word in SPECIAL_WORDS or word in (PADDING_WORD, "!!!MAXTERMID"):
        return False
    return word == word.strip() and not {"\n", "\r", "\ufeff", "\U0010ffff"} & set(word)


def vocabulary_text(words: Sequence[str]) -> bytes:
    """A vocabulary file of bilm-tf with these words: the special ones first, a word a line, ids from 1."""
    return "".join(f"{word}\n" for word in (*SPECIAL_WORDS, *words)).encode()


def read_vocabulary(path: Path) -> dict[str, int]:
    """The id of every word of a bilm-tf vocabulary file, as `ElmoTokenizer(vocab_file=path)` numbers them.

    Raises:
        PreparationError: it is missing, no UTF-8 text or contradicts itself.
    """
    from hf_elmo.modeling.character_encoding import number_words, read_vocabulary_file

    try:
        return number_words(read_vocabulary_file(path), SPECIAL_WORDS, PADDING_WORD)
    except FileNotFoundError as error:
        raise PreparationError(f"{path}: no such vocabulary file") from error
    except (ValueError, IsADirectoryError) as error:
        raise PreparationError(f"{path} cannot be used as a vocabulary: {error}") from error


def write_ids(path: Path, ids: dict[str, int]) -> None:
    """Keep the ids where processes without transformers can read them."""
    write_file(path, json.dumps(ids).encode())


class Repeated(NamedTuple):
    """Sentences after the first of their kind in each part, and held-out sentences that are in the training part."""

    train: int
    held_out: int
    held_out_in_train: int


def count_repeated(train: Sequence[Path], held_out: Sequence[Path]) -> Repeated:
    """Count repeated sentences in raw shards; two sentences are equal when their words are."""
    total = sum(len(map_arrays(path)[0]["hashes"]) for path in (*train, *held_out))
    ranges = total // _HASHES + 1
    bounds = [round(part * 2**64 / ranges) for part in range(ranges + 1)]
    found = np.zeros(3, np.int64)
    for low, high in zip(bounds, bounds[1:]):  # noqa: B905
        hashes = [_between(paths, low, high) for paths in (train, held_out)]
        distinct = [np.unique(values) for values in hashes]
        found[:2] += [len(values) - len(first) for values, first in zip(hashes, distinct, strict=True)]
        found[2] += np.isin(hashes[1], distinct[0]).sum()
    return Repeated(*found.tolist())


def _between(paths: Sequence[Path], low: int, high: int) -> np.ndarray:
    parts = [np.empty(0, np.uint64)]
    for path in paths:
        hashes = map_arrays(path)[0]["hashes"]
        start = np.searchsorted(hashes, np.uint64(low))
        end = len(hashes) if high == 2**64 else np.searchsorted(hashes, np.uint64(high))
        parts.append(hashes[start:end])
    return np.concatenate(parts)
