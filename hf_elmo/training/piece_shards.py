# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The word pieces of a corpus, memory-mapped."""

import hashlib
import json
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hf_elmo.corpus.settings import PreparationError
from hf_elmo.corpus.shard_files import map_arrays
from hf_elmo.training.piece_vocabulary import CONTINUES, SPECIAL_PIECES, TOKENIZER_FILE
from hf_elmo.training.wordpiece import FORMAT_NAME, FORMAT_VERSION, MANIFEST, TOKENIZER


class SpecialPieces(NamedTuple):
    """Ids of the special pieces."""

    pad: int
    unk: int
    cls: int
    sep: int
    mask: int


class Text(NamedTuple):
    """Some shards one after the other; each begins a document here, even where the one before goes on."""

    pieces: np.ndarray  # (N,) uint16 or int32
    sentences: np.ndarray  # (S + 1,) int64, where each sentence begins in `pieces`, and the end
    documents: np.ndarray  # (D + 1,) int64, numbers of the sentences with which documents begin, and the end
    numbers: np.ndarray  # (D,) int64, which document of the corpus each is; parts of one in two shards have the same


def read_manifest(folder: Path) -> dict[str, Any]:
    """What `prepare_pieces` wrote about its folder.

    Raises:
        PreparationError: it is no such folder, unfinished, or of a newer program.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        found = manifest["format"]
    except FileNotFoundError as error:
        unfinished = folder.with_name(folder.name + ".part").is_dir()
        advice = "its preparation is unfinished, repeat that" if unfinished else "make it with prepare_pieces"
        raise PreparationError(f"{folder} has no {MANIFEST}: {advice}") from error
    except (ValueError, KeyError, TypeError, NotADirectoryError):
        found = None
    if found != FORMAT_NAME:
        raise PreparationError(
            f"{folder / MANIFEST} is not of word pieces"
            + (": it is of a corpus, turn that into pieces with prepare_pieces" if found == "hf_elmo corpus" else "")
        )
    if manifest["version"] > FORMAT_VERSION:
        raise PreparationError(f"{folder} is from a newer version of hf_elmo ({manifest['hf_elmo']}): update this one")
    return manifest


def is_pieces(folder: str | os.PathLike) -> bool:
    """Whether a folder is what `prepare_pieces` has finished."""
    try:
        read_manifest(Path(folder))
    except PreparationError:
        return False
    return True


class PieceShards:
    """One part ("train" or "held_out") of what `prepare_pieces` has written; the pieces stay on the disk.

    Attributes:
        manifest: all that `prepare_pieces` found out, `sha256` of every shard included.
        pieces, words, sentences, documents, unknown_pieces: how many this part has.
        vocab_size: number of pieces in the vocabulary (V).
        special: ids of `[PAD]`, `[UNK]`, `[CLS]`, `[SEP]` and `[MASK]`.
        tokenizer_folder: what `AutoTokenizer.from_pretrained` loads.
    """

    def __init__(self, folder: Path, split: str, manifest: dict[str, Any]):
        self.folder, self.split, self.manifest = folder, split, manifest
        self.part = manifest["parts"][split]
        self.pieces, self.words, self.unknown_pieces = (
            self.part[name] for name in ("pieces", "words", "unknown_pieces")
        )
        self.sentences, self.documents = self.part["sentences"], self.part["documents"]
        self.vocab_size = manifest["vocabulary"]["ids"]
        self.special = SpecialPieces(*(manifest["vocabulary"]["special_ids"][piece] for piece in SPECIAL_PIECES))
        self.tokenizer_folder = folder / TOKENIZER

    @classmethod
    def open(cls, folder: str | os.PathLike, split: str = "train", *, verify: bool = False) -> "PieceShards":
        """Open a part of the prepared pieces.

        Args:
            split: "train" or "held_out".
            verify: compare every file with its hash, which reads all of them; else only their sizes count.
        Raises:
            PreparationError: not finished pieces, of a newer program, without this part, or damaged.
        """
        folder = Path(folder)
        manifest = read_manifest(folder)
        if split not in manifest["parts"]:
            raise PreparationError(f"{folder} has no part {split!r}, it has {', '.join(manifest['parts'])}")
        shards = cls(folder, split, manifest)
        shards._check(verify)
        return shards

    def _check(self, verify: bool) -> None:
        files = {entry["file"]: entry["sha256"] for entry in self.part["shards"]}
        for name in files:
            try:
                map_arrays(self.folder / name)
            except (FileNotFoundError, ValueError) as error:
                raise PreparationError(
                    f"{self.folder / name} is missing or cut off: prepare the pieces again"
                ) from error
        files[f"{TOKENIZER}/{TOKENIZER_FILE}"] = self.manifest["vocabulary"]["sha256"]
        for name, sha256 in files.items() if verify else ():
            if hashlib.sha256((self.folder / name).read_bytes()).hexdigest() != sha256:
                raise PreparationError(f"{self.folder / name} has changed: prepare the pieces again")

    @property
    def fingerprint(self) -> str:
        """A hash of the content of all shards of this part, and of the tokenizer."""
        hashes = [*(entry["sha256"] for entry in self.part["shards"]), self.manifest["vocabulary"]["sha256"]]
        return hashlib.sha256("".join(hashes).encode()).hexdigest()

    def tokenizer(self, **options: Any) -> Any:
        """The `transformers.BertTokenizerFast` with this vocabulary; `options` are for it."""
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self.tokenizer_folder, **options)

    @cached_property
    def continues(self) -> np.ndarray:
        """Whether each piece of the vocabulary goes on with a word (`##`), (V,) bool: the other ones begin words."""
        saved = json.loads((self.tokenizer_folder / TOKENIZER_FILE).read_text(encoding="utf-8"))
        found = np.zeros(self.vocab_size, bool)
        for piece, number in saved["model"]["vocab"].items():
            found[number] = piece.startswith(CONTINUES)
        return found

    @property
    def num_shards(self) -> int:
        """Files of this part."""
        return len(self.part["shards"])

    @cached_property
    def documents_of_shards(self) -> np.ndarray:
        """The first and the last document that each shard has a part of, (shards, 2) int64."""
        counts = np.array([entry["documents"] for entry in self.part["shards"]])
        begins = np.array([entry["begins_document"] for entry in self.part["shards"]])
        ends = np.cumsum(counts)
        return np.stack([ends - counts - ~begins, ends - 1], axis=1)

    def text(self, shards: Sequence[int]) -> Text:
        """Some shards, put together in memory in the order given."""
        pieces, sentences, documents, numbers = [], [np.zeros(1, np.int64)], [], []
        begin = sentence = 0
        for index in shards:
            arrays, _ = map_arrays(self.folder / self.part["shards"][index]["file"])
            first, last = self.documents_of_shards[index].tolist()
            begins = arrays["documents"]
            if not self.part["shards"][index]["begins_document"]:
                begins = np.concatenate([[0], begins])
            pieces.append(arrays["pieces"])
            sentences.append(arrays["sentences"][1:] + begin)
            documents.append(begins + sentence)
            numbers.append(np.arange(first, last + 1))
            begin += len(arrays["pieces"])
            sentence += len(arrays["sentences"]) - 1
        ends = np.array([sentence])
        return Text(
            np.concatenate(pieces),
            np.concatenate(sentences),
            np.concatenate([*documents, ends]),
            np.concatenate(numbers),
        )


__all__ = ["PieceShards", "SpecialPieces", "is_pieces"]
