# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Other ways to write the same sentence: seeded, offline, and with as many words, so that all labels stay in place.

`python -m hf_elmo.compare.transformations` shows an example of each, or changes a text of one sentence a line. For
English; words in other scripts mostly stay as they are. White space inside words is never made, as it would split them.

    from hf_elmo.compare.transformations import transform

    transform([["The", "colour", "is", "great"]], "regional", strength=3, seed=1)  # [["The", "color", "is", "great"]]
"""

from collections.abc import Iterable, Sequence

from hf_elmo.compare.transformations import case, characters, marks, spelling, typos
from hf_elmo.compare.transformations.base import SHARES, Transformation, changed_positions

TRANSFORMATIONS: dict[str, Transformation] = {
    transformation.name: transformation
    for module in (typos, characters, case, spelling, marks)
    for transformation in module.TRANSFORMATIONS
}
STRENGTHS = tuple(SHARES)

__all__ = [
    "SHARES",
    "STRENGTHS",
    "TRANSFORMATIONS",
    "Transformation",
    "changed_positions",
    "get_transformation",
    "transform",
]


def get_transformation(name: str) -> Transformation:
    """The transformation of this name.

    Raises:
        ValueError: there is none.
    """
    if name not in TRANSFORMATIONS:
        raise ValueError(f"there is no transformation {name!r}: there are {', '.join(TRANSFORMATIONS)}")
    return TRANSFORMATIONS[name]


def transform(sentences: Iterable[Sequence[str]], name: str, strength: int, seed: int) -> list[list[str]]:
    """The sentences, lists of words, under one transformation (see `Transformation.apply`).

    Raises:
        ValueError: there is no such transformation or strength; a sentence is a text instead of a list of words.
    """
    transformation = get_transformation(name)
    return [transformation.apply(words, strength, seed) for words in sentences]
