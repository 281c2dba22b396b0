# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The tokenizer against the plain oracle on random strings, control characters and lone surrogates among them."""

import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plain_characters import encode_plainly, is_punctuation, split_plainly
from tokenizers import pre_tokenizers

from hf_elmo.modeling.tokenization_elmo import ElmoTokenizer

FEW_EXAMPLES = 150
MANY_EXAMPLES = 100_000  # strings of each kind; every call checks several
STRINGS_PER_EXAMPLE = 10

SPECIAL = ["<S>", "</S>", "<UNK>", "[PAD]", "<s>", "the", "The", "cat", ".", "北", "é", "", " ", "\x00", "\ud800"]
VOCABULARY = [word for word in SPECIAL if word not in ("", "[PAD]", "\ud800", " ")]
TOKENIZERS = {
    (splitting, split_cjk): ElmoTokenizer(VOCABULARY, splitting=splitting, split_cjk=split_cjk)
    for splitting in ("punctuation", "whitespace")
    for split_cjk in (False, True)
}


def find_marks_of_other_unicode_versions():
    """Characters that are punctuation for only one of Python and the Rust backend, whose tables are older."""
    splitter = pre_tokenizers.BertPreTokenizer()
    candidates = [chr(point) for point in range(0x110000) if unicodedata.category(chr(point))[0] in "PSM"]
    return [mark for mark in candidates if (len(splitter.pre_tokenize_str(f"a{mark}b")) == 3) != is_punctuation(mark)]


DISPUTED = find_marks_of_other_unicode_versions()

any_character = st.characters(exclude_categories=(), exclude_characters=DISPUTED)
# Short strings of all code points, strings of what matters to a splitter, strings around the cut at 48 bytes.
tricky_text = st.text(
    st.sampled_from("ab.é北<S>/[PAD] \t\n\x00\x1c\x85\u3000\u00ad\u200d\ud800\udfff🙂'’"), max_size=20
)
long_text = st.builds(str.__mul__, st.sampled_from(["x", "é", "语", "🙂", "xé", "\udc00y"]), st.integers(8, 60))
a_word = st.one_of(st.text(any_character, max_size=12), st.sampled_from(SPECIAL), tricky_text, long_text)
a_text = st.one_of(st.text(any_character, max_size=40), tricky_text, st.lists(a_word, max_size=6).map(" ".join))


def check_words(sentences):
    tokenizer = TOKENIZERS["punctuation", False]
    plain = [encode_plainly(words, tokenizer.get_vocab()) for words in sentences]
    encoded = tokenizer(sentences, is_split_into_words=True)
    assert encoded["input_ids"] == [ids for ids, _ in plain]
    assert encoded["char_ids"] == [chars for _, chars in plain]
    corpus = tokenizer.encode_corpus(sentences)
    assert corpus.input_ids.tolist() == sum((ids for ids, _ in plain), [])
    assert corpus.char_ids.tolist() == sum((chars for _, chars in plain), [])


def check_texts(texts, settings_of_splitter):
    tokenizer = TOKENIZERS[settings_of_splitter]
    encoded = tokenizer(texts, return_offsets_mapping=True)
    for number, text in enumerate(texts):
        plain = split_plainly(text, *settings_of_splitter)
        ids, chars = encode_plainly([word for word, _ in plain], tokenizer.get_vocab())
        assert encoded["offset_mapping"][number] == [(0, 0), *(span for _, span in plain), (0, 0)]
        assert encoded["input_ids"][number] == ids
        assert encoded["char_ids"][number] == chars


sentences_of_words = st.lists(st.lists(a_word, max_size=6), min_size=1, max_size=4)
batches_of_texts = st.lists(a_text, min_size=1, max_size=4)
quick = settings(max_examples=FEW_EXAMPLES, deadline=None)
thorough = settings(
    max_examples=MANY_EXAMPLES // STRINGS_PER_EXAMPLE, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_only_rare_newer_punctuation_is_disputed():
    assert len(DISPUTED) < 300 and min(DISPUTED) > "\u0600"


@given(sentences_of_words)
@quick
def test_words(sentences):
    check_words(sentences)


@pytest.mark.parametrize("kind", TOKENIZERS)
@given(batches_of_texts)
@quick
def test_texts(kind, texts):
    check_texts(texts, kind)


@pytest.mark.extended
@pytest.mark.slow
def test_a_hundred_thousand_strings():
    seen = {"words": 0, "texts": 0}

    @given(st.lists(st.lists(a_word, min_size=1, max_size=8), min_size=4, max_size=8))
    @thorough
    def words(sentences):
        check_words(sentences)
        seen["words"] += sum(map(len, sentences))

    @given(st.lists(a_text, min_size=10, max_size=20), st.sampled_from(list(TOKENIZERS)))
    @thorough
    def texts(texts, kind):
        check_texts(texts, kind)
        seen["texts"] += len(texts)

    words()
    texts()
    print(f"compared {seen['words']} words and {seen['texts']} texts")
    assert min(seen.values()) >= MANY_EXAMPLES
