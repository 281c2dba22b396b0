# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Sentences by rules, words as the tokenizer's own splitter gives them."""

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_elmo.corpus.splitting import WordSplitter, split_sentences
from hf_elmo.modeling import ElmoTokenizer


@pytest.mark.parametrize(
    "sentences",
    [
        ["The cat sat.", "It slept!", "Why?", "Nobody knows…"],
        ['He said "Go."', "She went.", "(They stayed.)", "Then night fell."],
        ["Dr. Smith met J. R. Jones at St. Paul's.", "They talked."],
        ["See No. 5 and Fig. 2, p. 7.", "No.", "It is Jan. 5 today."],
        ["He lives in the U.S. Army base.", "She left the U.S.", "The plane was late."],
        ["It costs 3.50 dollars, i.e. little.", "e.g. this continues as it begins small."],
        ['"Why?" he asked.', "“Come in!” said the cat.", "‘No,’ it said."],
        ["Version 2.0 is here...", "Really?!", "Yes."],
        ["他来了。", "“你好！”", "她说：“走吧？”", "他们走了"],
        ["no end at all"],
    ],
)
def test_sentences_are_found_again(sentences):
    chinese = any("一" <= letter <= "鿿" for letter in sentences[0])
    assert split_sentences(("" if chinese else " ").join(sentences)) == [
        # written with a small letter, it belongs to the sentence before it
        *([f"{sentences[0]} {sentences[1]}"] if sentences[1:] and sentences[1][0].islower() else sentences)
    ]


@pytest.mark.parametrize("text", ["", " \t ", "...", " . ", "。。"])
def test_no_sentence_is_empty(text):
    assert "".join(split_sentences(text)) == text.strip()
    assert "" not in split_sentences(text)


@given(st.text(alphabet=st.sampled_from("aB .!?。”\"'\n1é")))
@settings(max_examples=200, deadline=None)
def test_splitting_loses_nothing_but_white_space(text):
    assert "".join("".join(split_sentences(text)).split()) == "".join(text.split())


def splitter_and_tokenizer(splitting, split_cjk):
    tokenizer = ElmoTokenizer(["a"], splitting=splitting, split_cjk=split_cjk)
    pre_tokenizer = tokenizer.backend_tokenizer.pre_tokenizer
    return pickle.loads(pickle.dumps(WordSplitter(pre_tokenizer, splitting, split_cjk))), pre_tokenizer


@pytest.mark.parametrize("split_cjk", [False, True])
def test_every_common_character_is_split_as_the_tokenizer_does(split_cjk):
    split, pre_tokenizer = splitter_and_tokenizer("punctuation", split_cjk)
    characters = [chr(code) for code in (*range(0x3000), *range(0x4E00, 0x4E20), *range(0xFF00, 0xFFF0))]
    different = [
        text
        for text in (f"x{character}y{character}{character} z" for character in characters)
        if split(text) != [word for word, _ in pre_tokenizer.pre_tokenize_str(text)]
    ]
    assert different == []


@pytest.mark.parametrize(
    ("splitting", "split_cjk", "expected"),
    [
        ("punctuation", False, ["北京", "isn", "'", "t", "far", "."]),
        ("punctuation", True, ["北", "京", "isn", "'", "t", "far", "."]),
        ("whitespace", False, ["北京", "isn't", "far."]),
        ("whitespace", True, ["北", "京", "isn't", "far."]),
    ],
)
def test_settings_of_the_splitting(splitting, split_cjk, expected):
    split, _ = splitter_and_tokenizer(splitting, split_cjk)
    assert split("北京 isn't far.") == expected
