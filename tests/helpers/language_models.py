# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""A language model of the recorded fixture, and tiny random ones with a vocabulary, for the tests of pretraining."""

import functools
import json

import numpy as np
import torch
from elmo_builders import tiny_config
from support import ROOT

from hf_elmo.conversion.allennlp import read_allennlp
from hf_elmo.modeling import ElmoConfig, ElmoForPreTraining, ElmoTokenizer

# bilm-tf's own run; its README tells how it was made.
TRAINING = ROOT / "tests" / "fixtures" / "bilm_training"
MANIFEST = json.loads((TRAINING / "manifest.json").read_text())
WORDS = ["<S>", "</S>", "<UNK>", "the", "cat", "sat", "on", "a", "mat", "and", "saw", "it"]
SENTENCES = ["the cat sat on a mat", "it", "a zebra saw the cat and the mat", "", "on and on and on"]

HELD_OUT_LINES = (TRAINING / "heldout.txt").read_text().splitlines()
FULL = ("loss", "forward_loss", "backward_loss")
SAMPLED = ("sampled_loss", "sampled_forward_loss", "sampled_backward_loss")


def recorded_tokenizer() -> ElmoTokenizer:
    return ElmoTokenizer(vocab_file=TRAINING / "vocab.txt", splitting="whitespace")


@functools.cache
def read_recording(moment: str, softmax: str | None = None):
    """Files of the fixture, read once: each is opened in a process of its own."""
    softmax_path = None if softmax is None else TRAINING / f"{softmax}.hdf5"
    return read_allennlp(TRAINING / "options.json", TRAINING / f"{moment}.hdf5", softmax_path)


def recorded_tensors(moment: str, softmax: str | None = None) -> dict[str, torch.Tensor]:
    """Arrays of the fixture under the names of `ElmoForPreTraining`; padding's row of the softmax is zero."""
    source = read_recording(moment, softmax)
    tensors = {f"elmo.{name}": torch.from_numpy(array) for name, array in source.tensors.items()}
    for name, array in zip(("lm_head.weight", "lm_head.bias"), source.softmax, strict=True):
        tensors[name] = torch.from_numpy(np.concatenate([np.zeros_like(array[:1]), array]))
    return tensors


def recorded_model(dtype: torch.dtype, **changes) -> ElmoForPreTraining:
    """The model that bilm-tf's recording starts from, in eval mode."""
    settings = read_recording("weights_start", "softmax_start").config.to_dict()
    config = ElmoConfig(**{**settings, "vocab_size": len(recorded_tokenizer()), **changes})
    model = ElmoForPreTraining(config)
    model.load_state_dict(recorded_tensors("weights_start", "softmax_start"))
    return model.to(dtype).eval()


def tiny_tokenizer(words=WORDS) -> ElmoTokenizer:
    return ElmoTokenizer(words, splitting="whitespace")


def tiny_language_model(seed: int = 0, dtype=torch.float64, **changes) -> ElmoForPreTraining:
    """A model in eval mode whose every parameter is random, without dropout unless told."""
    torch.manual_seed(seed)
    config = tiny_config(**{"vocab_size": len(WORDS) + 1, "lstm_dropout": 0.0, **changes})
    model = ElmoForPreTraining(config).to(dtype).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.randn(parameter.shape, dtype=dtype) * (0.5 if "bias" in name else 0.4))
        model.elmo.char_cnn.char_embeddings.weight[0] = 0
    return model


def encode(sentences, side: str = "right", **settings) -> dict[str, torch.Tensor]:
    tokenizer = tiny_tokenizer()
    tokenizer.padding_side = side
    words = [sentence.split() for sentence in sentences]
    return dict(tokenizer(words, is_split_into_words=True, padding=True, return_tensors="pt", **settings))


def with_labels(sentences, **settings) -> dict[str, torch.Tensor]:
    batch = encode(sentences, **settings)
    return {**batch, "labels": batch["input_ids"]}


def lanes_of(*streams) -> dict[str, torch.Tensor]:
    """One batch for the lanes: what each lane's sentences give to both directions, by bilm-tf's definition."""
    rows: dict[str, list] = {
        "char_ids": [], "backward_char_ids": [], "forward_targets": [], "backward_targets": []
    }  # fmt: skip
    for sentences in streams:
        parts = [encode([sentence]) for sentence in sentences]
        chars, ids = [part["char_ids"][0] for part in parts], [part["input_ids"][0] for part in parts]
        rows["char_ids"].append(torch.cat([part[:-1] for part in chars]))
        rows["backward_char_ids"].append(torch.cat([part.flip(0)[:-1] for part in chars]))
        rows["forward_targets"].append(torch.cat([part[1:] for part in ids]))
        rows["backward_targets"].append(torch.cat([part.flip(0)[1:] for part in ids]))
    return {name: torch.stack(parts) for name, parts in rows.items()}
