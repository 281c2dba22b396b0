# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Slips of the fingers: one letter of a word is hit wrong. Words of four Latin letters and more, as shorter ones often
become other words."""

import unicodedata

from hf_elmo.compare.transformations.base import Draw, Transformation, of_word

LEAST_LETTERS = 4
KEY_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def _key_neighbours() -> dict[str, str]:
    """Keys that touch each letter's key on a QWERTY keyboard; each row is set half a key to the right."""
    found = {}
    for row, keys in enumerate(KEY_ROWS):
        for column, key in enumerate(keys):
            places = [(row, column - 1), (row, column + 1)]
            places += [(row - 1, column), (row - 1, column + 1), (row + 1, column - 1), (row + 1, column)]
            found[key] = "".join(
                KEY_ROWS[y][x] for y, x in places if 0 <= y < len(KEY_ROWS) and 0 <= x < len(KEY_ROWS[y])
            )
    return found


KEY_NEIGHBOURS = _key_neighbours()


def latin_letters(word: str) -> list[int]:
    """Positions of Latin letters that carry no combining mark: these can be taken apart from the rest."""
    return [
        position
        for position, letter in enumerate(word)
        if (letter.isascii() or unicodedata.name(letter, "").startswith("LATIN"))
        and letter.isalpha()
        and not (position + 1 < len(word) and unicodedata.combining(word[position + 1]))
    ]


def _letters(word: str) -> list[int]:
    letters = latin_letters(word)
    return letters if len(letters) >= LEAST_LETTERS else []


def _on_keyboard(word: str) -> list[int]:
    return [position for position in _letters(word) if word[position].lower() in KEY_NEIGHBOURS]


def _neighbour(letter: str, draw: Draw) -> str:
    key = draw.pick(KEY_NEIGHBOURS[letter.lower()])
    return key.upper() if letter.isupper() else key


def keyboard(word: str, draw: Draw) -> str | None:
    places = _on_keyboard(word)
    if not places:
        return None
    at = draw.pick(places)
    return word[:at] + _neighbour(word[at], draw) + word[at + 1 :]


def insertion(word: str, draw: Draw) -> str | None:
    places = _on_keyboard(word)
    if not places:
        return None
    at = draw.pick(places)
    return word[: at + 1] + _neighbour(word[at], draw).lower() + word[at + 1 :]


def swap(word: str, draw: Draw) -> str | None:
    letters = set(_letters(word))
    # Pairs in other case ("He") change their letters, not their case, so that "Hello" is "Ehllo".
    places = [at for at in sorted(letters) if at + 1 in letters and word[at].lower() != word[at + 1].lower()]
    if not places:
        return None
    at = draw.pick(places)
    first, second = _cased(word[at + 1], word[at]), _cased(word[at], word[at + 1])
    return word[:at] + first + second + word[at + 2 :]


def _cased(letter: str, like: str) -> str:
    """Letters whose other case is no single letter stay as they are."""
    other = letter.upper() if like.isupper() else letter.lower()
    return other if len(other) == 1 else letter


def deletion(word: str, draw: Draw) -> str | None:
    places = _letters(word)
    if not places:
        return None
    at = draw.pick(places)
    return word[:at] + word[at + 1 :]


def doubling(word: str, draw: Draw) -> str | None:
    places = _letters(word)
    if not places:
        return None
    at = draw.pick(places)
    return word[: at + 1] + word[at].lower() + word[at + 1 :]


TRANSFORMATIONS = (
    Transformation("keyboard", "typing", "a letter becomes its neighbour on the keyboard", of_word(keyboard)),
    Transformation("insertion", "typing", "the key beside a letter is hit too", of_word(insertion)),
    Transformation("swap", "typing", "two letters change places", of_word(swap)),
    Transformation("deletion", "typing", "a letter is left out", of_word(deletion)),
    Transformation("doubling", "typing", "a letter is typed twice", of_word(doubling)),
)
