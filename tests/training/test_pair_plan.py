# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Rows of texts whose pieces are all different, so that each tells its place."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_elmo.training.pair_plan import plan_rows
from hf_elmo.training.piece_shards import Text


def make_text(lengths: list[list[int]], numbers: list[int] | None = None) -> Text:
    """A text of documents with sentences of these lengths; piece n of it is n."""
    flat = [length for document in lengths for length in document]
    return Text(
        np.arange(sum(flat), dtype=np.int32),
        np.cumsum([0, *flat]),
        np.cumsum([0, *map(len, lengths)]),
        np.array(range(len(lengths)) if numbers is None else numbers),
    )


def plan(text, max_length=32, short=0.0, pairs=True, seed=0, continues=None):
    continues = np.zeros(max(len(text.pieces), 1), bool) if continues is None else continues
    return plan_rows(text, continues, np.random.default_rng(seed), max_length, short, pairs)


def spans(text):
    """Where documents begin and end in the pieces."""
    bounds = text.sentences[text.documents]
    return list(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True))


def long_text(seed=0, documents=60):
    rng = np.random.default_rng(seed)
    return make_text([rng.integers(1, 40, rng.integers(1, 60)).tolist() for _ in range(documents)])


TEXTS = st.lists(st.lists(st.integers(1, 60), min_size=1, max_size=9), min_size=2, max_size=8)


@given(lengths=TEXTS, max_length=st.integers(8, 70), short=st.sampled_from([0.0, 0.3, 1.0]), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_pairs_have_every_piece_once_and_fit(lengths, max_length, short, seed):
    text = make_text(lengths)
    rows = plan(text, max_length, short, seed=seed)
    read = []
    for (begin, middle), (second, end), replaced in zip(*map(np.ndarray.tolist, rows), strict=True):
        assert begin < middle and second < end
        assert middle - begin + end - second + 3 <= max_length
        (own,) = [span for span in spans(text) if span[0] <= begin < span[1]]
        assert middle <= own[1]
        (other,) = [span for span in spans(text) if span[0] <= second < span[1]]
        assert end <= other[1]
        read += range(begin, middle)
        if replaced:
            assert other != own
        else:
            assert second == middle and other == own
            read += range(second, end)
    assert read == list(range(len(text.pieces)))


@given(lengths=TEXTS, max_length=st.integers(8, 70), short=st.sampled_from([0.0, 0.3, 1.0]))
@settings(max_examples=40, deadline=None)
def test_single_segments_have_every_piece_once_and_fit(lengths, max_length, short):
    text = make_text(lengths)
    rows = plan(text, max_length, short, pairs=False)
    assert rows.first.ravel().tolist()[1:-1] == np.repeat(rows.first[1:, 0], 2).tolist()
    assert rows.first[0, 0] == 0 and rows.first[-1, 1] == len(text.pieces)
    assert (np.diff(rows.first) + 2 <= max_length).all() and (np.diff(rows.first) > 0).all()
    assert not np.diff(rows.second).any() and not rows.replaced.any()
    ends = [end for _, end in spans(text)]
    assert set(ends) <= set(rows.first[:, 1].tolist())


def test_half_of_the_pairs_have_a_random_second_segment():
    text = long_text(documents=300)
    rows = plan(text, 64)
    document_ends = text.sentences[text.documents]
    # Where a document ends with A, nothing follows, and B must be of another one.
    free = ~np.isin(rows.first[:, 1], document_ends)
    assert rows.replaced[~free].all() and 0 < (~free).sum() < 0.2 * len(free)
    count = free.sum()
    # In the last sentences of a document chance may still choose.
    assert abs(rows.replaced[free].sum() - count / 2) < 5 * np.sqrt(count / 4)


def test_random_segments_are_of_all_other_documents_alike():
    text = make_text([[10] * 40 for _ in range(8)])
    rows = plan(text, 64, seed=3)
    chosen = rows.replaced == 1
    own, other = (segment[chosen, 0] // 400 for segment in (rows.first, rows.second))
    counts = np.zeros((8, 8), int)
    np.add.at(counts, (own, other), 1)
    assert not counts.diagonal().any()
    together = counts.sum(0)
    assert abs(together - together.mean()).max() < 5 * np.sqrt(together.mean())


def test_parts_of_one_document_are_not_other_documents():
    text = make_text([[10] * 20] * 4, numbers=[0, 0, 1, 0])
    rows = plan(text, 64)
    numbers = text.numbers[[0, 1, 2, 3]]
    own, other = (numbers[segment[rows.replaced == 1, 0] // 200] for segment in (rows.first, rows.second))
    assert len(own) > 5 and (own != other).all()


def test_rows_are_nearly_full_and_both_kinds_end_alike():
    text = long_text(documents=200)
    rows = plan(text, 128)
    lengths = (np.diff(rows.first) + np.diff(rows.second))[:, 0] + 3
    inner = ~np.isin(rows.second[:, 1], text.sentences[text.documents])  # a document's end ends a row as well
    assert (lengths[inner] >= 128 - 16).all()
    assert np.median(lengths) > 120
    cut = ~np.isin(rows.second[:, 1], text.sentences)
    shares = [cut[inner & (rows.replaced == kind)].mean() for kind in (0, 1)]
    assert abs(shares[0] - shares[1]) < 0.05 and min(shares) > 0.3
    # A begins where a sentence does, or where the row before has cut one.
    begins = rows.first[1:, 0]
    assert (np.isin(begins, text.sentences) | (begins == rows.second[:-1, 1]) | (begins == rows.first[:-1, 1])).all()


def test_short_rows_have_whole_sentences():
    text = make_text([[3] * 400, [3] * 400])
    rows = plan(text, 64, short=1.0)
    assert not (rows.first % 3).any() and not (rows.second % 3).any()
    lengths = (np.diff(rows.first) + np.diff(rows.second))[:, 0]
    assert lengths.min() == 6  # a sentence in each segment
    assert lengths.max() <= 61 and 20 < lengths.mean() < 40
    share = (plan(text, 64, short=0.25).first.shape[0], plan(text, 64).first.shape[0])
    assert share[0] > share[1]


@pytest.mark.parametrize("pairs", [True, False])
def test_sentences_are_cut_where_words_begin(pairs):
    text = make_text([[402], [399]])
    continues = np.arange(801) % 3 > 0
    rows = plan(text, 64, pairs=pairs, continues=continues)
    assert len(rows.first) > 10
    begins = rows.first[:, 0]
    assert not continues[begins].any()
    word = plan(text, 64, pairs=pairs, continues=np.arange(801) > 0)  # a word longer than a row
    assert (np.diff(word.first) > 0).all()
