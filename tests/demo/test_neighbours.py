# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Neighbours are those of a search through all pairs."""

import numpy as np
import pytest

from hf_elmo.demo.neighbours import Collection
from hf_elmo.demo.texts import Occurrence, Sentence

WORDS = ["the cat sat .", "a dog sat , too", "the end", "the cat ran"]


@pytest.fixture(scope="module")
def collection():
    sentences = [Sentence(text, text.split(), None) for text in WORDS]
    random = np.random.default_rng(3)
    vectors = [random.standard_normal((2, len(sentence.words), 6)).astype(np.float32) for sentence in sentences]
    static = {word: random.standard_normal(6) for word in " ".join(WORDS).split()}
    for sentence, each in zip(sentences, vectors, strict=True):
        each[0] = [static[word] for word in sentence.words]
    return sentences, vectors, Collection(sentences, vectors)


def cosine(first, second) -> float:
    return float(np.dot(first, second) / np.sqrt(np.dot(first, first) * np.dot(second, second)))


def test_the_nearest_are_those_of_all_pairs(collection):
    sentences, vectors, looked_up = collection
    words = ["my", "own", "words"]
    query = np.random.default_rng(4).standard_normal(6)
    every = sorted(
        (-cosine(query, vectors[i][1, j]), i, j, word)
        for i, sentence in enumerate(sentences)
        for j, word in enumerate(sentence.words)
        if word not in {".", ","}
    )
    found = looked_up.nearest(Occurrence("", words, 0, None), query, 1, 5)
    assert [near[1:] for near in found] == [each[1:] for each in every[:5]]
    np.testing.assert_allclose([near.cosine for near in found], [-each[0] for each in every[:5]], atol=1e-6)
    assert len(looked_up.nearest(Occurrence("", words, 0, None), query, 1, 99)) == len(every) == 12


def test_the_sentence_itself_does_not_count(collection):
    sentences, vectors, looked_up = collection
    occurrence = Occurrence(WORDS[0], sentences[0].words, 1, None)
    found = looked_up.nearest(occurrence, vectors[0][1, 1], 1, 99)
    assert all(near.sentence != 0 for near in found) and len(found) == 9
    assert found[0].cosine < 0.999


def test_without_context_each_word_is_given_once(collection):
    sentences, vectors, looked_up = collection
    found = looked_up.nearest(Occurrence("", ["sat"], 0, None), vectors[0][0, 2], 0, 99)
    assert sorted(near.word for near in found) == ["a", "cat", "dog", "end", "ran", "sat", "the", "too"]
    assert (found[0].word, found[0].sentence) == ("sat", 0) and found[0].cosine == pytest.approx(1)
