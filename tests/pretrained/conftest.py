# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Stand-ins for the models in the box: tiny and random, written as the real ones are."""

import pytest
import torch
from language_models import WORDS, tiny_language_model, tiny_tokenizer
from transformers import BertConfig, BertForPreTraining, BertTokenizer

from hf_elmo import pretrained

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS[3:], "##s"]


def tiny_bert() -> BertForPreTraining:
    torch.manual_seed(2)
    sizes = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12}
    return BertForPreTraining(BertConfig(vocab_size=len(PIECES), max_position_embeddings=32, **sizes)).eval()


@pytest.fixture(scope="session")
def originals():
    """Model and tokenizer of each name, as they were before they were written."""
    bert_tokenizer = BertTokenizer(vocab={piece: number for number, piece in enumerate(PIECES)})
    return {
        "elmo-mini-en": (tiny_language_model(dtype=torch.float32), tiny_tokenizer()),
        "bert-mini-en": (tiny_bert(), bert_tokenizer),
    }


@pytest.fixture(scope="session")
def box(originals, tmp_path_factory):
    """A folder with both."""
    root = tmp_path_factory.mktemp("box")
    for name, (model, tokenizer) in originals.items():
        pretrained.export(model, tokenizer, root / name, texts={"README.md": "# Ä\n"})
    return root


@pytest.fixture
def in_the_box(box, monkeypatch):
    """The stand-ins take the place of the real models."""
    monkeypatch.setattr(pretrained, "ROOT", box)
    return box
