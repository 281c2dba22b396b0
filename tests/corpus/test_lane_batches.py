# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Lanes: bilm-tf's packing, every word once in an epoch and direction, exact positions, several processes as one."""

from collections import Counter
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support import SHARED, requires_shared

from hf_elmo.corpus import LaneBatches, PreparationError, TokenShards, char_ids, model_inputs, prepare


@pytest.fixture(scope="module")
def shards(corpus):
    return TokenShards.open(corpus)


def sentences_as_ids(corpus, lines, backward=False):
    """By the vocabulary file alone."""
    words = (corpus / "vocab.txt").read_text(encoding="utf-8").split("\n")
    ids = {word: number for number, word in enumerate(words, start=1)}
    found = [[1, *(ids.get(word, 3) for word in line.split()), 2] for line in lines]
    return [sentence[::-1] for sentence in found] if backward else found


def pack(sentences, rows, steps):
    """bilm-tf's packing, symbol by symbol: pairs of what is read and what is predicted, until a row finds no more."""
    waiting = list(sentences)
    reading = [[] for _ in range(rows)]
    while True:
        window = []
        for row in range(rows):
            for _ in range(steps):
                if len(reading[row]) < 2:
                    if not waiting:
                        return
                    reading[row] = waiting.pop(0)
                window.append((reading[row][0], reading[row][1]))
                reading[row] = reading[row][1:]
        yield np.array(window).reshape(rows, steps, 2)


def sentence_lengths(symbols, begin):
    starts = [place for place, symbol in enumerate(symbols) if symbol == begin]
    return np.diff([*starts, len(symbols)]).tolist()


def equal(one, other):
    return all(torch.equal(one[way][name], other[way][name]) for way in one for name in one[way])


@pytest.mark.parametrize("rows", [1, 3, 8])
def test_text_in_order_is_packed_as_bilm_tf_does(corpus, lines, shards, rows):
    found = list(LaneBatches(shards, rows, 5, shuffle="none", epochs=1))
    for direction in ("forward", "backward"):
        expected = list(pack(sentences_as_ids(corpus, lines, direction == "backward"), rows, 5))
        assert len(found) == len(expected) > 10
        for batch, window in zip(found, expected, strict=True):
            assert np.array_equal(batch[direction]["input_ids"], window[:, :, 0])
            assert np.array_equal(batch[direction]["labels"], window[:, :, 1])
            assert bool(batch[direction]["attention_mask"].all())


@requires_shared
def test_the_batches_that_bilm_tf_recorded(tmp_path):
    folder = SHARED / "fixtures" / "bilm_training"
    form = {"sentences": "lines", "splitting": "whitespace", "vocabulary": str(folder / "vocab.txt")}
    prepare(folder / "train.txt", tmp_path / "out", say=lambda line: None, **form)
    shards = TokenShards.open(tmp_path / "out")
    table = shards.character_table()
    recorded = np.load(folder / "steps.npz")
    lanes = LaneBatches(shards, 3, 7, shuffle="none")
    for step, batch in enumerate(islice(lanes, 6)):
        inputs = model_inputs(batch, table)
        for way, ending, prefix in (("forward", "", ""), ("backward", "_reverse", "backward_")):
            # bilm-tf numbers words from 0 without padding, and characters of training without the 1 for padding.
            assert np.array_equal(batch[way]["input_ids"], recorded[f"step{step}.token_ids{ending}"] + 1)
            assert np.array_equal(inputs[f"{way}_targets"], recorded[f"step{step}.next_token_id{ending}"] + 1)
            characters = recorded[f"step{step}.tokens_characters{ending}"] + 1
            assert np.array_equal(inputs[f"{prefix}char_ids"], characters)


@given(
    rows=st.integers(1, 40),
    steps=st.integers(1, 30),
    epochs=st.integers(1, 2),
    shuffle=st.sampled_from(["sentences", "shards", "none"]),
    seed=st.integers(0, 3),
)
@settings(max_examples=10, deadline=None)
def test_every_word_comes_once_in_each_epoch_and_direction(corpus, lines, rows, steps, epochs, shuffle, seed):
    lanes = LaneBatches(
        TokenShards.open(corpus), rows, steps, shuffle=shuffle, seed=seed, epochs=epochs, drop_last=False
    )
    read = {"forward": [[] for _ in range(rows)], "backward": [[] for _ in range(rows)]}
    for batch in lanes:
        for direction, part in batch.items():
            for row in range(rows):
                real = part["labels"][row] != -100
                assert (part["input_ids"][row][~real] == 1).all()
                read[direction][row] += list(
                    zip(part["input_ids"][row][real].tolist(), part["labels"][row][real].tolist(), strict=True)
                )
    for direction, symbols in read.items():
        # What a row reads, put together to sentences, is the text; backward its mirror.
        begin, end = (1, 2) if direction == "forward" else (2, 1)
        found = Counter()
        for row in symbols:
            sentence = []
            for symbol, following in row:
                assert not sentence or sentence[-1] == symbol
                sentence += [symbol, following] if not sentence else [following]
                if following == end:
                    assert sentence[0] == begin
                    found[tuple(sentence)] += 1
                    sentence = []
            assert sentence == []
        expected = Counter(map(tuple, sentences_as_ids(corpus, lines, direction == "backward")))
        assert found == Counter({key: epochs * count for key, count in expected.items()})


def test_characters_are_those_of_the_tokenizer_also_for_unknown_words(lines, shards):
    table = shards.character_table(20)
    tokenizer = shards.tokenizer(max_characters_per_token=20)
    lanes = LaneBatches(shards, 1, 10_000, shuffle="none", epochs=1, drop_last=False, max_characters_per_token=20)
    (batch,) = lanes
    given_words = [tokenizer(line.split(), is_split_into_words=True)["char_ids"] for line in lines]
    ahead = torch.tensor([row for rows in given_words for row in rows[:-1]])
    back = torch.tensor([row for rows in given_words for row in rows[:0:-1]])
    for direction, expected in (("forward", ahead), ("backward", back)):
        assert len(batch[direction]["unknown_positions"]) > 20
        assert torch.equal(char_ids(batch[direction], table)[0, : len(expected)], expected)


@pytest.mark.parametrize("shuffle", ["sentences", "shards", "none"])
def test_a_saved_position_continues_bit_equal(shards, shuffle):
    def make(seed=3, rows=4):
        return LaneBatches(shards, rows, 6, shuffle=shuffle, seed=seed)

    lanes = make()
    epochs, states, batches = [], [], []
    for _ in range(3 * lanes.steps_per_epoch):
        states.append(lanes.state_dict())
        epochs.append(lanes.epoch)
        batches.append(next(lanes))
    assert epochs[-1] == 2
    for step in (0, 1, 17, len(states) // 2, len(states) - 3):
        again = make()
        next(again)
        again.load_state_dict(states[step])
        assert all(equal(batch, next(again)) for batch in batches[step : step + 3])
    with pytest.raises(
        PreparationError, match="another order of the data: rows 4 there, 5 here; seed 3 there, 9 here"
    ):
        make(seed=9, rows=5).load_state_dict(states[1])


def test_processes_have_the_rows_of_one(shards):
    one = LaneBatches(shards, 6, 5, seed=1, epochs=2, drop_last=False)
    parts = [
        LaneBatches(shards, 2, 5, seed=1, epochs=2, drop_last=False, rank=rank, world_size=3) for rank in range(3)
    ]
    table = shards.character_table()
    for whole, *pieces in zip(one, *parts, strict=True):
        for direction in whole:
            for name in ("input_ids", "labels"):
                together = torch.cat([piece[direction][name] for piece in pieces])
                assert torch.equal(together, whole[direction][name])
            characters = torch.cat([char_ids(piece[direction], table) for piece in pieces])
            assert torch.equal(characters, char_ids(whole[direction], table))
    assert parts[0].state_dict() == parts[2].state_dict() == one.state_dict()


def test_seed_epoch_and_direction_decide_the_order(shards):
    def first_epochs(direction="forward", **options):
        lanes = LaneBatches(shards, 1, shards.words + shards.sentences, **options)
        return [next(lanes)[direction]["input_ids"].tolist() for _ in range(2)]

    shuffled = first_epochs(seed=1)
    assert shuffled == first_epochs(seed=1)
    assert shuffled[0] != shuffled[1]
    assert shuffled != first_epochs(seed=2)
    kept = first_epochs(shuffle="none")
    assert kept[0] == kept[1]
    by_shard = first_epochs(seed=1, shuffle="shards")
    assert by_shard[0] not in (kept[0], shuffled[0])
    # A stream of its own: not the sentences of the forward one, mirrored. Without the marks, both are lists of words.
    ahead = [[word for word in ids if word > 2] for ids in shuffled[0]]
    back = [[word for word in ids if word > 2] for ids in first_epochs("backward", seed=1)[0]]
    assert sorted(ahead[0]) == sorted(back[0])
    assert sentence_lengths(shuffled[0][0], 1) != sentence_lengths(first_epochs("backward", seed=1)[0][0], 2)
    assert sentence_lengths(kept[0][0], 1) == sentence_lengths(first_epochs("backward", shuffle="none")[0][0], 2)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"shuffle": "words"}, "shuffle must be one of sentences, shards, none; got 'words'"),
        ({"batch_size": 0}, "batch_size=0 and unroll_steps=20 must be at least 1"),
        ({"rank": 2, "world_size": 2}, "rank=2 must be from 0 to below world_size=2"),
    ],
)
def test_wrong_settings(shards, wrong, message):
    with pytest.raises(PreparationError, match=message):
        LaneBatches(shards, **{"batch_size": 2, **wrong})
