# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Blocks of text to raw shards: words numbered within the shard, so that text is split once, before the vocabulary.

A raw shard is a file of arrays:
    words            (N,) int32, numbers in the shard's own list of words
    sentences        (S + 1,) int64, where each sentence begins in `words`, and the end
    documents        (D,) int64, numbers of the sentences with which documents begin
    spellings, spelling_offsets, counts   the list of words (`pack_strings`) and how often each occurs, by bucket
    buckets          (BUCKETS + 1,) int64, where each bucket begins in the list: a word is in bucket crc32 % BUCKETS
    hashes           (S,) uint64, sorted hashes of the sentences, for counting repeated ones
"""

import hashlib
import zlib
from array import array
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from hf_elmo.corpus.blocks import Block
from hf_elmo.corpus.shard_files import map_arrays, pack_strings, write_arrays
from hf_elmo.corpus.splitting import WordSplitter, split_sentences

BUCKETS = 64  # the words of one bucket of the whole corpus are in memory together


def raw_path(folder: Path, name: str) -> Path:
    return folder / f"raw-{name}.safetensors"


def make_raw_shard(
    block: Block, folder: Path, splitter: WordSplitter, by_rules: bool, max_sentence_words: int
) -> dict[str, int]:
    """Split the text of a block into sentences and words and write its raw shard.

    Args:
        by_rules: look for sentences in each paragraph; else a paragraph is one.
        max_sentence_words: longer sentences are cut.
    Returns:
        how many words, sentences and documents it has, and how many sentences were cut.
    """
    numbers: defaultdict[str, int] = defaultdict()
    numbers.default_factory = numbers.__len__
    words, sentences, documents, hashes = array("i"), array("q", [0]), array("q"), array("Q")
    cut = 0
    for text, begins, is_sentence in block.paragraphs:
        if begins:
            documents.append(len(hashes))
        for sentence in split_sentences(text) if by_rules and not is_sentence else (text,):
            split = splitter(sentence)
            cut += len(split) > max_sentence_words
            for start in range(0, len(split), max_sentence_words):
                piece = split[start : start + max_sentence_words]
                words.extend(map(numbers.__getitem__, piece))
                sentences.append(len(words))
                digest = hashlib.blake2b(" ".join(piece).encode(), digest_size=8).digest()
                hashes.append(int.from_bytes(digest, "little"))
    facts = {"words": len(words), "sentences": len(hashes), "documents": len(documents), "cut_sentences": cut}
    spelt = [word.encode() for word in numbers]
    bucket_of = np.fromiter((zlib.crc32(word) % BUCKETS for word in spelt), np.int64, len(spelt))
    order = np.argsort(bucket_of, kind="stable")
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    numbered = rank[np.array(words, np.int32)]
    spellings, offsets = pack_strings(spelt[number] for number in order.tolist())
    arrays: dict[str, np.ndarray] = {
        "words": numbered,
        "sentences": np.array(sentences, np.int64),
        "documents": np.array(documents, np.int64),
        "spellings": spellings,
        "spelling_offsets": offsets,
        "counts": np.bincount(numbered, minlength=len(order)).astype(np.int64),
        "buckets": np.searchsorted(bucket_of[order], np.arange(BUCKETS + 1)).astype(np.int64),
        "hashes": np.sort(np.array(hashes, np.uint64)),
    }
    metadata = {"digest": block.digest(), **{name: str(value) for name, value in facts.items()}}
    write_arrays(raw_path(folder, block.name), arrays, metadata)
    return facts


def read_facts(path: Path) -> dict[str, Any] | None:
    """What `make_raw_shard` returned, and the "digest" of the block; None where the file is missing or cut off."""
    try:
        _, metadata = map_arrays(path)
        return {name: value if name == "digest" else int(value) for name, value in metadata.items()}
    except (FileNotFoundError, ValueError):
        return None
