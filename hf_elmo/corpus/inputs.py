# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Batches to what `ElmoForPreTraining` takes; the character ids are made on the device."""

from typing import Any

import torch


def model_inputs(batch: dict[str, Any], table: torch.Tensor) -> dict[str, torch.Tensor]:
    """The arguments of `ElmoForPreTraining` for a batch of `SentenceBatches` or `LaneBatches`.

    Args:
        batch: on the device of `table`.
        table: `TokenShards.character_table()`, (V, C).
    Returns:
        of sentences `input_ids`, `char_ids` (B, T, C) int64, `attention_mask` and `labels`; of lanes `char_ids`,
        `backward_char_ids`, `forward_targets` and `backward_targets`.
    """
    if "forward" in batch:
        forward, backward = batch["forward"], batch["backward"]
        return {
            "char_ids": char_ids(forward, table),
            "backward_char_ids": char_ids(backward, table),
            "forward_targets": forward["labels"],
            "backward_targets": backward["labels"],
        }
    names = ("input_ids", "attention_mask", "labels")
    return {"char_ids": char_ids(batch, table), **{name: batch[name] for name in names}}


def char_ids(batch: dict[str, torch.Tensor], table: torch.Tensor) -> torch.Tensor:
    """Character ids (B, T, C) int64 as ElmoTokenizer gives them, also of unknown words.

    Args:
        batch: `input_ids` (B, T), `unknown_positions` (U,) among the B * T and `unknown_char_ids` (U, C); on the device
            of `table`.
        table: `TokenShards.character_table()`, (V, C).
    """
    rows = table[batch["input_ids"]].long()
    rows.view(-1, table.shape[1])[batch["unknown_positions"]] = batch["unknown_char_ids"].long()
    return rows
