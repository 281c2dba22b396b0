# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Interpolated modified Kneser-Ney in exact fractions, straight from the formulas of Chen and Goodman 1999.

Counts are dictionaries of tuples of words, probabilities a recursion over tuples: slow, and nothing shared with
`hf_elmo.evaluation.ngram`.
"""

from collections import Counter, defaultdict
from fractions import Fraction


class PlainKneserNey:
    """`sentences` are lists of words with both marks; `words` are all that can be predicted."""

    def __init__(self, sentences, words, order, discounts=None):
        self.words, self.order = words, order
        begin = sentences[0][0]
        occurrences, before = Counter(), defaultdict(set)
        for sentence in sentences:
            for end in range(1, len(sentence)):  # of an event
                for length in range(1, order + 1):
                    start = end - length + 1
                    if start < 0:
                        continue
                    gram = tuple(sentence[start : end + 1])
                    occurrences[gram] += 1
                    if start > 0:
                        before[gram].add(sentence[start - 1])
        self.counts = {
            gram: count if len(gram) == order or (gram[0] == begin and len(gram) > 1) else len(before[gram])
            for gram, count in occurrences.items()
        }
        self.followers = defaultdict(list)
        for gram in self.counts:
            self.followers[gram[:-1]].append(gram[-1])
        self.discounts = [discounts or self._discounts(length) for length in range(1, order + 1)]

    def _discounts(self, length):
        of_counts = Counter(count for gram, count in self.counts.items() if len(gram) == length)
        n1, n2, n3, n4 = (of_counts[count] for count in (1, 2, 3, 4))
        y = Fraction(n1, n1 + 2 * n2)
        return 1 - 2 * y * Fraction(n2, n1), 2 - 3 * y * Fraction(n3, n2), 3 - 4 * y * Fraction(n4, n3)

    def probability(self, context, word) -> Fraction:
        context = tuple(context[-(self.order - 1) :]) if self.order > 1 else ()
        return self._probability(context, word)

    def _probability(self, context, word) -> Fraction:
        lower = self._probability(context[1:], word) if context else Fraction(1, len(self.words))
        followers = self.followers.get(context, [])
        if not followers:
            return lower
        discounts = self.discounts[len(context)]
        total = sum(self.counts[(*context, follower)] for follower in followers)
        numbers = Counter(min(self.counts[(*context, follower)], 3) for follower in followers)
        weight = sum(Fraction(discounts[count - 1]) * number for count, number in numbers.items()) / total
        count = self.counts.get((*context, word), 0)
        kept = count - Fraction(discounts[min(count, 3) - 1]) if count else 0
        return Fraction(kept) / total + weight * lower
