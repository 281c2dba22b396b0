# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Stand-ins for a model: vectors in which the senses of words are planted, or are not."""

import hashlib
from collections.abc import Sequence

import numpy as np

from hf_elmo.demo.encoding import Substitutes
from hf_elmo.demo.texts import GROUPS, read_groups

SIZE = 24


def noise(text: str) -> np.ndarray:
    """A unit vector that depends on a text alone."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    vector = np.random.default_rng(seed).standard_normal(SIZE)
    return vector / np.linalg.norm(vector)


class Planted:
    """Layer 0 is the word's own vector; above it, `strength` of the sense of the sentence is mixed with noise.

    Args:
        strength: of the sense on layer 1, layer 2 and the mix; 0 for none.
        failing: words whose senses are not planted.
        gap: what `substitutes` gives.
        groups: those in which senses are planted.
    """

    name = "stand-in"
    layers = ["layer 0", "layer 1", "layer 2", "mix"]

    def __init__(
        self,
        strength: Sequence[float] = (0, 0, 0),
        failing: Sequence[str] = (),
        gap: Substitutes | None = None,
        groups: Sequence[str] = tuple(GROUPS),
    ):
        self.strength, self.failing, self.gap = strength, failing, gap
        self.sense_of = {
            " ".join(each.words): f"{word} {each.sense}"
            for name, words in read_groups(self.split).items()
            for word, found in words.items()
            if name in groups and word not in failing
            for each in found
        }

    def split(self, text: str) -> list[str]:
        for mark in ".,":
            text = text.replace(mark, f" {mark}")
        return text.split()

    def vectors(self, sentences: Sequence[list[str]]) -> list[np.ndarray]:
        return [self._of_sentence(words) for words in sentences]

    def _of_sentence(self, words: list[str]) -> np.ndarray:
        text = " ".join(words)
        own = np.stack([noise(word) for word in words])
        around = np.stack([noise(f"{text} {place}") for place in range(len(words))])
        sense = noise(self.sense_of[text]) if text in self.sense_of else np.zeros(SIZE)
        above = [own + around + strength * sense for strength in self.strength]
        return np.stack([own, *above]).astype(np.float32)

    def substitutes(self, words: list[str], position: int, count: int) -> Substitutes | None:
        return self.gap
