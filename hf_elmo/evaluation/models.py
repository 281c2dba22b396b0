# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The language models that are evaluated: ELMo or a masked language model by name, and n-grams of a corpus."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import AutoConfig, AutoModelForMaskedLM, AutoTokenizer

from hf_elmo.auto import register_auto_classes
from hf_elmo.corpus.token_shards import TokenShards
from hf_elmo.devices import usable_device
from hf_elmo.evaluation.framed_sentences import framed_shards
from hf_elmo.evaluation.ngram import KneserNeyModel, LanguageModel, UnigramModel, Vocabulary
from hf_elmo.modeling import ElmoForPreTraining, ElmoTokenizer
from hf_elmo.pretrained import resolve


class EvaluationError(ValueError):
    """A model or a text cannot be evaluated as asked; the message is one line for people."""


class LoadedModel(NamedTuple):
    """A model in eval mode, its tokenizer, and which kind it is: "elmo" or "masked"."""

    model: Any
    tokenizer: Any
    kind: str


def load_language_model(name: str, revision: str | None = None, device: str | None = None) -> LoadedModel:
    """An `ElmoForPreTraining` or a `...ForMaskedLM` in float32, from a folder, the box or the Hub.

    Args:
        name: a folder, a name of `hf_elmo.pretrained`, or an id on the Hub.
        revision: branch, tag or commit on the Hub.
        device: of torch; None takes a GPU if there is one.
    Raises:
        EvaluationError: no such model, no such device, or a model that predicts nothing: it lacks its softmax.
    """
    register_auto_classes()  # not done by `import hf_elmo` in a command
    place = resolve(name)
    folder = Path(place)
    if folder.is_dir() and not (folder / "config.json").is_file():
        raise EvaluationError(f"{name} has no config.json; give a folder of a model, from hf-elmo pretrain or convert")
    if not folder.exists() and (name.startswith((".", "/", "~")) or name.count("/") > 1):
        raise EvaluationError(f"{name}: no such folder; give a folder, a model of the box, or ORG/NAME on the Hub")
    chosen = usable_device(device, EvaluationError)
    try:
        config = AutoConfig.from_pretrained(place, revision=revision)
        is_elmo = config.model_type == "elmo"
        tokenizer_class: Any = ElmoTokenizer if is_elmo else AutoTokenizer
        tokenizer = tokenizer_class.from_pretrained(place, revision=revision)
        model_class = ElmoForPreTraining if is_elmo else AutoModelForMaskedLM
        model, info = model_class.from_pretrained(
            place, revision=revision, dtype=torch.float32, output_loading_info=True
        )
    except (OSError, ValueError) as error:
        raise EvaluationError(f"{name}: {' '.join(str(error).split())}") from error
    if info["missing_keys"]:  # filled with random numbers
        missing = sorted(info["missing_keys"])
        raise EvaluationError(
            f"{name} lacks {len(missing)} weights ({missing[0]}, ...): it predicts no words. Needed is a model with its "
            "softmax, from hf-elmo pretrain, or converted --with-softmax"
        )
    return LoadedModel(model.to(chosen).eval(), tokenizer, "elmo" if is_elmo else "masked")


def open_part(folder: Path, split: str | None) -> TokenShards:
    """A part of a prepared corpus; without a name the held-out one, or the only one.

    Raises:
        PreparationError: see `TokenShards.open`.
    """
    if split is not None:
        return TokenShards.open(folder, split)
    shards = TokenShards.open(folder, "train")
    return TokenShards.open(folder, "held_out") if "held_out" in shards.manifest["parts"] else shards


def check_vocabularies(shards: TokenShards, tokenizer: Any, model_name: str) -> None:
    """Refuse n-grams over other words than those the model predicts: their figures would not compare.

    Raises:
        EvaluationError: names a word that only one of the two has.
    """
    ours, of_model = shards.tokenizer().get_vocab(), tokenizer.get_vocab()
    if ours != of_model:
        different = sorted(word for word in ours.keys() | of_model.keys() if ours.get(word) != of_model.get(word))
        raise EvaluationError(
            f"the vocabulary of {shards.folder} ({len(ours):,} ids) is not that of {model_name} ({len(of_model):,}); "
            f"{len(different):,} words differ, {different[0]!r} is one. Prepare the corpus with --vocabulary and the "
            "model's vocabulary file"
        )


class NgramSettings(NamedTuple):
    """How the models of n-grams are made."""

    orders: tuple[int, ...]  # 1 is the unigram model, from 2 Kneser-Ney
    fallback_discounts: tuple[float, float, float] | None


class NgramModel(NamedTuple):
    """A model of n-grams in one direction, and what its training found out."""

    order: int
    backward: bool
    model: LanguageModel
    facts: dict[str, Any]


def ngram_models(
    shards: TokenShards, settings: NgramSettings, say: Callable[[str], None] = lambda line: None
) -> Iterator[NgramModel]:
    """Train the models one after the other, forward ones first; only one large model is in memory at a time.

    Raises:
        DiscountError, ValueError: see `KneserNeyModel`.
    """
    forward = framed_shards(shards)
    special = shards.special
    for backward in (False, True):
        sentences = forward.backward() if backward else forward
        vocabulary = Vocabulary(shards.vocab_size, special.eos if backward else special.bos, special.unk, special.pad)
        direction = "backward" if backward else "forward"
        for order in settings.orders:
            say(f"{direction}: {ngram_name(order)} of {sentences.num_events:,} events")
            if order == 1:
                yield NgramModel(order, backward, UnigramModel(sentences, vocabulary), {})
                continue
            model = KneserNeyModel(
                sentences,
                vocabulary,
                order,
                fallback_discounts=settings.fallback_discounts,
                progress=lambda line, direction=direction: say(f"{direction}: {line}"),  # type: ignore[misc]
            )
            facts = {
                "ngrams": model.num_ngrams,
                "discounts": model.discounts,
                "orders_with_fallback_discounts": model.fallback_orders,
            }
            yield NgramModel(order, backward, model, facts)
            del model  # before the next one is counted


def ngram_name(order: int) -> str:
    """The name of a model in tables and results."""
    return "unigram" if order == 1 else f"Kneser-Ney {order}-gram"


__all__ = [
    "EvaluationError",
    "LoadedModel",
    "NgramModel",
    "NgramSettings",
    "check_vocabularies",
    "load_language_model",
    "ngram_models",
    "ngram_name",
    "open_part",
]
