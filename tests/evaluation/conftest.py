# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""A small prepared corpus with a held-out part, in which every count of counts occurs."""

import random

import pytest

WORDS = (
    "the a cat dog man woman house river sees saw likes finds and or with near of in old young red big ran sat".split()
)
NUM_WORDS = 120  # in the vocabulary, marks and unknown word aside; some are rare


def make_lines(count: int, seed: int = 0) -> list[str]:
    """Sentences of 1 to 9 words; n-grams of every order occur once to four times."""
    rng = random.Random(seed)
    lines = []
    for _ in range(count):
        word, words = 0, []
        for _ in range(rng.randrange(1, 10)):
            jump = int(rng.paretovariate(0.9)) - 1
            word = jump if rng.random() < 0.5 else (word * 3 + jump % 3) % 20
            words.append(WORDS[word] if word < len(WORDS) else f"rare{word}")
        lines.append(" ".join(words))
    return lines


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """The folder of a prepared corpus: its commonest words have an id; in several shards."""
    from hf_elmo.corpus import prepare

    folder = tmp_path_factory.mktemp("evaluation")
    (folder / "text.txt").write_text("\n".join(make_lines(3000)) + "\n")
    prepare(
        folder / "text.txt",
        folder / "prepared",
        vocabulary_size=NUM_WORDS + 3,
        held_out=0.1,
        documents="line",
        sentences="lines",
        splitting="whitespace",
        shard_characters=20_000,
        say=lambda line: None,
    )
    return folder / "prepared"
