# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Vectors of many sentences: batches by length, word vectors once per distinct word, results in the order given."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hf_elmo.modeling.long_text import run_in_segments

# Vectors that wait for their turn in the order of the input, and the character ids they are made from.
WINDOW_BYTES = 64 << 20
CHARACTER_BYTES_PER_WORD = 400  # 50 ids of two bytes, and the copies that sorting them takes
LEAST_WINDOW_BATCHES = 4
# Characters that are tokenized in one call.
CHARACTERS_PER_CALL = 100_000

Sentence = str | Sequence[str]


class EmbedError(ValueError):
    """Sentences cannot be embedded as asked; the message is one line for people."""


@dataclass(frozen=True)
class LayerChoice:
    """A checked `layers=`: `kind` is all, top, mean, mix or one; `count` layers of `size` numbers; `index` if one."""

    kind: str
    count: int
    size: int
    index: int = 0

    def select(self, output: Any) -> Tensor:
        """Vectors (B, T, 2D), or (B, L+1, T, 2D) for "all", out of an `ElmoModelOutput`."""
        if self.kind == "mix":
            return output.mixed_state
        if self.kind == "top":
            return output.last_hidden_state
        if self.kind == "one":
            return output.hidden_states[self.index]
        stacked = torch.stack(tuple(output.hidden_states), dim=1)
        return stacked if self.kind == "all" else stacked.mean(dim=1)

    def select_of_layers(self, layers: list[Tensor], mix: Any, mask: Tensor) -> Tensor:
        """The same out of the L + 1 layers (B, S, D) of one direction."""
        if self.kind == "mix":
            return mix(layers, mask)
        if self.kind in ("top", "one"):
            return layers[self.index if self.kind == "one" else -1]
        stacked = torch.stack(layers, dim=1)
        return stacked if self.kind == "all" else stacked.mean(dim=1)

    @property
    def empty_shape(self) -> tuple[int, ...]:
        return (self.count, 0, self.size) if self.kind == "all" else (0, self.size)


def check_layers(layers: str | int, config: Any) -> LayerChoice:
    """Check `layers` against a model's configuration.

    Raises:
        EmbedError: not one of all, top, mean, mix, 0 to L; says which numbers the model has.
    """
    count, size = config.num_hidden_layers + 1, config.hidden_size
    if layers in ("all", "top", "mean", "mix"):
        return LayerChoice(str(layers), count, size)
    try:
        index = int(layers)
    except (TypeError, ValueError):
        index = -1
    if isinstance(layers, bool) or not 0 <= index < count:
        raise EmbedError(
            f"layers must be all, top, mean, mix or a layer number from 0 (word vectors) to {count - 1} (top); "
            f"got {layers!r}"
        )
    return LayerChoice("one", count, size, index)


def embed_sentences(
    model: Any,
    tokenizer: Any,
    sentences: Iterable[Sentence],
    layers: str | int = "mix",
    *,
    keep_boundaries: bool = False,
    dtype: str = "float32",
    max_batch_words: int = 4096,
) -> Iterator[np.ndarray]:
    """Give the vectors of each sentence, one array after the other, in the order of the sentences.

    The sentences may come from an endless source: a bounded number is read ahead, brought into batches of similar
    length, and every distinct word among them goes through the character encoder once. A sentence's vectors do not
    depend on the others (up to the rounding of matrix products), nor does the length of a sentence have a limit.

    Args:
        model: an `ElmoModel`; used where it is (`model.device`) and as in eval mode.
        tokenizer: its `ElmoTokenizer`.
        sentences: each a string, which the tokenizer splits, or a list of words, which are taken as they are.
        layers: "mix" (the learned weighted sum; untrained: the mean), "mean", "top", "all", or a layer number, 0 being
            the context-free word vectors.
        keep_boundaries: keep the vectors of `<S>` and `</S>` at both ends.
        dtype: "float32" or "float16" of the arrays; the computation keeps the model's own.
        max_batch_words: words in a batch, padding included; less needs less memory. A longer sentence is a batch alone.
    Returns:
        An iterator of arrays (n, 2D), for layers="all" (L+1, n, 2D), n being the sentence's words. An empty sentence has n = 0.
    Raises:
        EmbedError: an argument is not one of those above; the tokenizer's words have another number of characters than
            the model's; a sentence is neither text nor words, named by its position.
    """
    windows = embed_windows(
        model,
        tokenizer,
        sentences,
        layers,
        keep_boundaries=keep_boundaries,
        dtype=dtype,
        max_batch_words=max_batch_words,
    )
    return (vectors for window in windows for vectors in window)


def embed_windows(
    model: Any,
    tokenizer: Any,
    sentences: Iterable[Sentence],
    layers: str | int = "mix",
    *,
    keep_boundaries: bool = False,
    dtype: str = "float32",
    max_batch_words: int = 4096,
) -> Iterator[list[np.ndarray]]:
    """`embed_sentences` in the pieces it works in: lists of the arrays of consecutive sentences.

    A piece depends on its own sentences alone, so work that stopped between two pieces can go on from there and give
    the same bytes. Arguments, arrays and errors as in `embed_sentences`.
    """
    if not hasattr(model, "char_cnn"):
        raise EmbedError(
            f"model is {type(model).__name__}; needed is ElmoModel (inside a model with a head: model.elmo)"
        )
    # The model gets word vectors here, so its own check of the width does not see the character ids.
    width, wanted = getattr(tokenizer, "max_characters_per_token", "no"), model.config.max_characters_per_token
    if width != wanted:
        raise EmbedError(
            f"tokenizer gives {width} character ids for each word (max_characters_per_token), the config of the model "
            f"says {wanted}: take the tokenizer saved with the model"
        )
    choice = check_layers(layers, model.config)
    if dtype not in ("float32", "float16"):
        raise EmbedError(f"dtype must be float32 or float16, got {dtype!r}")
    if isinstance(max_batch_words, bool) or not isinstance(max_batch_words, int) or max_batch_words < 1:
        raise EmbedError(f"max_batch_words must be a whole number from 1, got {max_batch_words!r}")
    if isinstance(sentences, str):
        raise EmbedError("sentences is a single string; give a list of sentences: [sentence]")
    if choice.kind == "mix" and model.config.scalar_mix_layer_norm:
        max_batch_words = 1  # this mix looks at the whole batch: alone is the only company that changes nothing
    bytes_per_word = choice.size * (choice.count if choice.kind == "all" else 1) * np.dtype(dtype).itemsize
    window_words = max(
        WINDOW_BYTES // (bytes_per_word + CHARACTER_BYTES_PER_WORD), LEAST_WINDOW_BATCHES * max_batch_words
    )
    marks = _count_marks(tokenizer)
    windows = _windows(_encode(tokenizer, sentences), window_words)
    return (
        _embed_window(model, w, choice, (0, 0) if keep_boundaries else marks, dtype, max_batch_words) for w in windows
    )


def _windows(encoded: Iterable[np.ndarray], words: int) -> Iterator[list[np.ndarray]]:
    """Consecutive sentences of about so many words; where a window ends depends on what it holds alone."""
    window: list[np.ndarray] = []
    total = 0
    for char_ids in encoded:
        window.append(char_ids)
        total += len(char_ids) + 1  # empty sentences fill a window too
        if total >= words:
            yield window
            window, total = [], 0
    if window:
        yield window


def _encode(tokenizer: Any, sentences: Iterable[Sentence]) -> Iterator[np.ndarray]:
    """Character ids (n, C) of each sentence, sentence marks included."""
    group: list[Sentence] = []
    characters = 0
    for position, sentence in enumerate(sentences):
        if not isinstance(sentence, str):
            if not isinstance(sentence, Sequence) or not all(isinstance(word, str) for word in sentence):
                raise EmbedError(f"sentence {position} is neither a string nor a list of words: {repr(sentence)[:60]}")
        kind_changes = bool(group) and isinstance(group[0], str) != isinstance(sentence, str)
        if kind_changes or characters > CHARACTERS_PER_CALL:
            yield from _encode_group(tokenizer, group)
            group, characters = [], 0
        group.append(sentence)
        characters += len(sentence) + 1 if isinstance(sentence, str) else sum(len(word) + 1 for word in sentence) + 1
    if group:
        yield from _encode_group(tokenizer, group)


def _encode_group(tokenizer: Any, group: list[Sentence]) -> Iterator[np.ndarray]:
    if not isinstance(group[0], str):
        corpus = tokenizer.encode_corpus(group)
        for start, end in zip(corpus.offsets[:-1].tolist(), corpus.offsets[1:].tolist(), strict=True):
            yield corpus.char_ids[start:end]
        return
    # one by one in the output: padding a group to its longest line could need any amount of memory
    for rows in tokenizer(group)["char_ids"]:
        yield np.asarray(rows, dtype=np.int16)


def _count_marks(tokenizer: Any) -> tuple[int, int]:
    """How many sentence marks the tokenizer puts before and after a sentence."""
    mask = tokenizer(["a"], is_split_into_words=True, return_special_tokens_mask=True)["special_tokens_mask"]
    return mask.index(0), mask[::-1].index(0)


def _batches(lengths: list[int], max_batch_words: int) -> Iterator[list[int]]:
    """Positions of non-empty sentences, the shortest first, in batches of at most so many words with padding."""
    batch: list[int] = []
    for position in sorted((i for i, length in enumerate(lengths) if length), key=lambda i: (lengths[i], i)):
        if batch and (len(batch) + 1) * lengths[position] > max_batch_words:
            yield batch
            batch = []
        batch.append(position)
    if batch:
        yield batch


@torch.inference_mode()
def _embed_window(
    model: Any, window: list[np.ndarray], choice: LayerChoice, cut: tuple[int, int], dtype: str, max_batch_words: int
) -> list[np.ndarray]:
    """Vectors of each sentence of a window, without `cut` positions at its beginning and end."""
    results = [np.zeros(choice.empty_shape, dtype=dtype)] * len(window)
    # nothing will be left of sentences without words: they need no computation
    lengths = [len(char_ids) if len(char_ids) > sum(cut) else 0 for char_ids in window]
    if not any(lengths):
        return results
    # The same word often occurs more than once, and the character encoder does not look at its neighbours.
    rows = np.concatenate([char_ids for char_ids, length in zip(window, lengths, strict=True) if length])
    distinct, inverse = np.unique(rows, axis=0, return_inverse=True)
    starts = np.cumsum([0, *lengths])
    word_of = [inverse.ravel()[starts[i] : starts[i + 1]] for i in range(len(window))]

    modes = [(part, part.training) for part in model.modules()]  # some may be frozen in eval mode, others not
    model.eval()
    try:
        word_vectors = model.char_cnn(torch.from_numpy(distinct.astype(np.int64)).to(model.device))  # (words, D)
        for batch in _batches(lengths, max_batch_words):
            longest = lengths[batch[-1]]
            chosen = np.zeros((len(batch), longest), dtype=np.int64)
            mask = np.zeros((len(batch), longest), dtype=bool)
            for row, position in enumerate(batch):
                chosen[row, : lengths[position]] = word_of[position]
                mask[row, : lengths[position]] = True
            if longest > max_batch_words and not model.config.scalar_mix_layer_norm:  # a sentence alone
                vectors = _embed_long(model, word_vectors, torch.from_numpy(chosen[0]), choice, dtype, max_batch_words)
                results[batch[0]] = vectors[..., cut[0] : longest - cut[1], :]
                continue
            output = model(
                inputs_embeds=word_vectors[torch.from_numpy(chosen).to(model.device)],
                attention_mask=torch.from_numpy(mask).to(model.device),
                output_hidden_states=choice.kind in ("all", "mean", "one"),
            )
            vectors = choice.select(output).to(getattr(torch, dtype)).cpu().numpy()
            for row, position in enumerate(batch):
                inner = slice(cut[0], lengths[position] - cut[1])
                results[position] = vectors[row, ..., inner, :].copy()  # a view would keep the batch alive
    finally:
        for part, training in modes:
            part.training = training
    return results


def _embed_long(
    model: Any, word_vectors: Tensor, chosen: Tensor, choice: LayerChoice, dtype: str, words_per_segment: int
) -> np.ndarray:
    """Vectors of one sentence of any length, in segments: besides the result nothing has its length."""
    vectors = np.zeros((*choice.empty_shape[:-2], len(chosen), choice.size), dtype=dtype)
    mask = torch.ones(1, len(chosen), dtype=torch.bool, device=model.device)
    segments = run_in_segments(
        model.layers,
        lambda columns: word_vectors[chosen[columns].to(model.device)].unsqueeze(0),
        mask,
        words_per_segment,
    )
    for columns, half, layers in segments:
        part = choice.select_of_layers(layers, model.scalar_mix, mask[:, columns])[0]
        vectors[..., columns, half] = part.to(getattr(torch, dtype)).cpu().numpy()
    return vectors
