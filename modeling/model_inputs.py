# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What `ElmoModel` accepts.

Shapes: B sentences, T words, C characters of a word, D `projection_size`, M `cell_size`, L `num_hidden_layers`.
"""

import torch
from torch import Tensor


def check_inputs(config, input_ids, char_ids, attention_mask, inputs_embeds, state) -> Tensor:
    """Refuse what cannot be meant and return the mask (B, T) bool of real words."""
    if (char_ids is None) == (inputs_embeds is None):
        came = "both came" if char_ids is not None else "neither came"
        hint = (
            " input_ids alone do not tell a word's characters: encode with ElmoTokenizer and pass its whole output, "
            "model(**tokenizer(text, return_tensors='pt'))."
            if input_ids is not None and char_ids is None
            else ""
        )
        raise ValueError(f"ElmoModel needs either char_ids or inputs_embeds; {came}.{hint}")
    if char_ids is not None:
        size = config.max_characters_per_token
        if char_ids.shape[-1] != size and input_ids is not None and char_ids.numel() == input_ids.numel() * size:
            char_ids = char_ids.reshape(*input_ids.shape, size)  # flattened by a collator, e.g. multiple choice
        if char_ids.dim() != 3 or char_ids.shape[-1] != size:
            raise ValueError(
                f"char_ids has shape {tuple(char_ids.shape)}; needed is (sentences, words, {size}), the last size "
                "being config.max_characters_per_token. Encode with ElmoTokenizer."
            )
        if char_ids.is_floating_point():
            raise ValueError(f"char_ids has dtype {char_ids.dtype}; needed are integers, as ElmoTokenizer gives")
        shape = char_ids.shape[:2]
    else:
        if inputs_embeds.dim() != 3 or inputs_embeds.shape[-1] != config.projection_size:
            raise ValueError(
                f"inputs_embeds has shape {tuple(inputs_embeds.shape)}; needed is (sentences, words, "
                f"{config.projection_size}), the last size being config.projection_size"
            )
        shape = inputs_embeds.shape[:2]
    for name, tensor in (("input_ids", input_ids), ("attention_mask", attention_mask)):
        if tensor is not None and tuple(tensor.shape) != tuple(shape):
            raise ValueError(f"{name} has shape {tuple(tensor.shape)}; needed is {tuple(shape)} (sentences, words)")
    if state is not None:
        layers, sizes = config.num_hidden_layers, (config.hidden_size, 2 * config.cell_size)
        needed = [(layers, shape[0], size) for size in sizes]
        shapes = [tuple(part.shape) for part in state]
        if shapes != needed:
            raise ValueError(f"state has shapes {shapes}; needed are h {needed[0]} and c {needed[1]}")
    if attention_mask is not None:
        return attention_mask.bool()
    if char_ids is not None:
        return (char_ids > 0).any(dim=-1)
    return torch.ones(shape, dtype=torch.bool, device=inputs_embeds.device)
