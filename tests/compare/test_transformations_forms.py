# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What each transformation makes of a word, against rules written down apart from it."""

import unicodedata

import pytest

from hf_elmo.compare.transformations import TRANSFORMATIONS, spelling

WORDS = "evening Wonderful remember neighbours RESTAURANT quickly letters jazzing".split()
SEEDS = range(40)
# Keys that touch on a QWERTY keyboard, looked up on one.
TOUCHING = {
    "e": "wrsd", "v": "cbfg", "n": "bmhj", "i": "uojk", "g": "fhtyvb", "w": "qeas", "o": "ipkl", "d": "sferxc",
    "r": "etdf", "f": "dgrtcv", "u": "yihj", "l": "kop", "m": "njk", "b": "vngh", "h": "gjyubn", "s": "adwezx",
    "t": "ryfg", "a": "sqwz", "q": "wa", "c": "xvdf", "k": "jlionm", "y": "tugh", "j": "hkuinm", "z": "xas",
}  # fmt: skip


def forms(name, word):
    return [TRANSFORMATIONS[name].apply([word], 3, seed)[0] for seed in SEEDS]


def form(name, *words, seed=0):
    return " ".join(TRANSFORMATIONS[name].apply(words, 3, seed))


@pytest.mark.parametrize("word", WORDS)
def test_keyboard_hits_a_touching_key(word):
    for other in forms("keyboard", word):
        ((old, new),) = [(old, new) for old, new in zip(word, other, strict=True) if old != new]
        assert new.lower() in TOUCHING[old.lower()] and new.isupper() == old.isupper()


@pytest.mark.parametrize("word", WORDS)
def test_insertion_hits_a_touching_key_too(word):
    for other in forms("insertion", word):
        splits = [at for at in range(1, len(other)) if other[:at] + other[at + 1 :] == word]
        assert any(other[at] in TOUCHING[other[at - 1].lower()] for at in splits)


@pytest.mark.parametrize("word", WORDS)
def test_swap_keeps_letters_and_the_place_of_capitals(word):
    for other in forms("swap", word):
        places = [at for at in range(len(word)) if word[at] != other[at]]
        assert len(places) == 2 and places[1] == places[0] + 1
        assert sorted(other.lower()) == sorted(word.lower())
        assert [letter.isupper() for letter in other] == [letter.isupper() for letter in word]


@pytest.mark.parametrize("word", WORDS)
def test_deletion_and_doubling_are_one_letter_less_and_more(word):
    for other in forms("deletion", word):
        assert other in {word[:at] + word[at + 1 :] for at in range(len(word))}
    for other in forms("doubling", word):
        assert other in {word[: at + 1] + word[at].lower() + word[at + 1 :] for at in range(len(word))}


@pytest.mark.parametrize("name", ["keyboard", "insertion", "swap", "deletion", "doubling"])
def test_slips_are_on_any_letter_but_not_in_short_words(name):
    assert len(set(forms(name, "evening"))) >= 5
    for word in ("a", "the", "I", "mad", "1995", "e-2", "北京大学", "заря"):
        assert form(name, word) == word


@pytest.mark.parametrize("word", WORDS)
def test_characters_look_alike(word):
    for other in forms("homoglyphs", word):
        ((old, new),) = [(old, new) for old, new in zip(word, other, strict=True) if old != new]
        assert unicodedata.name(new).split()[0] in ("CYRILLIC", "GREEK")
        assert unicodedata.category(new) == unicodedata.category(old)
    for other in forms("zero_width", word):
        assert "".join(letter for letter in other if unicodedata.category(letter) != "Cf") == word != other
        assert unicodedata.category(other[0]) != "Cf" != unicodedata.category(other[-1])
    for other in forms("accents", word):
        decomposed = unicodedata.normalize("NFD", other)
        assert len(decomposed) == len(word) + 1 and len(other) == len(word)
        assert "".join(letter for letter in decomposed if not unicodedata.combining(letter)) == word
    for name in ("lower", "upper", "random_case"):
        assert {other.lower() for other in forms(name, word)} == {word.lower()}
        assert word not in set(forms(name, word)) - {word.lower(), word.upper()}


def test_homoglyphs_have_the_letters_shape_by_name():
    """Unicode names the letters: Cyrillic A, IE, ES, ... for a, e, c: written down here in the order of the table."""
    named = "A ES IE I JE O ER DZE SHHA HA U A VE ES IE EN I JE KA EM NU O ER DZE TE HA UPSILON ZETA".split()
    from hf_elmo.compare.transformations.characters import HOMOGLYPHS

    found = [unicodedata.name(letter).split()[-1] for letter in HOMOGLYPHS.values()]
    assert [name.removeprefix("BYELORUSSIAN-UKRAINIAN") or "I" for name in found] == named


@pytest.mark.parametrize(
    "name, before, after",
    [
        ("accents", "café", "cafe"),
        ("accents", "cafe\u0301", "cafe"),
        ("accents", "Ångström", "Angstrom"),
        ("accents", "strž", "strz"),
        ("accents", "xyz", "xyz"),
        ("accents", "й", "й"),
        ("leet", "Leetspeak", "L3375p34k"),
        ("leet", "B2", "B2"),
        ("lower", "USA", "usa"),
        ("upper", "straße", "STRASSE"),
        ("title", "mcDonald", "McDonald"),
        ("title", "'tis", "'tis"),
        ("random_case", "A", "A"),
        ("regional", "colour", "color"),
        ("regional", "Organizations", "Organisations"),
        ("regional", "TRAVELER", "TRAVELLER"),
        ("regional", "cheque", "check"),
        ("regional", "check", "check"),
        ("regional", "story", "story"),
        ("regional", "analyzed", "analysed"),
        ("misspelling", "Definitely", "Definately"),
        ("short_forms", "thanks", "thx"),
        ("short_forms", "Great", "Gr8"),
        ("hyphenation", "well-known", "wellknown"),
        ("hyphenation", "e\u2010mail", "email"),
        ("hyphenation", "--", "--"),
        ("hyphenation", "1990-95", "1990-95"),
        ("hyphenation", "strength", "strength"),
        ("hyphenation", "famous", "fa-mous"),
        ("contractions", "do n't", "do not"),
        ("contractions", "ca n't", "can not"),
        ("contractions", "Wo n’t", "Will not"),
        ("contractions", "can not", "ca n't"),
        ("contractions", "Will not", "Wo n't"),
        ("contractions", "IS NOT", "IS n't"),
        ("contractions", "may not", "may not"),
        ("contractions", "not", "not"),
        ("contractions", "we 're", "we are"),
        ("contractions", "I am", "I 'm"),
        ("contractions", "they will win", "they 'll win"),
        ("contractions", "I will not go", "I wo n't go"),
        ("contractions", "the will", "the will"),
        ("contractions", "it 's", "it 's"),
        ("contractions", "doesn't", "doesnt"),
        ("contractions", "he’ll", "hell"),
        ("contractions", "ca .", "ca ."),
        ("contractions", "n't", "n't"),
        ("punctuation", "n't", "n’t"),
        ("punctuation", "…", "..."),
        ("punctuation", "(", "["),
        ("punctuation", ".", "."),
        ("punctuation", "well-known", "well-known"),
        ("numbers", "1,234,567.50", "1234567.50"),
        ("numbers", "12500", "12,500"),
        ("numbers", "1998", "'98"),
        ("numbers", "2.50", "2.5"),
        ("numbers", "4.00", "4"),
        ("numbers", "0.75", ".75"),
        ("numbers", ".75", "0.75"),
        ("numbers", "7", "seven"),
        ("numbers", "Seven", "7"),
        ("numbers", "40", "forty"),
        ("numbers", "42", "forty-two"),
        ("numbers", "Ninety-nine", "99"),
        ("numbers", "3rd", "third"),
        ("numbers", "one", "one"),
        ("numbers", "second", "second"),
        ("numbers", "007", "007"),
        ("numbers", "٣٤", "٣٤"),
        ("numbers", "100", "100"),
        ("numbers", "9" * 40, "9" * 40),
    ],
)
def test_forms(name, before, after):
    assert form(name, *before.split()) == after


def test_quotes_open_and_close():
    for seed in SEEDS:
        first, _, second, third = form("punctuation", '"', "a", '"', '"', seed=seed).split()
        assert first in ("“", "``") and second in ("”", "''") and third in ("“", "``")


def test_elongation_repeats_the_last_spoken_vowel():
    assert set(forms("elongation", "so")) == {"s" + "o" * times for times in (2, 3, 4, 5)}
    assert set(forms("elongation", "Nice")) == {"N" + "i" * times + "ce" for times in (2, 3, 4, 5)}
    assert set(forms("elongation", "me")) == {"m" + "e" * times for times in (2, 3, 4, 5)}
    assert form("elongation", "hm") == "hm" and form("elongation", "A") == "A"


def test_scanners_take_shapes_for_others():
    assert set(forms("ocr", "mm")) == {"rnm", "mrn"}
    assert set(forms("ocr", "rn")) >= {"m"}
    assert form("ocr", "1995") == "1995"
    assert len(set(forms("ocr", "clerical"))) > 8


def test_lists_have_no_word_that_is_its_own_other_form_or_holds_white_space():
    for pairs in (spelling.REGIONAL, spelling.MISSPELLINGS, spelling.SHORT_FORMS):
        for word, other in pairs.items():
            assert word != other and word == word.lower() and len(other.split()) == 1
    assert len(spelling.REGIONAL) > 500 and len(spelling.MISSPELLINGS) > 200 and len(spelling.SHORT_FORMS) > 120
    # No mistake is another word of the list written right.
    assert not set(spelling.MISSPELLINGS) & set(spelling.MISSPELLINGS.values())


def test_regional_spelling_goes_back_and_forth():
    both_ways = [word for word, other in spelling.REGIONAL.items() if other in spelling.REGIONAL]
    assert len(both_ways) > 480
    for word in both_ways:
        assert spelling.REGIONAL[spelling.REGIONAL[word]] == word
