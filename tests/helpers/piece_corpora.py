# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""A small corpus for word pieces, in which every word tells the document that it is of."""

import random
from pathlib import Path

from hf_elmo.corpus import prepare
from hf_elmo.training.wordpiece import prepare_pieces

CONSONANTS = "bcdfghjklmnpqrstvwxz"  # one for each document; all its words are of it and vowels


def make_documents() -> list[list[str]]:
    """20 documents of 1 to 30 sentences; words of 1 to 4 syllables, sentences of 1 to 20 words, and some of 90."""
    rng = random.Random(5)
    documents = []
    for number, consonant in enumerate(CONSONANTS):
        sentences = []
        for _ in range(1 if number in (3, 11) else rng.randint(4, 30)):
            count = 90 if rng.random() < 0.05 else rng.randint(1, 20)
            words = ["".join(consonant + rng.choice("aaeiou") for _ in range(rng.randint(1, 4))) for _ in range(count)]
            sentences.append(" ".join(words).capitalize() + ".")
        documents.append(sentences)
    return documents


def make_corpus(folder: Path, documents: list[list[str]], **options) -> Path:
    """Prepare documents whose sentences are lines, in small shards; some documents go on in the next one."""
    text = folder / "text.txt"
    text.write_text("\n\n".join("\n".join(sentences) for sentences in documents) + "\n", encoding="utf-8")
    settings = {"documents": "blank-line", "sentences": "lines", "shard_characters": 600, "vocabulary_size": 200}
    prepare(text, folder / "corpus", say=quiet, **{**settings, **options})
    return folder / "corpus"


def make_pieces(folder: Path, documents: list[list[str]] | None = None, vocab_size: int = 300, **options) -> Path:
    """The pieces of such a corpus."""
    corpus = make_corpus(folder, make_documents() if documents is None else documents, **options)
    prepare_pieces(corpus, folder / "pieces", vocab_size=vocab_size, say=quiet)
    return folder / "pieces"


def quiet(line: str) -> None:
    """Say nothing."""
