# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Letter case: how a word begins, shouts, or forgets its capitals."""

from hf_elmo.compare.transformations.base import Draw, Transformation, of_word


def lower(word: str, draw: Draw) -> str | None:
    return word.lower()


def upper(word: str, draw: Draw) -> str | None:
    return word.upper()


def title(word: str, draw: Draw) -> str | None:
    return word[0].title() + word[1:]


def random_case(word: str, draw: Draw) -> str | None:
    places = [at for at, letter in enumerate(word) if letter.swapcase() != letter]
    if len(places) < 2:
        return None
    # At least one letter changes.
    chosen = {draw.pick(places)} | {at for at in places if draw.below(2)}
    return "".join(letter.swapcase() if at in chosen else letter for at, letter in enumerate(word))


TRANSFORMATIONS = (
    Transformation("lower", "case", "no capitals", of_word(lower)),
    Transformation("upper", "case", "all capitals", of_word(upper)),
    Transformation("title", "case", "a first capital", of_word(title)),
    Transformation("random_case", "case", "each letter small or capital by chance", of_word(random_case)),
)
