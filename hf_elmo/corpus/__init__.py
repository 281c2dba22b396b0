# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Corpora for pretraining: text to sentences, words, a vocabulary and memory-mapped token shards, and readers of these.

Nothing is loaded before it is used: the processes that split text need neither torch nor transformers.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hf_elmo.corpus.command import add_arguments, run
    from hf_elmo.corpus.inputs import char_ids, model_inputs
    from hf_elmo.corpus.lane_batches import LaneBatches
    from hf_elmo.corpus.preparation import prepare
    from hf_elmo.corpus.sentence_batches import SentenceBatches
    from hf_elmo.corpus.settings import PreparationError
    from hf_elmo.corpus.splitting import split_sentences
    from hf_elmo.corpus.token_shards import TokenShards

_MODULE_OF = {
    "LaneBatches": "lane_batches",
    "PreparationError": "settings",
    "SentenceBatches": "sentence_batches",
    "TokenShards": "token_shards",
    "add_arguments": "command",
    "char_ids": "inputs",
    "model_inputs": "inputs",
    "prepare": "preparation",
    "run": "command",
    "split_sentences": "splitting",
}

__all__ = [
    "LaneBatches",
    "PreparationError",
    "SentenceBatches",
    "TokenShards",
    "add_arguments",
    "char_ids",
    "model_inputs",
    "prepare",
    "run",
    "split_sentences",
]


def __getattr__(name: str):
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'hf_elmo.corpus' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"hf_elmo.corpus.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
