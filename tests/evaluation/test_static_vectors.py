# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""word2vec and fastText on a prepared corpus: which words get vectors, that they were learned, and what is left when it fails."""

import gzip
import random
import sys
from collections import Counter

import numpy as np
import pytest

from hf_elmo.corpus import TokenShards, prepare
from hf_elmo.evaluation.static_vectors import main, train_static_vectors

TOPICS = [["river", "water", "boat", "fish", "Zürich"], ["bank", "money", "loan", "coin", "rare_one"]]
QUICK = {"vector_size": 8, "window": 3, "min_count": 6, "epochs": 20}


@pytest.fixture(scope="module")
def lines():
    """Every sentence speaks of one topic; `once` is too rare for a vector."""
    draw = random.Random(0)
    return [" ".join(draw.choices(TOPICS[number % 2], k=8)) for number in range(400)] + ["once"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, lines):
    folder = tmp_path_factory.mktemp("word2vec")
    (folder / "text.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    settings = {"documents": "line", "sentences": "lines", "splitting": "whitespace", "say": lambda line: None}
    prepare(folder / "text.txt", folder / "prepared", vocabulary_size=8, **settings)  # half of the words are unknown
    return folder / "prepared"


def read(path) -> dict[str, np.ndarray]:
    header, *rows = path.read_text(encoding="utf-8").splitlines()
    vectors = {row.split(" ")[0]: np.array(row.split(" ")[1:], np.float64) for row in rows}
    assert header == f"{len(rows)} {len(next(iter(vectors.values())))}" and len(vectors) == len(rows)
    return vectors


@pytest.mark.parametrize("algorithm", ["word2vec", "fasttext"])
def test_words_of_one_topic_come_near_each_other(algorithm, corpus, lines, tmp_path):
    pytest.importorskip("gensim")
    report = train_static_vectors(TokenShards.open(corpus), tmp_path / "v.txt", algorithm=algorithm, **QUICK)
    vectors = read(tmp_path / "v.txt")
    assert set(vectors) == {word for topic in TOPICS for word in topic}  # unknown words too; no marks, not "once"
    assert all(vector.shape == (8,) for vector in vectors.values())
    counts = Counter(" ".join(lines).split())
    assert report == (10, sum(counts.values()), len(lines))
    assert [counts[word] for word in vectors] == sorted((counts[word] for word in vectors), reverse=True)
    unit = {word: vector / np.linalg.norm(vector) for word, vector in vectors.items()}
    inside = [unit[a] @ unit[b] for topic in TOPICS for a in topic for b in topic if a != b]
    across = [unit[a] @ unit[b] for a in TOPICS[0] for b in TOPICS[1]]
    assert min(inside) > max(across) + (0.2 if algorithm == "word2vec" else 0)
    assert [path.name for path in tmp_path.iterdir()] == ["v.txt"]


def test_one_worker_gives_the_same_vectors_again_another_seed_others(corpus, tmp_path):
    pytest.importorskip("gensim")
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train_static_vectors(TokenShards.open(corpus), tmp_path / name, **QUICK, seed=seed)
    first, again, other = ((tmp_path / name).read_bytes() for name in "abc")
    assert first == again != other


@pytest.mark.parametrize("algorithm", ["word2vec", "fasttext"])
def test_words_of_the_vocabulary_alone_have_the_vectors_they_have_among_all(algorithm, corpus, tmp_path):
    pytest.importorskip("gensim")
    settings = {**QUICK, "epochs": 1, "algorithm": algorithm}
    train_static_vectors(TokenShards.open(corpus), tmp_path / "all.txt", **settings)
    report = train_static_vectors(TokenShards.open(corpus), tmp_path / "few.txt.gz", **settings, vocabulary_only=True)
    everything = read(tmp_path / "all.txt")
    (tmp_path / "few.txt").write_bytes(gzip.decompress((tmp_path / "few.txt.gz").read_bytes()))
    few = read(tmp_path / "few.txt")
    vocabulary = set((corpus / "vocab.txt").read_text(encoding="utf-8").split())
    assert list(few) == [word for word in everything if word in vocabulary] and 1 < len(few) < len(everything)
    assert report.vectors == len(few)
    for word, vector in few.items():
        np.testing.assert_array_equal(vector, everything[word])


def test_a_vocabulary_without_a_trained_word_leaves_nothing(corpus, tmp_path):
    pytest.importorskip("gensim")
    (tmp_path / "vocab.txt").write_text("<S>\n</S>\n<UNK>\nunheard-of\n")
    (tmp_path / "text.txt").write_text("river bank\n" * 9)
    settings = {"documents": "line", "sentences": "lines", "splitting": "whitespace", "say": lambda line: None}
    prepare(tmp_path / "text.txt", tmp_path / "prepared", vocabulary=tmp_path / "vocab.txt", **settings)
    with pytest.raises(ValueError, match="no trained word is in the vocabulary of the corpus; train without"):
        train_static_vectors(
            TokenShards.open(tmp_path / "prepared"), tmp_path / "v.txt", **QUICK, vocabulary_only=True
        )
    assert not list(tmp_path.glob("*v.txt*"))


def test_another_algorithm_is_refused(corpus, tmp_path):
    with pytest.raises(ValueError, match="^algorithm is 'glove'; there are word2vec, fasttext$"):
        train_static_vectors(TokenShards.open(corpus), tmp_path / "v.txt", algorithm="glove")


def test_a_text_of_rare_words_only_leaves_nothing(corpus, tmp_path):
    pytest.importorskip("gensim")
    with pytest.raises(ValueError, match="no word of the corpus comes at least min_count=9999 times"):
        train_static_vectors(TokenShards.open(corpus), tmp_path / "v.txt", **{**QUICK, "min_count": 9999})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("algorithm", ["word2vec", "fasttext"])
def test_the_command_says_what_it_made(algorithm, corpus, tmp_path, capsys):
    pytest.importorskip("gensim")
    words = [str(corpus), str(tmp_path / "v.txt"), "--vector_size", "4", "--epochs", "1", "--algorithm", algorithm]
    assert main(words) == 0
    captured = capsys.readouterr()
    assert captured.out == f"10 vectors from 3,201 words of 401 sentences, in {tmp_path / 'v.txt'}\n"
    assert f"{algorithm}, skip-gram, of {corpus} (train)" in captured.err and "vector_size 4" in captured.err


@pytest.mark.parametrize("name", QUICK)
def test_numbers_below_one_are_refused(corpus, tmp_path, name):
    with pytest.raises(ValueError, match=f"^{name} must be at least 1, got 0$"):
        train_static_vectors(TokenShards.open(corpus), tmp_path / "v.txt", **{**QUICK, name: 0})


def test_without_gensim_the_command_says_what_to_install(corpus, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "gensim", None)
    assert main([str(corpus), str(tmp_path / "v.txt")]) == 1
    assert 'word2vec needs gensim: pip install "hf-elmo[word2vec]"' in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_no_corpus_is_one_line(tmp_path, capsys):
    assert main([str(tmp_path), str(tmp_path / "v.txt")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("hf_elmo.evaluation.static_vectors: ") and error.count("\n") == 1
