# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Floating-point operations of an encoder, counted from its configuration and measured by torch's own counter.

Counted are the matrix products and convolutions, a multiplication and an addition as two operations; activations, norms,
softmaxes and look-ups are not, here as in torch's counter.
"""

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from hf_elmo.modeling.char_cnn import DistinctWords


class CharacterWork(NamedTuple):
    """What the character encoder of ELMo has to do for a batch: each distinct word once, over the characters it has."""

    words: int
    columns: int  # characters of the longest of them, and the width of the widest convolution


def character_work(char_ids: torch.Tensor, widest: int) -> CharacterWork:
    """Distinct words of char ids (..., C), padding left out, and their columns.

    Args:
        widest: width of the widest convolution, in characters.
    """
    words = char_ids.reshape(-1, char_ids.shape[-1])
    distinct = DistinctWords.of(words[words.any(dim=1)])
    return CharacterWork(len(distinct.lengths), min(char_ids.shape[-1], distinct.lengths[-1] + widest))


def count_elmo(config: Any, positions: int, characters: CharacterWork) -> dict[str, int]:
    """Operations of an `ElmoModel` by part.

    Args:
        config: `ElmoConfig`.
        positions: words with the marks of sentences, without padding.
        characters: see `character_work`; `CharacterWork(positions, config.max_characters_per_token)` is what the
            published implementations do.
    """
    filters, width = config.char_cnn_size, config.projection_size
    windows = sum(
        span * config.char_embedding_size * count * (characters.columns - span + 1)
        for span, count in config.char_filters
    )
    highway = config.num_highway_layers * filters * 2 * filters
    projection = filters * width if config.use_char_projection else 0
    gates = 4 * config.cell_size * (width + width)  # from the input and from the state
    lstm = gates + (config.cell_size * width if config.use_lstm_projection else 0)
    return {
        "convolutions": 2 * characters.words * windows,
        "highway and projection": 2 * characters.words * (highway + projection),
        "LSTM": 2 * positions * 2 * config.num_hidden_layers * lstm,
    }


def count_bert(config: Any, windows: Sequence[int], pooler: bool = False) -> dict[str, int]:
    """Operations of a BERT by part.

    Args:
        config: `BertConfig`, or another with its names for the same sizes.
        windows: positions of each row that is computed, marks included, without padding.
        pooler: with the layer over the first position.
    """
    size, inner, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    positions, squares = sum(windows), sum(length * length for length in windows)
    return {
        "linear layers": 2 * positions * layers * (4 * size * size + 2 * size * inner),
        "attention": 2 * 2 * squares * layers * size,  # queries with keys, weights with values
        "pooler": 2 * len(windows) * size * size if pooler else 0,
    }


def measure(model: Any, inputs: dict[str, torch.Tensor]) -> dict[str, int]:
    """What torch's counter sees in one forward pass of a model of the same sizes, by operation.

    Give sentences without padding, over which the plain loop runs as over words. The model is built anew, with the plain operations that the counter knows: ELMo's reference loop instead of fused
    steps, attention as two products instead of a kernel. Weights do not matter for a count.
    """
    from torch.utils.flop_counter import FlopCounterMode

    config = copy.deepcopy(model.config)
    if config.model_type == "elmo":
        config.lstm_backend = "reference"
    else:
        config._attn_implementation = "eager"
    with torch.random.fork_rng(devices=[]):
        plain = type(model)(config).eval()
    # With gradients: without them ELMo takes other, faster operations on a CPU, which the counter does not know.
    with FlopCounterMode(display=False) as counter, torch.enable_grad():
        plain(**{name: tensor.cpu() for name, tensor in inputs.items()})
    return {str(name): int(count) for name, count in counter.get_flop_counts()["Global"].items()}
