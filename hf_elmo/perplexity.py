# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Perplexity of a held-out text: full softmax, every word counted once, the same for any batch size."""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from math import exp
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from hf_elmo.modeling.lm_scoring import check_tokenizer

ORDERS = ("sentences", "lanes")
SENTENCES_READ_AHEAD = 1 << 14


class Perplexity(NamedTuple):
    """Perplexities of a text; the end of a sentence is a word for the forward model, its begin for the backward one."""

    joint: float  # exp of half the sum of both losses, the geometric mean of the two below, as bilm-tf reports it
    forward: float
    backward: float
    num_targets: int  # words that each direction predicted
    num_unknown: int  # of them outside the vocabulary, predicted as the unknown word


class _Sums:
    """Losses of both directions, added up in double precision."""

    def __init__(self) -> None:
        self.losses = [0.0, 0.0]
        self.targets = self.unknown = 0

    def add(self, output: Any, targets: Tensor, unknown_id: int) -> None:
        for direction, loss in enumerate((output.forward_loss, output.backward_loss)):
            self.losses[direction] += float(loss) * int(output.num_forward_targets)
        self.targets += int(output.num_forward_targets)
        self.unknown += int((targets == unknown_id).sum())

    def perplexity(self) -> Perplexity:
        forward, backward = (loss / self.targets for loss in self.losses)
        return Perplexity(exp(0.5 * (forward + backward)), exp(forward), exp(backward), self.targets, self.unknown)


@torch.no_grad()
def perplexity(
    model: Any,
    tokenizer: Any,
    sentences: Iterable[str | Sequence[str]],
    *,
    order: str = "sentences",
    batch_size: int = 32,
    num_lanes: int = 1,
    window: int = 64,
    drop_last: bool = False,
    progress: Callable[[int], Any] | None = None,
) -> Perplexity:
    """Perplexity of an `ElmoForPreTraining` on a held-out text, by the full softmax and without dropout.

    Args:
        model: an `ElmoForPreTraining`; used where it is and as in eval mode.
        tokenizer: its `ElmoTokenizer`.
        sentences: lists of words, or strings that are split at white space.
        order: `"sentences"`, each on its own from zero states, as this package encodes them; or `"lanes"`, as bilm-tf
            tests: the state is carried from sentence to sentence, in the backward direction as well.
        batch_size: sentences or lanes computed at once; does not change the result.
        num_lanes: streams that the sentences are dealt out to, as bilm-tf's `batch_size` does. Part of the definition of
            `"lanes"`: it decides which sentence a state comes from. Results for the same number compare.
        window: words of a lane computed at once; does not change the result.
        drop_last: stop as soon as a lane finds no further sentence, as bilm-tf's `run_test.py` does. By default every
            sentence counts.
        progress: called with the number of words that each direction predicted in a batch.
    Returns:
        [`Perplexity`].
    Raises:
        ValueError: a setting has no such value, there is nothing to predict, or the tokenizer is not the model's.
        TypeError: `sentences` is one string.
    """
    if order not in ORDERS:
        raise ValueError(f"order must be one of {', '.join(ORDERS)}, got {order!r}")
    for name, value in (("batch_size", batch_size), ("num_lanes", num_lanes), ("window", window)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    if isinstance(sentences, str):
        raise TypeError("sentences is one string; give a list of sentences, or [text] for a single one")
    check_tokenizer(model, tokenizer)
    batches = (
        _sentence_batches(tokenizer, sentences, batch_size)
        if order == "sentences"
        else _lane_windows(tokenizer, sentences, batch_size, num_lanes, window, drop_last)
    )
    sums = _Sums()
    state: Any = None
    was_training = model.training
    model.eval()
    try:
        for batch, targets, rows_of_state in batches:
            if order == "lanes":
                state = None if rows_of_state is None else tuple(part[:, rows_of_state] for part in state)
                batch |= {"state": state, "output_state": True}
            output = model(**{name: _on(value, model.device) for name, value in batch.items()}, num_sampled=0)
            state = output.state
            sums.add(output, targets, tokenizer.unk_token_id)
            if progress is not None:
                progress(int(output.num_forward_targets))
    finally:
        model.train(was_training)
    if not sums.targets:
        raise ValueError("there is no sentence to predict; an empty file, or fewer sentences than drop_last needs")
    return sums.perplexity()


def _on(value: Any, device: torch.device) -> Any:
    return value.to(device) if isinstance(value, Tensor) else value


def _sentence_batches(tokenizer, sentences: Iterable, batch_size: int) -> Iterator[tuple[dict, Tensor, None]]:
    """Padded batches of sentences of similar length; a bounded number of sentences is in memory."""
    remaining = iter(sentences)
    while chunk := list(islice(remaining, SENTENCES_READ_AHEAD)):
        corpus = tokenizer.encode_corpus(chunk)
        order = np.argsort(corpus.lengths, kind="stable")
        for start in range(0, len(order), batch_size):
            spans = [(corpus.offsets[s], corpus.offsets[s + 1]) for s in order[start : start + batch_size]]
            shape = len(spans), max(end - begin for begin, end in spans)
            char_ids = torch.zeros(*shape, corpus.char_ids.shape[-1], dtype=torch.int64)
            labels = torch.full(shape, -100)
            for row, (begin, end) in enumerate(spans):
                char_ids[row, : end - begin] = torch.from_numpy(corpus.char_ids[begin:end])
                labels[row, : end - begin] = torch.from_numpy(corpus.input_ids[begin:end])
            yield {"char_ids": char_ids, "labels": labels}, labels, None


def _lane_windows(
    tokenizer, sentences: Iterable, batch_size: int, num_lanes: int, window: int, drop_last: bool
) -> Iterator[tuple[dict, Tensor, list[int] | None]]:
    """Windows of some lanes, one after the other; with each, which rows of the last state go on (None: begin anew)."""
    corpus = tokenizer.encode_corpus(sentences)
    lanes = [lane for lane in deal_out(corpus.lengths - 1, num_lanes) if lane or drop_last]
    spans = [[(int(corpus.offsets[s]), int(corpus.offsets[s + 1])) for s in lane] for lane in lanes]
    # Rows of the corpus that each direction reads, in its reading order; the word after the last one is no input.
    ahead = [_joined(np.arange(begin, end - 1) for begin, end in lane) for lane in spans]
    back = [_joined(np.arange(end - 1, begin, -1) for begin, end in lane) for lane in spans]
    if drop_last:
        shortest = min(map(len, ahead))
        ahead, back = ([lane[:shortest] for lane in direction] for direction in (ahead, back))
    by_length = sorted(range(len(ahead)), key=lambda lane: -len(ahead[lane]))
    for first in range(0, len(by_length), batch_size):
        active = by_length[first : first + batch_size]
        position, rows = 0, None
        while active and position < len(ahead[active[0]]):
            stop = min(position + window, *(len(ahead[lane]) for lane in active))
            reading = [np.stack([direction[lane][position:stop] for lane in active]) for direction in (ahead, back)]
            chars = [torch.from_numpy(corpus.char_ids[places]) for places in reading]
            targets = [
                torch.from_numpy(corpus.input_ids[reading[0] + 1]),
                torch.from_numpy(corpus.input_ids[reading[1] - 1]),
            ]
            yield (
                {
                    "char_ids": chars[0],
                    "backward_char_ids": chars[1],
                    "forward_targets": targets[0].long(),
                    "backward_targets": targets[1].long(),
                },
                targets[0],
                rows,
            )
            position = stop
            rows = [row for row, lane in enumerate(active) if len(ahead[lane]) > position]
            active = [active[row] for row in rows]


def _joined(parts: Iterator[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.empty(0, np.int64), *parts])


def deal_out(steps: Iterable[int], num_lanes: int) -> list[list[int]]:
    """Give each sentence to the lane that is first without one, as bilm-tf's reader with `unroll_steps` 1.

    Args:
        steps: positions that each sentence takes up, its words and one more.
        num_lanes: lanes; of those that are free at the same step the lower one comes first.
    Returns:
        the indices of each lane's sentences.
    """
    lanes: list[list[int]] = [[] for _ in range(num_lanes)]
    free_at = [(0, lane) for lane in range(num_lanes)]
    for sentence, count in enumerate(steps):
        step, lane = heapq.heappop(free_at)
        lanes[lane].append(sentence)
        heapq.heappush(free_at, (step + int(count), lane))
    return lanes


__all__ = ["Perplexity", "perplexity"]
