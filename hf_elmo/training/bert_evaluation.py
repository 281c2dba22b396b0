# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Losses of a BERT on held-out text: always the same masks and pairs, whatever the batch size."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from hf_elmo.corpus.settings import PreparationError
from hf_elmo.training.masking import IGNORED
from hf_elmo.training.piece_shards import PieceShards
from hf_elmo.training.sentence_pairs import SentencePairs

_DEFAULT_LENGTH = 128
_ROWS_AT_ONCE = 1024  # made, of which batches are cut


@torch.no_grad()
def evaluate_bert(
    model: Any,
    pairs_or_shards: SentencePairs | PieceShards,
    batch_size: int = 32,
    device: str | torch.device | None = None,
    *,
    most: int | None = None,
    **settings: Any,
) -> dict[str, float]:
    """Masked-LM and next-sentence losses of a model over a text, without dropout.

    Every row of the first epoch comes once with its own masks, so that figures of the same text and settings compare.

    Args:
        model: a `BertForPreTraining` or `BertForMaskedLM`; used as in eval mode.
        pairs_or_shards: shards; or a `SentencePairs`, for its settings, wherever it stands.
        batch_size: rows computed at once; changes nothing but the last digits.
        device: where to compute, to which the model is moved; None leaves it where it is.
        most: rows at most, spread evenly over the text; None takes all.
        settings: of `SentencePairs` for shards; by default rows of 128 positions, in pairs if the model has a head for
            them.
    Returns:
        `masked_lm_loss` (nats for a masked piece), `masked_lm_accuracy`, `masked_pieces`, how many there were; and for
        pairs `next_sentence_loss`, `next_sentence_accuracy`, `pairs`.
    Raises:
        PreparationError: the model has fewer pieces or positions than the rows need, or `most` is below 1.
    """
    if most is not None and most < 1:
        raise PreparationError(f"most={most} must be at least 1, or None for all rows")
    if isinstance(pairs_or_shards, PieceShards):
        longest = min(_DEFAULT_LENGTH, model.config.max_position_embeddings)
        defaults = {"max_length": longest, "next_sentence": hasattr(model.cls, "seq_relationship")}
        pairs = SentencePairs(pairs_or_shards, batch_size, **{**defaults, **settings})
    else:
        pairs = pairs_or_shards
    _check(model, pairs)
    if device is not None:
        model.to(device)
    was_training = model.training
    model.eval()
    sums: Counter[str] = Counter()
    try:
        for batch in _batches(pairs, batch_size, most):
            sums.update(_sums(model, {name: value.to(model.device) for name, value in batch.items()}))
    finally:
        model.train(was_training)
    found = {
        "masked_lm_loss": sums["loss"] / sums["pieces"],
        "masked_lm_accuracy": sums["right"] / sums["pieces"],
        "masked_pieces": sums["pieces"],
    }
    if sums["pairs"]:
        found |= {
            "next_sentence_loss": sums["pair_loss"] / sums["pairs"],
            "next_sentence_accuracy": sums["pairs_right"] / sums["pairs"],
            "pairs": sums["pairs"],
        }
    return found


def _check(model: Any, pairs: SentencePairs) -> None:
    if model.config.vocab_size < pairs.shards.vocab_size:
        raise PreparationError(
            f"the model has vocab_size={model.config.vocab_size}, but {pairs.shards.folder} has {pairs.shards.vocab_size} "
            "pieces: they are of another vocabulary; prepare them with vocabulary_from"
        )
    if model.config.max_position_embeddings < pairs.max_length:
        raise PreparationError(
            f"rows have max_length={pairs.max_length}, but the model only "
            f"max_position_embeddings={model.config.max_position_embeddings}"
        )


def _batches(pairs: SentencePairs, batch_size: int, most: int | None) -> Iterator[dict[str, torch.Tensor]]:
    """Batches of the chosen rows, none wider than its longest row."""
    total = pairs.rows_in_epoch() if most is not None else 1
    wanted = total if most is None else min(most, total)
    seen = 0
    for many in pairs.once(_ROWS_AT_ONCE):
        numbers = torch.arange(seen, seen + len(many["input_ids"]))
        seen += len(numbers)
        chosen = torch.nonzero((numbers + 1) * wanted // total > numbers * wanted // total)[:, 0]
        for rows in chosen.split(batch_size):
            width = int(many["attention_mask"][rows].sum(dim=1).max())
            yield {name: value[rows][:, :width] if value.dim() > 1 else value[rows] for name, value in many.items()}


def _sums(model: Any, batch: dict[str, torch.Tensor]) -> dict[str, int | float]:
    """Losses and right guesses of a batch, added up. Only masked pieces go through the output layer."""
    labels, pair_labels = batch.pop("labels"), batch.pop("next_sentence_label", None)
    vectors, *pooled = model.bert(**batch, return_dict=False)
    chosen = labels != IGNORED
    targets = labels[chosen]
    logits = _not_half(model.cls.predictions(vectors[chosen]))
    found: dict[str, int | float] = {
        "loss": float(cross_entropy(logits, targets, reduction="none").double().sum()),
        "right": int((logits.argmax(dim=-1) == targets).sum()),
        "pieces": len(targets),
    }
    if pair_labels is not None and hasattr(model.cls, "seq_relationship"):
        scores = _not_half(model.cls.seq_relationship(pooled[0]))
        found["pair_loss"] = float(cross_entropy(scores, pair_labels, reduction="none").double().sum())
        found["pairs_right"] = int((scores.argmax(dim=-1) == pair_labels).sum())
        found["pairs"] = len(pair_labels)
    return found


def _not_half(scores: torch.Tensor) -> torch.Tensor:
    """Losses are computed in float32 at least."""
    return scores.to(torch.promote_types(scores.dtype, torch.float32))


__all__ = ["evaluate_bert"]
