# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What transformers expects of every tokenizer: pairs, truncation, padding, collators, datasets, loading, decoding."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from plain_characters import char_ids_of, encode_plainly, split_plainly
from support import ROOT
from transformers import (
    DataCollatorForLanguageModeling,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    default_data_collator,
)

from hf_elmo.modeling.tokenization_elmo import ElmoTokenizer

ZEROS = [0] * 50
FIRST, LAST = char_ids_of("<S>"), char_ids_of("</S>")


@pytest.fixture
def tokenizer():
    return ElmoTokenizer(["<S>", "</S>", "<UNK>", "the", "cat", "sat", "on", "mat", "."])


def rows(text):
    return [char_ids_of(word) for word, _ in split_plainly(text)]


# --------------------------------------------------------------------------------------------------------------- pairs


@pytest.mark.parametrize(
    "arguments",
    [
        {"text": "the zebra.", "text_pair": "It sat"},
        {"text": ["the zebra."], "text_pair": ["It sat"]},
        {"text": [["the zebra.", "It sat"]]},
        {"text": [("the zebra.", "It sat")]},
        {"text": ["the", "zebra", "."], "text_pair": ["It", "sat"], "is_split_into_words": True},
        {"text": [["the", "zebra", "."]], "text_pair": [["It", "sat"]], "is_split_into_words": True},
        {"text": [(["the", "zebra", "."], ["It", "sat"])], "is_split_into_words": True},
    ],
)
def test_pairs_in_every_form(tokenizer, arguments):
    encoded = tokenizer(**arguments, return_token_type_ids=True, return_tensors="pt")
    assert encoded["input_ids"].tolist() == [[1, 4, 3, 9, 2, 1, 3, 6, 2]]
    assert encoded["char_ids"][0].tolist() == [FIRST, *rows("the zebra."), LAST, FIRST, *rows("It sat"), LAST]
    assert encoded["token_type_ids"].tolist() == [[0] * 5 + [1] * 4]
    assert encoded.sequence_ids(0) == [None, 0, 0, 0, None, None, 1, 1, None]
    assert encoded.word_ids(0) == [None, 0, 1, 2, None, None, 0, 1, None]
    lists = tokenizer(**arguments)["char_ids"]
    assert (lists if len(lists) == 1 else [lists]) == encoded["char_ids"].tolist()


def test_pairs_whose_words_are_mostly_known(tokenizer):
    first, second = "the cat sat on the mat.", "the cat sat on the gnu"
    encoded = tokenizer(first, second, add_special_tokens=False)
    assert encoded["char_ids"] == rows(first) + rows(second)


@pytest.mark.parametrize(
    "arguments, kind, message",
    [
        ({"text": 5}, ValueError, "must be of type `str`"),
        ({"text": [5]}, ValueError, "must be of type `str`"),
        ({"text": ["a", None]}, TypeError, "must be"),
        ({"text": ["a", 5], "is_split_into_words": True}, TypeError, "must be"),
        ({"text": ["", None], "is_split_into_words": True}, TypeError, "must be"),
        ({"text": []}, ValueError, "the batch of texts is empty"),
        ({"text": ["a", "b"], "text_pair": ["a"]}, ValueError, "batch of 2, .* a list of as many, got 1"),
        ({"text": ["a", "b"], "text_pair": "ab"}, ValueError, "batch of 2, .* got str"),
        ({}, ValueError, "either `text` or `text_target`"),
    ],
)
def test_wrong_input_is_refused(tokenizer, arguments, kind, message):
    with pytest.raises(kind, match=message):
        tokenizer(**arguments)
    assert tokenizer("the cat")["input_ids"] == [1, 4, 5, 2]  # and leaves the tokenizer usable


def test_no_words_at_all(tokenizer):
    for arguments in ({"text": ""}, {"text": [], "is_split_into_words": True}):
        assert tokenizer(**arguments)["char_ids"] == [FIRST, LAST]
        bare = tokenizer(**arguments, add_special_tokens=False, return_tensors="pt")
        assert (bare["input_ids"].shape, bare["char_ids"].shape) == ((1, 0), (1, 0, 50))
        assert bare["char_ids"].dtype == torch.int64
    assert tokenizer([[], ["cat"]], is_split_into_words=True)["input_ids"] == [[1, 2], [1, 5, 2]]


# ---------------------------------------------------------------------------------------------------------- truncation


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("words", [False, True])
@pytest.mark.parametrize("padding", [False, "max_length"])
def test_overflow_keeps_characters_beside_their_ids(tokenizer, side, words, padding):
    tokenizer.truncation_side = side
    texts = ["the odd cat sat on a red mat .", "the cat"]
    encoded = tokenizer(
        [text.split() for text in texts] if words else texts,
        is_split_into_words=words,
        truncation=True,
        max_length=6,
        stride=1,
        padding=padding,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    owners = encoded["overflow_to_sample_mapping"]
    assert owners == [0, 0, 0, 1]
    for number, owner in enumerate(owners):
        spelt = [word for word, _ in split_plainly(texts[owner])]
        expected = []
        for word_id, special in zip(encoded.word_ids(number), encoded.encodings[number].tokens, strict=True):
            if word_id is not None:
                expected.append(char_ids_of(spelt[word_id]))
            else:
                expected.append(ZEROS if special == "[PAD]" else char_ids_of(special))
        assert encoded["char_ids"][number] == expected
        assert len(encoded["input_ids"][number]) == len(expected) == len(encoded["offset_mapping"][number])


@pytest.mark.parametrize("strategy", ["only_second", "longest_first"])
def test_question_answering_windows(tokenizer, strategy):
    question, context = ["Who sat?"] * 2, ["the gnu sat on the mat. " * 3, "the gnu"]
    encoded = tokenizer(
        question,
        context,
        truncation=strategy,
        max_length=16,
        stride=2,
        padding="max_length",
        return_overflowing_tokens=strategy == "only_second",
        return_offsets_mapping=True,
        return_tensors="np",
    )
    owners = encoded.get("overflow_to_sample_mapping", [0, 1])
    assert encoded["char_ids"].shape == (*encoded["input_ids"].shape, 50)
    for number, owner in enumerate(owners):
        for place, sequence in enumerate(encoded.sequence_ids(number)):
            first, last = encoded["offset_mapping"][number][place].tolist()
            if sequence is not None:
                word = (question, context)[sequence][owner][first:last]
                assert encoded["char_ids"][number, place].tolist() == char_ids_of(word)


def test_max_length_alone_truncates_and_nothing_stays_behind(tokenizer):
    assert tokenizer("the cat sat", max_length=3)["input_ids"] == [1, 4, 2]
    assert len(tokenizer("the cat sat")["input_ids"]) == 5
    assert tokenizer.encode_corpus(["the cat sat"]).lengths.tolist() == [5]


# ------------------------------------------------------------------------------------------------------------- padding


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("kind", ["list", "array", "tensor", "batch", "batch encoding"])
def test_pad_equals_padding_while_encoding(tokenizer, side, kind):
    texts = ["the zebra", "the cat sat on the mat.", ""]
    tokenizer.padding_side = side
    expected = tokenizer(texts, padding=True, return_tensors="pt")
    examples = [dict(tokenizer(text)) for text in texts]
    if kind == "array":
        examples = [{key: np.array(value) for key, value in example.items()} for example in examples]
    if kind == "tensor":
        examples = [{key: torch.tensor(value) for key, value in example.items()} for example in examples]
    if kind == "batch":
        examples = {key: [example[key] for example in examples] for key in examples[0]}
    if kind == "batch encoding":
        examples = tokenizer(texts)
    padded = tokenizer.pad(examples, return_tensors="pt")
    assert set(padded) == set(expected)
    for key, value in expected.items():
        assert padded[key].dtype == torch.int64
        assert torch.equal(padded[key], value), key
    untyped = tokenizer.pad(examples)
    wanted = {"array": np.ndarray, "tensor": torch.Tensor}.get(kind, list)
    assert isinstance(untyped["char_ids"], wanted) and isinstance(untyped["input_ids"], wanted)
    assert np.asarray(untyped["char_ids"]).tolist() == expected["char_ids"].tolist()


def test_pad_one_example_and_to_multiples(tokenizer):
    one = tokenizer("the zebra")
    for given in (one, dict(one), {key: torch.tensor(value) for key, value in one.items()}):
        padded = tokenizer.pad(given, padding="max_length", max_length=6)
        assert list(padded["input_ids"]) == [1, 4, 3, 2, 0, 0]
        assert np.asarray(padded["char_ids"]).tolist() == [FIRST, *rows("the zebra"), LAST, ZEROS, ZEROS]
    many = tokenizer.pad([one, tokenizer("the")], pad_to_multiple_of=8, padding_side="left", return_tensors="np")
    assert many["char_ids"].shape == (2, 8, 50)
    assert many["char_ids"][1, :5].any() == 0 and many["char_ids"][1, 5].tolist() == FIRST
    while_encoding = tokenizer(["the zebra", "the"], padding=True, pad_to_multiple_of=8, padding_side="left")
    assert many["char_ids"].tolist() == while_encoding["char_ids"]


def test_pad_without_characters_and_with_wrong_ones(tokenizer):
    assert tokenizer.pad([{"input_ids": [1]}, {"input_ids": [1, 2]}])["input_ids"] == [[1, 0], [1, 2]]
    assert tokenizer.pad({"input_ids": [], "char_ids": []})["char_ids"] == []
    with pytest.raises(ValueError, match=r"shape \(1, 40\), its 1 input_ids need \(1, 50\)"):
        tokenizer.pad([{"input_ids": [1], "char_ids": [[1] * 40]}])
    with pytest.raises(ValueError, match=r"shape \(2, 50\), its 1 input_ids"):
        tokenizer.pad([{"input_ids": [1], "char_ids": [ZEROS] * 2}])


@pytest.mark.parametrize("kind", ["np", "pt"])
def test_tensors_have_integers_of_eight_bytes(tokenizer, kind):
    encoded = tokenizer(["the zebra", "cat"], padding=True, return_tensors=kind, return_special_tokens_mask=True)
    for key in ("input_ids", "char_ids", "attention_mask"):
        assert str(encoded[key].dtype).endswith("int64")
    assert encoded["special_tokens_mask"].shape == (2, 4)
    assert list(encoded)[:3] == ["input_ids", "char_ids", "attention_mask"]


def test_ragged_arrays_are_arrays_of_objects(tokenizer):
    encoded = tokenizer(["the zebra", "cat"], return_tensors="np")
    assert encoded["char_ids"].dtype == object and encoded["char_ids"][1].shape == (3, 50)


def test_attention_mask_can_be_left_out(tokenizer):
    assert set(tokenizer("the", return_attention_mask=False)) == {"input_ids", "char_ids"}
    padded = tokenizer(["[PAD]", "the cat"], padding=True, return_attention_mask=False)
    assert padded["char_ids"][0][-1] == LAST and padded["char_ids"][1][-1] == ZEROS


# --------------------------------------------------------------------------------------------------- collators, datasets


def test_collators(tokenizer):
    features = [{**tokenizer(text), "labels": [0] * len(tokenizer(text)["input_ids"])} for text in ("the", "the cat")]
    batch = DataCollatorForTokenClassification(tokenizer)(features)
    assert batch["char_ids"].shape == (2, 4, 50) and batch["labels"][0].tolist() == [0, 0, 0, -100]
    for feature in features:
        feature["labels"] = 1
    batch = DataCollatorWithPadding(tokenizer, pad_to_multiple_of=3)(features)
    assert batch["char_ids"].shape == (2, 6, 50) and batch["labels"].tolist() == [1, 1]
    even = tokenizer(["the", "cat"])
    batch = default_data_collator([{key: even[key][i] for key in even} for i in range(2)])
    assert batch["char_ids"].tolist() == even["char_ids"]


def test_language_model_collator_may_mask_unknown_words():
    tokenizer = ElmoTokenizer(mask_token="[MASK]")
    collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=1.0)
    batch = collator([tokenizer("zebra gnu")])
    assert batch["labels"][0].tolist() == [-100, 3, 3, -100]


def test_datasets_map_gives_the_same_ids(tokenizer, tmp_path):
    datasets = pytest.importorskip("datasets")
    texts = ["the zebra", "cat", "", "the cat sat"]
    dataset = datasets.Dataset.from_dict({"text": texts})
    mapped = dataset.map(lambda batch: tokenizer(batch["text"]), batched=True, batch_size=3)
    assert list(mapped["char_ids"]) == tokenizer(texts)["char_ids"]
    mapped.set_format("torch", columns=["input_ids", "char_ids", "attention_mask"])
    batch = DataCollatorWithPadding(tokenizer)([mapped[i] for i in range(4)])
    assert torch.equal(batch["char_ids"], tokenizer(texts, padding=True, return_tensors="pt")["char_ids"])


# ------------------------------------------------------------------------------------------------- decoding, positions


def test_decoding(tokenizer):
    ids = tokenizer("the zebra sat.")["input_ids"]
    assert tokenizer.decode(ids) == "<S> the <UNK> sat . </S>"
    assert tokenizer.decode(ids, skip_special_tokens=True) == "the <UNK> sat ."
    assert tokenizer.decode(torch.tensor(ids[:3]), skip_special_tokens=True) == "the <UNK>"
    assert tokenizer.decode(4) == "the"
    assert tokenizer.batch_decode([[4], [5, 0]], skip_special_tokens=True) == ["the", "cat"]
    assert tokenizer.convert_ids_to_tokens(ids)[2] == "<UNK>"
    assert tokenizer.convert_tokens_to_ids(["cat", "zebra"]) == [5, 3]


def test_unknown_words_are_not_special(tokenizer):
    ids = tokenizer(["the zebra", "a b c"], padding=True)["input_ids"][0]
    assert tokenizer.get_special_tokens_mask(ids, already_has_special_tokens=True) == [1, 0, 0, 1, 1]
    assert tokenizer("the zebra", return_special_tokens_mask=True)["special_tokens_mask"] == [1, 0, 0, 1]


def test_positions_lead_back_to_the_text(tokenizer):
    text = "naïve 🙂cats, the"
    encoded = tokenizer(text, return_offsets_mapping=True)
    assert [text[slice(*span)] for span in encoded["offset_mapping"][1:-1]] == ["naïve", "🙂cats", ",", "the"]
    assert encoded.char_to_token(text.index("cats")) == 2
    assert encoded.token_to_chars(4) == (13, 16)
    assert encoded.word_to_tokens(3) == (4, 5)
    given = tokenizer(["a b", "the"], is_split_into_words=True, return_offsets_mapping=True)
    assert given["offset_mapping"] == [(0, 0), (0, 3), (0, 3), (0, 0)]


def test_encode_and_tokenize(tokenizer):
    assert tokenizer.encode("the zebra") == [1, 4, 3, 2]
    assert tokenizer.tokenize("the zebra", pair="cat", add_special_tokens=True)[-3:] == ["<S>", "cat", "</S>"]
    assert tokenizer.num_special_tokens_to_add(pair=True) == 4
    assert tokenizer("the", text_target="the cat")["labels"] == [1, 4, 5, 2]


def test_labels_of_given_words_align_one_to_one(tokenizer):
    words, ids, chars = ["the", "", "\ud800", "a b"], *encode_plainly(["the", "", "\ud800", "a b"], tokenizer.vocab)
    encoded = tokenizer([words, words[:1]], is_split_into_words=True, truncation=True, max_length=20)
    assert encoded.word_ids(0) == [None, 0, 1, 2, 3, None]
    assert (encoded["input_ids"][0], encoded["char_ids"][0]) == (ids, chars)


# ------------------------------------------------------------------------------------------------------------- loading

LOADER = """
import sys
from transformers import AutoTokenizer
first, second = sys.argv[1:]
for folder in (first, second):
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
    assert type(tokenizer).__module__.startswith("transformers_modules") and "hf_elmo" not in sys.modules
    assert tokenizer.splitting == "whitespace" and tokenizer.split_cjk and tokenizer.padding_side == "left"
    encoded = tokenizer(["the zebra", "\u5317\u4eac"], padding=True)
    print(encoded["input_ids"], sum(map(sum, encoded["char_ids"][0])))
    if folder == first:
        tokenizer.save_pretrained(second)
"""


def test_remote_code_gives_the_same_ids_and_saves_itself_again(tmp_path):
    tokenizer = ElmoTokenizer(["the"], splitting="whitespace", split_cjk=True, padding_side="left")
    ElmoTokenizer.register_for_auto_class("AutoTokenizer")
    tokenizer.save_pretrained(tmp_path / "first")
    encoded = tokenizer(["the zebra", "北京"], padding=True)
    expected = f"{encoded['input_ids']} {sum(map(sum, encoded['char_ids'][0]))}"
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "HF_MODULES_CACHE": str(tmp_path / "modules"),
        "PYTHONPATH": "",
    }
    done = subprocess.run(
        [sys.executable, "-c", LOADER, str(tmp_path / "first"), str(tmp_path / "second")],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [expected, expected]
    for name in ("tokenization_elmo.py", "character_encoding.py"):
        assert (tmp_path / "second" / name).read_bytes() == (ROOT / "modeling" / name).read_bytes()


def test_a_folder_with_only_a_vocabulary_file_is_a_tokenizer(tmp_path):
    (tmp_path / "vocab.txt").write_text("<S>\n</S>\n<UNK>\nthe\n", encoding="utf-8")
    assert ElmoTokenizer.from_pretrained(tmp_path)("the x")["input_ids"] == [1, 4, 3, 2]
