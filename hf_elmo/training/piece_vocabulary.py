# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""A WordPiece vocabulary from the words of a prepared corpus, and words to pieces.

The trainer is that of `tokenizers`: byte-pair merges by frequency, with `##` before pieces inside a word. Left alone it
numbers the characters in the order of a hash table, which differs from run to run, and merges of equal frequency follow
those numbers. Here the characters are chosen and numbered before, so that the same text gives the same vocabulary.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from hf_elmo.corpus.settings import PreparationError

SPECIAL_PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")  # ids 0 to 4
CONTINUES = "##"  # before a piece that is not the first of its word
TOKENIZER_FILE = "tokenizer.json"
MAX_LENGTH = 512  # positions that the tokenizer's models have at most, as BERT's

_MOST_DISTINCT = 2_000_000  # words counted at once; beyond that the rarest are forgotten
_MOST_WORDS = 20_000_000  # shown to the trainer; larger counts are scaled down together
_COVERAGE, _LEAST_COVERAGE = 0.9999, 0.99  # share of the text whose characters are, and must be, in the vocabulary
_CHARACTERS = 4  # a fourth of the pieces at most are single characters at the beginning of a word


def count_words(corpus: Any) -> Counter[str]:
    """How often each word of a part of a corpus occurs, spelt as in the text.

    Args:
        corpus: `TokenShards`.
    Returns:
        exact counts of the corpus' vocabulary. Of the other words two million are in memory: when there are more, those
        seen once so far are forgotten, then those seen twice, and so on.
    """
    from hf_elmo.corpus.counting import read_vocabulary

    known = np.zeros(corpus.vocab_size, np.int64)
    other: Counter[str] = Counter()
    for index in range(corpus.num_shards):
        shard = corpus.shard(index)
        counts = np.bincount(shard.words, minlength=corpus.vocab_size + len(shard.unknown_words))
        known += counts[: corpus.vocab_size]
        for word, count in zip(shard.unknown_words, counts[corpus.vocab_size :].tolist(), strict=True):
            other[word] += count
        least = 1
        while len(other) > _MOST_DISTINCT:
            other = Counter({word: count for word, count in other.items() if count > least})
            least += 1
    numbers = known.tolist()
    # The corpus spells out every unknown word but the literal "<UNK>", whose id is its own.
    for word, number in read_vocabulary(corpus.vocabulary_path).items():
        if numbers[number]:
            other[word] += numbers[number]
    return other


def normalizer(lowercase: bool) -> normalizers.Normalizer:
    """BERT's: control characters out, Chinese characters apart, and for a lower-cased vocabulary no accents."""
    return normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=lowercase
    )


def train_vocabulary(words: Mapping[str, int], vocab_size: int, lowercase: bool) -> dict[str, int]:
    """Learn WordPiece pieces.

    Args:
        words: how often each word occurs.
        vocab_size: pieces at most (V), the five special ones included; a small text has fewer.
        lowercase: lower-case the words and strip their accents first.
    Returns:
        the id of each piece, from 0; the special ones first.
    Raises:
        PreparationError: there is no room for the characters of the text.
    """
    split = _split_words(words, lowercase)
    begin, inside = _choose_characters(split, vocab_size)
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        show_progress=False,
        # What is special is numbered first, in this order.
        special_tokens=[*SPECIAL_PIECES, *(CONTINUES + character for character in inside)],
        initial_alphabet=begin,
        limit_alphabet=len(begin),
        continuing_subword_prefix=CONTINUES,
    )
    learner = Tokenizer(models.WordPiece(unk_token=SPECIAL_PIECES[1]))
    learner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    learner.train_from_iterator(_as_text(split), trainer)
    return learner.get_vocab(with_added_tokens=False)


def _split_words(words: Mapping[str, int], lowercase: bool) -> Counter[str]:
    """The counts after BERT's normalisation and splitting."""
    normalize, split = normalizer(lowercase).normalize_str, pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    found: Counter[str] = Counter()
    for word, count in words.items():
        if word.isascii() and word.isalnum():  # most words; the same as below
            found[word.lower() if lowercase else word] += count
        else:
            for part, _ in split(normalize(word)):
                found[part] += count
    return found


def _choose_characters(words: Mapping[str, int], vocab_size: int) -> tuple[list[str], list[str]]:
    """The characters to be pieces, and those of them that occur inside of words; commonest first."""
    counts: Counter[str] = Counter()
    inside: Counter[str] = Counter()
    for word, count in words.items():
        for character in word:
            counts[character] += count
        for character in word[1:]:
            inside[character] += count
    ranked = sorted(counts, key=lambda character: (-counts[character], character))
    total = sum(counts.values())
    covered = [0, *accumulate(counts[character] for character in ranked)]
    room = max(vocab_size - len(SPECIAL_PIECES), 0) // _CHARACTERS
    if covered[min(room, len(ranked))] < _LEAST_COVERAGE * total:
        least = next(number for number, part in enumerate(covered) if part >= _LEAST_COVERAGE * total)
        raise PreparationError(
            f"vocab_size={vocab_size} is too small for this text: {least:,} characters make up {_LEAST_COVERAGE:.0%} of "
            f"it; give at least {least * _CHARACTERS + len(SPECIAL_PIECES)}"
        )
    wanted = next(number for number, part in enumerate(covered) if part >= _COVERAGE * total)
    chosen = ranked[: min(wanted, room)]
    return chosen, [character for character in chosen if character in inside]


def _as_text(words: Mapping[str, int]) -> Iterator[str]:
    """Text with each word as often as it occurs, all counts divided by the same number if there are too many."""
    divisor = -(-sum(words.values()) // _MOST_WORDS)
    for word, count in words.items():
        left = count // divisor
        while left:
            line = min(left, 10_000)
            yield f"{word} " * line
            left -= line


def save_tokenizer(vocabulary: Mapping[str, int], lowercase: bool, folder: Path) -> None:
    """Save the tokenizer that `transformers.AutoTokenizer` loads: a `BertTokenizer`, which also is `BertTokenizerFast`."""
    from transformers import BertTokenizer

    tokenizer = BertTokenizer(vocab=dict(vocabulary), do_lower_case=lowercase, model_max_length=MAX_LENGTH)
    tokenizer.save_pretrained(folder)


@lru_cache(maxsize=2)
def load_encoder(folder: Path) -> Tokenizer:
    """The saved tokenizer for the words of a corpus: `[MASK]` in a text is no mask but punctuation and a word."""
    saved = json.loads((folder / TOKENIZER_FILE).read_text(encoding="utf-8"))
    return Tokenizer.from_str(json.dumps({**saved, "added_tokens": [], "post_processor": None}))


def encode_words(encoder: Tokenizer, words: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """The pieces of words, one after the other (N,) int32, and where each word begins and the last ends (W + 1,) int64.

    A word can have no piece, when it is nothing but control characters.
    """
    offsets = np.zeros(len(words) + 1, np.int64)
    parts = [np.empty(0, np.int32)]
    for start in range(0, len(words), 10_000):
        ids = [
            found.ids for found in encoder.encode_batch_fast(words[start : start + 10_000], add_special_tokens=False)
        ]
        np.cumsum([len(row) for row in ids], out=offsets[start + 1 : start + 1 + len(ids)])
        offsets[start + 1 : start + 1 + len(ids)] += offsets[start]
        parts.append(np.array([piece for row in ids for piece in row], np.int32))
    return np.concatenate(parts), offsets
