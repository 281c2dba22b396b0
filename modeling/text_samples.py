# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The texts given to the tokenizer: in what form they come, and which of their words stands at a place."""

from collections.abc import Mapping

import numpy as np
from tokenizers import Tokenizer

from .character_encoding import STAND_IN, replace_surrogates


def as_samples(text, text_pair, split: bool) -> tuple[list, bool]:
    """The texts or pairs of texts as a list, and whether they were given as a batch."""
    batched = isinstance(text, list | tuple) and (not split or bool(text) and isinstance(text[0], list | tuple))
    if not batched:
        return [text if text_pair is None else (text, text_pair)], False
    if not text:
        raise ValueError("the batch of texts is empty; give at least one text")
    if text_pair is None:
        return list(text), True
    if not isinstance(text_pair, list | tuple) or len(text_pair) != len(text):
        raise ValueError(
            f"text is a batch of {len(text)}, so text_pair must be a list of as many, got "
            + (f"{len(text_pair)}" if isinstance(text_pair, list | tuple) else type(text_pair).__name__)
        )
    return list(zip(text, text_pair, strict=True)), True


def one_token_each(backend: Tokenizer, samples: list, risky: bool) -> list:
    """Samples of words in which every word is exactly one token of the backend, whose pre-tokenizer is off.

    Args:
        risky: the backend may cut or join words, by tokens that it finds inside of them or by a normalizer.
    """
    if risky:
        backend.no_truncation()
        backend.no_padding()
    known: dict[str, str] = {}

    def safe(word):
        if word not in known:
            spelt = STAND_IN if word == "" else replace_surrogates(word)
            fits = not risky or len(backend.encode([spelt], is_pretokenized=True, add_special_tokens=False)) == 1
            known[word] = spelt if fits else STAND_IN * len(word)
        return known[word]

    def safe_sequence(sequence):
        if sequence and not isinstance(sequence[0], str):
            return tuple(map(safe_sequence, sequence))  # a pair
        return [safe(word) for word in sequence] if risky or "" in sequence else sequence

    return list(map(safe_sequence, samples))


def find_words(wanted: np.ndarray, ends: np.ndarray, encodings, samples, owners, split: bool):
    """Spelling of the words at the wanted places of a flattened batch.

    Args:
        wanted: (N,) bool, over all encodings one after another.
        ends: where each encoding ends among the N.
        samples: texts or lists of words, or pairs of them; encoding e comes from `samples[owners[e]]`.
        split: samples hold words rather than texts.
    Returns:
        the positions among N, without those of sentence marks, and the word at each.
    """
    positions: list[int] = []
    words: list[str] = []
    places = np.flatnonzero(wanted)
    starts = np.concatenate([[0], ends])
    bounds = np.searchsorted(places, starts).tolist()
    for e in np.flatnonzero(np.diff(bounds)).tolist():
        encoding, sample = encodings[e], samples[owners[e]]
        paired = not isinstance(sample, str) and not (split and (not sample or isinstance(sample[0], str)))
        here = places[bounds[e] : bounds[e + 1]]
        columns = (here - starts[e]).tolist()
        # The lists of an encoding cost a fixed sum for each of its tokens, single questions three times as much.
        if 3 * len(columns) > len(encoding):
            every_span = encoding.word_ids if split else encoding.offsets
            spans = [every_span[column] for column in columns]
        else:
            spans = [encoding.token_to_word(c) if split else encoding.token_to_chars(c) for c in columns]
        sequences = [encoding.token_to_sequence(c) for c in columns] if paired else [0] * len(columns)
        for position, span, sequence in zip(here.tolist(), spans, sequences, strict=True):
            if span is None or span == (0, 0):  # a mark of the template
                continue
            source = sample[sequence] if paired else sample
            positions.append(position)
            words.append(source[span] if split else source[span[0] : span[1]])
    return np.array(positions, np.int64), words


def hide_stand_ins(offsets: list, ends: np.ndarray, positions: np.ndarray, words: list[str]) -> None:
    """Give empty words the empty span that they have in the text; the backend saw a stand-in of one character.

    Args:
        offsets: of each encoding a list of (first, last plus one) character; changed in place.
        ends: where each encoding ends among all positions of the batch.
        positions, words: from `find_words`.
    """
    for place in [place for place, word in zip(positions.tolist(), words, strict=True) if word == ""]:
        sequence = np.searchsorted(ends, place, side="right")
        offsets[sequence][place - ends[sequence]] = (0, 0)


def advice_on_truncation(error: BaseException, settings: Mapping) -> str | None:
    """What to tell when the backend could not cut a text to its length; None if `error` is about something else."""
    if type(error).__name__ != "PanicException" and not str(error).startswith("Truncation error"):
        return None
    return (
        f"a text cannot be cut to max_length={settings.get('max_length')} with stride={settings.get('stride', 0)} and "
        f"truncation={settings['truncation_strategy'].value}: {error}. Raise max_length, lower stride, or shorten the "
        "text that may not be cut, such as a question."
    )


__all__ = ["advice_on_truncation", "as_samples", "find_words", "hide_stand_ins", "one_token_each"]
