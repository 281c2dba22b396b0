# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Other characters for a letter that look alike, or that nobody sees: scanners, other alphabets, accents, digits."""

import unicodedata

from hf_elmo.compare.transformations.base import Draw, Transformation, of_word
from hf_elmo.compare.transformations.typos import latin_letters

# What a scanner takes one shape for; each read from left to right, letters only on the left.
OCR = {
    "rn": ("m",), "m": ("rn",), "cl": ("d",), "d": ("cl",), "vv": ("w",), "w": ("vv",), "nn": ("rm",), "ri": ("n",),
    "li": ("h",), "fi": ("ﬁ",), "fl": ("ﬂ",), "l": ("1", "I", "i"), "i": ("l", "1", "j"), "I": ("l", "1"),
    "O": ("0", "Q"), "o": ("0",), "S": ("5",), "s": ("5",), "B": ("8",), "e": ("c",), "c": ("e",), "h": ("b", "li"),
    "b": ("h", "6"), "u": ("ii",), "g": ("9", "q"), "q": ("g",), "Z": ("2",), "z": ("2",), "t": ("f",), "f": ("t",),
    "a": ("o",), "D": ("O",), "G": ("6", "C"), "y": ("v",), "v": ("y",),
}  # fmt: skip
# The same shape in Cyrillic or Greek.
HOMOGLYPHS = dict(
    zip(
        "aceijopshxyABCEHIJKMNOPSTXYZ",
        "асеіјорѕһхуАВСЕНІЈКМΝОРЅТХΥΖ",
        strict=True,
    )
)
# Zero width space, non-joiner, joiner, word joiner, soft hyphen: none is white space to Python or a tokenizer.
INVISIBLE = "\u200b\u200c\u200d\u2060\u00ad"
MARKS = {"grave": "\u0300", "acute": "\u0301", "circumflex": "\u0302", "tilde": "\u0303", "diaeresis": "\u0308"}
LEET = {"a": "4", "e": "3", "i": "1", "o": "0", "s": "5", "t": "7"}


def ocr(word: str, draw: Draw) -> str | None:
    letters = set(latin_letters(word))
    places = [
        (at, shape)
        for at in sorted(letters)
        for shape in OCR
        if word.startswith(shape, at) and letters.issuperset(range(at, at + len(shape)))
    ]
    if not places:
        return None
    at, shape = draw.pick(places)
    return word[:at] + draw.pick(OCR[shape]) + word[at + len(shape) :]


def homoglyphs(word: str, draw: Draw) -> str | None:
    places = [at for at in latin_letters(word) if word[at] in HOMOGLYPHS]
    if not places:
        return None
    at = draw.pick(places)
    return word[:at] + HOMOGLYPHS[word[at]] + word[at + 1 :]


def zero_width(word: str, draw: Draw) -> str | None:
    letters = set(latin_letters(word))
    places = [at for at in sorted(letters) if at + 1 in letters]
    if not places:
        return None
    at = draw.pick(places)
    return word[: at + 1] + draw.pick(INVISIBLE) + word[at + 1 :]


def accents(word: str, draw: Draw) -> str | None:
    """Accents of Latin letters are lost; a word without any gets one on a vowel."""
    bare = _without_accents(word)
    if bare != word:
        return bare
    places = [at for at in latin_letters(word) if word[at] in "aeiouAEIOU"]
    if not places:
        return None
    at = draw.pick(places)
    # All five marks on all ten vowels are single characters but for the tilde on e.
    forms = [unicodedata.normalize("NFC", word[at] + mark) for mark in MARKS.values()]
    return word[:at] + draw.pick([form for form in forms if len(form) == 1]) + word[at + 1 :]


def _without_accents(word: str) -> str:
    found: list[str] = []
    for letter in word:
        decomposed = unicodedata.normalize("NFD", letter)
        first, rest = decomposed[0], decomposed[1:]
        if rest and first.isascii() and first.isalpha() and all(map(unicodedata.combining, rest)):
            found.append(first)
        elif not (letter in MARKS.values() and found and found[-1].isascii() and found[-1].isalpha()):
            found.append(letter)
    return "".join(found)


def leet(word: str, draw: Draw) -> str | None:
    letters = latin_letters(word)
    if len(letters) < 2:
        return None
    return "".join(LEET.get(letter.lower(), letter) if at in letters else letter for at, letter in enumerate(word))


TRANSFORMATIONS = (
    Transformation("ocr", "characters", "a letter as a scanner misreads it", of_word(ocr)),
    Transformation("homoglyphs", "characters", "a letter of the same shape in Cyrillic or Greek", of_word(homoglyphs)),
    Transformation("zero_width", "characters", "an invisible character between two letters", of_word(zero_width)),
    Transformation("accents", "characters", "accents are lost; a word without any gets one", of_word(accents)),
    Transformation("leet", "characters", "letters become digits: 1337", of_word(leet)),
)
