# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""A tiny corpus with held-out text, and settings of runs that take a second."""

import pytest
from accelerate.state import AcceleratorState
from training_runs import TINY_BERT, TINY_ELMO

from hf_elmo.training.settings import PretrainSettings, parse_settings

WORDS = "the cat sat on a mat and Zürich dog ran to old house by river he she it saw them".split()


@pytest.fixture(autouse=True)
def plain_accelerate(monkeypatch):
    """Accelerate reads its configuration from the environment, and keeps that of the first run of a process; not here."""
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


def make_documents(count: int, sentences: int, seed: int = 1) -> list[str]:
    """Paragraphs of sentences with a pattern that can be learned: each word has two that may follow it."""
    documents, state = [], seed
    for _ in range(count):
        lines = []
        for number in range(sentences):
            state = (state * 1103515245 + 12345) % 2**31
            place, words = state % len(WORDS), []
            for _ in range(3 + state % 7):
                state = (state * 1103515245 + 12345) % 2**31
                words.append(WORDS[place])
                place = (place * 2 + state // 65536 % 2 + 1) % len(WORDS)
            lines.append(" ".join([*words, f"rare{number}"] if number % 9 == 0 else words))
        documents.append("\n".join(lines))
    return documents


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    from hf_elmo.corpus import prepare

    text = tmp_path_factory.mktemp("text") / "text.txt"
    text.write_text("\n\n".join(make_documents(24, 9)) + "\n", encoding="utf-8")
    folder = tmp_path_factory.mktemp("corpus") / "prepared"
    options = {"documents": "blank-line", "sentences": "lines", "splitting": "whitespace", "say": lambda line: None}
    prepare(text, folder, vocabulary_size=20, held_out=0.1, shard_characters=2000, **options)
    return folder


@pytest.fixture
def settings_of(corpus, tmp_path):
    """Settings of a short run: `settings_of("elmo", max_steps=4, ...)`."""

    def make(model: str = "elmo", /, config: list[str] | None = None, **changes) -> PretrainSettings:
        words = ["--model", model, "--corpus", str(corpus), "--output_dir", str(tmp_path / "run")]
        words += ["--config", *(TINY_ELMO if model == "elmo" else TINY_BERT), *(config or [])]
        changes = {"max_steps": 6, "learning_rate": 0.01, "logging_steps": 2, "save_steps": 2, **changes}
        changes |= {"max_tokens": 128, "lanes": 4, "unroll_steps": 5} if model == "elmo" else {}
        if model == "bert":
            changes = {"batch_size": 4, "max_length": 24, "vocab_size": 100, **changes}
        for name, value in changes.items():
            words += (
                [f"--{name}"] if value is True else [f"--no-{name}"] if value is False else [f"--{name}", str(value)]
            )
        return parse_settings(words)

    return make
