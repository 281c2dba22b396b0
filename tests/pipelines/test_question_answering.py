# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Questions without a pipeline: transformers 5 has removed it and kept `AutoModelForQuestionAnswering`.

`answer` in tests/helpers/question_answering.py is what takes its place: windows from the tokenizer, the best span of
the logits, offsets that lead back to the text. It needs no hf_elmo.
"""

import pytest
import torch
from plain_characters import char_ids_of, split_plainly
from question_answering import answer
from tolerances import TOLERANCES
from transformers import AutoModelForQuestionAnswering, AutoTokenizer, pipeline

SAME = TOLERANCES["batch_invariance", "float32"]
CONTEXT = "Zoë sat  by the river,\nAnna by the (old) bank. 北京 😀 is far; it rains there: again and again … and \ud800 again!"
QUESTIONS = ["Who sat by the river?", "", "the bank", "\x00 😀?"]


@pytest.fixture(scope="module", params=["qa", "qa_flow"])
def parts(request, folders):
    folder = folders[request.param]
    return AutoModelForQuestionAnswering.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


def windows_by_hand(question: str, context: str, length: int, stride: int):
    """Question words, and (word, place) of the context in each window."""
    asked = [word for word, _ in split_plainly(question)]
    words, room = split_plainly(context), length - len(asked) - 4
    starts = [0]
    while starts[-1] + room < len(words):
        starts.append(starts[-1] + room - stride)
    return asked, [words[start : start + room] for start in starts]


def best_by_hand(model, question: str, context: str, length: int, stride: int) -> tuple[float, int, int]:
    """Score and place of the best span of at most 30 words, one span after another."""
    best = (-torch.inf, 0, 0)
    asked, windows = windows_by_hand(question, context, length, stride)
    for window in windows:
        spelt = ["<S>", *asked, "</S>", "<S>", *(word for word, _ in window), "</S>"]
        with torch.no_grad():
            output = model(char_ids=torch.tensor([[char_ids_of(word) for word in spelt]]))
        first = len(asked) + 3
        for i in range(len(window)):
            for j in range(i, min(i + 30, len(window))):
                score = (output.start_logits[0, first + i] + output.end_logits[0, first + j]).item()
                best = max(best, (score, window[i][1][0], window[j][1][1]))
    return best


@pytest.mark.parametrize(("length", "stride"), [(64, 16), (16, 3)])
def test_answers_are_pieces_of_the_context(parts, length, stride):
    places = set()
    for question in QUESTIONS:
        found = answer(*parts, question, CONTEXT, length, stride)
        score, start, end = best_by_hand(parts[0], question, CONTEXT, length, stride)
        assert (found["start"], found["end"], found["answer"]) == (start, end, CONTEXT[start:end])
        assert found["score"] == pytest.approx(score, abs=2 * SAME)
        places.add((start, end))
    assert len(places) > 1
    assert len(windows_by_hand(QUESTIONS[0], CONTEXT, length, stride)[1]) == (1 if length == 64 else 10)


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("context", ["", " \n"])
def test_without_words_in_the_context_there_is_no_answer(parts, question, context):
    assert answer(*parts, question, context)["answer"] == ""


def test_a_question_that_fills_the_window_is_refused(parts):
    with pytest.raises(ValueError, match=r"cut to max_length=12 with stride=2 .* such as a question"):
        answer(*parts, "why " * 12, CONTEXT, 12, 2)
    with pytest.raises(ValueError, match=r"cut to max_length=12 with stride=6 .* lower stride"):
        answer(*parts, "why why", CONTEXT, 12, 6)
    assert answer(*parts, "why", CONTEXT, 12, 2)["answer"]


def test_the_pipeline_itself_is_gone(folders):
    with pytest.raises(KeyError, match="question-answering has been removed"):
        pipeline("question-answering", folders["qa"])
