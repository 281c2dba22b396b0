# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""SQuAD's and CMRC 2018's scores, against numbers counted by hand from the rules of the two papers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_elmo.metrics import load_metric

METRIC = load_metric("qa")


def score(*answered, **options):
    """Scores of (prediction, gold answers) pairs."""
    ids = [str(number) for number in range(len(answered))]
    return METRIC.compute(
        predictions=[{"id": key, "prediction_text": text} for key, (text, _) in zip(ids, answered, strict=True)],
        references=[
            {"id": key, "answers": {"text": golds, "answer_start": [0] * len(golds)}}
            for key, (_, golds) in reversed(list(zip(ids, answered, strict=True)))  # compared by id, not by place
        ],
        **options,
    )


ENGLISH = [
    ("Denver Broncos", ["Denver Broncos"], 100, 100),
    ("the DENVER   Broncos!", ["Denver Broncos"], 100, 100),  # case, article, blanks, punctuation
    ("a theatre", ["An theatre."], 100, 100),
    ("anthem", ["them"], 0, 0),  # articles are whole words
    ("U.S.A.", ["USA"], 100, 100),
    ("well-known", ["well known"], 0, 0),  # a hyphen goes without leaving a blank
    ("$5 million", ["5 million dollars"], 0, 80),
    ("Levi's Stadium", ["Santa Clara, California", "Levi's Stadium", "Levi's Stadium in Santa Clara"], 100, 100),
    ("Levi's Stadium in", ["Santa Clara", "Levi's Stadium in the San Francisco Bay Area"], 0, 100 * 6 / 10),
    ("to to be", ["to be or not to be"], 0, 100 * 6 / 9),  # a bag: "to" twice, "be" once
    ("Norman", ["Saxon"], 0, 0),
    ("", ["Saxon"], 0, 0),
    ("", [], 100, 100),
    ("Saxon", [], 0, 0),
    ("The.", [], 100, 100),  # nothing is left of it
    ("Saxon", ["the", "Saxon"], 100, 100),
    ("", ["a"], 100, 100),  # an answer of nothing but an article is none, as in SQuAD v2
    ("北京", ["北京"], 100, 100),
    ("北京。", ["北京"], 0, 0),
]


@pytest.mark.parametrize(("prediction", "golds", "exact", "f1"), ENGLISH)
def test_english(prediction, golds, exact, f1):
    scores = score((prediction, golds), language="english")
    assert scores == pytest.approx({"exact_match": exact, "f1": f1, "total": 1})


CHINESE = [
    ("北京大学", ["北京大学"], 100, 100),
    ("北京。", ["《北京》"], 100, 100),
    ("在北京大学", ["北京大学"], 0, 100 * 8 / 9),
    ("北大京学", ["北京大学"], 0, 25),  # one character in a row, not a bag of four
    ("北京", ["上海", "北京市"], 0, 80),
    ("1998年5月", ["1998年"], 0, 100 * 4 / 6),  # 1998 年 5 月: a number is one word
    ("IBM公司", ["ibm"], 0, 100 * 2 / 4),  # ibm 公 司
    ("New York 市", ["york市"], 0, 80),
    ("3.5公里", ["3.5"], 0, 50),
    ("Windows-XP", ["WindowsXP"], 100, 100),
    ("(北京)", ["北京"], 0, 100 * 4 / 6),  # CMRC's list of marks has only the wide brackets
    ("上海", ["北京"], 0, 0),
    ("", ["北京"], 0, 0),
    ("", [], 100, 100),
    ("北京", [], 0, 0),
]


@pytest.mark.parametrize(("prediction", "golds", "exact", "f1"), CHINESE)
def test_chinese(prediction, golds, exact, f1):
    scores = score((prediction, golds), language="chinese")
    assert scores == pytest.approx({"exact_match": exact, "f1": f1, "total": 1})


@given(st.text("北京大学", max_size=8), st.text("北京大学", min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_chinese_against_all_substrings(prediction, gold):
    pieces = [gold[start:end] for start in range(len(gold)) for end in range(start, len(gold) + 1)]
    longest = max(len(piece) for piece in pieces if piece in prediction)
    expected = 100 * 2 * longest / (len(prediction) + len(gold))
    assert score((prediction, [gold]), language="chinese")["f1"] == pytest.approx(expected)


def test_language_goes_by_the_gold_answers():
    marks = ("北京。", ["北京"])
    assert score(marks)["exact_match"] == 100
    assert score(marks, ("a", ["b"]))["exact_match"] == 0  # half of them is not more than half
    assert score(marks, ("IBM", ["IBM"]), ("上海", ["上海"]))["exact_match"] == 100
    assert score(marks, language="english")["exact_match"] == 0
    assert score(("", []))["exact_match"] == 100


def test_questions_with_and_without_an_answer_are_reported_apart():
    scores = score(("in the Norman duchy", ["Norman duchy"]), ("1066", []), ("", []), ("x", ["x"]), ("y", ["x"]))
    assert scores == pytest.approx(
        {
            "exact_match": 40,
            "f1": 56,
            "total": 5,
            "has_answer_exact_match": 100 / 3,
            "has_answer_f1": 60,
            "has_answer_total": 3,
            "no_answer_exact_match": 50,
            "no_answer_f1": 50,
            "no_answer_total": 2,
        }
    )


def test_errors_say_what_is_wrong():
    prediction, gold = {"prediction_text": "x"}, {"answers": {"text": ["x"], "answer_start": [0]}}
    for found, there, message in [
        (["1"], ["2"], "the id '1' is only in the predictions"),
        (["1", "2"], ["1", "1"], "an id occurs twice"),
        ([], [], "there are no questions to score"),
    ]:
        with pytest.raises(ValueError, match=message):
            METRIC.compute(
                predictions=[{"id": key, **prediction} for key in found],
                references=[{"id": key, **gold} for key in there],
            )
    with pytest.raises(ValueError, match="no language 'german'; it is auto, english or chinese"):
        score(("x", ["x"]), language="german")
