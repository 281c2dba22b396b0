# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""IOB1 to BIO2."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_elmo.data import is_bio, to_bio2

# A sentence as segments: (type or None for no span, number of tokens).
segments = st.lists(st.tuples(st.sampled_from([None, "PER", "LOC", "creative-work"]), st.integers(1, 3)), max_size=8)


def write_bio2(parts):
    return ["O" if kind is None else ("B-" if place == 0 else "I-") + kind for kind, n in parts for place in range(n)]


def write_iob1(parts):
    """B- only at the begin of a span that touches one of its own type before it."""
    tags = []
    for number, (kind, length) in enumerate(parts):
        touches = number > 0 and parts[number - 1][0] == kind
        for place in range(length):
            tags.append("O" if kind is None else ("B-" if touches and place == 0 else "I-") + kind)
    return tags


@given(segments)
def test_iob1_becomes_bio2(parts):
    assert to_bio2(write_iob1(parts)) == write_bio2(parts)


@given(segments)
def test_bio2_stays(parts):
    assert to_bio2(write_bio2(parts)) == write_bio2(parts)


def test_touching_spans_stay_apart():
    assert to_bio2(["I-PER", "B-PER", "I-LOC", "I-LOC", "O", "I-LOC"]) == [
        "B-PER",
        "B-PER",
        "B-LOC",
        "I-LOC",
        "O",
        "B-LOC",
    ]


def test_other_tags_are_refused():
    with pytest.raises(ValueError, match="tag 'E-PER' is not O, B-... or I-..."):
        to_bio2(["B-PER", "E-PER"])


@pytest.mark.parametrize(
    ("tags", "expected"),
    [(["O", "B-PER"], True), (["I-a-b"], True), (["O"], False), (["NOUN", "O"], False), (["B-"], False), ([], False)],
)
def test_is_bio(tags, expected):
    assert is_bio(tags) is expected
