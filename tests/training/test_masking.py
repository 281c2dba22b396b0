# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Masks: how many, of what, and that nothing but the key, the row and the column decides."""

import numpy as np
import pytest

from hf_elmo.training.masking import mask_pieces, random_bits

MASK, REPLACEMENTS = 4, range(5, 1005)


def masked(rows=4000, columns=100, fraction=0.15, maskable=None, words=None, key=7):
    """Pieces 1000 to 1004, which no random replacement but in one of 200 cases is, masked."""
    pieces = 1000 + np.arange(rows * columns).reshape(rows, columns) % 5
    maskable = np.ones((rows, columns), bool) if maskable is None else maskable
    bits = random_bits(key, np.arange(rows), columns)
    return pieces, *mask_pieces(pieces, maskable, bits, fraction, MASK, REPLACEMENTS, words)


def within(count, total, probability):
    """Five standard deviations of the binomial distribution."""
    return abs(count - total * probability) < 5 * np.sqrt(total * probability * (1 - probability))


@pytest.mark.parametrize("fraction", [0.02, 0.15, 0.5])
def test_each_position_is_chosen_with_the_probability(fraction):
    pieces, _, labels = masked(fraction=fraction)
    chosen = labels != -100
    # A row without any gets one, which 0.98 ** 100 of them need.
    expected = fraction + (1 - fraction) ** 100 / 100
    assert within(chosen.sum(), chosen.size, expected)
    for counts, size in ((chosen.sum(0), 4000), (chosen[:100].sum(1), 100)):
        assert all(within(count, size, expected) for count in counts)
    assert np.array_equal(labels[chosen], pieces[chosen])


def test_eighty_percent_become_the_mask_ten_another_piece_and_ten_stay():
    pieces, read, labels = masked()
    chosen = labels != -100
    assert np.array_equal(read[~chosen], pieces[~chosen])
    before, after = pieces[chosen], read[chosen]
    total = len(after)
    assert within((after == MASK).sum(), total, 0.8)
    assert within((after == before).sum(), total, 0.1 + 0.1 / len(REPLACEMENTS))
    other = after[(after != MASK) & (after != before)]
    assert within(len(other), total, 0.1 * 0.999)
    assert other.min() >= 5 and other.max() < 1005
    counts = np.bincount(other - 5, minlength=1000)[:995]  # without what can be the piece itself
    chi_square = ((counts - counts.mean()) ** 2 / counts.mean()).sum()
    assert abs(chi_square - 994) < 5 * np.sqrt(2 * 994)


def test_neighbouring_positions_and_rows_are_independent():
    _, _, labels = masked()
    chosen = labels != -100
    for both in (chosen[:, 1:] & chosen[:, :-1], chosen[1:] & chosen[:-1]):
        assert within(both.sum(), both.size, 0.15**2)


def test_a_row_decides_for_itself():
    bits = random_bits(3, np.array([5, 900, 17]), 40)
    assert np.array_equal(bits[1], random_bits(3, np.array([900]), 64)[0, :40])
    assert not np.array_equal(bits[1], random_bits(4, np.array([900]), 40)[0])
    assert len(np.unique(random_bits(2**64 - 1, np.arange(1000), 100))) == 100_000


def test_every_row_with_text_predicts_something_and_others_nothing():
    maskable = np.zeros((500, 10), bool)
    maskable[:250, 3:5] = True
    _, read, labels = masked(500, 10, 0.01, maskable)
    counts = (labels != -100).sum(1)
    assert (counts[:250] >= 1).all() and not counts[250:].any()
    assert (labels[~maskable] == -100).all() and not (read[~maskable] == MASK).any()


def test_whole_words_are_chosen_with_all_their_pieces_or_not_at_all():
    begins = np.zeros((4000, 100), bool)
    lengths = np.random.default_rng(0).integers(1, 5, (4000, 100))
    for row, of_row in enumerate(lengths):
        places = np.cumsum(of_row)
        begins[row, places[places < 100]] = True
    begins[:, 0] = True
    words = np.maximum.accumulate(np.where(begins, np.arange(100), 0), axis=1)
    _, read, labels = masked(words=words)
    chosen = labels != -100
    assert np.array_equal(chosen, np.take_along_axis(chosen, words, axis=1))
    of_words = chosen[begins]
    assert within(of_words.sum(), of_words.size, 0.15)
    # What becomes of a piece is decided for each alone.
    inside = chosen & ~begins
    assert within((read[inside] == MASK).sum(), inside.sum(), 0.8)
    first_and_second = inside[:, 1:] & begins[:, :-1]
    both_hidden = (read[:, 1:] == MASK) & (read[:, :-1] == MASK) & first_and_second
    assert within(both_hidden.sum(), first_and_second.sum(), 0.64)
