# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""A small corpus whose every number can be counted by hand or by plain Python."""

import pytest

WORDS = "the cat sat on a mat and Zürich 北京 naïve dog ran to old house by river".split()


def make_lines(count: int) -> list[str]:
    """Sentences of 1 to 13 words, some of them equal, with a rare word in every seventh."""
    lines = []
    for number in range(count):
        length = number * 7 % 13 + 1
        words = [WORDS[(number % 29 * 5 + place * place) % len(WORDS)] for place in range(length)]
        lines.append(" ".join([*words, f"rare{number}"] if number % 7 == 0 else words))
    return lines


@pytest.fixture(scope="session")
def lines() -> list[str]:
    return make_lines(211)


@pytest.fixture(scope="session")
def options() -> dict:
    """A line is a sentence and a document of given words; shards are small."""
    return {
        "documents": "line",
        "sentences": "lines",
        "splitting": "whitespace",
        "shard_characters": 1000,
        "say": lambda line: None,
    }


@pytest.fixture(scope="session")
def text_file(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def corpus(tmp_path_factory, text_file, options):
    """The folder of the prepared corpus; the vocabulary has 12 of its words."""
    from hf_elmo.corpus import prepare

    folder = tmp_path_factory.mktemp("corpus") / "prepared"
    prepare(text_file, folder, vocabulary_size=15, **options)
    return folder
