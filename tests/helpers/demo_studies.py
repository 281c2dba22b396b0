# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Studies of stand-ins over a collection of four sentences."""

from hf_elmo.demo.study import make_study
from hf_elmo.demo.texts import Occurrence, Sentence

GRAMMAR, SENSES = "uses that differ in grammar", "senses of the same part of speech"
TEXTS = ["We saw a play in London .", "They play cards at night .", "The cat slept .", "A good match was won ."]


def study_of(encoder, groups, main="play"):
    sentences = [Sentence(text, text.split(), "things") for text in TEXTS]
    return make_study(encoder, groups, main, sentences)


def one_word(encoder, word, occurrences):
    """As a user's own sentences are studied."""
    return study_of(encoder, {f'senses of "{word}"': {word: occurrences}}, word)


def unlabelled(count=3):
    """Occurrences of "it" without senses."""
    return [Occurrence(f"it is {n}", ["it", "is", str(n)], 0, None) for n in range(count)]
