# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""`hf-elmo evaluate blimp`: accuracies of ELMo, of a masked language model and of n-grams on minimal pairs."""

import argparse
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from hf_elmo.corpus.token_shards import TokenShards
from hf_elmo.embed_corpus import model_identity
from hf_elmo.evaluation.blimp import Pair, accuracies, count_identical, describe, distinct_sentences, read_pairs
from hf_elmo.evaluation.command import NO_MODEL
from hf_elmo.evaluation.framed_sentences import framed_words
from hf_elmo.evaluation.models import (
    LoadedModel,
    NgramSettings,
    check_vocabularies,
    load_language_model,
    ngram_models,
    ngram_name,
)
from hf_elmo.evaluation.results import Record, sha256_of, table
from hf_elmo.evaluation.run_perplexity import corpus_facts
from hf_elmo.evaluation.sentence_scores import (
    SentenceScores,
    elmo_scores,
    masked_lm_scores,
    ngram_scores,
    split_words,
)
from hf_elmo.messages import say

METHODS = {
    "elmo": "exact log-probability of the sentence",
    "masked": "pseudo-log-likelihood (Salazar et al. 2020), no probability of the sentence",
    "ngram": "exact log-probability of the sentence",
}


def run(options: argparse.Namespace) -> int:
    """Print the accuracies, and write them to `options.output`.

    Raises:
        EvaluationError, PreparationError, DataError, DiscountError: one line for people.
    """
    record = Record(options)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    pairs = read_pairs(options.data, options.paradigms, options.max_pairs)
    data: dict[str, Any] = {"blimp": {"name": options.data.name, "sha256": sha256_of(options.data), **describe(pairs)}}
    sentences, places = distinct_sentences(pairs)
    say(f"{len(pairs):,} pairs, {len(sentences):,} distinct sentences of {options.data}")
    loaded = None
    if options.model != NO_MODEL:
        loaded = load_language_model(options.model, options.revision, options.device)
    shards = None if options.ngram_corpus is None else TokenShards.open(options.ngram_corpus, "train")
    if loaded is not None and loaded.kind == "elmo" and shards is not None:
        check_vocabularies(shards, loaded.tokenizer, options.model)
    metrics: dict[str, Any] = {}
    if loaded is not None:
        scores = score_sentences(loaded, sentences, options.max_batch_words)
        metrics |= judge(pairs, places, scores, "ELMo" if loaded.kind == "elmo" else "masked LM", loaded.kind)
    if shards is not None:
        data["ngram_corpus"] = corpus_facts(shards)
        for order, scores in _of_ngrams(shards, sentences, options).items():
            metrics |= judge(pairs, places, scores, ngram_name(order), "ngram")
    print(_table(metrics))
    model = None if loaded is None else {"sha256": model_identity(loaded.model, loaded.tokenizer)}
    record.finish(metrics, data, model)
    return 0


def score_sentences(loaded: LoadedModel, sentences: list[str], max_batch_words: int) -> SentenceScores:
    """The scores of texts by a loaded model, with progress on stderr."""
    with tqdm(total=len(sentences), desc="scoring", unit=" sentences") as bar:
        settings = {"max_batch_words": max_batch_words, "progress": bar.update}
        if loaded.kind == "elmo":
            return elmo_scores(loaded.model, loaded.tokenizer, split_words(loaded.tokenizer, sentences), **settings)
        return masked_lm_scores(loaded.model, loaded.tokenizer, sentences, **settings)


def _of_ngrams(shards: TokenShards, sentences: list[str], options: Any) -> dict[int, SentenceScores]:
    tokenizer = shards.tokenizer()
    framed = framed_words(tokenizer, split_words(tokenizer, sentences))
    flat, offsets = framed.ids.tolist(), framed.offsets.tolist()
    ids = [tuple(flat[begin:end]) for begin, end in zip(offsets[:-1], offsets[1:], strict=True)]
    fallback = None if options.fallback_discounts is None else tuple(options.fallback_discounts)
    settings = NgramSettings(tuple(sorted(set(options.ngram_orders))), fallback)
    found: dict[int, dict[str, np.ndarray]] = {order: {} for order in settings.orders}
    for trained in ngram_models(shards, settings, say):
        direction = "backward" if trained.backward else "forward"
        found[trained.order][direction] = ngram_scores(trained.model, framed, backward=trained.backward)
        del trained  # a large model, and the next one comes
    for columns in found.values():
        columns["joint"] = columns["forward"] + columns["backward"]
    return {order: SentenceScores(columns, ids) for order, columns in found.items()}


def judge(pairs: list[Pair], places: np.ndarray, scores: SentenceScores, name: str, kind: str) -> dict[str, Any]:
    """An entry of the result for each column of scores."""
    identical = count_identical(scores.ids, places)
    return {
        f"{name}, {column.replace('_', ' ')}": {
            "method": METHODS[kind],
            "pairs_with_equal_ids": identical,
            **accuracies(pairs, values[places]),
        }
        for column, values in scores.columns.items()
    }


def _table(metrics: dict[str, Any]) -> str:
    """A row for each field and term, a column for each score; shares in percent."""
    header = ("accuracy, %", *(name.removeprefix("Kneser-Ney ") for name in metrics))
    found = list(metrics.values())
    rows = [("overall", *(f"{entry['overall']:.1%}"[:-1] for entry in found))]
    for group in ("field", "term"):
        rows += [(name, *(f"{entry[group][name]:.1%}"[:-1] for entry in found)) for name in found[0][group]]
    rows.append(("ties (count as half)", *(f"{entry['ties']:,}" for entry in found)))
    rows.append(("pairs with equal word ids", *(f"{entry['pairs_with_equal_ids']:,}" for entry in found)))
    return table(header, rows)
