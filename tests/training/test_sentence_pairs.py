# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Batches for BERT: the whole text in them, exact positions, several processes as one, labels that tell the truth."""

from collections import Counter
from itertools import islice

import numpy as np
import pytest
import torch
from piece_corpora import CONSONANTS, make_documents, make_pieces

from hf_elmo.corpus import PreparationError
from hf_elmo.training.piece_shards import PieceShards
from hf_elmo.training.sentence_pairs import SentencePairs

PAD, UNK, CLS, SEP, MASK = range(5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_pieces(tmp_path_factory.mktemp("pairs"))


@pytest.fixture(scope="module")
def shards(folder):
    return PieceShards.open(folder)


@pytest.fixture(scope="module")
def text(shards):
    """The pieces of each document, by the tokenizer alone."""
    tokenizer = shards.tokenizer()
    return [
        [piece for sentence in sentences for piece in tokenizer(sentence, add_special_tokens=False)["input_ids"]]
        for sentences in make_documents()
    ]


def rows_of(batches, pairs=True):
    """Segments of the text without masks, and the label; checks marks, types and padding."""
    found = []
    for batch in batches:
        names = [
            "input_ids",
            "token_type_ids",
            "attention_mask",
            "labels",
            *(["next_sentence_label"] if pairs else []),
        ]
        assert list(batch) == names and all(value.dtype == torch.int64 for value in batch.values())
        original = torch.where(batch["labels"] == -100, batch["input_ids"], batch["labels"])
        labels = batch["next_sentence_label"].tolist() if pairs else [None] * len(original)
        rows = zip(original.tolist(), batch["token_type_ids"].tolist(), batch["attention_mask"].tolist(), strict=True)
        for (ids, types, mask), label in zip(rows, labels, strict=True):
            length = sum(mask)
            assert mask == [1] * length + [0] * (len(mask) - length)
            assert ids[length:] == [PAD] * (len(mask) - length)
            assert ids[0] == CLS and ids[length - 1] == SEP and CLS not in ids[1:]
            marks = [place for place, piece in enumerate(ids) if piece == SEP]
            assert len(marks) == (2 if pairs else 1)
            first, second = ids[1 : marks[0]], ids[marks[0] + 1 : marks[-1]]
            assert types == [0] * (marks[0] + 1) + [1] * (length - marks[0] - 1) + [0] * (len(ids) - length)
            found.append((first, second, label))
    return found


def equal(one, other):
    return list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("options", [{}, {"short_pair_fraction": 0.5, "max_length": 40}, {"whole_word": True}])
def test_an_epoch_without_shuffling_is_the_text(shards, text, options):
    rows = rows_of(SentencePairs(shards, 7, shuffle=False, epochs=1, **options))
    read = [piece for first, second, label in rows for piece in first + (second if label == 0 else [])]
    assert read == [piece for document in text for piece in document]
    assert {label for _, _, label in rows} == {0, 1}


def test_single_segments_are_the_text(shards, text):
    rows = rows_of(SentencePairs(shards, 5, next_sentence=False, shuffle=False, epochs=1), pairs=False)
    assert [piece for first, _, _ in rows for piece in first] == [piece for document in text for piece in document]


@pytest.mark.parametrize("together", [1, 3, 100])
def test_every_piece_comes_once_in_an_epoch_in_another_order(shards, text, together):
    pairs = SentencePairs(shards, 4, epochs=2, shards_together=together)
    epochs = []
    for epoch in range(2):
        count = pairs.rows_in_epoch(epoch)
        assert pairs.steps_in_epoch(epoch) == -(-count // 4)
        epochs.append(count)
    rows = rows_of(pairs)
    assert len(rows) == sum(epochs)
    for part in (rows[: epochs[0]], rows[epochs[0] :]):
        read = Counter(piece for first, second, label in part for piece in first + (second if label == 0 else []))
        assert read == Counter(piece for document in text for piece in document)
    assert rows[: epochs[0]] != rows[epochs[0] :]
    plain = rows_of(SentencePairs(shards, 4, epochs=1, shards_together=together, shuffle=False))
    assert [first for first, _, _ in plain] != [first for first, _, _ in rows[: epochs[0]]]


def test_labels_tell_whether_the_second_segment_is_of_the_same_document(shards):
    tokenizer = shards.tokenizer()

    def document(pieces):
        known = [piece for piece in pieces if piece != UNK]
        letters = set("".join(tokenizer.convert_ids_to_tokens(known)).lower()) & set(CONSONANTS)
        assert len(letters) <= 1
        return letters

    known = 0
    for first, second, label in rows_of(SentencePairs(shards, 8, epochs=3)):
        if document(first) and document(second):
            known += 1
            assert (document(first) == document(second)) == (label == 0)
    assert known > 200


def test_labels_are_masked_text_and_masks_follow_the_fraction(shards):
    chosen = total = hidden = 0
    for batch in SentencePairs(shards, 16, epochs=8, mask_fraction=0.2):
        is_text = (batch["attention_mask"] == 1) & (batch["input_ids"] != CLS) & (batch["input_ids"] != SEP)
        masked = batch["labels"] != -100
        assert not masked[~is_text].any()
        assert (masked.sum(1) > 0).all()
        assert batch["labels"][masked].min() >= UNK and batch["labels"][masked].max() < shards.vocab_size
        chosen, total = chosen + int(masked.sum()), total + int(is_text.sum())
        hidden += int((batch["input_ids"][masked] == MASK).sum())
    assert abs(chosen - 0.2 * total) < 5 * np.sqrt(total * 0.2 * 0.8)
    assert abs(hidden - 0.8 * chosen) < 5 * np.sqrt(chosen * 0.8 * 0.2)


def test_whole_words_are_masked_with_all_their_pieces(shards):
    pieces = shards.tokenizer().convert_ids_to_tokens(range(shards.vocab_size))
    partly = {True: 0, False: 0}
    for whole_word in partly:
        for batch in SentencePairs(shards, 8, epochs=1, whole_word=whole_word):
            original = torch.where(batch["labels"] == -100, batch["input_ids"], batch["labels"]).tolist()
            for ids, labels in zip(original, batch["labels"].tolist(), strict=True):
                for place in range(2, len(ids)):
                    if pieces[ids[place]].startswith("##") and ids[place - 1] not in (CLS, SEP):
                        partly[whole_word] += (labels[place] == -100) != (labels[place - 1] == -100)
    assert partly[True] == 0 and partly[False] > 100


def test_widths_are_the_longest_row_to_the_next_multiple_of_eight(shards):
    widths = set()
    for batch in SentencePairs(shards, 2, epochs=1, max_length=61, short_pair_fraction=0.7):
        longest = int(batch["attention_mask"].sum(1).max())
        assert (
            batch["input_ids"].shape == batch["labels"].shape == (len(batch["labels"]), min(-(-longest // 8) * 8, 61))
        )
        widths.add(batch["input_ids"].shape[1])
    assert len(widths) > 3


@pytest.mark.parametrize(
    "options", [{}, {"shuffle": False}, {"next_sentence": False, "whole_word": True}, {"batch_size": 200}]
)
def test_a_saved_position_continues_bit_equal(shards, options):
    def make(**changes):
        return SentencePairs(shards, **{"batch_size": 6, "shards_together": 5, "seed": 3, **options, **changes})

    pairs = make()
    states, batches, epochs = [], [], []
    while pairs.epoch < 3:
        states.append(pairs.state_dict())
        epochs.append(pairs.epoch)
        batches.append(next(pairs))
    assert {0, 1, 2} >= set(epochs) and all(len(batch["labels"]) == make().batch_size for batch in batches)
    for step, state in enumerate(states):
        again = make()
        again.load_state_dict(state)
        assert again.epoch == epochs[step]
        assert all(equal(batch, next(again)) for batch in batches[step : step + 2])
    used = make()
    next(used)
    used.load_state_dict(states[0])
    assert equal(next(used), batches[0])


def test_positions_of_another_order_are_refused(shards):
    state = SentencePairs(shards, 4, seed=3).state_dict()
    other = SentencePairs(shards, 4, seed=9, max_length=64)
    with pytest.raises(
        PreparationError, match="another order of the data: max_length 128 there, 64 here; seed 3 there, 9 here"
    ):
        other.load_state_dict(state)
    state["order"]["shards"] = "0"
    with pytest.raises(PreparationError, match="another order of the data: shards 0 there, "):
        SentencePairs(shards, 4, seed=3).load_state_dict(state)


@pytest.mark.parametrize("next_sentence", [True, False])
def test_processes_have_the_rows_of_one(shards, next_sentence):
    options = {"epochs": 1, "seed": 1, "shards_together": 3, "next_sentence": next_sentence}
    one = SentencePairs(shards, 12, **options)
    parts = [SentencePairs(shards, 4, rank=rank, world_size=3, **options) for rank in range(3)]
    steps = 0
    for whole, *pieces in zip(one, *parts, strict=True):
        for name, value in whole.items():
            for rank, piece in enumerate(pieces):
                own = value[rank::3]
                if len(own):
                    width = piece["labels"].shape[1]
                    assert torch.equal(piece[name], own if own.dim() == 1 else own[:, :width])
                else:
                    assert (piece["labels"] == -100).all()
        states = [part.state_dict() for part in (one, *parts)]
        assert states.count(states[0]) == 4
        steps += 1
    assert steps == one.steps_in_epoch() == parts[2].steps_in_epoch()


def test_a_process_without_a_row_gets_one_without_labels(shards):
    count = SentencePairs(shards, 1).rows_in_epoch()
    ranks = [SentencePairs(shards, 1, epochs=1, rank=rank, world_size=count - 1) for rank in (0, 1)]
    for first, second in zip(*ranks, strict=True):
        last = first, second
    assert (last[0]["labels"] != -100).any()
    assert (last[1]["labels"] == -100).all() and last[1]["next_sentence_label"].tolist() == [-100]
    assert last[1]["input_ids"].tolist() == [[CLS, SEP, SEP, PAD, PAD, PAD, PAD, PAD]]
    assert last[1]["attention_mask"].tolist() == [[1, 1, 1, 0, 0, 0, 0, 0]]


def test_seed_and_epoch_decide_all(shards):
    def take(seed):
        return rows_of(islice(SentencePairs(shards, 8, seed=seed), 3))

    assert take(1) == take(1) != take(2)
    masks = [next(SentencePairs(shards, 8, seed=seed, shuffle=False))["labels"] for seed in (1, 2)]
    assert masks[0].shape != masks[1].shape or not torch.equal(*masks)


def test_once_is_the_first_epoch_in_the_order_of_the_text(shards, text):
    pairs = SentencePairs(shards, 3, seed=4, max_length=50, rank=1, world_size=2)
    next(pairs)
    small, large = rows_of(pairs.once(2)), rows_of(pairs.once(64))
    assert small == large
    read = [piece for first, second, label in small for piece in first + (second if label == 0 else [])]
    assert read == [piece for document in text for piece in document]


def test_one_document(tmp_path):
    sentences = [f"Baba bebe bibi bo {'bu ' * (number % 9)}." for number in range(50)]
    shards = PieceShards.open(make_pieces(tmp_path, [sentences], shard_characters=300))
    assert shards.num_shards > 1 and shards.documents == 1
    with pytest.raises(PreparationError) as refusal:
        SentencePairs(shards, 2)
    assert str(refusal.value) == (
        f"{shards.folder} has a single document in its part 'train', but a random next sentence is of another one: "
        "prepare the corpus with smaller documents (--documents blank-line), or give --no-next_sentence (in Python "
        "next_sentence=False)"
    )
    batches = list(SentencePairs(shards, 2, next_sentence=False, epochs=1))
    assert sum(len(rows_of([batch], pairs=False)) for batch in batches) >= shards.num_shards


def test_documents_of_one_sentence_get_a_random_second_segment(tmp_path):
    documents = [[f"{letter}a {letter}e {letter}i."] for letter in CONSONANTS]
    shards = PieceShards.open(make_pieces(tmp_path, documents))
    rows = rows_of(SentencePairs(shards, 3, epochs=1))
    assert [label for _, _, label in rows] == [1] * 20
    assert all(first != second for first, second, _ in rows)


def test_a_long_document_in_many_shards_shares_its_group_with_another(tmp_path):
    documents = [["Baba bebe bibi bo bu."] * 200, ["Ga go."] * 3]
    shards = PieceShards.open(make_pieces(tmp_path, documents, shard_characters=300))
    assert shards.num_shards > 5
    rows = rows_of(SentencePairs(shards, 3, epochs=2, shards_together=1))
    assert {label for _, _, label in rows} == {0, 1}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"batch_size": 0}, "batch_size=0 and shards_together=4 must be at least 1"),
        ({"max_length": 7}, "max_length=7 must be at least 8"),
        ({"mask_fraction": 0.0}, "mask_fraction=0.0 must be above 0 and below 1"),
        ({"short_pair_fraction": 1.5}, "short_pair_fraction=1.5 must be from 0 to 1"),
        ({"rank": 2, "world_size": 2}, "rank=2 must be from 0 to below world_size=2"),
    ],
)
def test_wrong_settings(shards, wrong, message):
    with pytest.raises(PreparationError, match=message):
        SentencePairs(shards, **{"batch_size": 2, **wrong})
