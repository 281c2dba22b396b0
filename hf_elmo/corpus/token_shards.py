# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""A prepared corpus: its numbers, its tokenizer, and its memory-mapped sentences."""

import hashlib
import json
import os
from collections import OrderedDict
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from hf_elmo.corpus.preparation import FORMAT_NAME, FORMAT_VERSION, MANIFEST
from hf_elmo.corpus.settings import PADDING_WORD, SPECIAL_WORDS, PreparationError
from hf_elmo.corpus.shard_files import map_arrays, unpack_strings

_UNKNOWN_BITS = 32  # of a reference to an unknown word: its number in the lower ones, its shard above them


class Shard:
    """One shard, memory-mapped; the layout is in `hf_elmo.corpus.encoding`."""

    def __init__(self, path: Path):
        arrays, _ = map_arrays(path)
        self.words, self.sentences, self.documents = arrays["words"], arrays["sentences"], arrays["documents"]
        self._spellings = arrays["spellings"], arrays["spelling_offsets"]
        self._char_ids: dict[int, np.ndarray] = {}

    @cached_property
    def unknown_words(self) -> list[str]:
        """The distinct unknown words of this shard."""
        return unpack_strings(*self._spellings)

    def unknown_char_ids(self, width: int) -> np.ndarray:
        """Character ids (U, C) int16 of the distinct unknown words."""
        if width not in self._char_ids:
            from hf_elmo.modeling.character_encoding import words_to_char_ids

            self._char_ids[width] = words_to_char_ids(self.unknown_words, width)[0]
        return self._char_ids[width]


class Special(NamedTuple):
    """Ids of the special words."""

    bos: int
    eos: int
    unk: int
    pad: int


class TokenShards:
    """One part ("train" or "held_out") of a corpus that `prepare` has written; sentences stay on the disk.

    Attributes:
        manifest: all that `prepare` found out, `sha256` of every file included.
        words, sentences, documents, unknown_words: of this part.
        vocab_size: number of ids (V), padding included.
        special: ids of `<S>`, `</S>`, `<UNK>` and padding.
    """

    def __init__(self, folder: Path, split: str, manifest: dict[str, Any]):
        self.folder, self.split, self.manifest = folder, split, manifest
        self.part = manifest["parts"][split]
        self.words, self.sentences = self.part["words"], self.part["sentences"]
        self.documents, self.unknown_words = self.part["documents"], self.part["unknown_words"]
        self.vocab_size = manifest["vocabulary"]["ids"]
        self.special = Special(*(manifest["vocabulary"]["special_ids"][w] for w in (*SPECIAL_WORDS, PADDING_WORD)))
        self.kept_open = 8
        self._shards: OrderedDict[int, Shard] = OrderedDict()

    @classmethod
    def open(cls, folder: str | os.PathLike, split: str = "train", *, verify: bool = False) -> "TokenShards":
        """Open a part of a corpus.

        Args:
            split: "train" or "held_out".
            verify: compare every file with its hash, which reads all of them; else only their sizes count.
        Raises:
            PreparationError: not a finished corpus, of a newer program, without this part, or damaged.
        """
        folder = Path(folder)
        try:
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            ours = manifest["format"] == FORMAT_NAME
        except FileNotFoundError as error:
            unfinished = folder.with_name(folder.name + ".part").is_dir()
            raise PreparationError(
                f"{folder} has no {MANIFEST}: "
                + (
                    "its preparation is unfinished, repeat that command"
                    if unfinished
                    else "make it with hf-elmo prepare-corpus"
                )
            ) from error
        except (ValueError, KeyError, TypeError):
            ours = False
        if not ours:
            raise PreparationError(f"{folder / MANIFEST} is not from hf-elmo prepare-corpus")
        if manifest["version"] > FORMAT_VERSION:
            raise PreparationError(
                f"{folder} is from a newer version of hf_elmo ({manifest['hf_elmo']}): update this one"
            )
        if split not in manifest["parts"]:
            raise PreparationError(f"{folder} has no part {split!r}, it has {', '.join(manifest['parts'])}")
        shards = cls(folder, split, manifest)
        shards._check(verify)
        return shards

    def _check(self, verify: bool) -> None:
        files = {entry["file"]: entry["sha256"] for entry in self.part["shards"]}
        for index, name in enumerate(files):
            try:
                self.shard(index)
            except (FileNotFoundError, ValueError) as error:
                raise PreparationError(
                    f"{self.folder / name} is missing or cut off: prepare the corpus again"
                ) from error
        files[self.vocabulary_path.name] = self.manifest["vocabulary"]["sha256"]
        for name, sha256 in files.items() if verify else ():
            if hashlib.sha256((self.folder / name).read_bytes()).hexdigest() != sha256:
                raise PreparationError(f"{self.folder / name} has changed: prepare the corpus again")

    @property
    def fingerprint(self) -> str:
        """A hash of the content of all shards of this part."""
        return hashlib.sha256("".join(entry["sha256"] for entry in self.part["shards"]).encode()).hexdigest()

    @property
    def vocabulary_path(self) -> Path:
        """The vocabulary, a file of bilm-tf."""
        return self.folder / self.manifest["vocabulary"]["file"]

    def tokenizer(self, **options: Any) -> Any:
        """The `ElmoTokenizer` with this vocabulary and this way of splitting; `options` are for it."""
        from hf_elmo.modeling.tokenization_elmo import ElmoTokenizer

        settings = {name: self.manifest["settings"][name] for name in ("splitting", "split_cjk")}
        return ElmoTokenizer(vocab_file=self.vocabulary_path, **{**settings, **options})

    def character_table(self, width: int = 50) -> torch.Tensor:
        """Character ids of every id, (V, C) int16, for `model_inputs`; to be moved to the device once."""
        tokenizer = self.tokenizer(max_characters_per_token=width)
        return torch.from_numpy(tokenizer.vocabulary_char_ids().astype(np.int16))

    # ------------------------------------------------------------------------------------------------------ sentences

    @property
    def num_shards(self) -> int:
        return len(self.part["shards"])

    def shard(self, index: int) -> Shard:
        """A shard, of which the last ones used are kept open."""
        if index not in self._shards:
            self._shards[index] = Shard(self.folder / self.part["shards"][index]["file"])
            while len(self._shards) > self.kept_open:
                self._shards.popitem(last=False)
        self._shards.move_to_end(index)
        return self._shards[index]

    def references(self, shard: int, sentence: int) -> np.ndarray:
        """The words of a sentence as (n,) int64: ids, and for unknown words numbers that `look_up` understands."""
        opened = self.shard(shard)
        start, end = opened.sentences[sentence], opened.sentences[sentence + 1]
        words = opened.words[start:end].astype(np.int64)
        words[words >= self.vocab_size] += shard << _UNKNOWN_BITS
        return words

    def lengths_of(self, sentences: np.ndarray) -> np.ndarray:
        """Words (n,) int64 of sentences given as (n, 2) int64: shard, and sentence in it."""
        lengths = np.empty(len(sentences), np.int64)
        for shard in np.unique(sentences[:, 0]).tolist():
            here = sentences[:, 0] == shard
            bounds, numbers = self.shard(shard).sentences, sentences[here, 1]
            lengths[here] = bounds[numbers + 1] - bounds[numbers]
        return lengths

    def references_of(self, sentences: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """`references` of several sentences, (n, 2) int64 of shard and sentence, one after the other.

        Args:
            lengths: their `lengths_of`, (n,) int64.
        """
        ends = lengths.cumsum()
        words = np.empty(int(lengths.sum()), np.int64)
        for shard in np.unique(sentences[:, 0]).tolist():
            here, opened = np.flatnonzero(sentences[:, 0] == shard), self.shard(shard)
            counts = lengths[here]
            # Steps 0, 1, .. within each sentence, for where its words come from and where they go.
            steps = np.arange(int(counts.sum())) - np.repeat(counts.cumsum() - counts, counts)
            found = opened.words[np.repeat(opened.sentences[sentences[here, 1]], counts) + steps].astype(np.int64)
            found[found >= self.vocab_size] += shard << _UNKNOWN_BITS
            words[np.repeat((ends - lengths)[here], counts) + steps] = found
        return words

    def ids_of(self, references: np.ndarray) -> np.ndarray:
        """The same as ids, with that of `<UNK>` for every unknown word."""
        return np.where(references >= self.vocab_size, self.special.unk, references)

    def look_up(self, references: np.ndarray, width: int) -> dict[str, torch.Tensor]:
        """Tensors of a batch of references.

        Args:
            references: (B, T) int64.
            width: character ids of a word (C).
        Returns:
            `input_ids` (B, T) int64; `unknown_positions` (U,) int64 among the B * T, and `unknown_char_ids` (U, C) int16.
        """
        flat = references.ravel()
        positions = np.flatnonzero(flat >= self.vocab_size)
        unknown = flat[positions]
        shards, numbers = unknown >> _UNKNOWN_BITS, (unknown & (1 << _UNKNOWN_BITS) - 1) - self.vocab_size
        rows = np.empty((len(unknown), width), np.int16)
        for shard in np.unique(shards).tolist():
            here = shards == shard
            rows[here] = self.shard(shard).unknown_char_ids(width)[numbers[here]]
        return {
            "input_ids": torch.from_numpy(self.ids_of(references)),
            "unknown_positions": torch.from_numpy(positions),
            "unknown_char_ids": torch.from_numpy(rows),
        }

    def iter_documents(self) -> Iterator[list[list[str]]]:
        """The documents as sentences of words with their true spelling, in the order of the text."""
        from hf_elmo.corpus.counting import read_vocabulary

        names = {number: word for word, number in read_vocabulary(self.vocabulary_path).items()}
        document: list[list[str]] = []
        for index in range(self.num_shards):
            shard = self.shard(index)
            begins = set(shard.documents.tolist())
            ends = shard.sentences.tolist()
            for sentence, (start, end) in enumerate(zip(ends, ends[1:])):  # noqa: B905
                if sentence in begins and document:
                    yield document
                    document = []
                numbers = shard.words[start:end].tolist()
                document.append(
                    [names[n] if n < self.vocab_size else shard.unknown_words[n - self.vocab_size] for n in numbers]
                )
        if document:
            yield document

    def iter_sentences(self) -> Iterator[list[str]]:
        """The sentences as words with their true spelling, in the order of the text."""
        for document in self.iter_documents():
            yield from document
