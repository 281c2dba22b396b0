# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Windows over long contexts, and the way back from scores to pieces of the original text."""

import itertools

import numpy as np
import pytest
from datasets import Dataset
from transformers import AutoTokenizer

from hf_elmo import ElmoTokenizer
from hf_elmo.finetune.arguments import ArgumentsError
from hf_elmo.finetune.qa import Window, answer_span, best_answers, encode_questions, span_positions

CONTEXT = "Zoë  lives in  New York,  not in\tParis. " + "It rains there. " * 6 + "Bob lives in Rome."


def dataset(*questions):
    rows = [(f"q{i}", question, CONTEXT, answers) for i, (question, answers) in enumerate(questions)]
    return Dataset.from_list([dict(zip(("id", "question", "context", "answers"), row, strict=True)) for row in rows])


def answer(text, start=None):
    return {"text": [text], "answer_start": [CONTEXT.index(text) if start is None else start]}


def inputs_of(encodings, tokenizer, row):
    return {"input_ids": encodings["input_ids"][row]}


def encode(data, tokenizer, length=24, stride=6, training=False):
    return encode_questions(data, tokenizer, length, stride, training, inputs_of)


@pytest.fixture(params=["elmo", "bert"])
def tokenizer(request, models):
    return ElmoTokenizer() if request.param == "elmo" else AutoTokenizer.from_pretrained(models / "bert")


def test_windows_cover_the_context_and_hold_the_answer_where_it_is_whole(tokenizer):
    data = dataset(("Who lives in Rome?", answer("Bob")), ("Where?", answer("New York")))
    features, windows, notes = encode(data, tokenizer)
    assert len(features) == len(windows) > 4
    assert notes[0] == f"{len(features)} windows of at most 24 tokens"
    for question, text in enumerate(("Bob", "New York")):
        covered, found = set(), 0
        for feature, window in zip(features, windows, strict=True):
            if window.example != question:
                continue
            assert len(feature["input_ids"]) == len(window.offsets) <= 24
            spans = [tuple(span) for span in window.offsets.tolist() if span[0] >= 0]
            covered |= {place for begin, end in spans for place in range(begin, end)}
            start, end = feature["start_positions"], feature["end_positions"]
            begin = CONTEXT.index(text)
            whole = {begin, begin + len(text) - 1} <= {place for span in spans for place in range(*span)}
            if whole:
                assert CONTEXT[window.offsets[start][0] : window.offsets[end][1]] == text
                found += 1
            else:
                assert (start, end) == (0, 0)
        assert found >= 1
        assert covered == {place for place, char in enumerate(CONTEXT) if not char.isspace()}


def test_answers_that_do_not_stand_where_they_should_are_not_learned(tokenizer):
    data = dataset(("Who?", answer("Bob")), ("Where?", answer("Rome", start=3)), ("Why?", answer("because", start=-1)))
    _, windows, notes = encode(data, tokenizer, training=True)
    assert {window.example for window in windows} == {0}
    assert "2 questions whose answer is not in the context at its place are left out" in notes
    _, windows, notes = encode(data, tokenizer)
    assert {window.example for window in windows} == {0, 1, 2}
    assert (
        "2 questions whose answer is not in the context at its place count as wrong unless their text is found"
        in notes
    )


def test_a_question_without_an_answer_is_learned_as_such(tokenizer):
    features, windows, _ = encode(dataset(("Why?", {"text": [], "answer_start": []})), tokenizer, training=True)
    assert windows and {(feature["start_positions"], feature["end_positions"]) for feature in features} == {(0, 0)}


def test_long_questions_are_cut_and_leave_room_for_the_context():
    features, windows, notes = encode(dataset(("word " * 40, answer("Bob"))), ElmoTokenizer())
    assert "1 questions cut to 12 tokens" in notes
    assert max(len(feature["input_ids"]) for feature in features) == 24
    assert any(feature["start_positions"] for feature in features)


def test_a_stride_without_room_is_refused():
    with pytest.raises(ArgumentsError, match="--doc_stride 8 must be below 8 for windows of 24 tokens"):
        encode(dataset(("Who?", answer("Bob"))), ElmoTokenizer(), stride=8)


def test_the_first_answer_that_fits_is_taken():
    assert answer_span("a b c", {"text": ["x", "b"], "answer_start": [0, 2]}) == (2, 3)
    assert answer_span("a b c", {"text": [" b "], "answer_start": [1]}) == (2, 3)  # white space is part of no token
    assert answer_span("a b c", {"text": ["", "c"], "answer_start": [0, 3]}) is None


def test_an_answer_within_a_token_takes_the_token():
    offsets = np.array([[-1, -1], [0, 5], [6, 9], [9, 12], [-1, -1]])
    assert span_positions(offsets, (7, 8)) == (2, 2)
    assert span_positions(offsets, (0, 9)) == (1, 2)
    assert span_positions(offsets, (6, 14)) == (0, 0)  # its end is in another window
    assert span_positions(offsets[2:], (0, 8)) == (0, 0)  # its begin is
    assert span_positions(offsets, None) == (0, 0)


def brute_force(starts, ends, windows, contexts, n_best, max_length):
    """All spans of all windows, by three loops."""
    scores = [{} for _ in contexts]
    for start, end, window in zip(starts, ends, windows, strict=True):
        for first, last in itertools.product(range(len(window.offsets)), repeat=2):
            if window.offsets[first][0] >= 0 <= window.offsets[last][0] and 0 <= last - first < max_length:
                span = int(window.offsets[first][0]), int(window.offsets[last][1])
                found = scores[window.example]
                found[span] = max(found.get(span, -np.inf), float(start[first]) + float(end[last]))
    return [sorted(found.items(), key=lambda item: -item[1])[:n_best] for found in scores]


def test_the_best_answers_are_those_of_an_exhaustive_search():
    generator = np.random.default_rng(0)
    contexts, windows = [CONTEXT, "one two three"], []
    for example, begin in ((0, 0), (0, 4), (1, 0)):
        words = [(m, m + 3) for m in range(begin * 4, min(begin * 4 + 40, len(contexts[example]) - 3), 4)]
        windows.append(Window(example, np.array([(-1, -1), (-1, -1), *words, (-1, -1)])))
    starts, ends = generator.normal(size=(2, 3, 16)) * 3
    found = best_answers(starts, ends, windows, contexts, n_best=12, max_length=4)
    expected = brute_force(starts, ends, windows, contexts, 12, 4)
    for answers, wanted, context in zip(found, expected, contexts, strict=True):
        assert [(one["start"], one["end"]) for one in answers] == [span for span, _ in wanted]
        assert [one["score"] for one in answers] == pytest.approx([score for _, score in wanted])
        shares = np.exp([score for _, score in wanted])
        assert [one["probability"] for one in answers] == pytest.approx(shares / shares.sum())
        assert all(one["text"] == context[one["start"] : one["end"]] for one in answers)


def test_no_answer_wins_where_it_may_and_its_score_is_the_best():
    windows = [Window(0, np.array([(-1, -1), (0, 3), (-1, -1)])), Window(0, np.array([(-1, -1), (4, 7), (-1, -1)]))]
    starts = ends = np.array([[3.0, 1.0, 9.0], [2.0, 1.5, 9.0]])
    contexts = ["one two"]
    assert best_answers(starts, ends, windows, contexts)[0][0]["text"] == "two"
    first = best_answers(starts, ends, windows, contexts, no_answer=True)[0][0]
    assert (first["text"], first["score"]) == ("", 4.0)  # the window that believes in it least
    assert best_answers(starts, ends, windows, contexts, max_length=0)[0][0]["text"] == ""
