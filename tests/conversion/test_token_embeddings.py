# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
import h5py
import numpy as np
import pytest
from support import SHARED, requires_shared
from tiny_checkpoints import write_hdf5, write_tiny_model
from tolerances import TOLERANCES

from hf_elmo.conversion import ConversionError, convert, write_token_embeddings
from hf_elmo.conversion.numpy_reference import NumpyElmo, char_ids_of_word

WORDS = ["<S>", "</S>", "<UNK>", "the", "river", "\u732b", "", "x" * 60]


@pytest.fixture
def source(tmp_path):
    return write_tiny_model(tmp_path / "source")


def vectors_of(source, words):
    reference = NumpyElmo.from_files(source / "options.json", source / "weights.hdf5")
    return reference.words(np.array([char_ids_of_word(word) for word in words])).astype(np.float32)


def prepare(tmp_path, words, rows):
    (tmp_path / "words.txt").write_text("".join(word + "\n" for word in words), encoding="utf-8")
    path = write_hdf5(tmp_path / "cache.hdf5", {"embedding": rows})
    return {"vocab": tmp_path / "words.txt", "token_embeddings": path}


def test_right_word_vectors_are_confirmed(tmp_path, source):
    report = convert(source, tmp_path / "out", **prepare(tmp_path, WORDS, vectors_of(source, WORDS)))
    assert report["token_embeddings"]["words"] == len(WORDS)
    assert report["token_embeddings"]["largest_difference"] < TOLERANCES["parity", "float32"]
    assert report["files"][-1]["role"] == "token_embeddings"


def test_a_wrong_row_is_refused_with_its_word(tmp_path, source):
    rows = vectors_of(source, WORDS)
    rows[4, 2] += 2e-4
    with pytest.raises(
        ConversionError, match=r"cache.hdf5: the vector of 'river' \(row 4\) differs by 0.0002 from what"
    ):
        convert(source, tmp_path / "out", **prepare(tmp_path, WORDS, rows))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("words", "last"), [(WORDS[2:5], "</S>"), (WORDS[1:5], "<S>"), (WORDS[:5], "river")])
def test_last_word_of_a_vocabulary_without_sentence_marks(tmp_path, source, words, last):
    """bilm-tf gives it the characters of the mark that is missing."""
    rows = vectors_of(source, [*words[:-1], last])
    report = convert(source, tmp_path / "out", **prepare(tmp_path, words, rows))
    assert report["token_embeddings"]["largest_difference"] < TOLERANCES["parity", "float32"]


def test_rows_need_a_vocabulary_of_their_number(tmp_path, source):
    arguments = prepare(tmp_path, WORDS, vectors_of(source, WORDS)[:-1])
    with pytest.raises(
        ConversionError, match=r"embedding has shape \(7, 6\); the vocabulary with options.json needs \(8, 6\)"
    ):
        convert(source, tmp_path / "out", **arguments)
    del arguments["vocab"]
    with pytest.raises(ConversionError, match="cache.hdf5 can only be checked with its vocabulary"):
        convert(source, tmp_path / "out", **arguments)


@requires_shared
def test_word_vectors_of_the_public_fixture(tmp_path):
    files = SHARED / "fixtures" / "bilm" / "allennlp"
    report = convert(
        files,
        tmp_path / "out",
        vocab=files / "vocab_test.txt",
        token_embeddings=files / "elmo_token_embeddings.hdf5",
    )
    assert report["token_embeddings"]["words"] == 458
    assert report["token_embeddings"]["largest_difference"] < TOLERANCES["parity", "float32"]


def test_written_vectors_are_those_of_the_source(tmp_path, source):
    convert(source, tmp_path / "out")
    write_token_embeddings(tmp_path / "out", WORDS, tmp_path / "cache.hdf5")
    with h5py.File(tmp_path / "cache.hdf5") as file:
        assert list(file) == ["embedding"] and file["embedding"].dtype == np.float32
        np.testing.assert_allclose(
            file["embedding"][()], vectors_of(source, WORDS), rtol=0, atol=TOLERANCES["parity", "float32"]
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache.hdf5", "out", "source"]


def test_wrong_arguments_of_writing(tmp_path, source):
    convert(source, tmp_path / "out")
    for words in ([], "the river"):
        with pytest.raises(ConversionError, match="words must be a list with at least one word"):
            write_token_embeddings(tmp_path / "out", words, tmp_path / "cache.hdf5")
    with pytest.raises(ConversionError, match="cannot be written: No such file"):
        write_token_embeddings(tmp_path / "out", WORDS, tmp_path / "nowhere" / "cache.hdf5")
