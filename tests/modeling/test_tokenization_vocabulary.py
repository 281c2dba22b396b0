# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The tokenizer's vocabularies: ids of a file, a list and a dict, the file it writes, and training on a corpus."""

import numpy as np
import pytest
from plain_characters import char_ids_of
from tokenizers import normalizers

from hf_elmo.modeling.character_encoding import read_vocabulary_file
from hf_elmo.modeling.tokenization_elmo import ElmoTokenizer

WORDS = ["<S>", "</S>", "<UNK>", "the", "cat", "The", ".", "don", "t", "'", "café", "北", "purrs"]


@pytest.fixture
def tokenizer():
    return ElmoTokenizer(WORDS)


def test_ids_are_line_numbers_plus_one(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    for tokenizer in (ElmoTokenizer(vocab_file=tmp_path / "vocab.txt"), ElmoTokenizer(str(tmp_path / "vocab.txt"))):
        assert tokenizer.convert_tokens_to_ids(["[PAD]", *WORDS]) == list(range(len(WORDS) + 1))
        assert len(tokenizer) == tokenizer.vocab_size == len(WORDS) + 1


def test_missing_special_words_come_last():
    assert ElmoTokenizer().get_vocab() == {"[PAD]": 0, "<S>": 1, "</S>": 2, "<UNK>": 3}
    assert ElmoTokenizer(["a", "</S>"]).get_vocab() == {"[PAD]": 0, "a": 1, "</S>": 2, "<S>": 3, "<UNK>": 4}


def test_a_dict_gives_the_ids():
    given = {"b": 0, "a": 1, "[PAD]": 2, "<UNK>": 3}
    tokenizer = ElmoTokenizer(given)
    assert tokenizer.get_vocab() == {**given, "<S>": 4, "</S>": 5}
    rows = tokenizer.vocabulary_char_ids()
    assert rows[0].tolist() == char_ids_of("b") and not rows[2].any()
    padded = tokenizer(["a", "a b"], padding=True, return_tensors="np")
    assert padded["input_ids"].tolist() == [[4, 1, 5, 2], [4, 1, 0, 5]]
    assert ElmoTokenizer({"a": 1}).pad_token_id == 0
    assert ElmoTokenizer({"a": 0}).pad_token_id == 1


def test_vocabulary_char_ids_have_a_row_for_every_id(tokenizer):
    tokenizer.add_tokens(["[ENT]"])
    rows = tokenizer.vocabulary_char_ids()
    assert rows.dtype == np.int64 and rows.shape == (len(tokenizer), 50)
    assert not rows[0].any()
    words = tokenizer.convert_ids_to_tokens(range(1, len(tokenizer)))
    assert rows[1:].tolist() == [char_ids_of(word) for word in words]


def test_repeated_and_empty_lines_keep_their_ids(tmp_path, caplog):
    (tmp_path / "vocab.txt").write_text("<S>\n</S>\n<UNK>\nold\n\n new \nold\n", encoding="utf-8")
    tokenizer = ElmoTokenizer(vocab_file=tmp_path / "vocab.txt")
    assert tokenizer.convert_tokens_to_ids(["old", "new"]) == [7, 6]
    assert len(tokenizer) == 8
    assert tokenizer([""], is_split_into_words=True)["input_ids"][1] == tokenizer.unk_token_id
    assert any("2 vocabulary lines can never be used" in message for message in caplog.messages)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"splitting": "words"}, "splitting must be one of punctuation, whitespace, got 'words'"),
        ({"max_characters_per_token": 2}, "at least 3"),
        ({"max_characters_per_token": "50"}, "got '50'"),
        ({"vocab": ["a", "[PAD]"]}, r"padding token '\[PAD\]' at index 1"),
        ({"vocab": {"a": 5}}, "ids 0 to 4, each once"),
        ({"vocab": {"a": 1, "b": 1}}, "each once"),
        ({"vocab": ["a"], "vocab_file": "vocab.txt"}, "both vocab and vocab_file"),
        ({"unk_token": None}, "unk_token must be a word"),
    ],
)
def test_wrong_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ElmoTokenizer(**arguments)


def test_wrong_vocabularies_are_refused(tmp_path):
    with pytest.raises(TypeError, match="the entry with id 2 is 7"):
        ElmoTokenizer(["a", 7])
    (tmp_path / "vocab.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(ValueError, match="vocab.txt is not a vocabulary file, UTF-8"):
        ElmoTokenizer(vocab_file=tmp_path / "vocab.txt")
    with pytest.raises(FileNotFoundError):
        ElmoTokenizer(vocab_file=tmp_path / "absent.txt")


def test_save_vocabulary_writes_a_file_that_gives_the_same_ids(tokenizer, tmp_path):
    (path,) = tokenizer.save_vocabulary(str(tmp_path))
    assert read_vocabulary_file(path) == WORDS
    assert ElmoTokenizer(vocab_file=path).get_vocab() == tokenizer.get_vocab()
    with pytest.raises(ValueError, match="cannot hold words with line breaks"):
        ElmoTokenizer(["a\nb"]).save_vocabulary(str(tmp_path), "other")
    assert [file.name for file in tmp_path.iterdir()] == ["vocab.txt"]


@pytest.mark.parametrize(
    "arguments",
    [{"vocab": {"b": 0, "a": 1, "[PAD]": 2, "<UNK>": 3}}, {"vocab": {"b": 0, "a": 1}, "pad_token": None}],
)
def test_a_word_at_id_0_is_not_lost_in_a_vocabulary_file(arguments, tmp_path):
    tokenizer = ElmoTokenizer(**arguments)
    with pytest.raises(ValueError, match="id 0 is the word 'b'.* save_pretrained keeps every id"):
        tokenizer.save_vocabulary(str(tmp_path))
    assert not list(tmp_path.iterdir())
    tokenizer.save_pretrained(tmp_path)  # the way out
    assert ElmoTokenizer.from_pretrained(tmp_path).get_vocab() == tokenizer.get_vocab()


def test_a_file_is_read_as_by_bilm_tf_and_without_a_byte_order_mark(tmp_path):
    (tmp_path / "vocab.txt").write_bytes(b"\xef\xbb\xbf<S>\n</S>\n!!!MAXTERMID\n<UNK>\n the \n")
    assert read_vocabulary_file(tmp_path / "vocab.txt") == ["<S>", "</S>", "<UNK>", "the"]
    tokenizer = ElmoTokenizer(vocab_file=tmp_path / "vocab.txt")
    assert tokenizer.convert_tokens_to_ids(["<S>", "the"]) == [1, 4] and len(tokenizer) == 5
    for word in ("!!!MAXTERMID", "\ufeffa"):  # a reader would take neither as the word of its line
        with pytest.raises(ValueError, match="cannot hold words with line breaks"):
            ElmoTokenizer([word]).save_vocabulary(str(tmp_path), "other")


def test_a_large_vocabulary_keeps_its_splitter():
    # Above 100,000 words the base class would look the tokenizer up on the Hub and change its splitter.
    tokenizer = ElmoTokenizer([f"w{number}" for number in range(100_001)], name_or_path="someone/elmo")
    assert tokenizer.tokenize("w5,w6") == ["w5", "<UNK>", "w6"]


# ------------------------------------------------------------------------------------------------------------ training


def test_training_gives_words_by_frequency():
    settings = {"splitting": "whitespace", "max_characters_per_token": 20, "padding_side": "left"}
    corpus = [["b a b c", "b a <S>"], ["\ud800 [PAD] <UNK> <UNK> <UNK> <UNK>"]]
    new = ElmoTokenizer(["old"], **settings).train_new_from_iterator(corpus, 7)
    assert new.convert_ids_to_tokens(range(7)) == ["[PAD]", "<S>", "</S>", "<UNK>", "b", "a", "c"]
    assert (new.splitting, new.max_characters_per_token, new.padding_side) == ("whitespace", 20, "left")
    assert len(ElmoTokenizer().train_new_from_iterator(corpus, 5)) == 5
    assert len(ElmoTokenizer().train_new_from_iterator(iter(["x x y"]), 100, min_frequency=2)) == 5
    with pytest.raises(ValueError, match="less than the 4 special tokens"):
        ElmoTokenizer().train_new_from_iterator(corpus, 3)


def test_training_renames_and_adds_special_tokens(tmp_path):
    old = ElmoTokenizer(extra_special_tokens=["[A]"])
    old.save_pretrained(tmp_path)
    for tokenizer in (old, ElmoTokenizer.from_pretrained(tmp_path)):
        new = tokenizer.train_new_from_iterator(
            ["x x y"], 20, new_special_tokens=["[B]"], special_tokens_map={"<S>": "<begin>", "[A]": "[AA]"}
        )
        assert new.bos_token == "<begin>" and new.extra_special_tokens == ["[AA]", "[B]"]
        assert new.tokenize("x[AA]y[B]", add_special_tokens=True) == ["<begin>", "x", "[AA]", "y", "[B]", "</S>"]
        assert new("x")["char_ids"][0] == char_ids_of("<S>")
        assert "[A]" not in new.get_vocab()


def test_training_keeps_changes_of_the_backend(tokenizer):
    tokenizer.backend_tokenizer.normalizer = normalizers.Lowercase()
    new = tokenizer.train_new_from_iterator(["The the Cat"], 10)
    assert new.encode("THE", add_special_tokens=False) == [4]
