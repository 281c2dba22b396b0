# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Sentence batches: every sentence once in an epoch, little padding, exact positions, several processes as one."""

from collections import Counter
from itertools import islice

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_elmo.corpus import PreparationError, SentenceBatches, TokenShards, model_inputs


@pytest.fixture(scope="module")
def shards(corpus):
    return TokenShards.open(corpus)


def rows_of(batch):
    """The rows without padding; padding must be zeros, and nothing to be predicted."""
    rows = []
    for ids, mask, labels in zip(batch["input_ids"], batch["attention_mask"], batch["labels"], strict=True):
        length = int(mask.sum())
        assert mask.tolist() == [1] * length + [0] * (len(mask) - length)
        assert labels.tolist() == ids[:length].tolist() + [-100] * (len(mask) - length)
        assert not ids[length:].any()
        rows += [tuple(ids[:length].tolist())] if length else []
    return rows


def expected_rows(shards, lines):
    encoded = shards.tokenizer().encode_corpus(lines, char_ids=False)
    return Counter(tuple(encoded.input_ids[a:b].tolist()) for a, b in zip(encoded.offsets, encoded.offsets[1:]))  # noqa: B905


@given(
    max_tokens=st.integers(3, 300),
    shuffle=st.booleans(),
    together=st.integers(1, 9),
    world_size=st.integers(1, 4),
)
@settings(max_examples=15, deadline=None)
def test_every_sentence_comes_once_in_an_epoch_over_all_processes(
    corpus, lines, max_tokens, shuffle, together, world_size
):
    shards = TokenShards.open(corpus)
    options = {"shuffle": shuffle, "shards_together": together, "epochs": 1}
    found = [
        list(SentenceBatches(shards, max_tokens, rank=rank, world_size=world_size, **options))
        for rank in range(world_size)
    ]
    one = list(SentenceBatches(shards, max_tokens * world_size, **options))
    assert SentenceBatches(shards, max_tokens * world_size, **options).steps_in_epoch() == len(one)
    assert Counter(row for batches in found for batch in batches for row in rows_of(batch)) == expected_rows(
        shards, lines
    )
    for whole, *pieces in zip(one, *found, strict=True):
        rows = [rows_of(piece) for piece in pieces]
        assert Counter(rows_of(whole)) == Counter(row for part in rows for row in part)
        assert max(map(len, rows)) - min(map(len, rows)) <= 1
        assert whole["input_ids"].numel() <= max_tokens * world_size or len(whole["input_ids"]) == 1


def test_lengths_are_alike_within_a_batch_and_mixed_between_batches(shards):
    batches = list(SentenceBatches(shards, 100, shards_together=99, epochs=1))
    padding = sum(int((batch["attention_mask"] == 0).sum()) for batch in batches)
    assert padding / sum(batch["attention_mask"].numel() for batch in batches) < 0.06
    lengths = [batch["input_ids"].shape[1] for batch in batches]
    assert lengths != sorted(lengths)
    kept = [
        batch["input_ids"].shape[1]
        for batch in SentenceBatches(shards, 100, shuffle=False, shards_together=99, epochs=1)
    ]
    assert kept == sorted(kept)


def test_seed_and_epoch_decide_the_order(shards):
    def take(seed):
        batches = SentenceBatches(shards, 60, seed=seed)
        steps = batches.steps_in_epoch(0)
        return [[rows_of(batch) for batch in islice(batches, steps)] for _ in range(2)]

    first, second = take(1)
    assert first != second
    assert [first, second] == take(1)
    assert first != take(2)[0]


def test_a_saved_position_continues_bit_equal(shards):
    def make(**changes):
        return SentenceBatches(shards, 60, **{"seed": 3, "shards_together": 2, **changes})

    batches = make()
    states, found = [], []
    for _ in range(2 * batches.steps_in_epoch()):
        states.append(batches.state_dict())
        found.append(next(batches))
    assert batches.epoch >= 1
    for step in (0, 1, 19, len(states) - 2):
        again = make()
        again.load_state_dict(states[step])
        for batch in found[step : step + 2]:
            assert all(torch.equal(value, batch[name]) for name, value in next(again).items())
    with pytest.raises(PreparationError, match="another order of the data: seed 3 there, 4 here"):
        make(seed=4).load_state_dict(states[0])


def test_inputs_of_the_model_are_those_of_the_tokenizer(shards, lines):
    tokenizer, table = shards.tokenizer(), shards.character_table()
    by_ids = {}
    for line in lines:
        encoded = tokenizer(line.split(), is_split_into_words=True)
        by_ids.setdefault(tuple(encoded["input_ids"]), []).append(encoded["char_ids"])
    for batch in SentenceBatches(shards, 200, epochs=1):
        inputs = model_inputs(batch, table)
        assert inputs.keys() == {"input_ids", "char_ids", "attention_mask", "labels"}
        for ids, characters in zip(inputs["input_ids"], inputs["char_ids"], strict=True):
            length = int((ids != 0).sum())
            assert characters[:length].tolist() in by_ids[tuple(ids[:length].tolist())]
            assert not characters[length:].any()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"max_tokens": 2}, "max_tokens=2 must be at least 3"),
        ({"shards_together": 0}, "shards_together=0 at least 1"),
        ({"rank": 1}, "rank=1 must be from 0 to below world_size=1"),
    ],
)
def test_wrong_settings(shards, wrong, message):
    with pytest.raises(PreparationError, match=message):
        SentenceBatches(shards, **{"max_tokens": 9, **wrong})
