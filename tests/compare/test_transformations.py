# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What holds for all transformations, whatever the words."""

import io
import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strange_texts import strange_texts

from hf_elmo.compare.transformations import STRENGTHS, TRANSFORMATIONS, changed_positions, transform
from hf_elmo.compare.transformations.__main__ import EXAMPLE, examples, main

NAMES = sorted(TRANSFORMATIONS)
LETTER_EDITS = [name for name in NAMES if TRANSFORMATIONS[name].family in ("typing", "characters", "case")]
ORDINARY = (
    "The colours of don't ca n't not do I am great 1,000 42 first café ' \" ... - well-known Definitely USA ß İ ﬁ"
)
words = st.lists(st.one_of(st.text(st.characters(), max_size=8), st.sampled_from(ORDINARY.split())), max_size=12)


def white(word):
    return [letter for letter in word if letter.isspace()]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=20, deadline=None)
@given(sentence=words, seed=st.integers())
def test_words_stay_in_number_and_place(name, sentence, seed):
    transformation = TRANSFORMATIONS[name]
    before, reached = list(sentence), set()
    for strength in STRENGTHS:
        after = transformation.apply(sentence, strength, seed)
        assert sentence == before
        assert len(after) == len(sentence)
        for old, new in zip(sentence, after, strict=True):
            assert bool(old) == bool(new)
            assert white(old) == white(new)
        assert after == transformation.apply(tuple(sentence), strength, seed)
        changed = {(position, after[position]) for position in changed_positions(sentence, after)}
        assert reached <= changed  # a stronger one changes the same words in the same way, and more
        reached = changed
    assert transformation.changeable(sentence, seed) == sorted(position for position, _ in reached)


@pytest.mark.parametrize("name", NAMES)
def test_nobody_expects_these_texts(name):
    for text in strange_texts(40, seed=3, words=100, characters=200):
        sentence = text.split(" ")
        after = TRANSFORMATIONS[name].apply(sentence, 3, 0)
        assert [bool(word) for word in after] == [bool(word) for word in sentence]
        assert [white(word) for word in after] == [white(word) for word in sentence]


def test_no_character_becomes_white_space_or_nothing():
    letters = [chr(point) for point in range(sys.maxunicode) if not 0xAC00 <= point < 0xD7B0]  # Korean syllables
    letters = [letter for letter in letters if letter.swapcase() != letter or unicodedata.decomposition(letter)]
    sentence = [letter + letter for letter in letters]
    for name in ("lower", "upper", "title", "random_case", "accents"):
        for old, new in zip(sentence, TRANSFORMATIONS[name].apply(sentence, 3, 0), strict=True):
            assert new and white(old) == white(new)


@pytest.mark.parametrize("name", LETTER_EDITS)
@settings(max_examples=15, deadline=None)
@given(sentence=st.lists(st.text(st.characters(exclude_categories=["L", "M", "Nl", "So"]), max_size=8), max_size=8))
def test_words_without_letters_survive_edits_of_letters(name, sentence):
    assert TRANSFORMATIONS[name].apply(sentence, 3, 0) == sentence


@pytest.mark.parametrize("name", NAMES)
def test_strengths_are_shares_of_the_words_that_can_change(name):
    sentence = EXAMPLE.split()
    most = can_change = 0
    count = dict.fromkeys(STRENGTHS, 0)
    for number in range(100):
        numbered = [*sentence, str(number + 2100)]
        can_change += len(TRANSFORMATIONS[name].changeable(numbered, 5))
        for strength in STRENGTHS:
            count[strength] += len(changed_positions(numbered, TRANSFORMATIONS[name].apply(numbered, strength, 5)))
        most += len(numbered)
    assert 0 < can_change == count[3] <= most
    for strength, share in ((1, 0.1), (2, 0.3)):
        # Four standard deviations of as many throws.
        assert abs(count[strength] - share * can_change) < 4 * (share * (1 - share) * can_change) ** 0.5


def test_one_seed_is_one_text_in_every_process_and_release():
    sentence = "Finally the colour of my favourite film is great".split()
    texts = {name: " ".join(transform([sentence], name, 3, 7)[0]) for name in NAMES}
    assert {name: texts[name] for name in GOLDEN} == GOLDEN
    assert " ".join(transform([sentence], "keyboard", 2, 2)[0]) == GOLDEN_WEAK


GOLDEN = {
    "deletion": "Fnally the colou of my favouite ilm is grat",
    "elongation": "Finallyyy thee colouuuur ooooof myyyy favouriite fiiiiilm iiiiis greaaaaat",
    "homoglyphs": "Finallу thе сolour оf mу favouritе fіlm іs greаt",
    "keyboard": "Finalpy the coloyr of my favohrite fjlm is breat",
    "misspelling": "Finaly teh colour of my favourate flim is great",
    "ocr": "Finaliy tlie eolour ot mv fovourite f1lm ls grcat",
    "random_case": "FINAlLY tHE COlOUR Of MY fAvOURite FILm IS GREAT",
    "zero_width": "Fi\u2060nally t\xadhe co\xadlour o\u200cf m\xady favouri\u200cte fi\u200dlm i\u200ds g\u2060reat",
}
GOLDEN_WEAK = "Finakly the colour of my favourite film is great"


def test_seeds_and_sentences_differ_in_what_changes():
    sentence = "people remember wonderful evenings beside quiet rivers".split()
    assert len({tuple(TRANSFORMATIONS["keyboard"].apply(sentence, 3, seed)) for seed in range(20)}) == 20
    chosen = [transform([[*sentence, str(number)]], "keyboard", 2, 0)[0] for number in range(50)]
    assert len({tuple(changed_positions([*sentence, ""], words)[:-1]) for words in chosen}) > 10


@pytest.mark.parametrize("name", NAMES)
def test_one_place_changes_alone_and_as_with_all(name):
    transformation, sentence = TRANSFORMATIONS[name], [*EXAMPLE.split(), "ca", "n't", "not"]
    full = transformation.apply(sentence, 3, 2)
    for position in transformation.changeable(sentence, 2):
        after = transformation.apply_at(sentence, position, 2)
        changed = changed_positions(sentence, after)
        assert position in changed
        assert [after[place] for place in changed] == [full[place] for place in changed]
        assert changed == [position] or (name == "contractions" and [sentence[p] for p in changed] == ["ca", "n't"])


def test_wrong_use_is_refused_by_name():
    with pytest.raises(ValueError, match="no transformation 'typo': there are keyboard, .*numbers"):
        transform([["a"]], "typo", 1, 0)
    with pytest.raises(ValueError, match="strength 4: it is one of 1, 2, 3"):
        transform([["a"]], "swap", 4, 0)
    with pytest.raises(ValueError, match="'some text' is a text; needed is a list of words"):
        transform(["some text"], "swap", 1, 0)
    with pytest.raises(ValueError, match="2 words before and 1 after"):
        changed_positions(["a", "b"], ["a"])


def test_there_is_an_example_of_each():
    shown = examples(EXAMPLE.split())
    for name in NAMES:
        assert f"  {name} " in shown
    assert "; 0 of" not in shown


def test_a_text_is_changed_line_by_line(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("the grey sky\n\nA café"))
    assert main(["regional"]) == 0
    assert capsys.readouterr().out == "the gray sky\n\nA café\n"
    assert main(["nonsense"]) == 1
    assert capsys.readouterr().err.startswith("error: there is no transformation 'nonsense'")


def test_invisible_characters_are_no_white_space():
    (word,) = TRANSFORMATIONS["zero_width"].apply(["evening"], 3, 0)
    (inside,) = set(word) - set("evening")
    assert unicodedata.category(inside) == "Cf" and len(word.split()) == 1
