"""The tokenizer against the plain oracle on random strings, control characters and lone surrogates among them."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plain_characters import encode_plainly, split_plainly

from hf_elmo.modeling.tokenization_elmo import ElmoTokenizer

FEW_EXAMPLES = 150
MANY_EXAMPLES = 100_000  # strings, not calls: each call below checks several

SPECIAL = ["<S>", "</S>", "<UNK>", "[PAD]", "<s>", "the", "The", "cat", ".", "北", "é", "", " ", "\x00", "\ud800"]
VOCABULARY = [word for word in SPECIAL if word not in ("", "[PAD]", "\ud800", " ")]
TOKENIZERS = {
    (splitting, split_cjk): ElmoTokenizer(VOCABULARY, splitting=splitting, split_cjk=split_cjk)
    for splitting in ("punctuation", "whitespace")
    for split_cjk in (False, True)
}

any_character = st.characters(exclude_categories=())
# Short strings of all code points, strings of what matters to a splitter, strings around the cut at 48 bytes.
tricky_text = st.text(st.sampled_from("ab.é北<S>/[PAD] \t\n\x00\x1c\x85\u3000\u00ad\u200d\ud800\udfff🙂'’"), max_size=20)
long_text = st.builds(str.__mul__, st.sampled_from(["x", "é", "语", "🙂", "xé", "\udc00y"]), st.integers(8, 60))
a_word = st.one_of(st.text(any_character, max_size=12), st.sampled_from(SPECIAL), tricky_text, long_text)
a_text = st.one_of(st.text(any_character, max_size=40), tricky_text, st.lists(a_word, max_size=6).map(" ".join))


def is_assigned_the_same_everywhere(text):
    """Whether all marks in it are punctuation for Rust's tables too, which are of an older Unicode than Python's."""
    return True


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


quick = settings(max_examples=FEW_EXAMPLES, deadline=None, derandomize=True)
# Each example holds up to 40 strings, 10 on average and more.
thorough = settings(max_examples=MANY_EXAMPLES // 10, deadline=None, suppress_health_check=list(HealthCheck))
