# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Words to numbers: token ids of a vocabulary as in bilm-tf, character ids of a word as in AllenNLP."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, count, islice
from typing import Any, NamedTuple

import numpy as np
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers
from transformers.utils import logging, to_numpy

logger = logging.get_logger(__name__)

# Inference character ids of bilm-tf and AllenNLP: byte b is b + 1, and 0 is padding of a whole word.
BEGIN_SENTENCE, END_SENTENCE, BEGIN_WORD, END_WORD, WORD_PADDING = 257, 258, 259, 260, 261
# AllenNLP maps these words of a text to the sentence marks, wherever they stand.
BOUNDARY_WORDS = {"<S>": BEGIN_SENTENCE, "</S>": END_SENTENCE}

# A code point that Unicode never assigns. It stands in for what the Rust backend cannot take (lone surrogates, empty
# words). No vocabulary word may contain it, so a word with it is always unknown.
STAND_IN = "\U0010ffff"
LONE_SURROGATE = re.compile("[\ud800-\udfff]")
UNREACHABLE_WORD = re.compile(rf"[\ud800-\udfff{STAND_IN}]|\A\Z")

MEMO_SIZE = 1 << 16  # rows of unknown words, and rows as tuples, that a table remembers

CORPUS_CHUNK = 1 << 14  # sentences of a corpus taken up at a time

INTEGERS = tuple(range(WORD_PADDING + 1))  # one object for each id: copying a row then touches little memory

SPLITTINGS = ("punctuation", "whitespace")
# Unified ideographs with their extensions, compatibility ideographs and the ideographic zero.
CHINESE_CHARACTER = "[\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003fffd]"

# WordPiece tries this before the rest of an unknown word. No word starts with it, so no word is ever cut in pieces.
# The token-classification pipeline needs a model that has such a prefix to recognise words.
IMPOSSIBLE_PREFIX = "\n\x00\n"

_cut_warning_given = False


def build_pre_tokenizer(splitting: str, split_cjk: bool) -> pre_tokenizers.PreTokenizer:
    """The splitter of raw text for the settings of [`ElmoTokenizer`]."""
    splitter = pre_tokenizers.BertPreTokenizer() if splitting == "punctuation" else pre_tokenizers.WhitespaceSplit()
    if not split_cjk:
        return splitter
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(CHINESE_CHARACTER), "isolated"), splitter])


def build_backend(ids: dict[str, int], unk_token: str, splitting: str, split_cjk: bool) -> Tokenizer:
    """The Rust tokenizer that splits raw text and gives each word its id."""
    model = models.WordPiece(
        ids,
        unk_token=unk_token,
        continuing_subword_prefix=IMPOSSIBLE_PREFIX,
        max_input_chars_per_word=max(map(len, ids)),  # longer words need no search, quadratic in their length
    )
    backend = Tokenizer(model)
    backend.pre_tokenizer = build_pre_tokenizer(splitting, split_cjk)
    return backend


def read_vocabulary_file(path: str | os.PathLike) -> list[str]:
    """Words of a bilm-tf vocabulary file (`bilm/data.py`): UTF-8, one a line, white space around a word removed.

    Lines `!!!MAXTERMID` are skipped, as there; empty lines and repeated words keep their place. So that the first word
    is found, a byte order mark is not part of it.

    Raises:
        ValueError: the file is not UTF-8.
    """
    with open(path, encoding="utf-8-sig") as lines:
        try:
            return [word for line in lines if (word := line.strip()) != "!!!MAXTERMID"]
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{os.fspath(path)} is not a vocabulary file, UTF-8 text with a word a line: {error}"
            ) from None


def number_words(vocab: Iterable[str] | Mapping[str, int] | None, special_words: Sequence[str], pad_word: str | None):
    """Give every word its token id: line number plus one, `pad_word` 0, missing special words at the end.

    Ids are those of bilm-tf's cached token embeddings. A word on several lines has the id of the last one, as there.

    Raises:
        TypeError: a word is not a string.
        ValueError: the ids of a given dict have gaps, or a list contains the padding token.
    """
    if isinstance(vocab, Mapping):
        pairs: Iterable[tuple[Any, int]] = vocab.items()
    else:
        vocab = list(vocab or ())
        if pad_word is not None and pad_word in vocab:
            raise ValueError(
                f"the vocabulary list has the padding token {pad_word!r} at index {vocab.index(pad_word)}, but a list "
                "starts at id 1 and padding is id 0. Remove it, give a dict of word to id, or choose another pad_token."
            )
        pairs = zip(vocab, count(1))
    ids: dict[str, int] = {}
    unreachable = []
    for word, number in pairs:
        if not isinstance(word, str):
            raise TypeError(f"a vocabulary holds strings; the entry with id {number} is {word!r}")
        if UNREACHABLE_WORD.search(word):
            unreachable.append(number)
            continue
        if word in ids:
            unreachable.append(ids[word])
        ids[word] = number
    # Their ids stay taken, so that the rows of a softmax keep their lines; no text can contain these names.
    ids.update({f"{STAND_IN}line {number}": number for number in unreachable})
    if unreachable:
        logger.warning(
            f"{len(unreachable)} vocabulary lines can never be used: they are empty, are not valid Unicode or are "
            f"repeated further down (first such id: {min(unreachable)}). Their ids stay reserved."
        )
    if pad_word is not None and pad_word not in ids:
        ids[pad_word] = max(ids.values(), default=0) + 1 if 0 in ids.values() else 0
    for word in special_words:
        if word not in ids:
            ids[word] = max(ids.values(), default=-1) + 1
    if set(ids.values()) != set(range(len(ids))):
        raise ValueError(
            f"the {len(ids)} words of the vocabulary, special tokens included, need the ids 0 to {len(ids) - 1}, each "
            f"once; got ids from {min(ids.values())} to {max(ids.values())}. Renumber them, or give a list in order."
        )
    return ids


def replace_surrogates(text):
    """A string, or nested lists of them, with a stand-in for each lone surrogate, which Rust strings cannot have."""
    if isinstance(text, str):
        return text if text.isascii() else LONE_SURROGATE.sub(STAND_IN, text)
    return type(text)(map(replace_surrogates, text)) if isinstance(text, list | tuple) else text


def commonest_words(backend: Tokenizer, texts, length: int | None, limit: int, excluded: set[str], **options):
    """At most `limit` words of texts, or lists of texts, split as `backend` does; commonest first, then by spelling.

    Args:
        length: number of texts, for a progress bar.
        excluded: words that are not wanted.
        options: for `tokenizers.trainers.WordLevelTrainer`.
    """
    counter = Tokenizer(models.WordLevel(unk_token=""))
    counter.normalizer, counter.pre_tokenizer = backend.normalizer, backend.pre_tokenizer
    trainer = trainers.WordLevelTrainer(vocab_size=limit + len(excluded), **{"show_progress": False, **options})
    counter.train_from_iterator(map(replace_surrogates, texts), trainer, length)
    ids = counter.get_vocab()
    words = [word for word in sorted(ids, key=ids.__getitem__) if word not in excluded and STAND_IN not in word]
    return words[:limit]


def words_to_char_ids(words: Sequence[str], width: int = 50, boundaries: Mapping[str, int] | None = None):
    """Character ids of words, as AllenNLP's `batch_to_ids` gives them.

    UTF-8 bytes plus one between a begin and an end mark, cut to `width - 2` bytes, possibly inside a code point; lone
    surrogates vanish; byte 0, white space and control characters are ordinary bytes.

    Args:
        words: n words, anything that is a `str`.
        width: ids per word (C), both marks included; at least 3.
        boundaries: words that stand for a sentence mark, with its id; by default `<S>` and `</S>`.
    Returns:
        (n, C) int16 ids, and (n,) int64 lengths in bytes before cutting.
    """
    boundaries = BOUNDARY_WORDS if boundaries is None else boundaries
    limit = width - 2
    encoded = [word.encode("utf-8", "ignore") for word in words]
    lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
    kept = np.minimum(lengths, limit)[:, None]
    # A fixed-width bytes array cuts and pads by itself. It also hides zero bytes at the end: `kept` knows of them.
    body = np.array(encoded, f"S{limit}").view(np.uint8).reshape(-1, limit)
    rows = np.full((len(encoded), width), WORD_PADDING, np.int16)
    rows[:, 0] = BEGIN_WORD
    rows[:, 1:-1] = np.where(np.arange(limit) < kept, body + np.int16(1), WORD_PADDING)
    np.put_along_axis(rows, kept + 1, END_WORD, axis=1)
    for position in [position for position, word in enumerate(words) if word in boundaries]:
        rows[position] = WORD_PADDING
        rows[position, :3] = BEGIN_WORD, boundaries[words[position]], END_WORD
        lengths[position] = 1
    return rows, lengths


def warn_of_cut_words(lengths: np.ndarray, width: int):
    """Say once per process that a word was longer than the model reads."""
    global _cut_warning_given
    limit = width - 2
    if not _cut_warning_given and lengths.size and lengths.max() > limit:
        _cut_warning_given = True
        logger.warning(
            f"A word of {lengths.max()} bytes is cut to its first {limit} bytes (max_characters_per_token={width} less "
            "two word marks), as AllenNLP and bilm-tf do. Further words that are cut are not reported."
        )


class WordTable:
    """Character rows of a tokenizer's vocabulary by token id, and a bounded memory of words outside it.

    Args:
        tokenizer: its vocabulary, special tokens and `max_characters_per_token` are read once.
    """

    def __init__(self, tokenizer):
        backend = tokenizer.backend_tokenizer
        self.key = self.key_of(tokenizer)
        self.width = tokenizer.max_characters_per_token
        self.vocabulary = backend.get_vocab(with_added_tokens=True)
        self.unknown_id = backend.token_to_id(backend.model.unk_token)
        self.boundaries = dict(BOUNDARY_WORDS)
        for token, mark in ((tokenizer.bos_token, BEGIN_SENTENCE), (tokenizer.eos_token, END_SENTENCE)):
            if token is not None:
                self.boundaries[token] = mark
        # If the padding token has another task as well, its row is that of the other task.
        separate = tokenizer.pad_token not in (None, tokenizer.unk_token, *self.boundaries)
        self.pad_id = self.vocabulary.get(tokenizer.pad_token) if separate else None

        ids = np.fromiter(self.vocabulary.values(), np.int64, len(self.vocabulary))
        self.padding_row = ids.max() + 1  # one zero row after the last id, whatever id padding has
        self.rows = np.zeros((self.padding_row + 1, self.width), np.int16)
        self.lengths = np.zeros(self.padding_row + 1, np.int64)
        self.rows[ids], self.lengths[ids] = words_to_char_ids(list(self.vocabulary), self.width, self.boundaries)
        if self.pad_id is not None:
            self.rows[self.pad_id] = 0
            del self.vocabulary[tokenizer.pad_token]  # in a text it is a word like any other, and unknown
        self.longest = self.lengths.max()
        self._unknown_rows: dict[str, bytes] = {}
        self._row_tuples: dict[int | str, tuple[int, ...]] = {}

    @staticmethod
    def key_of(tokenizer) -> tuple:
        """What the rows depend on; another value asks for a new table."""
        backend = tokenizer.backend_tokenizer
        special = tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token, backend.model.unk_token
        sizes = backend.get_vocab_size(with_added_tokens=False), len(backend.get_added_tokens_decoder())
        return backend, *sizes, tokenizer.max_characters_per_token, *special

    def char_ids(self, ids: np.ndarray, mask: np.ndarray, positions: np.ndarray, words: list[str]) -> np.ndarray:
        """(N, C) int64 rows of (N,) token ids; zero where `mask` is 0, and of `words` at `positions`."""
        self._warn_of_known_words(ids)
        chars = np.take(self.rows, ids if mask.all() else np.where(mask, ids, self.padding_row), axis=0)
        if words:
            chars[positions] = self._rows_of(words)
        return chars.astype(np.int64)

    def char_id_lists(self, ids: np.ndarray, mask: np.ndarray, positions: np.ndarray, words: list[str]) -> list:
        """The same as N lists of integers, new to this call; equal words share one of them.

        A list of its own for every word would cost as much time as the rest of the encoding.
        """
        self._warn_of_known_words(ids)
        keys: list[int | str] = (ids if mask.all() else np.where(mask, ids, self.padding_row)).tolist()
        for position, word in zip(positions.tolist(), words, strict=True):
            keys[position] = word
        distinct = set(keys)
        if len(self._row_tuples) > MEMO_SIZE:
            self._row_tuples.clear()
        new = distinct.difference(self._row_tuples)
        unknown = [key for key in new if isinstance(key, str)]
        rows: dict[int | str, np.ndarray] = {key: self.rows[key] for key in new if isinstance(key, int)}
        rows.update(zip(unknown, self._rows_of(unknown), strict=True))
        for key, row in rows.items():
            self._row_tuples[key] = tuple(map(INTEGERS.__getitem__, row.tolist()))
        lists = {key: list(self._row_tuples[key]) for key in distinct}
        return list(map(lists.__getitem__, keys))

    def _warn_of_known_words(self, ids: np.ndarray):
        if self.longest > self.width - 2 and not _cut_warning_given:
            warn_of_cut_words(self.lengths[ids], self.width)

    def _rows_of(self, words: list[str]) -> np.ndarray:
        new = set(words).difference(self._unknown_rows)
        if new:
            if len(self._unknown_rows) + len(new) > MEMO_SIZE:
                self._unknown_rows.clear()
                new = set(words)
            distinct = list(new)
            rows, lengths = words_to_char_ids(distinct, self.width, self.boundaries)
            warn_of_cut_words(lengths, self.width)
            self._unknown_rows.update(zip(distinct, map(bytes, rows), strict=True))
        flat = b"".join([self._unknown_rows[word] for word in words])
        return np.frombuffer(flat, np.int16).reshape(-1, self.width)


def pad_char_ids(char_ids, given, padded, width: int, left: bool) -> list[np.ndarray]:
    """Rows of zeros in front of or behind the character ids of each example, where its `input_ids` were padded.

    Args:
        char_ids: of each example (T, width), as list, array or tensor.
        given: `input_ids` of each example before padding.
        padded: `input_ids` of each example after padding.
        left: padding comes first.
    Returns:
        an int64 array for each example.
    Raises:
        ValueError: an example has not one row of `width` ids for each of its `input_ids`.
    """
    rows = []
    for example, ids, longer in zip(char_ids, given, padded, strict=True):
        array = to_numpy(example) if len(ids) else np.zeros((0, width), np.int64)
        if array.shape != (len(ids), width):
            raise ValueError(
                f"char_ids of an example have shape {array.shape}, its {len(ids)} input_ids need ({len(ids)}, {width}). "
                "Encode with this tokenizer, or set max_characters_per_token."
            )
        missing = len(longer) - len(ids)
        rows.append(np.pad(array, (((missing, 0) if left else (0, missing)), (0, 0))).astype(np.int64))
    return rows


class EncodedCorpus(NamedTuple):
    """Flat arrays of N words in S sentences, from [`ElmoTokenizer.encode_corpus`]."""

    input_ids: np.ndarray  # (N,) int32
    char_ids: np.ndarray | None  # (N, C) int16
    offsets: np.ndarray  # (S + 1,) int64; sentence s is [offsets[s]:offsets[s + 1]]

    @property
    def lengths(self) -> np.ndarray:
        """Words of each sentence, sentence marks included: (S,) int64."""
        return np.diff(self.offsets)


class _Numbering(dict):
    """Gives every word the number of words seen before it."""

    def __missing__(self, word):
        self[word] = number = len(self)
        return number


def number_corpus(sentences: Iterable[str | Sequence[str]]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Number the distinct words of split sentences in order of appearance; strings are split by `str.split`.

    Returns:
        the distinct words, the number of each of N words (N,) int32, and the words of each of S sentences (S,) int64.
    Raises:
        TypeError: `sentences` is one string, or a word is not a string.
    """
    if isinstance(sentences, str):
        raise TypeError("sentences is one string; give a list of sentences, or [text] for a single one")
    numbers = _Numbering()
    chunks, lengths = [np.empty(0, np.int32)], [np.empty(0, np.int64)]
    remaining = iter(sentences)
    while chunk := [s.split() if isinstance(s, str) else s for s in islice(remaining, CORPUS_CHUNK)]:
        lengths.append(np.fromiter(map(len, chunk), np.int64, len(chunk)))
        chunks.append(np.fromiter(map(numbers.__getitem__, chain.from_iterable(chunk)), np.int32, lengths[-1].sum()))
    for word in numbers:
        if not isinstance(word, str):
            raise TypeError(f"a sentence holds words as strings, got {word!r} of type {type(word).__name__}")
    return list(numbers), np.concatenate(chunks), np.concatenate(lengths)


def frame_sentences(
    numbers: np.ndarray, lengths: np.ndarray, before: int, after: int
) -> tuple[np.ndarray, np.ndarray]:
    """Put `before` marks ahead of every sentence and `after` marks behind, as numbers from 0; words move up.

    Returns:
        (N + S * marks,) int32 numbers, and (S + 1,) int64 offsets of the sentences in them.
    """
    marks = before + after
    offsets = np.concatenate([[0], np.cumsum(lengths + marks)]).astype(np.int64)
    framed = np.empty(offsets[-1], np.int32)
    is_word = np.ones(offsets[-1], bool)
    for mark in range(marks):
        places = offsets[:-1] + mark if mark < before else offsets[1:] + mark - marks
        framed[places], is_word[places] = mark, False
    framed[is_word] = numbers + marks
    return framed, offsets


__all__ = [
    "BOUNDARY_WORDS",
    "LONE_SURROGATE",
    "SPLITTINGS",
    "STAND_IN",
    "EncodedCorpus",
    "WordTable",
    "build_backend",
    "build_pre_tokenizer",
    "commonest_words",
    "frame_sentences",
    "number_corpus",
    "number_words",
    "pad_char_ids",
    "read_vocabulary_file",
    "replace_surrogates",
    "warn_of_cut_words",
    "words_to_char_ids",
]
