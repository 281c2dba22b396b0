# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The tokenizer's own behaviour: ids and character ids of AllenNLP, settings, the corpus path."""

import copy
import json
import pickle
import threading

import numpy as np
import pytest
import torch
from plain_characters import char_ids_of, encode_plainly, pad_plainly, split_plainly
from support import SHARED, requires_shared
from tokenizers import normalizers, pre_tokenizers, processors

import hf_elmo.modeling.character_encoding as character_encoding
from hf_elmo.modeling.tokenization_elmo import ElmoTokenizer

WORDS = ["<S>", "</S>", "<UNK>", "the", "cat", "The", ".", "don", "t", "'", "café", "北", "purrs"]
ODD_WORDS = [
    "",
    " ",
    "a b",
    "a<S>b",
    "<S>",
    "</S>",
    "<s>",
    "<UNK>",
    "[PAD]",
    "line\nbreak",
    "\x00",
    "\x00\x00",
    "\t",
    "\u200b",
    "\ud800",
    "a\udfffb",
    "the\ud800",
    "北京",
    "🙂",
    "don't",
    "Cafe\u0301",
    "x" * 47,
    "x" * 48,
    "x" * 49,
    "é" * 24,
    "语" * 17,
    "\U0010ffff",
    "the",
    "cat",
]


@pytest.fixture
def tokenizer():
    return ElmoTokenizer(WORDS)


# ---------------------------------------------------------------------------------------------------------- characters


def test_every_given_word_is_one_position_with_its_own_bytes(tokenizer):
    ids, chars = encode_plainly(ODD_WORDS, tokenizer.get_vocab())
    encoded = tokenizer(ODD_WORDS, is_split_into_words=True)
    assert encoded["input_ids"] == ids
    assert encoded["char_ids"] == chars
    assert encoded["attention_mask"] == [1] * (len(ODD_WORDS) + 2)
    assert encoded.word_ids() == [None, *range(len(ODD_WORDS)), None]


def test_a_word_of_a_hundred_thousand_characters_is_one_position(tokenizer):
    encoded = tokenizer(["the", "z" * 100_000, "cat"], is_split_into_words=True)
    assert encoded["input_ids"][1:-1] == [4, tokenizer.unk_token_id, 5]
    assert encoded["char_ids"][2] == char_ids_of("z" * 100_000)


@requires_shared
@pytest.mark.parametrize("model", ["tiny-relu-seed7", "tiny-tanh3-seed8"])
def test_char_ids_equal_those_stored_from_allennlp(model):
    folder = SHARED / "fixtures" / "allennlp_small" / model
    stored = np.load(folder / "bilm_reset.npz")
    names = [name for name in stored.files if "char_ids" in name]
    batches = json.loads((folder / "sentences.json").read_text())
    assert len(names) == len(batches)
    tokenizer = ElmoTokenizer()
    for name, batch in zip(names, batches, strict=True):
        ours = tokenizer(batch, is_split_into_words=True, add_special_tokens=False, padding=True, return_tensors="np")
        np.testing.assert_array_equal(ours["char_ids"], stored[name])


def test_text_that_looks_like_padding_is_a_real_word():
    tokenizer = ElmoTokenizer(["a"], splitting="whitespace")
    encoded = tokenizer("[PAD] a", return_special_tokens_mask=True)
    assert encoded["input_ids"] == [2, tokenizer.unk_token_id, 1, 3]
    assert encoded["char_ids"][1] == char_ids_of("[PAD]")
    assert encoded["special_tokens_mask"] == [1, 0, 0, 1]
    assert encoded["attention_mask"] == [1, 1, 1, 1]
    padded = tokenizer(["[PAD]", "[PAD] a [PAD]"], padding=True, return_tensors="pt")
    assert padded["input_ids"].tolist() == [[2, 4, 3, 0, 0], [2, 4, 1, 4, 3]]
    assert padded["char_ids"][0, 3:].eq(0).all()
    assert padded["attention_mask"].tolist() == [[1, 1, 1, 0, 0], [1] * 5]


def test_boundary_words_in_a_text_are_the_marks_only_where_they_stand_alone():
    split_at_spaces = ElmoTokenizer(splitting="whitespace")
    assert split_at_spaces("a <S> b")["char_ids"][2] == char_ids_of("<S>")
    assert split_at_spaces("a <S> b")["input_ids"][2] == split_at_spaces.bos_token_id
    assert split_at_spaces("a<S>b")["char_ids"][1] == char_ids_of("a<S>b")
    assert ElmoTokenizer().tokenize("a<S>") == ["<UNK>"] * 4  # a, <, S, >


def test_renamed_marks_have_the_rows_of_the_marks():
    tokenizer = ElmoTokenizer(bos_token="<s>", eos_token="</s>")
    first, last = tokenizer("x")["char_ids"][0], tokenizer("x")["char_ids"][-1]
    assert (first, last) == (char_ids_of("<S>"), char_ids_of("</S>"))


def test_padding_with_the_end_mark_still_has_rows_of_zeros(tokenizer):
    tokenizer.pad_token = tokenizer.eos_token
    encoded = tokenizer(["the", "the cat"], padding=True, return_tensors="np")
    assert encoded["input_ids"][0].tolist() == [1, 4, 2, 2]
    assert encoded["char_ids"][0, 2].tolist() == char_ids_of("</S>")
    assert not encoded["char_ids"][0, 3].any()


@pytest.mark.parametrize("width", [3, 4, 7, 50, 60])
def test_max_characters_per_token_sets_the_width(width):
    tokenizer = ElmoTokenizer(["abcdefgh"], max_characters_per_token=width)
    encoded = tokenizer(["abcdefgh", "ijklmnop", "<S>", ""], is_split_into_words=True)
    assert encoded["char_ids"][1:-1] == [char_ids_of(word, width) for word in ("abcdefgh", "ijklmnop", "<S>", "")]


def test_changing_one_result_changes_neither_another_nor_the_tokenizer(tokenizer):
    first = tokenizer("the zebra")
    first["char_ids"][1][1] = first["char_ids"][2][1] = 99
    assert tokenizer("the zebra")["char_ids"][1:3] == [char_ids_of("the"), char_ids_of("zebra")]


def test_more_unknown_words_than_are_remembered(tokenizer, monkeypatch):
    monkeypatch.setattr(character_encoding, "MEMO_SIZE", 5)
    for start in range(0, 40, 4):
        words = [f"w{number}" for number in range(start, start + 8)]
        expected = [char_ids_of(word) for word in words]
        lists = tokenizer(words, is_split_into_words=True, add_special_tokens=False)["char_ids"]
        assert lists == expected
        arrays = tokenizer(words, is_split_into_words=True, add_special_tokens=False, return_tensors="np")
        assert arrays["char_ids"][0].tolist() == expected


@pytest.mark.parametrize("vocab", [[], ["y" * 60]])
def test_cut_words_are_reported_once(vocab, monkeypatch, caplog):
    monkeypatch.setattr(character_encoding, "_cut_warning_given", False)
    tokenizer = ElmoTokenizer(vocab)
    tokenizer(["short", "x" * 48], is_split_into_words=True)
    assert not caplog.messages
    tokenizer(["y" * 60], is_split_into_words=True)
    tokenizer(["z" * 70], is_split_into_words=True)
    tokenizer.encode_corpus([["z" * 80]])
    (message,) = caplog.messages
    assert "60 bytes" in message and "first 48 bytes" in message and "AllenNLP" in message


# ------------------------------------------------------------------------------------------------------------ raw text

TEXTS = [
    "The cat don't purr.",
    "  two  spaces\tand\nlines\r\n",
    "",
    "   ",
    "...!?",
    "naïve café — “quoted” …",
    "北京很大。二〇二三年 test北京",
    "a\u00a0b\u2003c\u3000d\x1ce\x85f",
    "x\x00y \x07 \ud800lone\udfff surrogates",
    "emoji🙂here 🙂",
    "$5+<3 | a_b ^ `x` ~",
    "ＦＵＬＬ，ｗｉｄｔｈ",
    "ก็ ปี हिन्दी العربية، ؟",
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("splitting", ["punctuation", "whitespace"])
@pytest.mark.parametrize("split_cjk", [False, True])
def test_raw_text_is_split_as_by_the_plain_splitter(text, splitting, split_cjk):
    tokenizer = ElmoTokenizer(WORDS, splitting=splitting, split_cjk=split_cjk)
    plain = split_plainly(text, splitting, split_cjk)
    encoded = tokenizer(text, return_offsets_mapping=True)
    ids, chars = encode_plainly([word for word, _ in plain], tokenizer.get_vocab())
    assert encoded["offset_mapping"] == [(0, 0), *(span for _, span in plain), (0, 0)]
    assert encoded["char_ids"] == chars
    assert encoded["input_ids"] == ids
    assert encoded.word_ids() == [None, *range(len(plain)), None]


def test_case_and_accents_are_kept(tokenizer):
    assert tokenizer.encode("The the café cafe", add_special_tokens=False) == [6, 4, 11, 3]


def test_chinese_characters_are_words_on_request():
    tokenizer = ElmoTokenizer(["北", "京"], split_cjk=True)
    assert tokenizer.tokenize("北京 ab大c") == ["北", "京", "<UNK>", "<UNK>", "<UNK>"]
    assert tokenizer(["北京"], is_split_into_words=True)["input_ids"][1:-1] == [tokenizer.unk_token_id]
    assert len(ElmoTokenizer(["北", "京"]).tokenize("北京 ab大c")) == 2


# -------------------------------------------------------------------------------------------- saving, copies, settings


def same_encoding(one, other, texts=(*TEXTS, "don't", "a[ENT]b")):
    return all(dict(one(text)) == dict(other(text)) for text in texts)


@pytest.mark.parametrize("splitting", ["punctuation", "whitespace"])
@pytest.mark.parametrize("split_cjk", [False, True])
def test_saving_keeps_every_setting(splitting, split_cjk, tmp_path):
    tokenizer = ElmoTokenizer(
        WORDS, splitting=splitting, split_cjk=split_cjk, max_characters_per_token=20, padding_side="left"
    )
    tokenizer.add_tokens(["[ENT]"], special_tokens=True)
    tokenizer.save_pretrained(tmp_path)
    loaded = ElmoTokenizer.from_pretrained(tmp_path)
    assert (loaded.splitting, loaded.split_cjk, loaded.max_characters_per_token) == (splitting, split_cjk, 20)
    assert loaded.padding_side == "left" and loaded.get_vocab() == tokenizer.get_vocab()
    assert same_encoding(tokenizer, loaded)
    loaded.save_pretrained(tmp_path / "again")
    assert same_encoding(tokenizer, ElmoTokenizer.from_pretrained(tmp_path / "again"))


def test_settings_given_at_loading_win(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    loaded = ElmoTokenizer.from_pretrained(
        tmp_path, splitting="whitespace", split_cjk=True, max_characters_per_token=9
    )
    assert (loaded.splitting, loaded.split_cjk) == ("whitespace", True)
    assert same_encoding(
        loaded, ElmoTokenizer(WORDS, splitting="whitespace", split_cjk=True, max_characters_per_token=9)
    )


def test_saving_keeps_changes_of_the_backend(tokenizer, tmp_path):
    backend = tokenizer.backend_tokenizer
    backend.pre_tokenizer = pre_tokenizers.Split("-", "removed")
    backend.normalizer = normalizers.Lowercase()
    backend.post_processor = processors.TemplateProcessing(
        single="<S> $A", pair="<S> $A $B", special_tokens=[("<S>", 1)]
    )
    tokenizer.save_pretrained(tmp_path)
    loaded = ElmoTokenizer.from_pretrained(tmp_path)
    assert loaded("THE-Zebra")["input_ids"] == [1, 4, 3]
    assert loaded("THE-Zebra")["char_ids"] == [char_ids_of(word) for word in ("<S>", "the", "zebra")]
    assert (loaded.add_bos_token, loaded.add_eos_token) == (True, False)


def test_a_changed_splitter_of_the_backend_is_the_setting_that_is_saved(tokenizer, tmp_path):
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    assert tokenizer.splitting == "whitespace"
    tokenizer.save_pretrained(tmp_path)
    assert ElmoTokenizer.from_pretrained(tmp_path).tokenize("don't") == ["<UNK>"]


def test_marks_can_be_left_out(tmp_path):
    without = ElmoTokenizer(["a"], add_bos_token=False)
    assert without("a")["input_ids"] == [1, without.eos_token_id]
    without.add_eos_token = False
    assert without("a")["input_ids"] == [1]
    none = ElmoTokenizer(["a"], bos_token=None)
    assert none.tokenize("a", add_special_tokens=True) == ["a", "</S>"]
    none.save_pretrained(tmp_path)
    loaded = ElmoTokenizer.from_pretrained(tmp_path)
    assert loaded.bos_token is None and loaded.tokenize("a", add_special_tokens=True) == ["a", "</S>"]


def test_added_tokens_are_found_in_text_but_never_split_given_words(tokenizer):
    tokenizer.add_tokens(["[ENT]"], special_tokens=True)
    ent = len(tokenizer) - 1
    assert tokenizer("the[ENT]cat", add_special_tokens=False)["input_ids"] == [4, ent, 5]
    words = ["the", "a[ENT]b", "[ENT]", ""]
    encoded = tokenizer([words, ["cat"]], is_split_into_words=True, add_special_tokens=False, max_length=9)
    assert encoded["input_ids"] == [[4, 3, ent, 3], [5]]
    assert encoded["char_ids"][0] == [char_ids_of(word) for word in words]
    corpus = tokenizer.encode_corpus([words], add_special_tokens=False)
    assert corpus.input_ids.tolist() == encoded["input_ids"][0]
    assert corpus.char_ids.tolist() == encoded["char_ids"][0]


def test_vocabulary_words_added_again_stay_whole_words(tokenizer):
    assert tokenizer.add_tokens(["the", "<S>"]) == 0
    assert tokenizer.tokenize("there <S>") == ["<UNK>"] * 4


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda tokenizer: pickle.loads(pickle.dumps(tokenizer))])
def test_copies_encode_the_same_and_do_not_carry_the_memory(tokenizer, copied):
    size = len(pickle.dumps(tokenizer))
    tokenizer(["unknown words to remember"] * 3)
    assert same_encoding(tokenizer, copied(tokenizer))
    assert len(pickle.dumps(tokenizer)) == size


def test_threads_can_share_a_tokenizer(tokenizer):
    raw = [tokenizer(text)["char_ids"] for text in TEXTS]
    given = tokenizer(ODD_WORDS, is_split_into_words=True)["char_ids"]
    failures = []

    def work(number):
        for _ in range(20):
            if number % 2 and tokenizer(ODD_WORDS, is_split_into_words=True)["char_ids"] != given:
                failures.append("words")
            if not number % 2 and tokenizer(TEXTS)["char_ids"] != raw:
                failures.append("texts")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


# -------------------------------------------------------------------------------------------------------------- corpus


@pytest.mark.parametrize("marks", [True, False])
def test_a_corpus_has_the_ids_of_single_calls(tokenizer, marks):
    sentences = [ODD_WORDS, [], ["the"], tuple(WORDS), "white  space\tseparated the", ""]
    corpus = tokenizer.encode_corpus(iter(sentences), add_special_tokens=marks)
    assert (corpus.input_ids.dtype, corpus.char_ids.dtype) == (np.int32, np.int16)
    assert corpus.offsets[-1] == len(corpus.input_ids) == len(corpus.char_ids) == corpus.lengths.sum()
    for number, sentence in enumerate(sentences):
        words = sentence.split() if isinstance(sentence, str) else list(sentence)
        one = tokenizer(words, is_split_into_words=True, add_special_tokens=marks)
        part = slice(*corpus.offsets[number : number + 2])
        assert corpus.input_ids[part].tolist() == one["input_ids"]
        assert corpus.char_ids[part].tolist() == one["char_ids"]


def test_a_corpus_follows_template_normalizer_and_earlier_calls(tokenizer):
    tokenizer(["the cat", "the"], padding=True, truncation=True, max_length=3)
    tokenizer.backend_tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.add_eos_token = False
    sentences = [["THE", "Zebra", ""], ["cat"] * 5]
    corpus = tokenizer.encode_corpus(sentences)
    expected = tokenizer(sentences, is_split_into_words=True)
    assert corpus.input_ids.tolist() == sum(expected["input_ids"], [])
    assert corpus.char_ids.tolist() == sum(expected["char_ids"], [])


@pytest.mark.parametrize(
    "options", [{"padding": "max_length", "max_length": 9}, {"truncation": True, "max_length": 2}]
)
def test_padding_and_truncation_of_a_call_do_not_reach_the_corpus(tokenizer, options):
    tokenizer("the cat", **options)
    assert tokenizer.encode_corpus(["the cat"]).input_ids.tolist() == [1, 4, 5, 2]


def test_a_corpus_in_several_chunks_and_an_empty_one(tokenizer, monkeypatch):
    monkeypatch.setattr(character_encoding, "CORPUS_CHUNK", 3)
    sentences = [f"the w{number % 4}" for number in range(11)]
    corpus = tokenizer.encode_corpus(sentences)
    assert corpus.input_ids.tolist() == sum(tokenizer(sentences)["input_ids"], [])
    empty = tokenizer.encode_corpus([])
    assert (empty.input_ids.shape, empty.char_ids.shape, empty.offsets.tolist()) == ((0,), (0, 50), [0])
    assert tokenizer.encode_corpus(sentences, char_ids=False).char_ids is None


def test_a_corpus_of_something_else_is_refused(tokenizer):
    with pytest.raises(TypeError, match="sentences is one string"):
        tokenizer.encode_corpus("the cat")
    with pytest.raises(TypeError, match="words as strings, got 3"):
        tokenizer.encode_corpus([["the", 3]])


# -------------------------------------------------------------------------------------------------------------- batches


def test_tensors_of_a_ragged_batch_are_refused_with_advice(tokenizer):
    with pytest.raises(ValueError, match="padding=True"):
        tokenizer(["the", "the cat"], return_tensors="pt")
    assert torch.is_tensor(tokenizer(["the"], return_tensors="pt")["char_ids"])


@pytest.mark.parametrize("side", ["right", "left"])
def test_padding_is_that_of_the_plain_oracle(tokenizer, side):
    sentences = [["the"], ["the", "odd", "cat"], []]
    plain = [encode_plainly(words, tokenizer.get_vocab()) for words in sentences]
    ids, mask = pad_plainly([ids for ids, _ in plain], 0, side)
    chars, _ = pad_plainly([chars for _, chars in plain], [0] * 50, side)
    for kind in (None, "np", "pt"):
        encoded = tokenizer(sentences, is_split_into_words=True, padding=True, padding_side=side, return_tensors=kind)
        got = {key: value if kind is None else value.tolist() for key, value in encoded.items()}
        assert got == {"input_ids": ids, "char_ids": chars, "attention_mask": mask}
