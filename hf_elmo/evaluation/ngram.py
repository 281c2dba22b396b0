# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Unigrams and interpolated modified Kneser-Ney n-grams (Chen and Goodman 1999, "An empirical study of smoothing
techniques for language modeling"), over the events that ELMo's language models predict.

Shapes: N positions of all sentences, marks included, S sentences, V ids of the vocabulary, padding included, G distinct
n-grams of one order. An n-gram is numbered by its place among the sorted keys of its order, and its key is (number of
the words before its last one) * V + last word: a trie in arrays, whose keys fit 64 bits at any order.
"""

from collections.abc import Callable
from math import exp
from typing import NamedTuple, Protocol

import numpy as np

from hf_elmo.evaluation.framed_sentences import FramedSentences

MAX_ORDER = 5
NONE = -1  # the number of an n-gram that does not exist, or never occurred
# KenLM's fallback for orders whose discounts cannot be estimated.
USUAL_DISCOUNTS = (0.5, 1.0, 1.5)


class DiscountError(ValueError):
    """A text is too small, or too regular, for the discounts to be estimated from its counts of counts."""


class Vocabulary(NamedTuple):
    """The ids of a vocabulary; every id but padding is a word that can be predicted."""

    size: int  # V
    begin: int  # the mark that begins a sentence in the reading order
    unknown: int
    padding: int

    @property
    def num_words(self) -> int:
        return self.size - 1


class LanguageModel(Protocol):
    """What gives each event of sentences a probability."""

    vocabulary: Vocabulary

    def log_probs(self, sentences: FramedSentences) -> np.ndarray: ...


class NgramPerplexity(NamedTuple):
    """Perplexity of one direction; the counts are those of `hf_elmo.perplexity.Perplexity`."""

    perplexity: float
    num_targets: int
    num_unknown: int  # of the targets, predicted as `<UNK>`


def ngram_perplexity(model: LanguageModel, sentences: FramedSentences) -> NgramPerplexity:
    """Perplexity of held-out sentences in the reading order of the model, every event counted once.

    Raises:
        ValueError: there is no sentence.
    """
    if sentences.num_events == 0:
        raise ValueError("there is no sentence to predict; give a text with at least one")
    loss = -model.log_probs(sentences).sum() / sentences.num_events
    unknown = np.count_nonzero((sentences.ids == model.vocabulary.unknown) & ~sentences.is_begin())
    return NgramPerplexity(exp(loss), sentences.num_events, int(unknown))


class UnigramModel:
    """Words by their share of the events, one added to every count (Laplace), so that no word is impossible.

    Args:
        sentences: the training text in the reading order.
        vocabulary: its ids.
    """

    def __init__(self, sentences: FramedSentences, vocabulary: Vocabulary):
        self.vocabulary = vocabulary
        counts = np.bincount(sentences.ids, minlength=vocabulary.size).astype(np.float64)
        np.subtract.at(counts, sentences.ids[sentences.offsets[:-1]], 1)  # the first mark is no event
        self._log_probs = np.log((counts + 1) / (sentences.num_events + vocabulary.num_words))  # (V,)
        self._log_probs[vocabulary.padding] = -np.inf

    def log_probs(self, sentences: FramedSentences) -> np.ndarray:
        """Natural log-probability of every position, (N,) float64; 0 where a sentence begins."""
        return np.where(sentences.is_begin(), 0.0, self._log_probs[sentences.ids])


class _Order(NamedTuple):
    """The n-grams of one order from 2, and what their contexts, the (n-1)-grams, leave to the next lower order."""

    keys: np.ndarray  # (G,) int64, ascending
    counts: np.ndarray  # (G,) int32: occurrences, or below the highest order distinct words before
    discounts: np.ndarray  # (4,) float64, by min(count, 3)
    totals: np.ndarray  # (contexts,) float64: sum of the counts after a context, 0 for none
    weights: np.ndarray  # (contexts,) float64: share of the next lower order after a context, 1 for no count


class KneserNeyModel:
    """An interpolated modified Kneser-Ney model of order 2 to 5.

    Counts are occurrences at the highest order. Below it they are the numbers of distinct words before an n-gram, but
    occurrences for n-grams that begin with the sentence's first mark, before which there is nothing. A sentence has
    one first mark: its first word is predicted by bigrams. The lowest order is interpolated with a uniform
    distribution over all words but padding.

    Takes about 100 bytes of memory for each word of the text at its peak, and about 40 afterwards, at order 5.

    Args:
        sentences: the training text in the reading order, forward or backward.
        vocabulary: its ids.
        order: 2 to 5.
        fallback_discounts: D1, D2, D3+ for orders whose discounts cannot be estimated, for example USUAL_DISCOUNTS;
            None makes that an error. `fallback_orders` tells where they were used.
        progress: called with a line before each order.
    Raises:
        ValueError: no such order, no sentence, or impossible fallback discounts.
        DiscountError: the discounts of an order cannot be estimated; says which counts are missing.
    """

    def __init__(
        self,
        sentences: FramedSentences,
        vocabulary: Vocabulary,
        order: int = MAX_ORDER,
        *,
        fallback_discounts: tuple[float, float, float] | None = None,
        progress: Callable[[str], None] = lambda line: None,
    ):
        if not 2 <= order <= MAX_ORDER:
            raise ValueError(f"order is {order}; needed is 2 to {MAX_ORDER}, or UnigramModel for single words")
        if sentences.num_events == 0:
            raise ValueError("there is no sentence to count n-grams in; give a text with at least one")
        if fallback_discounts is not None and not all(
            0 < discount <= count for count, discount in enumerate(fallback_discounts, start=1)
        ):
            raise ValueError(
                f"fallback_discounts are {fallback_discounts}; needed are three numbers above 0, up to 1, 2 and 3"
            )
        self.vocabulary, self.order = vocabulary, order
        self.fallback_orders: list[int] = []
        self._fallback = fallback_discounts
        self._orders: list[_Order] = []
        self._count(sentences, progress)

    # ------------------------------------------------------------------------------------------------------- training

    def _count(self, sentences: FramedSentences, progress: Callable[[str], None]) -> None:
        """Number the n-grams order by order; the counts of an order come from the n-grams of the next higher one."""
        begins, ids = sentences.is_begin(), sentences.ids
        size = self.vocabulary.size
        grams, num_grams = ids, size  # (N,) number of the n-gram that ends at each position
        keys = occurrences = np.empty(0, np.int64)  # of the words: their occurrences are not used
        starts = np.arange(size) == self.vocabulary.begin  # which n-grams begin with the first mark
        for order in range(2, self.order + 1):
            progress(f"counting {order}-grams")
            next_grams, next_keys, next_occurrences, examples = _number(grams, ids, begins, size)
            # One occurrence of each n-gram tells which n-gram it has at its end.
            counts = np.bincount(grams[examples], minlength=num_grams)
            if order == 2:
                self._finish_words(counts)
            else:
                counts = np.where(starts, occurrences, counts)
                self._finish(order - 1, keys, counts)
            starts = starts[next_keys // size]
            grams, num_grams, keys, occurrences = next_grams, len(next_keys), next_keys, next_occurrences
        self._finish(self.order, keys, occurrences)

    def _finish_words(self, counts: np.ndarray) -> None:
        """Probabilities of the lowest order, (V,), from the distinct words before each word."""
        self.word_discounts = self._discounts(1, counts)
        discounts = self.word_discounts[np.minimum(counts, 3)]
        left = discounts.sum() / self.vocabulary.num_words
        self._words = (counts - discounts + left) / counts.sum()
        self._words[self.vocabulary.padding] = 0

    def _finish(self, order: int, keys: np.ndarray, counts: np.ndarray) -> None:
        discounts = self._discounts(order, counts)
        contexts = keys // self.vocabulary.size
        num_contexts = len(self._orders[-1].keys) if self._orders else self.vocabulary.size
        totals = np.bincount(contexts, counts, num_contexts)
        left = np.bincount(contexts, discounts[np.minimum(counts, 3)], num_contexts)
        weights = np.divide(left, totals, out=np.ones_like(left), where=totals > 0)
        self._orders.append(_Order(keys, counts.astype(np.int32), discounts, totals, weights))

    def _discounts(self, order: int, counts: np.ndarray) -> np.ndarray:
        """0, D1, D2, D3+ from the numbers of n-grams that are counted once, twice, three and four times."""
        n1, n2, n3, n4 = np.bincount(np.minimum(counts, 5), minlength=6)[1:5].tolist()
        if n1 and n2 and n3:
            y = n1 / (n1 + 2 * n2)
            found = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
            # At 0 a context might leave nothing for words that never followed it.
            if all(0 < discount <= count for count, discount in enumerate(found, start=1)):
                return np.array([0.0, *found])
        if self._fallback is None:
            raise DiscountError(
                f"the discounts of order {order} cannot be estimated: {n1}, {n2}, {n3} and {n4} of its n-grams are counted "
                "once, twice, three and four times, and they must be present and become fewer. Train on more text, take a "
                f"lower order, or give fallback discounts, usually {', '.join(map(str, USUAL_DISCOUNTS))}"
            )
        self.fallback_orders.append(order)
        return np.array([0.0, *self._fallback])

    # ------------------------------------------------------------------------------------------------------ prediction

    @property
    def discounts(self) -> list[list[float]]:
        """D1, D2, D3+ of each order, the lowest first."""
        return [values[1:].tolist() for values in (self.word_discounts, *(order.discounts for order in self._orders))]

    @property
    def num_ngrams(self) -> list[int]:
        """Distinct n-grams of each order, the lowest first."""
        return [int(np.count_nonzero(self._words)), *(len(order.keys) for order in self._orders)]

    def log_probs(self, sentences: FramedSentences) -> np.ndarray:
        """Natural log-probability of every position, (N,) float64; 0 where a sentence begins."""
        begins, ids = sentences.is_begin(), sentences.ids
        probabilities = self._words[ids]
        grams = ids
        for order in self._orders:
            contexts = _contexts(grams, begins)
            rows = np.flatnonzero(contexts != NONE)
            of_rows = contexts[rows].astype(np.int64)
            found = _find(order.keys, of_rows * self.vocabulary.size + ids[rows])
            counts = np.where(found == NONE, 0, order.counts[found])
            totals = np.maximum(order.totals[of_rows], 1)  # without a count the weight is 1 and the share 0
            shares = (counts - order.discounts[np.minimum(counts, 3)]) / totals
            probabilities[rows] = shares + order.weights[of_rows] * probabilities[rows]
            grams = np.full(len(ids), NONE, np.int32)
            grams[rows] = found
        probabilities[begins] = 1
        return np.log(probabilities)


def _contexts(grams: np.ndarray, begins: np.ndarray) -> np.ndarray:
    """(N,) number of the n-gram that ends before each position, in the same sentence."""
    contexts = np.empty(len(grams), np.int32)
    contexts[1:] = grams[:-1]
    contexts[begins] = NONE
    return contexts


def _number(
    grams: np.ndarray, ids: np.ndarray, begins: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The n-grams of the next higher order.

    Returns:
        (N,) int32 number of the one that ends at each position, or NONE; their keys (G,) int64, ascending; how often
        each occurs (G,); a position at which each ends (G,).
    """
    contexts = _contexts(grams, begins)
    rows = np.flatnonzero(contexts != NONE)
    keys = contexts[rows].astype(np.int64)
    keys *= size
    keys += ids[rows]
    del contexts
    by_key = np.argsort(keys)
    keys = keys[by_key]
    is_first = np.ones(len(keys), bool)
    np.not_equal(keys[1:], keys[:-1], out=is_first[1:])
    rows = rows[by_key]
    del by_key
    numbers = np.full(len(ids), NONE, np.int32)
    numbers[rows] = np.cumsum(is_first, dtype=np.int32) - 1
    firsts = np.flatnonzero(is_first)
    return numbers, keys[firsts], np.diff(firsts, append=len(keys)), rows[firsts]


def _find(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(n,) int32 where each wanted key stands, or NONE."""
    if not len(keys):
        return np.full(len(wanted), NONE, np.int32)
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, places, NONE).astype(np.int32)


__all__ = [
    "USUAL_DISCOUNTS",
    "DiscountError",
    "KneserNeyModel",
    "LanguageModel",
    "NgramPerplexity",
    "UnigramModel",
    "Vocabulary",
    "ngram_perplexity",
]
