# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Sentences as one array of word ids with their marks, in the reading order of either direction; NumPy only.

Shapes: N positions of all sentences, marks included, S sentences.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np


class FramedSentences(NamedTuple):
    """Sentences one after the other, `<S> w1 .. wn </S>` each; backward `</S> wn .. w1 <S>`.

    Every position but the first of a sentence is an event: a word to predict from those before it in the sentence.
    """

    ids: np.ndarray  # (N,) int32
    offsets: np.ndarray  # (S + 1,) int64, where each sentence begins, and the end

    def backward(self) -> "FramedSentences":
        """The same sentences as the backward direction reads them; the last sentence comes first."""
        return FramedSentences(self.ids[::-1], len(self.ids) - self.offsets[::-1])

    def is_begin(self) -> np.ndarray:
        """Which positions begin a sentence, (N,) bool."""
        begins = np.zeros(len(self.ids), bool)
        begins[self.offsets[:-1]] = True
        return begins

    @property
    def num_events(self) -> int:
        """Words to predict, the mark at the end of each sentence included."""
        return len(self.ids) - len(self.offsets) + 1

    def sums(self, of_positions: np.ndarray) -> np.ndarray:
        """Sum of (N,) numbers over each sentence, (S,) float64."""
        return np.add.reduceat(of_positions, self.offsets[:-1], dtype=np.float64) if len(self.offsets) > 1 else _NONE


_NONE = np.empty(0, np.float64)


def framed_shards(shards: Any) -> FramedSentences:
    """All sentences of a part of a prepared corpus; unknown words have the id of `<UNK>`.

    Args:
        shards: a `hf_elmo.corpus.TokenShards`.
    """
    size = shards.words + 2 * shards.sentences
    ids, offsets = np.empty(size, np.int32), np.empty(shards.sentences + 1, np.int64)
    position = sentence = 0
    for index in range(shards.num_shards):
        shard = shards.shard(index)
        count = len(shard.sentences) - 1
        begins = position + shard.sentences[:-1] + 2 * np.arange(count)
        end = position + len(shard.words) + 2 * count
        inner = np.ones(end - position, bool)
        inner[begins - position] = False
        inner[np.append(begins[1:], end) - 1 - position] = False
        part = ids[position:end]
        part[inner] = np.where(shard.words >= shards.vocab_size, shards.special.unk, shard.words)
        part[begins - position] = shards.special.bos
        part[np.append(begins[1:], end) - 1 - position] = shards.special.eos
        offsets[sentence : sentence + count] = begins
        position, sentence = end, sentence + count
    offsets[sentence] = position
    return FramedSentences(ids, offsets)


def framed_words(tokenizer: Any, sentences: Iterable[str | Sequence[str]]) -> FramedSentences:
    """Sentences of words, as an `ElmoTokenizer` numbers and frames them.

    Args:
        sentences: lists of words, or strings that are split at white space.
    Raises:
        TypeError: `sentences` is one string, or a word is not a string.
    """
    corpus = tokenizer.encode_corpus(sentences, char_ids=False)
    return FramedSentences(corpus.input_ids, corpus.offsets)
