# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Marks and numbers in another usual form: quotes, dashes, dots, thousands, digits against words."""

import re
from collections.abc import Sequence

from hf_elmo.compare.transformations.base import Draw, Transformation, of_word

MARKS = {
    "...": ("…", "....", ".."), "…": ("...",), "--": ("—", "–"), "—": ("--", "–"), "–": ("-", "—"), "-": ("–", "—"),
    "!": ("!!", "!!!"), "?": ("??", "?!"), "'": ("’", "`"), "’": ("'",), "‘": ("'",), "`": ("'",), "``": ('"', "“"),
    "''": ('"', "”"), "“": ('"', "``"), "”": ('"', "''"), "(": ("[",), ")": ("]",), "[": ("(",), "]": (")",),
    "-LRB-": ("(",), "-RRB-": (")",), "*": ("•",), "•": ("*", "-"), "&": ("+",),
}  # fmt: skip
APOSTROPHES = {"'": "’", "’": "'"}
SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
TENS = dict(zip(range(20, 100, 10), "twenty thirty forty fifty sixty seventy eighty ninety".split(), strict=True))
NAMES = dict(enumerate(SMALL)) | TENS
ORDINALS = {
    "first": "1st", "third": "3rd", "fourth": "4th", "fifth": "5th", "sixth": "6th", "seventh": "7th", "eighth": "8th",
    "ninth": "9th", "tenth": "10th", "eleventh": "11th", "twelfth": "12th", "twentieth": "20th",
}  # fmt: skip
# "one" is a pronoun too, and "second" a noun: these stay words.
WORDS = {name: str(number) for number, name in NAMES.items() if name != "one"} | ORDINALS
DIGITS = {digits: name for name, digits in WORDS.items()} | {"1": "one", "2nd": "second"}
YEARS = range(1900, 2100)


def punctuation(words: Sequence[str], position: int, draw: Draw) -> str | None:
    word = words[position]
    if word == '"':  # the first, third, ... opens
        opens = sum(other == '"' for other in words[:position]) % 2 == 0
        return draw.pick(("“", "``") if opens else ("”", "''"))
    if word in MARKS:
        return draw.pick(MARKS[word])
    return "".join(APOSTROPHES.get(mark, mark) for mark in word)


def numbers(word: str, draw: Draw) -> str | None:
    if word.lower() in WORDS:
        return WORDS[word.lower()]
    if word in DIGITS:
        return DIGITS[word]
    if re.fullmatch(r"[0-9]{4}", word) and int(word) in YEARS:
        return "'" + word[2:]
    if re.fullmatch(r"[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?", word):
        return word.replace(",", "")
    if re.fullmatch(r"[1-9][0-9]{3,}", word):
        return f"{int(word):,}" if len(word) < 16 else None
    if re.fullmatch(r"[0-9]+\.[0-9]*0", word):  # 3.50, 4.0
        return word.rstrip("0").rstrip(".")
    if re.fullmatch(r"0?\.[0-9]+", word):
        return word[1:] if word[0] == "0" else "0" + word
    if re.fullmatch(r"[1-9][0-9]?", word) and int(word) > 20:
        return f"{NAMES[int(word) // 10 * 10]}-{NAMES[int(word) % 10]}"
    parts = word.lower().split("-")
    if len(parts) == 2 and parts[0] in TENS.values() and parts[1] in SMALL[1:10]:
        return WORDS[parts[0]][0] + str(SMALL.index(parts[1]))
    return None


TRANSFORMATIONS = (
    Transformation("punctuation", "marks", "quotes, dashes, dots and apostrophes of another form", punctuation),
    Transformation("numbers", "marks", "digits as words, words as digits, other thousands", of_word(numbers)),
)
