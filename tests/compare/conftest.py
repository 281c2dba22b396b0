# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Tiny contenders on disk, a tiny task that single words decide, and small networks."""

from functools import partial

import pytest
import torch
from comparison_tasks import WORDS, write_task_data, write_vectors
from elmo_builders import tiny_config
from transformers import BertConfig, BertModel, BertTokenizer

from hf_elmo.modeling import ElmoModel, ElmoTokenizer


@pytest.fixture(scope="session")
def task_data(tmp_path_factory):
    return write_task_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def vectors_file(tmp_path_factory):
    return write_vectors(tmp_path_factory.mktemp("vectors") / "plain.txt")


@pytest.fixture(scope="session")
def elmo_folder(tmp_path_factory):
    """An ELMo of random weights with its tokenizer."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models") / "tiny-elmo"
    ElmoModel(tiny_config()).save_pretrained(folder)
    ElmoTokenizer(WORDS).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def bert_folder(tmp_path_factory):
    """A BERT of random weights with 20 positions; half of its words are of two pieces."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models") / "tiny-bert"
    folder.mkdir()
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS[::2], *(word[:3] for word in WORDS[1::8])]
    pieces += ["fes", "gil", "hov", "##a", "##e", "##i", "##o"]
    pieces = list(dict.fromkeys(pieces))
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n")
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    config = BertConfig(vocab_size=len(pieces), max_position_embeddings=20, initializer_range=0.3, **sizes)
    BertModel(config).save_pretrained(folder)
    BertTokenizer(str(folder / "vocab.txt"), model_max_length=20).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def small_heads():
    """Task networks that learn the tiny tasks within a second."""
    from hf_elmo.compare import quality, task_probe

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(task_probe, "WIDTH", 24)
        patch.setattr(task_probe, "HIDDEN", 16)
        patch.setattr(task_probe, "DROPOUT", 0.1)
        patch.setattr(task_probe, "Budget", partial(task_probe.Budget, learning_rate=0.01))  # three times the usual
        patch.setattr(quality, "UPDATES", {"frozen": (40, 40), "fine-tuned": (8, 8)})
        yield
