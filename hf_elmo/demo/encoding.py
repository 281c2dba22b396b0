# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The model as the demo sees it: words out of a text, a vector of each word on every layer, words for a gap."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

SEARCHED = 100  # substitutes among which the word itself is looked for
SMALL = 10_000_000  # parameters of an encoder that one thread computes


class Substitutes(NamedTuple):
    """What the language models put in a gap: words with probabilities, and the rank of the word that stood there.

    Tokens without a letter (quotation marks, numbers) have their share of the probability but are left out and not
    counted.
    """

    words: list[tuple[str, float]]
    rank: int | None  # from 1; None if it is not among the first `searched`
    searched: int


class Encoder(Protocol):
    """What the demo needs of a model; the tests have one of their own."""

    name: str
    layers: list[str]  # the first knows no context; "mix" is the last

    def split(self, text: str) -> list[str]: ...

    def vectors(self, sentences: Sequence[list[str]]) -> list[np.ndarray]:
        """(layers, words, 2D) float32 of each sentence."""
        ...

    def substitutes(self, words: list[str], position: int, count: int) -> Substitutes | None:
        """None if the model has no softmax."""
        ...


class ElmoEncoder:
    """A saved ELMo.

    Args:
        name: a folder, a model of the box or an id on the Hub.
    Raises:
        CorpusError: not an ELMo model, or not there; says what to do.
        PretrainedError: the installation lacks the model of the box.
    """

    def __init__(self, name: str):
        from hf_elmo.embed_corpus import load_model

        self.name = name
        self.model, self.tokenizer = load_model(name, revision=None, device="cpu")
        self.layers = [f"layer {index}" for index in range(self.model.config.num_hidden_layers + 1)] + ["mix"]
        self.language_model = _language_model(name)

    def split(self, text: str) -> list[str]:
        offsets = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        return [text[begin:end] for begin, end in offsets]

    def vectors(self, sentences: Sequence[list[str]]) -> list[np.ndarray]:
        from hf_elmo.embed import embed_sentences

        layers = embed_sentences(self.model, self.tokenizer, sentences, "all")
        mixes = embed_sentences(self.model, self.tokenizer, sentences, "mix")
        return [np.concatenate([each, mix[None]]) for each, mix in zip(layers, mixes, strict=True)]

    def substitutes(self, words: list[str], position: int, count: int) -> Substitutes | None:
        if self.language_model is None:
            return None
        wanted = max(count, SEARCHED)
        without_letter = sum(not _has_letter(word) for word in self.tokenizer.get_vocab())
        best_of_all = self.language_model.substitutes(words, position, self.tokenizer, k=wanted + without_letter)
        found = [substitute for substitute in best_of_all if _has_letter(substitute.word)][:wanted]
        order = [substitute.word for substitute in found]
        rank = order.index(words[position]) + 1 if words[position] in order else None
        best = [(substitute.word, float(np.exp(substitute.log_prob))) for substitute in found[:count]]
        return Substitutes(best, rank, len(found))


@contextlib.contextmanager
def suitable_threads(model: Any) -> Iterator[None]:
    """Inside the block, torch computes a small model on one thread.

    Its matrices are so small that more threads mostly wait for each other, at every word: on two busy processors the demo
    took 37 and 64 s on two threads, 9 s on one.
    """
    import torch

    before = torch.get_num_threads()
    if model.num_parameters() < SMALL:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _has_letter(word: str) -> bool:
    return any(map(str.isalpha, word))


def _language_model(name: str) -> Any:
    """The same model with its softmax; None if the folder has none."""
    import torch

    from hf_elmo.conversion.verify import quiet
    from hf_elmo.modeling import ElmoForPreTraining
    from hf_elmo.pretrained import resolve

    with quiet():  # a missing softmax is told in the report
        model, info = ElmoForPreTraining.from_pretrained(resolve(name), dtype=torch.float32, output_loading_info=True)
    return None if any(key.startswith("lm_head.") for key in info["missing_keys"]) else model.eval()
