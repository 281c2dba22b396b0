# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Where the words of a batch stand, against counting them one by one."""

import pytest
import torch

from hf_elmo.modeling.word_layout import PackedWords, WordLayout

MASKS = {
    "usual": ["111.", "1...", "1111"],
    "left padding": ["..11", "1111", "...1"],
    "holes": ["1.1.1", ".1..1", "11.11", "1...."],
    "empty rows": ["....", "11..", "....", "111.", "...."],
    "equal lengths": ["11.", ".11", "1.1", "11."],
    "one word": ["1"],
    "a column nobody reaches": ["11..", "1..."],
    "all empty": ["...", "..."],
    "no words": ["", ""],
    "no sentences": [],
}


def mask_of(rows: list[str]) -> torch.Tensor:
    width = len(rows[0]) if rows else 3
    return torch.tensor([[mark == "1" for mark in row] for row in rows], dtype=torch.bool).view(len(rows), width)


def random_masks():
    generator = torch.Generator().manual_seed(0)
    for sentences, words, share in [(7, 9, 0.5), (40, 13, 0.8), (20, 30, 0.05), (1, 50, 0.5)]:
        yield torch.rand(sentences, words, generator=generator) < share


ALL = [*(mask_of(rows) for rows in MASKS.values()), *random_masks()]
IDS = [*MASKS, *(f"random {number}" for number in range(4))]


def count_one_by_one(mask: torch.Tensor) -> dict:
    """What `PackedWords` holds, by walking through the sentences."""
    places = [[place for place, real in enumerate(row) if real] for row in mask.tolist()]
    order = [row for row, words in enumerate(places) if words]
    order.sort(key=lambda row: -len(places[row]))  # equal ones stay in the order they came in
    ahead, back, alive, last = [], [], [], {}
    for step in range(max(map(len, places), default=0)):
        alive.append(0)
        for row in order:
            if step < len(places[row]):
                last[row] = len(ahead)
                alive[-1] += 1
                ahead.append(row * mask.shape[1] + places[row][step])
                back.append(row * mask.shape[1] + places[row][-1 - step])
    return {
        "order": order,
        "ahead": ahead,
        "back": back,
        "alive": alive,
        "last": [last[row] for row in order],
    }


@pytest.mark.parametrize("mask", ALL, ids=IDS)
def test_packed_words_are_those_counted_one_by_one(mask):
    packed = PackedWords(mask)
    for name, expected in count_one_by_one(mask).items():
        got = getattr(packed, name)
        if isinstance(got, torch.Tensor):
            assert got.dtype == torch.int64 and got.dim() == 1
            got = got.tolist()
        assert got == expected, name


@pytest.mark.parametrize("mask", ALL, ids=IDS)
def test_real_words_are_moved_to_the_left_and_back(mask):
    layout = WordLayout(mask)
    hidden = torch.arange(1.0, mask.numel() * 2 + 1).view(*mask.shape, 2)
    left = layout.to_left(hidden)
    for row, real in enumerate(mask.tolist()):
        expected = [vector for vector, is_real in zip(hidden[row].tolist(), real, strict=True) if is_real]
        assert left[row].tolist()[: len(expected)] == expected
        assert int(layout.lengths[row]) == len(expected)
    assert torch.equal(layout.to_place(left), hidden)


def test_words_that_stand_left_are_left_alone():
    hidden = torch.zeros(3, 4, 2)
    assert WordLayout(mask_of(MASKS["usual"])).to_left(hidden) is hidden
    assert WordLayout(mask_of(MASKS["holes"])).target is not None


def test_the_layout_moves_to_another_device_and_stays_where_it_was():
    """meta stands for the other device."""
    layout = WordLayout(mask_of(MASKS["holes"]))
    assert layout.to(torch.device("cpu")) is layout
    packed, target = layout.packed, layout.target
    assert packed.to(torch.device("cpu")) is packed
    tensors = [name for name, value in vars(packed).items() if isinstance(value, torch.Tensor)]
    assert sorted(tensors) == ["ahead", "back", "last", "order"]
    there = packed.to(torch.device("meta"))
    for name in tensors:
        assert getattr(there, name).is_meta and getattr(there, name).shape == getattr(packed, name).shape
        assert not getattr(packed, name).is_meta
    assert there.alive == packed.alive
    moved = layout.to(torch.device("meta"))
    assert moved.mask.is_meta and moved.lengths.is_meta and moved.target is not None and moved.target.is_meta
    assert target is layout.target and not target.is_meta
