# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Log-probability of single words at given places: by ELMo's two language models, and by a masked language model."""

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hf_elmo.conversion.verify import quiet
from hf_elmo.evaluation.models import LoadedModel, load_language_model

# How a score of a word is to be read; on the page beside each.
METHODS = {
    "forward": "exact log-probability of the word given the words before it",
    "backward": "exact log-probability of the word given the words after it",
    "joint": "exact log-probability of the whole sentence, forward and backward added",
    "masked": "log-probability of the word given all other words, its pieces from left to right with the rest of the "
    "word masked (Kauf & Ivanova 2023); no probability of a text",
}
Sentences = Sequence[Sequence[str]]


def has_language_model(name: str, settings: Any) -> bool:
    """Whether a contender predicts words: static vectors and planted differences of vectors do not.

    Args:
        name: of the contender; it does not tell what it is loaded from.
        settings: of the comparison, whose models tell it.
    """
    from hf_elmo.compare.contenders import COPY, SHUFFLED, STATIC, STATIC_VECTORS, contender_name

    specs = {contender_name(spec): spec for spec in settings.models}
    spec = specs.get(name, name).removeprefix(COPY)
    return not spec.startswith((SHUFFLED, STATIC)) and spec not in STATIC_VECTORS


def language_model_of(context: Any, name: str) -> LoadedModel:
    """The contender's model with its softmax, kept for the next cell; see `load_language_model` for what is raised.

    Args:
        context: `hf_elmo.compare.running.Context`.
        name: of a contender, "copy:" before it or not.
    """
    return _loaded(context.contender(name).spec, str(context.device))


@functools.lru_cache(maxsize=2)
def _loaded(spec: str, device: str) -> LoadedModel:
    with quiet():  # heads that are not needed here
        return load_language_model(spec, device=device)


@torch.no_grad()
def elmo_word_scores(
    loaded: LoadedModel, sentences: Sentences, positions: Sequence[int], *, max_batch_words: int = 4096
) -> dict[str, np.ndarray]:
    """Natural log-probability of `sentences[i][positions[i]]` by the full softmax in both directions.

    Args:
        loaded: an `ElmoForPreTraining` in eval mode and its tokenizer.
        sentences: lists of words; each is computed from zero states with its sentence marks.
        positions: of the word in each.
    Returns:
        "forward" and "backward", (S,) float64; NaN where the word is not in the vocabulary.
    Raises:
        IndexError: a sentence has no such word.
    """
    _check_positions(sentences, positions)
    model, tokenizer = loaded.model, loaded.tokenizer
    found = {name: np.full(len(sentences), np.nan) for name in ("forward", "backward")}
    for batch in _batches([len(words) + 2 for words in sentences], max_batch_words):
        words = [list(sentences[index]) for index in batch]
        encoded = tokenizer(words, is_split_into_words=True, padding=True, return_tensors="pt").to(model.device)
        top, _ = model.top_layer(**{key: encoded[key] for key in ("input_ids", "char_ids", "attention_mask")})
        rows = torch.arange(len(batch), device=top.device)
        places = torch.tensor([positions[index] + 1 for index in batch], device=top.device)  # the mark stands first
        targets = encoded["input_ids"][rows, places].to(top.device)
        ahead, back = top.chunk(2, dim=-1)
        for name, hidden in (("forward", ahead[rows, places - 1]), ("backward", back[rows, places + 1])):
            log_probs = model.logits(hidden).double().log_softmax(dim=-1)
            log_probs = log_probs.gather(1, targets.to(log_probs.device)[:, None]).squeeze(1).cpu()
            log_probs[targets.cpu() == tokenizer.unk_token_id] = torch.nan
            found[name][batch] = log_probs.numpy()
    return found


@torch.no_grad()
def masked_word_scores(
    loaded: LoadedModel, sentences: Sentences, positions: Sequence[int], *, max_batch_words: int = 4096
) -> np.ndarray:
    """Natural log-probability of `sentences[i][positions[i]]` given the rest, by a masked language model, (S,) float64.

    A word of several pieces is the chain of its pieces from left to right, those that follow in the word masked
    (Kauf & Ivanova 2023, ACL, https://aclanthology.org/2023.acl-short.80/), so that a piece never tells the one before
    it. NaN where a piece is the unknown one.

    Args:
        loaded: a `...ForMaskedLM` in eval mode and its fast tokenizer.
        sentences, positions: see `elmo_word_scores`.
    Raises:
        IndexError: a sentence has no such word.
        ValueError: the tokenizer has no mask; a sentence is longer than the model allows.
    """
    _check_positions(sentences, positions)
    model, tokenizer = loaded.model, loaded.tokenizer
    if tokenizer.mask_token_id is None:
        raise ValueError("the tokenizer has no mask token; needed is that of a masked language model")
    copies: list[list[int]] = []  # a masked copy for each piece of each word
    owners, places, targets = [], [], []
    scores = np.zeros(len(sentences))
    for index, (words, position) in enumerate(zip(sentences, positions, strict=True)):
        encoded = tokenizer(list(words), is_split_into_words=True)
        ids = encoded["input_ids"]
        pieces = [place for place, word in enumerate(encoded.word_ids()) if word == position]
        if not pieces or any(ids[place] == tokenizer.unk_token_id for place in pieces):
            scores[index] = np.nan
            continue
        for number, place in enumerate(pieces):
            hidden = set(pieces[number:])
            copies.append([tokenizer.mask_token_id if at in hidden else piece for at, piece in enumerate(ids)])
            owners.append(index)
            places.append(place)
            targets.append(ids[place])
    limit = getattr(model.config, "max_position_embeddings", None)
    if limit is not None and copies and max(map(len, copies)) > limit:
        raise ValueError(f"a sentence has {max(map(len, copies))} pieces, the model takes {limit}")
    for batch in _batches([len(copy) for copy in copies], max_batch_words):
        padded = tokenizer.pad({"input_ids": [copies[row] for row in batch]}, return_tensors="pt").to(model.device)
        rows = torch.arange(len(batch), device=model.device)
        chosen = torch.tensor([places[row] for row in batch], device=model.device)
        wanted = torch.tensor([targets[row] for row in batch], device=model.device)
        logits = _logits(model, padded["input_ids"], padded["attention_mask"], rows, chosen)
        log_probs = logits.double().log_softmax(dim=-1)[rows, wanted].cpu().numpy()
        np.add.at(scores, [owners[row] for row in batch], log_probs)
    return scores


def _logits(model: Any, ids: Tensor, mask: Tensor, rows: Tensor, places: Tensor) -> Tensor:
    """(B, V) at one place of each row; of BERT, the head computes no other."""
    if hasattr(model, "bert") and hasattr(model, "cls"):
        return model.cls(model.bert(ids, attention_mask=mask).last_hidden_state[rows, places])
    return model(input_ids=ids, attention_mask=mask).logits[rows, places]


def word_scores(loaded: LoadedModel, sentences: Sentences, positions: Sequence[int]) -> dict[str, np.ndarray]:
    """The scores a model of either kind has for a word: "forward" and "backward", or "masked"."""
    if loaded.kind == "elmo":
        return elmo_word_scores(loaded, sentences, positions)
    return {"masked": masked_word_scores(loaded, sentences, positions)}


def _check_positions(sentences: Sentences, positions: Sequence[int]) -> None:
    for words, position in zip(sentences, positions, strict=True):
        if not 0 <= position < len(words):
            raise IndexError(f"position is {position}; the sentence has words 0 to {len(words) - 1}")


def _batches(lengths: list[int], max_batch_words: int) -> Iterator[list[int]]:
    """Places of sentences of similar length, so many words at once with padding; at least one sentence."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and lengths[index] * (len(batch) + 1) > max_batch_words:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


__all__ = [
    "METHODS",
    "elmo_word_scores",
    "has_language_model",
    "language_model_of",
    "masked_word_scores",
    "word_scores",
]
