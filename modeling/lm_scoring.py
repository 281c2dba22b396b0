# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Probabilities of given words and of words that might stand in their place, by a trained language model.

Shapes: T words of a sentence, its two marks included, D `projection_size`, V `vocab_size`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch


class SentenceScore(NamedTuple):
    """Natural log-probabilities of the words of one sentence; a word outside the vocabulary counts as the unknown one."""

    words: list[str]
    forward: list[float]  # of each word, given all words before it
    backward: list[float]  # of each word, given all words after it
    end: float  # of the end of the sentence, which only the forward direction predicts
    begin: float  # of its begin, which only the backward direction predicts

    @property
    def joint(self) -> list[float]:
        """Sum of both directions for each word: what training makes large, and no probability of a word."""
        return [ahead + back for ahead, back in zip(self.forward, self.backward, strict=True)]

    @property
    def forward_total(self) -> float:
        """Log-probability of the sentence by the forward model."""
        return sum(self.forward) + self.end

    @property
    def backward_total(self) -> float:
        """Log-probability of the sentence by the backward model."""
        return sum(self.backward) + self.begin

    @property
    def total(self) -> float:
        """Sum of both models' log-probabilities of the sentence."""
        return self.forward_total + self.backward_total


class Substitute(NamedTuple):
    """A word that fits a position, with natural log-probabilities."""

    word: str
    log_prob: float  # product of both directions, scaled to add up to 1 over the candidates
    forward: float  # given the words before
    backward: float  # given the words after


def check_tokenizer(model, tokenizer) -> None:
    """Refuse a tokenizer whose ids are not the model's words.

    Raises:
        ValueError: another number of words, or no sentence marks.
    """
    if len(tokenizer) != model.config.vocab_size:
        raise ValueError(
            f"the tokenizer has {len(tokenizer)} words, the model's softmax {model.config.vocab_size}; give the tokenizer "
            "that was saved with the model"
        )
    if tokenizer.num_special_tokens_to_add() != 2:
        raise ValueError(
            "the language models begin at <S> and </S>; give a tokenizer that puts both around a sentence"
        )


def words_of(sentence: str | Sequence[str]) -> list[str]:
    """The words of a sentence that is a list of them, or a string to split at white space."""
    return sentence.split() if isinstance(sentence, str) else list(sentence)


def score_sentences(model, sentences, tokenizer, batch_size: int) -> list[SentenceScore]:
    """See `ElmoForPreTraining.score`."""
    if isinstance(sentences, str):
        raise TypeError("sentences is one string; give a list of sentences, or [text] for a single one")
    check_tokenizer(model, tokenizer)
    all_words = [words_of(sentence) for sentence in sentences]
    order = sorted(range(len(all_words)), key=lambda index: len(all_words[index]))  # little padding
    scores: dict[int, SentenceScore] = {}
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        encoded = _encode([all_words[index] for index in chosen], tokenizer, model.device)
        log_probs = model.token_log_probs(**encoded)
        for row, index in enumerate(chosen):
            real = encoded["attention_mask"][row].bool()
            forward, backward = (part[row][real].tolist() for part in log_probs)
            scores[index] = SentenceScore(all_words[index], forward[1:-1], backward[1:-1], forward[-1], backward[0])
    return [scores[index] for index in range(len(all_words))]


@torch.no_grad()
def substitutes_of(model, sentence, position: int, tokenizer, k: int) -> list[Substitute]:
    """See `ElmoForPreTraining.substitutes`."""
    check_tokenizer(model, tokenizer)
    words = words_of(sentence)
    if not 0 <= position < len(words):
        raise IndexError(f"position is {position}; the sentence has words 0 to {len(words) - 1}")
    if k < 1:
        raise ValueError(f"k is {k}; needed is at least 1 word")
    top, mask = model.top_layer(**_encode([words], tokenizer, model.device))
    ahead, back = top[0][mask[0]].chunk(2, dim=-1)  # (T, D) each; the word itself has the index position + 1
    forward, backward = (
        model.logits(hidden).float().log_softmax(dim=-1) for hidden in (ahead[position], back[position + 2])
    )
    joint = forward + backward
    joint[torch.tensor(tokenizer.all_special_ids, device=joint.device)] = -torch.inf
    joint = joint.log_softmax(dim=-1)
    best = joint.topk(min(k, int(joint.isfinite().sum()))).indices.tolist()
    return [
        Substitute(tokenizer.convert_ids_to_tokens(word), *(float(part[word]) for part in (joint, forward, backward)))
        for word in best
    ]


def _encode(sentences: list[list[str]], tokenizer, device) -> dict:
    encoded = tokenizer(sentences, is_split_into_words=True, padding=True, return_tensors="pt").to(device)
    return {name: encoded[name] for name in ("input_ids", "char_ids", "attention_mask")}


__all__ = ["SentenceScore", "Substitute"]
