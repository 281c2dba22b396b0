# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Spans by strict BIO2, and tokens: against numbers counted by hand and a count of spans written here."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_elmo.metrics import load_metric

METRIC = load_metric("tagging")


def score(predictions, references, **options):
    return METRIC.compute(
        predictions=[row.split() for row in predictions], references=[row.split() for row in references], **options
    )


def test_numbers_counted_by_hand():
    references = ["B-PER I-PER O B-LOC", "B-creative-work I-creative-work O", "O O"]
    predictions = ["B-PER I-PER O B-PER", "B-creative-work O O", "B-LOC O"]
    # Found: 4 spans, 1 right (the first PER); there are 3. Tokens: 6 of 9.
    expected = {"precision": 1 / 4, "recall": 1 / 3, "f1": 2 / 7, "accuracy": 6 / 9}
    # PER: 1 of 2 found, 1 of 1 there, F1 2/3; LOC and creative-work: 0.
    assert score(predictions, references) == pytest.approx(expected | {"macro_f1": 2 / 9})
    detailed = score(predictions, references, per_type=True)
    assert {name: detailed[f"PER_{name}"] for name in ("precision", "recall", "f1", "number")} == pytest.approx(
        {"precision": 1 / 2, "recall": 1, "f1": 2 / 3, "number": 1}
    )
    assert detailed["creative-work_number"] == 1 and detailed["creative-work_f1"] == 0


@pytest.mark.parametrize(
    ("prediction", "f1"),
    [
        ("B-PER I-PER O", 1.0),
        ("I-PER I-PER O", 0.0),  # begins no span in BIO2
        ("B-PER I-LOC O", 0.0),  # ends after one token
        ("B-PER B-PER O", 0.0),
        ("B-PER I-PER I-LOC", 1.0),
    ],
)
def test_strictness(prediction, f1):
    assert score([prediction], ["B-PER I-PER O"])["f1"] == f1


def test_parts_of_speech_have_accuracy_only():
    assert score(["NOUN X"], ["NOUN VERB"]) == {"accuracy": 0.5}
    assert METRIC.compute(predictions=[["NOUN", ""]], references=[["NOUN", "VERB"]]) == {"accuracy": 0.5}
    assert score(["B-X O"], ["B-X B-X"], spans=False) == {"accuracy": 0.5}


def test_without_any_span():
    zeros = {"precision": 0.0, "recall": 0.0, "f1": 0.0, "macro_f1": 0.0}
    assert score(["O O"], ["O O"]) == zeros | {"accuracy": 1.0}
    assert score(["I-X O"], ["O I-X"]) == zeros | {"accuracy": 0.0}
    assert score(["O B-X"], ["O O"]) == zeros | {"accuracy": 0.5}


def test_errors_say_what_is_wrong():
    with pytest.raises(ValueError, match="sentence 1: 1 predicted tags for 2 tokens"):
        score(["O", "O"], ["O", "O O"])
    with pytest.raises(ValueError, match="there are no tokens to score"):
        score([""], [""])
    with pytest.raises(ValueError, match="the tag 'S-PER' is not O, B-... or I-...; spans=False scores tokens only"):
        score(["S-PER O"], ["B-PER O"])


def spans_of(rows):
    """(sentence, begin, end, type): from each B-, on over the I- of its type."""
    found = set()
    for number, row in enumerate(rows):
        for begin, tag in enumerate(row):
            if tag.startswith("B-"):
                end = begin + 1
                while end < len(row) and row[end] == "I-" + tag[2:]:
                    end += 1
                found.add((number, begin, end, tag[2:]))
    return found


tags = st.sampled_from(["O", "B-a", "I-a", "B-b", "I-b"])
pairs = st.lists(st.lists(st.tuples(tags, tags), min_size=1, max_size=6), min_size=1, max_size=4)


@given(pairs)
@settings(max_examples=60, deadline=None)
def test_random_tags_against_sets_of_spans(sentences):
    predictions = [[found for found, _ in sentence] for sentence in sentences]
    references = [[gold for _, gold in sentence] for sentence in sentences]
    found, gold = spans_of(predictions), spans_of(references)
    scores = METRIC.compute(predictions=predictions, references=references)
    right = len(found & gold)

    def f1(found, gold):
        return 2 * len(found & gold) / (len(found) + len(gold)) if found | gold else 0

    assert scores["precision"] == pytest.approx(right / len(found) if found else 0)
    assert scores["recall"] == pytest.approx(right / len(gold) if gold else 0)
    assert scores["f1"] == pytest.approx(f1(found, gold))
    kinds = {kind for *_, kind in found | gold}
    of_kinds = [f1(*({span for span in spans if span[-1] == kind} for spans in (found, gold))) for kind in kinds]
    assert scores["macro_f1"] == pytest.approx(sum(of_kinds) / len(kinds) if kinds else 0)
