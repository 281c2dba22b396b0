# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The NumPy program against what AllenNLP and bilm-tf computed."""

import json

import h5py
import numpy as np
import pytest
from support import ROOT, SHARED, requires_shared
from tolerances import TOLERANCES

from hf_elmo.conversion.numpy_reference import NumpyElmo, char_ids_of_sentences, char_ids_of_word, mix_layers

LIMIT = TOLERANCES["parity", "float32"]
MODELS = ("tiny-relu-seed7", "tiny-tanh3-seed8")
DTYPES = (np.float64, np.float32)


def small_fixture(model, dtype):
    folder = ROOT / "tests" / "fixtures" / "allennlp_small" / model
    reference = NumpyElmo.from_files(folder / "options.json", folder / "weights.hdf5", dtype)
    return folder, reference, json.loads((folder / "sentences.json").read_text())


def assert_close(got, wanted):
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, rtol=0, atol=LIMIT)


@pytest.mark.parametrize(
    ("word", "ids"),
    [
        ("ab", [259, 98, 99, 260]),
        ("", [259, 260]),
        ("<S>", [259, 257, 260]),
        ("</S>", [259, 258, 260]),
        ("\u00fc", [259, 0xC3 + 1, 0xBC + 1, 260]),
        ("\ud800a", [259, 98, 260]),
        ("\0", [259, 1, 260]),
    ],
)
def test_character_ids_written_out(word, ids):
    assert char_ids_of_word(word) == ids + [261] * (50 - len(ids))


def test_words_are_cut_at_48_bytes():
    assert char_ids_of_word("x" * 48) == char_ids_of_word("x" * 60) == [259] + [121] * 48 + [260]
    assert char_ids_of_word("\u8a9e" * 20)[46:] == [0xE8 + 1, 0xAA + 1, 0x9E + 1, 260]
    assert len(char_ids_of_word("x" * 100, width=80)) == 80


@pytest.mark.parametrize("model", MODELS)
def test_character_ids_of_allennlp(model):
    folder, _, batches = small_fixture(model, np.float64)
    expected = np.load(folder / "bilm_reset.npz")
    for index, batch in enumerate(batches):
        ids, lengths = char_ids_of_sentences(batch)
        unframed = np.zeros_like(ids[:, 2:])
        for row, (sentence, length) in enumerate(zip(ids, lengths, strict=True)):
            unframed[row, : length - 2] = sentence[1 : length - 1]
        np.testing.assert_array_equal(unframed, expected[f"b{index}.char_ids"])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("states", ["reset", "carry"])
def test_layers_and_states_of_allennlp(model, states, dtype):
    folder, reference, batches = small_fixture(model, dtype)
    expected = np.load(folder / f"bilm_{states}.npz")
    stored = None
    for index, batch in enumerate(batches):
        ids, lengths = char_ids_of_sentences(batch)
        start = None
        if states == "carry" and stored is not None:
            # More rows than ever before start from zero; of fewer rows, the first are used and the others kept.
            missing = max(len(batch) - stored[0].shape[1], 0)
            stored = tuple(np.pad(part, ((0, 0), (0, missing), (0, 0))) for part in stored)
            start = tuple(part[:, : len(batch)] for part in stored)
        activations, after = reference.run(ids, lengths, start)
        assert activations.dtype == dtype
        assert_close(activations, expected[f"b{index}.activations"])
        if stored is None or states == "reset":
            stored = after
        else:
            stored = tuple(np.concatenate([a, b[:, len(batch) :]], axis=1) for a, b in zip(after, stored, strict=True))
        assert_close(stored[0], expected[f"b{index}.state_h"])
        assert_close(stored[1], expected[f"b{index}.state_c"])


@pytest.mark.parametrize("model", MODELS)
def test_mix_of_allennlp(model):
    folder, reference, batches = small_fixture(model, np.float64)
    mixes = json.loads((folder / "manifest.json").read_text())["mixes"]
    expected = np.load(folder / "elmo_mix.npz")
    ids, lengths = char_ids_of_sentences(batches[0])
    activations, _ = reference.run(ids, lengths)
    for number, mix in enumerate(mixes):
        mixed = mix_layers(activations, np.array(mix["scalar_parameters"]), mix["gamma"])
        for row, length in enumerate(lengths):
            assert_close(mixed[row, 1 : length - 1], expected[f"b0.rep{number}"][row, : length - 2])


@requires_shared
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("folder", "text"), [("allennlp", "sentences"), ("bilm_tf", "lm_embeddings_sentences")])
def test_top_layer_of_the_public_fixtures_with_carried_states(folder, text, dtype):
    files = SHARED / "fixtures" / "bilm" / folder
    reference = NumpyElmo.from_files(files / "options.json", files / "lm_weights.hdf5", dtype)
    streams = json.loads((files / f"{text}.json").read_text())
    state = None
    expected = [h5py.File(files / f"lm_embeddings_{number}.hdf5", "r") for number in range(3)]
    for index in range(10):
        batch = [stream[index].split() for stream in streams]
        ids, lengths = char_ids_of_sentences(batch)
        activations, state = reference.run(ids, lengths, state)
        for row, length in enumerate(lengths):
            top = activations[-1, row, 1 : length - 1]
            both = np.stack(np.split(top, 2, axis=-1))
            assert_close(both, expected[row][str(index)][()])


@requires_shared
def test_word_vectors_of_allennlp():
    files = SHARED / "fixtures" / "bilm" / "allennlp"
    reference = NumpyElmo.from_files(files / "options.json", files / "lm_weights.hdf5")
    words = (files / "vocab_test.txt").read_text().split("\n")
    with h5py.File(files / "elmo_token_embeddings.hdf5", "r") as file:
        assert_close(reference.words(np.array([char_ids_of_word(word) for word in words])), file["embedding"][()])
