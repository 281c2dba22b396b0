# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Tiny contenders on disk, a tiny task that single words decide, and small networks."""

import gzip
import lzma
import random

import numpy as np
import pytest
import torch
from elmo_builders import tiny_config
from transformers import BertConfig, BertModel, BertTokenizer

from hf_elmo.modeling import ElmoModel, ElmoTokenizer

WORDS = [f"{stem}{ending}" for stem in ("bel", "cor", "dun", "fes", "gil", "hov") for ending in ("a", "e", "i", "o")]
TAGS = ("NOUN", "VERB", "ADJ")
SIZE = 12


def tag_of(word: str) -> str:
    """A word's tag; what a word is like does not tell it."""
    return TAGS[WORDS.index(word) % len(TAGS)]


def write_vectors(path, seed: int = 0):
    """Random vectors of all words, as a text file of word2vec."""
    generator = np.random.default_rng(seed)
    lines = [f"{len(WORDS)} {SIZE}"]
    lines += [" ".join([word, *(f"{number:.4f}" for number in generator.normal(size=SIZE))]) for word in WORDS]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def sentences(count: int, seed: int) -> list[list[str]]:
    rng = random.Random(seed)
    return [[rng.choice(WORDS) for _ in range(rng.randrange(2, 8))] for _ in range(count)]


def write_task_data(folder):
    """ud_ewt (tags by word), wikigold with two targets (names by word), and mr (class by the first word)."""
    for split, count, seed in (("train", 120, 1), ("dev", 60, 2)):
        rows = sentences(count, seed)
        blocks = []
        for words in rows:
            fields = [[str(n), word, "_", tag_of(word), *"______"] for n, word in enumerate(words, 1)]
            blocks.append("\n".join("\t".join(row) for row in fields) + "\n\n")
        (folder / "ud_ewt").mkdir(exist_ok=True)
        with lzma.open(folder / "ud_ewt" / f"{split}.conllu.xz", "wt", encoding="utf-8") as file:
            file.write("".join(blocks))
        names = {"NOUN": "I-PER", "VERB": "O", "ADJ": "O"}
        _write_conll(
            folder / "wikigold" / f"{split}.conll.gz", [[(w, names[tag_of(w)]) for w in row] for row in rows], " "
        )
        if split == "dev":
            target = [
                [(w, {"NOUN": "B-politician", "VERB": "B-event", "ADJ": "O"}[tag_of(w)]) for w in row] for row in rows
            ]
            _write_conll(folder / "crossner_politics" / "dev.txt.gz", target, "\t")
        for name in ("pos", "neg"):
            (folder / "mr").mkdir(exist_ok=True)
            chosen = [" ".join(words) for words in rows if (tag_of(words[0]) == "NOUN") == (name == "pos")]
            with gzip.open(folder / "mr" / f"{split}.{name}.gz", "wt", encoding="utf-8") as file:
                file.write("\n".join(chosen) + "\n")
    return folder


def _write_conll(path, rows, separator):
    path.parent.mkdir(exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write("\n\n".join("\n".join(separator.join(pair) for pair in row) for row in rows) + "\n")


@pytest.fixture(scope="session")
def task_data(tmp_path_factory):
    return write_task_data(tmp_path_factory.mktemp("data"))


@pytest.fixture
def vectors_file(tmp_path):
    return write_vectors(tmp_path / "plain.txt")


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


@pytest.fixture
def small_heads(monkeypatch):
    """Task networks that learn the tiny tasks within a second."""
    from hf_elmo.compare import quality, task_probe

    monkeypatch.setattr(task_probe, "WIDTH", 16)
    monkeypatch.setattr(task_probe, "HIDDEN", 12)
    monkeypatch.setattr(quality, "UPDATES", {"frozen": (60, 60), "fine-tuned": (8, 8)})
