# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The same word spelled otherwise: by region, by mistake, in short messages, stretched, broken at a line's end."""

import re
from collections.abc import Mapping, Sequence

from hf_elmo.compare.transformations import word_lists
from hf_elmo.compare.transformations.base import Draw, Transformation, like_case, of_word
from hf_elmo.compare.transformations.typos import latin_letters

_STEM_PAIRS = word_lists.stem_pairs(word_lists.BRITISH_AMERICAN_STEMS)
REGIONAL = {british: american for british, american in _STEM_PAIRS}
REGIONAL |= {american: british for british, american in _STEM_PAIRS}
REGIONAL |= dict(word_lists.stem_pairs(word_lists.BRITISH_ONLY))
MISSPELLINGS = word_lists.word_pairs(word_lists.MISSPELLINGS)
SHORT_FORMS = word_lists.word_pairs(word_lists.SHORT_FORMS)

VOWELS = "aeiouyAEIOUY"
MOST_MORE = 4  # letters a stretched word gains
HYPHENS = "-\u2010\u2011"  # the second and third are hyphens of their own, the third not to be broken at

# Pieces of contractions as treebanks split them, and the words they stand for. 's and 'd stand for several.
LONG_FORMS = {"n't": "not", "n’t": "not", "'re": "are", "’re": "are", "'m": "am", "’m": "am", "'ll": "will"}
LONG_FORMS |= {"’ll": "will", "'ve": "have", "’ve": "have"}
STEMS = {"ca": "can", "wo": "will", "sha": "shall"}  # before n't
SHORT_STEMS = {long: short for short, long in STEMS.items()}
TAKE_NOT = set("do does did is are was were has have had would could should might must need can will shall".split())
PRONOUNS = {"am": {"i"}, "are": {"you", "we", "they"}, "have": {"i", "you", "we", "they"}}
PRONOUNS["will"] = {"i", "you", "he", "she", "it", "we", "they"}


def _from_list(pairs: Mapping[str, str]):
    def change(word: str, draw: Draw) -> str | None:
        other = pairs.get(word.lower())
        return None if other is None else like_case(word, other)

    return of_word(change)


def contractions(words: Sequence[str], position: int, draw: Draw) -> str | None:
    """Pieces of contractions become words (do n't: do not), such words pieces; a contraction in one word loses its mark
    (don't: dont)."""
    word, small = words[position], words[position].lower()
    before, after = _small(words, position - 1), _small(words, position + 1)
    if small in LONG_FORMS:
        return like_case(word, LONG_FORMS[small]) if before else None
    if small in STEMS and _is_not_piece(after):
        return like_case(word, STEMS[small])
    if small == "not":
        return "n't" if before in TAKE_NOT else None
    if after == "not" and small in SHORT_STEMS:
        return like_case(word, SHORT_STEMS[small])
    if before in PRONOUNS.get(small, ()) and after != "not":
        return {"am": "'m", "are": "'re", "have": "'ve", "will": "'ll"}[small]
    return re.sub(r"(?<=[A-Za-z])['’](?=(?:t|re|ve|ll|m|d|s)$)", "", word, flags=re.IGNORECASE)


def _contraction_unit(words: Sequence[str], position: int) -> int:
    """A stem that is only written so before n't (ca, wo), or before not (can, will), goes with it."""
    small, after = words[position].lower(), _small(words, position + 1)
    goes_with = (small in STEMS and _is_not_piece(after)) or (small in SHORT_STEMS and after == "not")
    return position + 1 if goes_with else position


def _is_not_piece(word: str) -> bool:
    return LONG_FORMS.get(word) == "not"


def _small(words: Sequence[str], position: int) -> str:
    return words[position].lower() if 0 <= position < len(words) else ""


def elongation(word: str, draw: Draw) -> str | None:
    """The last vowel comes up to four times more, as in sooo."""
    places = [at for at in latin_letters(word) if word[at] in VOWELS]
    if not places or len(latin_letters(word)) < 2:
        return None
    spoken = [at for at in places if word[at] not in "eE" or at + 1 < len(word)] or places  # not a silent e
    at = spoken[-1]
    return word[:at] + word[at] * (2 + draw.below(MOST_MORE)) + word[at + 1 :]


def hyphenation(word: str, draw: Draw) -> str | None:
    """A compound loses its hyphen; a long word gets one, as from a line's end."""
    joined = re.sub(rf"(?<=[^\W\d_])[{HYPHENS}](?=[^\W\d_])", "", word)
    if joined != word:
        return joined
    letters = set(latin_letters(word))
    places = [
        at
        for at in range(2, len(word) - 2)
        # A syllable begins with one consonant, and something stands before and after it.
        if letters.issuperset(range(at - 2, at + 3))
        and word[at] not in VOWELS
        and word[at + 1] in VOWELS
        and any(letter in VOWELS for letter in word[:at])
    ]
    if not places:
        return None
    at = draw.pick(places)
    return word[:at] + "-" + word[at:]


TRANSFORMATIONS = (
    Transformation(
        "regional", "spelling", "British spelling becomes American, American British", _from_list(REGIONAL)
    ),
    Transformation("misspelling", "spelling", "a common word with a common mistake", _from_list(MISSPELLINGS)),
    Transformation(
        "contractions", "spelling", "not becomes n't, n't becomes not, don't dont", contractions, _contraction_unit
    ),
    Transformation("short_forms", "spelling", "as in short messages: u, thx, gr8", _from_list(SHORT_FORMS)),
    Transformation("elongation", "spelling", "the last vowel is stretched: sooo", of_word(elongation)),
    Transformation(
        "hyphenation", "spelling", "a hyphen is lost, or one from a line's end comes", of_word(hyphenation)
    ),
)
