# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Tiny data of every task, a tiny pretrained ELMo and BERT, and the command with what all its tests give it."""

import gc
import json

import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizer

from hf_elmo import ElmoConfig, ElmoModel, ElmoTokenizer
from hf_elmo.cli import main

SENTENCES = [
    (["Anna", "likes", "New", "York", "."], ["B-PER", "O", "B-LOC", "I-LOC", "O"]),
    (["Bob", "sleeps"], ["B-PER", "O"]),
    (["the", "film", "plays", "in", "Paris", "!"], ["O", "O", "O", "O", "B-LOC", "O"]),
    (["Anna", "sleeps", "in", "Paris"], ["B-PER", "O", "O", "B-LOC"]),
]
WORDS = "anna bob likes new york sleeps the film in paris is good bad who where park".split()
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, "play", "##s", ".", "!", "?"]
CONTEXT = "The film is good. Anna sleeps in the park where Bob likes New York. Paris is good."


@pytest.fixture(scope="session", autouse=True)
def few_objects_to_collect():
    """Trainer collects garbage at the begin of each training: a quarter of a second for all that was imported."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A folder with train.conll, texts.csv, questions.json and choices.jsonl."""
    folder = tmp_path_factory.mktemp("data")
    lines = ["\n".join(f"{word}\t{tag}" for word, tag in zip(*pair, strict=True)) for pair in SENTENCES]
    (folder / "train.conll").write_text("\n\n".join(lines) + "\n")
    rows = [f"the film is {'good' if i % 3 else 'bad'},{'pos' if i % 3 else 'neg'}" for i in range(8)]
    (folder / "texts.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    answers = [("Who sleeps?", "Anna"), ("Where?", "the park"), ("Who likes New York?", "Bob"), ("What?", "The film")]
    questions = [
        {"id": str(i), "question": question, "answers": [{"text": text, "answer_start": CONTEXT.index(text)}]}
        for i, (question, text) in enumerate(answers)
    ]
    squad = {"version": "1.1", "data": [{"title": "t", "paragraphs": [{"context": CONTEXT, "qas": questions}]}]}
    (folder / "questions.json").write_text(json.dumps(squad))
    choices = [{"context": "who is good ?", "choices": ["Bob", "the film", "Paris"], "label": i % 3} for i in range(6)]
    (folder / "choices.jsonl").write_text("\n".join(map(json.dumps, choices)) + "\n")
    return folder


@pytest.fixture(scope="session")
def source_of(data):
    """The file of a task."""
    files = {
        "tagging": "train.conll",
        "classification": "texts.csv",
        "qa": "questions.json",
        "multiple-choice": "choices.jsonl",
    }
    return lambda task: data / files[task]


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """Folders elmo and bert with encoders as they are before fine-tuning."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(1)
    config = ElmoConfig(
        char_embedding_size=4, char_filters=[[1, 4], [3, 6]], projection_size=8, cell_size=12, num_highway_layers=1
    )
    ElmoModel(config).save_pretrained(folder / "elmo")
    ElmoTokenizer().save_pretrained(folder / "elmo")
    tokenizer = BertTokenizer(vocab={piece: i for i, piece in enumerate(PIECES)}, do_lower_case=True)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    BertModel(BertConfig(vocab_size=len(PIECES), max_position_embeddings=64, **sizes)).save_pretrained(folder / "bert")
    tokenizer.save_pretrained(folder / "bert")
    return folder


@pytest.fixture
def command(source_of, tmp_path):
    """Run `hf-elmo finetune` here: `command(task, *options)` writes to tmp_path/out and returns the exit code."""

    def run(task, *options, out="out"):
        source = str(source_of(task))
        words = ["--task", task, "--train_data", source, "--validation_data", source]
        words += ["--output_dir", str(tmp_path / out), "--disable_tqdm", "True", "--use_cpu"]
        words += ["--per_device_train_batch_size", "2", "--max_length", "32", "--doc_stride", "4"]
        return main(["finetune", *words, *map(str, options)])

    return run
