# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The demo's sentences hold what they say, and the user's own are checked line by line."""

import pytest

from hf_elmo.demo.texts import GROUPS, DemoError, read_collection, read_groups, read_own, read_senses
from hf_elmo.modeling import ElmoTokenizer


@pytest.fixture(scope="module")
def split():
    tokenizer = ElmoTokenizer()

    def words(text):
        offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        return [text[begin:end] for begin, end in offsets]

    return words


@pytest.mark.parametrize("group", GROUPS)
def test_every_word_has_two_senses_of_four_sentences(group, split):
    words = read_groups(split)[group]
    assert len(words) == 10
    for word, found in words.items():
        assert all(each.word == word for each in found), word  # one spelling: without context one vector
        counts = [[each.sense for each in found].count(sense) for sense in {each.sense for each in found}]
        assert counts == [4, 4], word


def test_uses_of_grammar_are_parts_of_speech_and_senses_are_not(split):
    parts = {"noun", "verb", "adjective"}
    uses, senses = (
        {each.sense for found in words.values() for each in found} for words in read_groups(split).values()
    )
    assert uses <= parts and not senses & parts


def test_the_collection_is_large_and_repeats_nothing(split):
    sentences = read_collection(split)
    assert len(sentences) >= 300 and len({sentence.text for sentence in sentences}) == len(sentences)
    assert len({sentence.topic for sentence in sentences}) >= 15 and None not in {each.topic for each in sentences}
    groups = read_groups(split).values()
    texts = [each.text for words in groups for found in words.values() for each in found]
    assert len(set(texts)) == len(texts) == 160
    assert not set(texts) & {sentence.text for sentence in sentences}
    in_collection = {word.lower() for sentence in sentences for word in sentence.words}
    assert {word for words in groups for word in words} <= in_collection


def own(tmp_path, text, word="mouse"):
    path = tmp_path / "own.txt"
    path.write_text(text, encoding="utf-8")
    return read_own(word, path, str.split)


def test_own_sentences_with_senses_and_without(tmp_path):
    labelled = own(tmp_path, "# a comment\nanimal\tThe mouse ate\n\ntool\tclick the mouse twice\n")
    assert [(each.sense, each.text, each.position) for each in labelled] == [
        ("animal", "The mouse ate", 1),
        ("tool", "click the mouse twice", 2),
    ]
    plain = own(tmp_path, "The mouse ate\nclick the mouse\n")
    assert [(each.sense, each.word) for each in plain] == [(None, "mouse"), (None, "mouse")]


def test_the_word_as_written_comes_before_other_letter_case(tmp_path):
    found = own(tmp_path, "Mouse and mouse\nMOUSE traps\n")
    assert [(each.position, each.word) for each in found] == [(2, "mouse"), (0, "MOUSE")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("The mouse ate\nThe cat sat\n", "own.txt, line 2: 'mouse' is not a word of the sentence 'The cat sat'"),
        ("A mousetrap\nA mouse\n", "own.txt, line 1: 'mouse' is not a word of the sentence"),
        ("The mouse ate\n", "own.txt has 1 sentence with 'mouse'; needed are two or more"),
        ("# nothing\n", "own.txt has 0 sentences with 'mouse'; needed are two or more"),
        (
            "animal\tThe mouse\nA mouse\n",
            r"1 of 2 lines have a sense \(sense, tab, sentence\); give it to all, or to none",
        ),
    ],
)
def test_own_sentences_that_do_not_fit(text, message, tmp_path):
    with pytest.raises(DemoError, match=message):
        own(tmp_path, text)


def test_a_file_of_senses_with_other_columns(tmp_path):
    (tmp_path / "senses.txt").write_text("play\tsport\n")
    with pytest.raises(DemoError, match="senses.txt, line 1: 2 columns; needed are word, sense and sentence"):
        read_senses(str.split, tmp_path / "senses.txt")
