# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Questions to windows of their contexts, and the scores of the windows' words to answers in the original text."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from hf_elmo.finetune.arguments import ArgumentsError

QUESTIONS_PER_CALL = 200
NO_ANSWER = 0  # the first position of a window, which is a sentence mark


class Window(NamedTuple):
    """A window of the context behind a question."""

    example: int  # number of the question in its data set
    offsets: np.ndarray  # (T, 2) int64, characters of the context; -1 where a token is not of the context


def encode_questions(
    dataset: Any,
    tokenizer: Any,
    length: int,
    stride: int,
    training: bool,
    inputs_of: Callable[[Any, Any, int], dict[str, Any]],
) -> tuple[list[dict[str, Any]], list[Window], list[str]]:
    """Features with `start_positions` and `end_positions`, one for each window; what the windows are; notes.

    A window without the whole answer has both positions at NO_ANSWER.

    Args:
        dataset: with question, context and answers.
        tokenizer: one that gives offsets.
        length: tokens of a window, question and marks included.
        stride: tokens of the context that a window shares with the next.
        training: leave out questions whose answers do not stand in their context where they should.
        inputs_of: function of (encodings, tokenizer, row) -> the model's inputs of that row.
    Raises:
        ArgumentsError: `stride` leaves no room in a window of `length` tokens.
    """
    question_length = length // 2
    room = length - question_length - tokenizer.num_special_tokens_to_add(pair=True)
    if stride >= room:
        raise ArgumentsError(
            f"--doc_stride {stride} must be below {room} for windows of {length} tokens, half of which a long "
            "question may take: raise --max_length or lower --doc_stride"
        )
    features: list[dict[str, Any]] = []
    windows: list[Window] = []
    left_out = shortened = 0
    for begin in range(0, len(dataset), QUESTIONS_PER_CALL):
        batch = dataset[begin : begin + QUESTIONS_PER_CALL]
        questions, cut = _shorten(batch["question"], tokenizer, question_length)
        shortened += cut
        encodings = tokenizer(
            questions,
            batch["context"],
            truncation="only_second",
            max_length=length,
            stride=stride,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        spans = [answer_span(c, a) for c, a in zip(batch["context"], batch["answers"], strict=True)]
        unusable = {row for row, span in enumerate(spans) if span is None and batch["answers"][row]["text"]}
        left_out += len(unusable)
        for row, example in enumerate(encodings["overflow_to_sample_mapping"]):
            if training and example in unusable:
                continue
            in_context = np.array([part == 1 for part in encodings.sequence_ids(row)])
            offsets = np.where(in_context[:, None], np.array(encodings["offset_mapping"][row]), -1)
            start, end = span_positions(offsets, spans[example])
            inputs = inputs_of(encodings, tokenizer, row)
            features.append({**inputs, "start_positions": start, "end_positions": end})
            windows.append(Window(begin + example, offsets))
    notes = [f"{len(features):,} windows of at most {length} tokens"]
    if left_out:
        notes.append(
            f"{left_out} questions whose answer is not in the context at its place"
            + (" are left out" if training else " count as wrong unless their text is found")
        )
    if shortened:
        notes.append(f"{shortened} questions cut to {question_length} tokens")
    return features, windows, notes


def _shorten(questions: Sequence[str], tokenizer: Any, length: int) -> tuple[list[str], int]:
    encodings = tokenizer(list(questions), add_special_tokens=False, return_offsets_mapping=True)
    ends = [offsets[length - 1][1] if len(offsets) > length else None for offsets in encodings["offset_mapping"]]
    return [q[:end] for q, end in zip(questions, ends, strict=True)], sum(end is not None for end in ends)


def answer_span(context: str, answers: dict[str, Sequence]) -> tuple[int, int] | None:
    """Characters (begin, end) of the first answer that stands in the context where it says, None without one."""
    for text, begin in zip(answers["text"], answers["answer_start"], strict=True):
        if text.strip() and begin >= 0 and context[begin : begin + len(text)] == text:
            begin += len(text) - len(text.lstrip())  # white space is part of no token
            return begin, begin + len(text.strip())
    return None


def span_positions(offsets: np.ndarray, span: tuple[int, int] | None) -> tuple[int, int]:
    """First and last token (inclusive) of a span of characters; NO_ANSWER twice if the window does not hold it all."""
    if span is None:
        return NO_ANSWER, NO_ANSWER
    begin, end = span
    first = np.flatnonzero((offsets[:, 0] >= 0) & (offsets[:, 1] > begin))  # tokens that end behind its begin
    last = np.flatnonzero((offsets[:, 0] >= 0) & (offsets[:, 0] < end))
    if not len(first) or not len(last) or offsets[first[0], 0] > begin or offsets[last[-1], 1] < end:
        return NO_ANSWER, NO_ANSWER
    return int(first[0]), int(last[-1])


def best_answers(
    starts: np.ndarray,
    ends: np.ndarray,
    windows: Sequence[Window],
    contexts: Sequence[str],
    n_best: int = 20,
    max_length: int = 30,
    no_answer: bool = False,
) -> list[list[dict[str, Any]]]:
    """The best answers to each question over all of its windows, as pieces of its context.

    The score of an answer is the sum of the logits of its first and its last token (Devlin et al. 2019, section 4.2).

    Args:
        starts, ends: (windows, T) logits; columns behind the tokens of a window do not count.
        windows: of `encode_questions`.
        contexts: of all questions.
        n_best: starts and ends looked at in each window, and answers given.
        max_length: tokens of an answer.
        no_answer: the empty answer is allowed (SQuAD 2.0); its score is the lowest of the windows' first position.
    Returns:
        For each question a list, the best first, of "text", "start" and "end" (characters), "score" and "probability"
        (softmax over the list); the list of a question without any possible answer holds the empty text.
    """
    found: list[list[tuple[float, int, int]]] = [[] for _ in contexts]
    empty = [np.inf] * len(contexts)
    for start, end, window in zip(starts, ends, windows, strict=True):
        tokens = len(window.offsets)
        start, end = np.asarray(start[:tokens], np.float64), np.asarray(end[:tokens], np.float64)
        empty[window.example] = min(empty[window.example], start[NO_ANSWER] + end[NO_ANSWER])
        usable = np.flatnonzero(window.offsets[:, 0] >= 0)
        first, last = (usable[np.argsort(-logits[usable], kind="stable")[:n_best]] for logits in (start, end))
        length = last[None, :] - first[:, None] + 1
        scores = start[first][:, None] + end[last][None, :]
        for row, column in np.argwhere((length >= 1) & (length <= max_length)):
            span = int(window.offsets[first[row], 0]), int(window.offsets[last[column], 1])
            found[window.example].append((float(scores[row, column]), *span))
    results = []
    for context, candidates, none in zip(contexts, found, empty, strict=True):
        best = {(begin, end): score for score, begin, end in sorted(candidates)}  # two windows may share a span
        ranked = sorted(((score, *span) for span, score in best.items()), key=lambda item: (-item[0], item[1:]))[
            :n_best
        ]
        if no_answer or not ranked:
            ranked = sorted([*ranked, (float(none), 0, 0)], key=lambda item: -item[0])[:n_best]
        scores = np.array([score for score, _, _ in ranked])
        weights = np.exp(scores - scores.max())
        results.append(
            [
                {"text": context[begin:end], "start": begin, "end": end, "score": score, "probability": float(share)}
                for (score, begin, end), share in zip(ranked, weights / weights.sum(), strict=True)
            ]
        )
    return results
