# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The words of a collection that lie nearest to a word in its sentence, layer by layer (Peters et al. 2018, table 4)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hf_elmo.demo.texts import Occurrence, Sentence


class Neighbour(NamedTuple):
    """A word of a collection: `sentences[sentence].words[position]`, and its cosine to the word asked for."""

    cosine: float
    sentence: int
    position: int
    word: str


class Collection:
    """Unit vectors of all words of the sentences, in which neighbours are looked up.

    Args:
        sentences: the collection.
        vectors: of each sentence (layers, words, S).
    """

    def __init__(self, sentences: Sequence[Sentence], vectors: Sequence[np.ndarray]):
        self.sentences = sentences
        self.places = [(i, j) for i, sentence in enumerate(sentences) for j in range(len(sentence.words))]
        self.units = _unit(np.concatenate(vectors, axis=1))  # (layers, all words, S)

    def nearest(self, occurrence: Occurrence, vector: np.ndarray, layer: int, count: int) -> list[Neighbour]:
        """The nearest words, the nearest first; equal ones in the order of the collection.

        Words alone, without context, are the same vector wherever they stand: of words with one spelling and one cosine
        only the first is given. The sentence of the occurrence itself and punctuation do not count.

        Args:
            occurrence: whose neighbours are looked for.
            vector: (S,), its own on this layer.
            layer: index into the vectors.
            count: neighbours to give; fewer if there are no more.
        """
        similar = self.units[layer] @ _unit(vector)
        found: list[Neighbour] = []
        seen: set[tuple[str, float]] = set()
        for place in np.argsort(-similar.round(6), kind="stable"):
            i, j = self.places[place]
            word, cosine = self.sentences[i].words[j], float(similar[place])
            if self.sentences[i].words == occurrence.words or not any(map(str.isalnum, word)):
                continue
            if (word, round(cosine, 6)) in seen:
                continue
            seen.add((word, round(cosine, 6)))
            found.append(Neighbour(cosine, i, j, word))
            if len(found) == count:
                break
        return found


def _unit(vectors: np.ndarray) -> np.ndarray:
    vectors = vectors.astype(np.float64)
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
