# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Log-probabilities of many whole sentences: exact by ELMo's two language models and by n-grams, and for masked
language models the pseudo-log-likelihood, which is no probability.

Shapes: S sentences, T words of a sentence with its marks, C characters of a word, D `projection_size`.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from hf_elmo.evaluation.framed_sentences import FramedSentences
from hf_elmo.evaluation.ngram import LanguageModel
from hf_elmo.modeling.lm_scoring import check_tokenizer
from hf_elmo.modeling.lm_vocabulary import first_word

WORDS_PER_PASS = 512  # of the character encoder
TOKENS_PER_BLOCK, WORDS_PER_BLOCK = 1024, 4096  # of the softmax: 16 MiB, which stay in the caches
PSEUDO = "pseudo_log_likelihood"

Progress = Callable[[int], Any]


class SentenceScores(NamedTuple):
    """Natural log-probabilities of sentences, and what the sentences are to the vocabulary of the model."""

    columns: dict[str, np.ndarray]  # each (S,) float64, for example "forward", "backward", "joint"
    ids: list[tuple[int, ...]]  # of the words, marks included


def split_words(tokenizer: Any, sentences: Sequence[str]) -> list[list[str]]:
    """The words of texts as an `ElmoTokenizer` splits them, without the rest of its work."""
    backend = tokenizer.backend_tokenizer
    normalize = (lambda text: text) if backend.normalizer is None else backend.normalizer.normalize_str
    split = backend.pre_tokenizer.pre_tokenize_str
    return [[word for word, _ in split(normalize(sentence))] for sentence in sentences]


@torch.no_grad()
def elmo_scores(
    model: Any,
    tokenizer: Any,
    sentences: Sequence[Sequence[str]],
    *,
    max_batch_words: int = 4096,
    progress: Progress = lambda count: None,
) -> SentenceScores:
    """Log-probability of each sentence by an `ElmoForPreTraining`: the totals of `ElmoForPreTraining.score`.

    Every distinct word goes through the character encoder once, sentences of similar length are computed together, and
    one pass over the softmax serves both directions. A sentence's scores do not depend on the others, up to the
    rounding of matrix products. Dropout is off in any mode.

    Args:
        model: an `ElmoForPreTraining`; used where it is.
        tokenizer: its `ElmoTokenizer`.
        sentences: lists of words; see `split_words` for texts.
        max_batch_words: words computed at once, padding included; a longer sentence is a batch of its own.
        progress: called with the number of sentences of each batch.
    Returns:
        [`SentenceScores`] with "forward", "backward" and "joint", their sum.
    Raises:
        ValueError: the tokenizer is not the model's.
        TypeError: `sentences` is one string, or a word is not a string.
    """
    check_tokenizer(model, tokenizer)
    corpus = tokenizer.encode_corpus(sentences)
    distinct, word_of = np.unique(corpus.char_ids, axis=0, return_inverse=True)
    word_of = word_of.ravel()
    totals = np.zeros((2, len(sentences)))
    training = [(part, part.training) for part in model.modules()]
    model.eval()
    try:
        rows = torch.from_numpy(distinct.astype(np.int64)).to(model.device)
        vectors = torch.cat([model.elmo.char_cnn(part) for part in rows.split(WORDS_PER_PASS)]) if len(rows) else rows
        for batch in _batches_by_length(np.diff(corpus.offsets), max_batch_words):
            words, ids, mask = _padded(corpus, word_of, batch)
            embeds = vectors[words.to(vectors.device)]
            totals[:, batch] = _totals(model, embeds, ids.to(vectors.device), mask.to(vectors.device))
            progress(len(batch))
    finally:
        for part, mode in training:
            part.training = mode
    forward, backward = totals
    columns = {"forward": forward, "backward": backward, "joint": forward + backward}
    return SentenceScores(columns, _id_tuples(corpus.input_ids, corpus.offsets))


def _totals(model: Any, embeds: Tensor, ids: Tensor, mask: Tensor) -> np.ndarray:
    """(2, B) float64 forward and backward log-probabilities of a batch; embeds (B, T, D), ids and mask (B, T)."""
    top = model(inputs_embeds=embeds, attention_mask=mask).last_hidden_state
    ahead, back = top.chunk(2, dim=-1)
    known = mask[:, 1:].bool().repeat(2, 1)
    # The backward state before a word stands at the word after it.
    hidden, targets = torch.cat([ahead[:, :-1], back[:, 1:]]), torch.cat([ids[:, 1:], ids[:, :-1]])
    log_probs = torch.zeros(known.shape, dtype=torch.float64, device=known.device)
    log_probs[known] = _log_probs(model, hidden[known], targets[known]).to(known.device)
    return log_probs.view(2, len(ids), -1).sum(dim=-1).cpu().numpy()


def _log_probs(model: Any, hidden: Tensor, targets: Tensor) -> Tensor:
    """(N,) float64 by the full softmax, of the top layer (N, D) of one direction and the words to predict (N,).

    Products and exponentials are those of float32, except for the word to predict and the most probable one of each block,
    and everything that is summed over a sentence is float64: the loss of training rounds each word to 1e-6, which adds up to
    1e-5 in a sentence of ten.
    """
    first, weight, bias = first_word(model.config), model.lm_head.weight, model.lm_head.bias
    dtype = torch.promote_types(weight.dtype, torch.float32)
    hidden, targets = hidden.to(weight.device, dtype), targets.to(weight.device)
    parts = []
    for tokens, words in zip(hidden.split(TOKENS_PER_BLOCK), targets.split(TOKENS_PER_BLOCK), strict=True):
        log_sum = torch.full((len(tokens),), -torch.inf, dtype=torch.float64, device=weight.device)
        for start in range(first, len(weight), WORDS_PER_BLOCK):
            block = slice(start, start + WORDS_PER_BLOCK)
            logits = torch.addmm(bias[block].to(dtype), tokens, weight[block].to(dtype).t())
            # The largest term is most of the sum and of its rounding: that one is float64.
            highest, at = logits.max(dim=1, keepdim=True)
            log_sum = torch.logaddexp(log_sum, _logits_of(tokens, weight, bias, start + at.squeeze(1)))
            rest = logits.sub_(highest).scatter_(1, at, -torch.inf).exp_().sum(dim=1).double().log_()
            log_sum = torch.logaddexp(log_sum, rest.add_(highest.squeeze(1)))
        logit = _logits_of(tokens, weight, bias, words)
        parts.append(logit - log_sum)
    return torch.cat(parts)


def _logits_of(hidden: Tensor, weight: Tensor, bias: Tensor, words: Tensor) -> Tensor:
    """(N,) float64 of one word for each row of `hidden` (N, D)."""
    return (hidden.double() * weight[words].double()).sum(dim=-1) + bias[words].double()


def _padded(corpus: Any, word_of: np.ndarray, batch: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
    """(B, T) int64 each: numbers of the distinct words, token ids, and the mask."""
    begins, ends = corpus.offsets[batch], corpus.offsets[batch + 1]
    columns = np.arange(int((ends - begins).max()))
    mask = columns < (ends - begins)[:, None]
    places = np.where(mask, begins[:, None] + columns, begins[:, None])
    return tuple(  # type: ignore[return-value]
        torch.from_numpy(array.astype(np.int64)) for array in (word_of[places], corpus.input_ids[places], mask)
    )


def _batches_by_length(lengths: np.ndarray, max_batch_words: int) -> Iterator[np.ndarray]:
    """Positions of the sentences, the shortest first, in batches of up to so many words with padding."""
    order = np.argsort(lengths, kind="stable")
    start = 0
    while start < len(order):
        words = lengths[order[start:]] * np.arange(1, len(order) - start + 1)  # ascending: with one sentence more
        end = start + max(1, int(np.searchsorted(words, max_batch_words, side="right")))
        yield order[start:end]
        start = end


def _id_tuples(ids: np.ndarray, offsets: np.ndarray) -> list[tuple[int, ...]]:
    flat, places = ids.tolist(), offsets.tolist()
    return [tuple(flat[begin:end]) for begin, end in zip(places[:-1], places[1:], strict=True)]


def ngram_scores(model: LanguageModel, sentences: FramedSentences, *, backward: bool = False) -> np.ndarray:
    """Log-probability of each sentence by a language model of n-grams, (S,) float64.

    Args:
        sentences: in the forward order.
        backward: the model reads them from their end.
    """
    if backward:
        reversed_sentences = sentences.backward()
        return reversed_sentences.sums(model.log_probs(reversed_sentences))[::-1]
    return sentences.sums(model.log_probs(sentences))


# --- masked language models ------------------------------------------------------------------------------------------


@torch.no_grad()
def masked_lm_scores(
    model: Any,
    tokenizer: Any,
    sentences: Sequence[str],
    *,
    max_batch_words: int = 4096,
    progress: Progress = lambda count: None,
) -> SentenceScores:
    """Pseudo-log-likelihood of each sentence by a masked language model (Salazar et al. 2020, arXiv:1910.14659).

    The sum over the sentence's pieces of the log-probability of each, given all others: what a bidirectional encoder
    has instead of a probability of the sentence. Takes one pass of the model for each piece.

    Args:
        model: a `...ForMaskedLM` of transformers; used where it is.
        tokenizer: its tokenizer.
        sentences: texts.
        max_batch_words: pieces computed at once; a longer sentence goes through one copy at a time.
        progress: called with the number of sentences done.
    Returns:
        [`SentenceScores`] with "pseudo_log_likelihood".
    Raises:
        ValueError: the tokenizer has no mask; a sentence is longer than the model allows, named by its text.
    """
    if tokenizer.mask_token_id is None:
        raise ValueError("the tokenizer has no mask token; needed is that of a masked language model")
    encoded = tokenizer(list(sentences), return_special_tokens_mask=True)
    ids, special = encoded["input_ids"], encoded["special_tokens_mask"]
    lengths = np.fromiter(map(len, ids), np.int64, len(ids))
    limit = getattr(model.config, "max_position_embeddings", None)
    if limit is not None and len(ids) and lengths.max() > limit:
        longest = sentences[int(lengths.argmax())]
        raise ValueError(f"a sentence has {lengths.max()} pieces, the model takes {limit}: {longest[:60]!r}...")
    totals = np.zeros(len(ids))
    was_training = model.training
    model.eval()
    try:
        for length in np.unique(lengths).tolist():  # copies of one length need no padding
            group = np.flatnonzero(lengths == length)
            per_pass = max(1, max_batch_words // length // length)
            for start in range(0, len(group), per_pass):
                chosen = group[start : start + per_pass]
                table = torch.tensor([ids[index] for index in chosen.tolist()])  # (B, T)
                wanted = torch.tensor([special[index] for index in chosen.tolist()]) == 0
                rows, places = wanted.nonzero(as_tuple=True)
                found = torch.zeros(len(rows), dtype=torch.float64)
                parts = torch.arange(len(rows)).split(max(1, max_batch_words // length))
                for part in parts if len(rows) else ():  # an empty sentence has nothing to mask
                    found[part] = _masked_log_probs(model, tokenizer, table, rows[part], places[part])
                totals[chosen] = torch.zeros(len(chosen), dtype=torch.float64).index_add_(0, rows, found).numpy()
                progress(len(chosen))
    finally:
        model.train(was_training)
    return SentenceScores({PSEUDO: totals}, [tuple(pieces) for pieces in ids])


def _masked_log_probs(model: Any, tokenizer: Any, table: Tensor, rows: Tensor, places: Tensor) -> Tensor:
    """(n,) float64 of the pieces at `places` (n,) of the sentences `rows` (n,) of `table` (B, T), each masked alone."""
    copies = table[rows]
    each = torch.arange(len(rows))
    targets = copies[each, places].to(model.device)
    copies[each, places] = tokenizer.mask_token_id
    copies, each, places = (part.to(model.device) for part in (copies, each, places))
    if hasattr(model, "bert") and hasattr(model, "cls"):  # the head on one position of each copy, not on all
        logits = model.cls(model.bert(copies).last_hidden_state[each, places])
    else:
        logits = model(copies).logits[each, places]
    return logits.float().log_softmax(dim=-1)[each, targets].double().cpu()


__all__ = ["SentenceScores", "elmo_scores", "masked_lm_scores", "ngram_scores", "split_words"]
