# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Which positions of a batch are words of the first text, words of the second one, and sentence marks.

A pair of texts comes as `<S> first </S> <S> second </S>`. Shapes: B sentences, T words.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from .character_encoding import BEGIN_SENTENCE, BEGIN_WORD, END_SENTENCE


class Segments(NamedTuple):
    """Masks (B, T) bool; the two texts' words together are all words, the sentence marks are in neither."""

    words: Tensor
    first: Tensor
    second: Tensor  # nowhere True in a row without a second text
    opening: Tensor  # the first real position of each row, in pairs its first `<S>`
    is_pair: Tensor  # (B,) bool


def find_segments(config, mask: Tensor, input_ids: Tensor | None, char_ids: Tensor | None) -> Segments:
    """Read the sentence marks from the characters, or from the word ids where there are none.

    The first `</S>` that stands before a `<S>` ends the first text. Word ids tell the marks only if `bos_token_id` and
    `eos_token_id` of the config are the tokenizer's.

    Args:
        config: an `ElmoConfig`; gives the marks' word ids.
        mask: (B, T) bool, True for real positions.
        input_ids: (B, T) int64 word ids.
        char_ids: (B, T, C) or flattened, character ids of any integer type.
    Raises:
        ValueError: neither ids came.
    """
    if char_ids is not None:
        char_ids = char_ids.reshape(*mask.shape, config.max_characters_per_token)
        marks = mask & (char_ids[..., 0] == BEGIN_WORD)
        begins, ends = (marks & (char_ids[..., 1] == mark) for mark in (BEGIN_SENTENCE, END_SENTENCE))
    elif input_ids is not None:
        begins, ends = (
            torch.zeros_like(mask) if mark is None else mask & (input_ids == mark)
            for mark in (config.bos_token_id, config.eos_token_id)
        )
    else:
        raise ValueError(
            "this head must tell words from sentence marks: pass the tokenizer's input_ids beside inputs_embeds or "
            "encoder_layers"
        )
    words = mask & ~begins & ~ends
    opening = mask & (mask.cumsum(dim=1) == 1)
    border = ends.roll(1, dims=1) & begins & ~opening  # roll, unlike a slice, exports for any length
    is_second = border.cumsum(dim=1) > 0
    return Segments(
        words=words,
        first=words & ~is_second,
        second=words & is_second,
        opening=opening,
        is_pair=border.any(dim=1),
    )
