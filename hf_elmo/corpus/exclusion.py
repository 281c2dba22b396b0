# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Find documents that share a run of words with text that must not be trained on, as held-out and development text.

Words are those of the splitter in lower case (`str.casefold`) that have a letter or a digit; a run is N of them one after
the other in a document, over the ends of sentences and paragraphs. Memory depends on the excluded text alone: a file
of arrays holds its distinct words and the hashes of its runs, and all processes map it.
    spellings, spelling_offsets   the distinct words (`pack_strings`), number 1 first
    runs                          (R,) uint64, sorted hashes of the runs of word numbers
"""

import string
from array import array
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hf_elmo.corpus.blocks import Block
from hf_elmo.corpus.settings import CorpusSettings, PreparationError
from hf_elmo.corpus.shard_files import map_arrays, pack_strings, unpack_strings, write_arrays
from hf_elmo.corpus.sources import DATASET_PREFIX, Paragraph, Source, find_sources, read_paragraphs
from hf_elmo.corpus.splitting import WordSplitter

_OTHER, _MARK = -1, 0  # numbers of words that are not in the excluded text, and of what is no word


def find_excluded(settings: CorpusSettings) -> list[Source]:
    """The checked files of `settings.exclude`, each of the format that its name stands for.

    Raises:
        PreparationError: see `find_sources`; also for a data set, whose content has no hash.
    """
    if not settings.exclude:
        return []
    for name in settings.exclude:
        if name.startswith(DATASET_PREFIX):
            raise PreparationError(f"exclude: {name} is a data set; needed are files or folders: save its text first")
    try:
        return find_sources(settings.exclude, replace(settings, format=None))[0]
    except PreparationError as error:
        raise PreparationError(f"exclude: {error}") from error


# --------------------------------------------------------------------------------------------------------------- index


def write_index(path: Path, excluded: Sequence[Source], settings: CorpusSettings, splitter: WordSplitter) -> str:
    """Write the file in which runs of the excluded text are looked up; returns its SHA-256.

    Raises:
        PreparationError: a file has no run, so that nothing could be left out by it; names the file.
    """
    numbers: dict[str, int] = {}
    runs = [np.empty(0, np.uint64)]
    by_name = replace(settings, format=None, documents="file")  # a run may go over the end of a line
    for source in excluded:
        words = array("i")
        for text, begins, _ in read_paragraphs(source, by_name):
            if begins:
                words.append(_OTHER)
            words.extend(numbers.setdefault(word, len(numbers) + 1) for word in _run_words(text, splitter))
        _, found = _hash_runs(np.array(words, np.int32), settings.exclude_run_words)
        if not len(found):
            raise PreparationError(
                f"exclude: {source.name} has no document of {settings.exclude_run_words} words, so nothing would be left "
                "out by it: leave it out, or give a smaller exclude_run_words (--exclude-run-words)"
            )
        runs.append(np.unique(found))
    spellings, offsets = pack_strings(word.encode() for word in numbers)
    arrays = {"spellings": spellings, "spelling_offsets": offsets, "runs": np.unique(np.concatenate(runs))}
    return write_arrays(path, arrays, {})


def _run_words(text: str, splitter: WordSplitter) -> list[str]:
    return [word for word in splitter(text.casefold()) if _is_word(word)]


def _is_word(word: str) -> bool:
    return any(map(str.isalnum, word))


def _hash_runs(words: np.ndarray, run_words: int) -> tuple[np.ndarray, np.ndarray]:
    """Runs without a word of number `_OTHER`: where they begin (R,) int64, and their hashes (R,) uint64.

    Args:
        words: (W,) int32, numbers of words.
    """
    others = np.concatenate([[0], np.cumsum(words == _OTHER)])
    begins = np.flatnonzero(others[run_words:] == others[:-run_words]) if len(words) >= run_words else np.empty(0, int)
    # The finisher of MurmurHash3 (Appleby, public domain) spreads the numbers, a polynomial modulo 2**64 joins them.
    mixed = words.astype(np.uint64)
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        mixed ^= mixed >> np.uint64(33)
        mixed *= np.uint64(factor)
    mixed ^= mixed >> np.uint64(33)
    hashes = np.zeros(len(begins), np.uint64)
    for place in range(run_words):
        hashes = hashes * np.uint64(0x9E3779B97F4A7C15) + mixed[begins + place]
    return begins, hashes


# ----------------------------------------------------------------------------------------------------------- screening


class Piece(NamedTuple):
    """Text of one job: consecutive paragraphs, the number of their first document, and what came before of it."""

    paragraphs: list[Paragraph]
    first_document: int
    before: str  # the last words of the document where the paragraphs begin in the middle of one


def make_pieces(blocks: Iterable[Block], run_words: int, splitter: WordSplitter) -> Iterator[Piece]:
    """Blocks of the whole text as jobs; a document that goes on in the next block brings the words that a run needs."""
    last_document = -1
    before: list[str] = []
    for block in blocks:
        begins = block.paragraphs[0].begins_document
        yield Piece(block.paragraphs, last_document + begins, "" if begins else " ".join(before))
        last_document += sum(paragraph.begins_document for paragraph in block.paragraphs)
        before = _last_words(block.paragraphs, before, run_words - 1, splitter)


def _last_words(paragraphs: Sequence[Paragraph], before: list[str], needed: int, splitter: WordSplitter) -> list[str]:
    """The last words of the document in which the paragraphs end; `before` are those before the paragraphs."""
    words: list[str] = []
    for text, begins, _ in reversed(paragraphs):
        words = _run_words(text, splitter) + words
        if begins or len(words) >= needed:
            break
    else:
        words = before + words
    return words[max(0, len(words) - needed) :]


class _Numbers(dict[str, int]):
    """The number of every word of the excluded text; others are not kept, which would take memory by the corpus."""

    def __missing__(self, word: str) -> int:
        return _OTHER if _is_word(word) else _MARK


@lru_cache(maxsize=1)
def _read_index(path: Path, sha256: str) -> tuple[_Numbers, np.ndarray]:
    """The index in a file; its hash tells a new file of the same name."""
    arrays, _ = map_arrays(path)
    numbers = _Numbers(dict.fromkeys(string.punctuation, _MARK))
    spelt = unpack_strings(arrays["spellings"], arrays["spelling_offsets"])
    numbers.update((word, number) for number, word in enumerate(spelt, start=1))
    return numbers, arrays["runs"]


def screen(piece: Piece, index: Path, sha256: str, run_words: int, splitter: WordSplitter) -> list[int]:
    """Numbers of the documents in which the piece has a run of the excluded text.

    Args:
        index, sha256: what `write_index` wrote and returned.
    """
    numbers, excluded = _read_index(index, sha256)
    number_of = numbers.__getitem__
    words = array("i", map(number_of, splitter(piece.before)))
    starts = array("q", [] if piece.paragraphs[0].begins_document else [0])  # of the documents, in `words`
    for text, begins, _ in piece.paragraphs:
        if begins:
            starts.append(len(words))
            words.append(_OTHER)  # no run goes from one document to the next
        words.extend(map(number_of, splitter(text.casefold())))
    numbered = np.array(words, np.int32)
    places = np.flatnonzero(numbered != _MARK)
    begins_at, hashes = _hash_runs(numbered[places], run_words)
    nearest = np.searchsorted(excluded, hashes)
    nearest[nearest == len(excluded)] = 0
    found = places[begins_at[excluded[nearest] == hashes]]
    documents = np.searchsorted(np.array(starts, np.int64), found, side="right") - 1
    return (piece.first_document + np.unique(documents)).tolist()


def leave_out(paragraphs: Iterable[Paragraph], left_out: AbstractSet[int], documents: int) -> Iterator[Paragraph]:
    """The paragraphs of all documents but those with the numbers `left_out`, counted from 0 over the whole text.

    Raises:
        PreparationError: there are not as many `documents` as were screened; only a data set can have changed so.
    """
    number = -1
    for paragraph in paragraphs:
        number += paragraph.begins_document
        if number not in left_out:
            yield paragraph
    if number + 1 != documents:
        raise PreparationError(
            f"the text had {documents:,} documents when it was compared with the excluded text and has {number + 1:,} now: "
            "give --restart, and for a data set --dataset-revision"
        )
