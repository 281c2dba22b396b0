# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""A tiny language in which a word decides its tag, as files of the tasks that `hf-elmo compare` reads."""

import gzip
import lzma
import random

import numpy as np

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
    """ud_ewt (a word decides its tag), wikigold and a target (nouns are names), mr (nouns or verbs beside adjectives)."""
    for split, count, seed in (("train", 120, 1), ("dev", 60, 2)):
        rows = sentences(count, seed)
        blocks = []
        for words in rows:
            fields = [[str(n), word, "_", tag_of(word), *"______"] for n, word in enumerate(words, 1)]
            blocks.append("\n".join("\t".join(row) for row in fields) + "\n\n")
        (folder / "ud_ewt").mkdir(exist_ok=True)
        with lzma.open(folder / "ud_ewt" / f"{split}.conllu.xz", "wt", encoding="utf-8") as file:
            file.write("".join(blocks))
        apart = [[w for n, w in enumerate(row) if n % 2 == 0 or tag_of(w) != "NOUN"] for row in rows]
        names = {"NOUN": "I-PER", "VERB": "O", "ADJ": "O"}
        _write_conll(
            folder / "wikigold" / f"{split}.conll.gz", [[(w, names[tag_of(w)]) for w in row] for row in apart]
        )
        if split == "dev":
            names = {"NOUN": "B-politician", "VERB": "B-event", "ADJ": "O"}
            _write_conll(
                folder / "crossner_politics/dev.txt.gz", [[(w, names[tag_of(w)]) for w in row] for row in apart]
            )
        (folder / "mr").mkdir(exist_ok=True)
        for name, left_out in (("pos", "VERB"), ("neg", "NOUN")):
            chosen = [[word for word in row if tag_of(word) != left_out] or [WORDS[2]] for row in rows[::2]]
            with gzip.open(folder / "mr" / f"{split}.{name}.gz", "wt", encoding="utf-8") as file:
                file.write("".join(" ".join(words) + "\n" for words in chosen))
    return folder


def _write_conll(path, rows):
    path.parent.mkdir(exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write("\n\n".join("\n".join("\t".join(pair) for pair in row) for row in rows) + "\n")
