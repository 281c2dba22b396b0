# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""`hf-elmo evaluate perplexity`: ELMo and n-grams on the same sentences and vocabulary."""

import argparse
from math import sqrt
from typing import Any

import torch
from tqdm.auto import tqdm

from hf_elmo.corpus.token_shards import TokenShards
from hf_elmo.data.files import read_lines
from hf_elmo.embed_corpus import model_identity
from hf_elmo.evaluation.command import NO_MODEL
from hf_elmo.evaluation.framed_sentences import framed_words
from hf_elmo.evaluation.models import (
    EvaluationError,
    NgramSettings,
    check_vocabularies,
    load_language_model,
    ngram_models,
    ngram_name,
    open_part,
)
from hf_elmo.evaluation.ngram import ngram_perplexity
from hf_elmo.evaluation.results import Record, sha256_of, table
from hf_elmo.evaluation.sentence_scores import split_words
from hf_elmo.messages import say
from hf_elmo.perplexity import perplexity


def run(options: argparse.Namespace) -> int:
    """Print the perplexities, and write them to `options.output`.

    Raises:
        EvaluationError, PreparationError, DataError, DiscountError: one line for people.
    """
    record = Record(options)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    loaded = None if options.model == NO_MODEL else _load(options)
    ngram_shards = None if options.ngram_corpus is None else TokenShards.open(options.ngram_corpus, "train")
    if loaded is not None and ngram_shards is not None:
        check_vocabularies(ngram_shards, loaded.tokenizer, options.model)
    tokenizer = loaded.tokenizer if loaded is not None else ngram_shards.tokenizer()  # type: ignore[union-attr]
    sentences, data = _held_out(options, tokenizer)
    say(f"{len(sentences):,} sentences, {sum(map(len, sentences)):,} words of {options.data}")
    metrics: dict[str, Any] = {}
    if loaded is not None:
        metrics |= _of_elmo(loaded, sentences, options)
    if ngram_shards is not None:
        data["ngram_corpus"] = corpus_facts(ngram_shards)
        metrics |= _of_ngrams(ngram_shards, tokenizer, sentences, options)
    print(_table(metrics))
    model = None if loaded is None else {"sha256": model_identity(loaded.model, loaded.tokenizer)}
    record.finish(metrics, data, model)
    return 0


def _load(options: argparse.Namespace):
    loaded = load_language_model(options.model, options.revision, options.device)
    if loaded.kind != "elmo":
        raise EvaluationError(
            f"{options.model} is a {loaded.model.config.model_type} model, which has no perplexity; needed is ELMo"
        )
    return loaded


def corpus_facts(shards: TokenShards) -> dict[str, Any]:
    """What identifies a part of a corpus in a result."""
    return {
        "name": shards.folder.name,
        "part": shards.split,
        "words": shards.words,
        "sentences": shards.sentences,
        "unknown_words": shards.unknown_words,
        "sha256": shards.fingerprint,
        "vocabulary_sha256": shards.manifest["vocabulary"]["sha256"],
    }


def _held_out(options: argparse.Namespace, tokenizer: Any) -> tuple[list[list[str]], dict[str, Any]]:
    """Sentences as lists of words, and what is to be kept about them."""
    if options.data.is_dir():
        if options.pretokenized:
            raise EvaluationError(
                f"{options.data} is a prepared corpus, whose words stand; --pretokenized is for texts"
            )
        shards = open_part(options.data, options.split)
        if options.ngram_corpus is not None and options.data.resolve() == options.ngram_corpus.resolve():
            if shards.split == "train":
                raise EvaluationError(
                    f"the n-grams would be tested on the text they are trained on, the train part of {options.data}: give "
                    "another text, or prepare the corpus with --held-out"
                )
        sentences, facts = list(shards.iter_sentences()), corpus_facts(shards)
    else:
        if options.split is not None:
            raise EvaluationError(f"--split is for a prepared corpus, and {options.data} is none")
        lines = list(read_lines(options.data))
        sentences = [line.split() for line in lines] if options.pretokenized else split_words(tokenizer, lines)
        sentences = [words for words in sentences if words]  # empty lines are no sentences
        facts = {"name": options.data.name, "sha256": sha256_of(options.data)}
    return sentences[: options.max_sentences], {"held_out": facts}


def _of_elmo(loaded: Any, sentences: list[list[str]], options: argparse.Namespace) -> dict[str, Any]:
    found = {}
    for states in options.states:
        with tqdm(total=sum(map(len, sentences)) + len(sentences), desc=states, unit=" words") as bar:
            result = perplexity(
                loaded.model,
                loaded.tokenizer,
                sentences,
                order=states,
                batch_size=options.batch_size,
                num_lanes=options.num_lanes if states == "lanes" else 1,
                progress=bar.update,
            )
        name = "ELMo, sentences" if states == "sentences" else f"ELMo, {options.num_lanes} lanes"
        found[name] = {**result._asdict(), "states": states}
        if states == "lanes":
            found[name]["num_lanes"] = options.num_lanes
    return found


def _of_ngrams(shards: TokenShards, tokenizer: Any, sentences: list[list[str]], options: Any) -> dict[str, Any]:
    framed = framed_words(tokenizer, sentences)
    fallback = None if options.fallback_discounts is None else tuple(options.fallback_discounts)
    settings = NgramSettings(tuple(sorted(set(options.ngram_orders))), fallback)
    found: dict[str, Any] = {ngram_name(order): {"order": order} for order in settings.orders}
    for trained in ngram_models(shards, settings, say):
        direction = "backward" if trained.backward else "forward"
        result = ngram_perplexity(trained.model, framed.backward() if trained.backward else framed)
        entry = found[ngram_name(trained.order)]
        entry[direction] = result.perplexity
        entry |= {"num_targets": result.num_targets}
        # The backward direction predicts the same words and, for the ends of the sentences, their begins.
        entry["num_unknown"] = result.num_unknown
        if trained.facts:
            entry.setdefault("training", {})[direction] = trained.facts
        del trained  # a large model, and the next one comes
    for entry in found.values():
        entry["joint"] = sqrt(entry["forward"] * entry["backward"])  # exp of half the sum of both losses, as ELMo's
    return found


def _table(metrics: dict[str, Any]) -> str:
    rows = [
        (
            name,
            *(f"{found[column]:,.2f}" for column in ("joint", "forward", "backward")),
            *(f"{found[column]:,}" for column in ("num_targets", "num_unknown")),
        )
        for name, found in metrics.items()
    ]
    return table(("perplexity", "joint", "forward", "backward", "words", "unknown"), rows)
