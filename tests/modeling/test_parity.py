# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The model against numbers that AllenNLP and bilm-tf computed, and against NumPy in float64."""

import functools
import json
import re

import h5py
import numpy as np
import pytest
import torch
from elmo_builders import (
    ALLENNLP_SMALL,
    SMALL_MODELS,
    CarriedState,
    enable_checkpointing,
    largest_difference,
    read_arrays,
    read_fixture,
    read_manifest,
    with_boundaries,
    without_boundaries,
)
from support import SHARED, requires_shared
from tolerances import TOLERANCES

from hf_elmo.conversion.numpy_reference import NumpyElmo, char_ids_of_sentences, mix_layers
from hf_elmo.modeling import ElmoTokenizer

FLOAT32 = TOLERANCES["parity", "float32"]
FLOAT64 = TOLERANCES["parity", "float64"]
BATCHES = range(6)


@pytest.fixture(params=SMALL_MODELS)
def folder(request):
    return ALLENNLP_SMALL / request.param


def batch_of(arrays: dict, batch: int) -> dict:
    char_ids, mask = with_boundaries(arrays[f"b{batch}.char_ids"])
    return {"char_ids": char_ids, "attention_mask": mask}


def set_mixes(model, manifest: dict) -> None:
    for mix, values in zip([model.scalar_mix, *model.extra_scalar_mixes], manifest["mixes"], strict=False):
        mix.scalar_parameters.data = torch.tensor(values["scalar_parameters"])
        mix.gamma.data = torch.tensor([values["gamma"]])


@pytest.mark.parametrize("backend", ["packed", "reference"])
def test_layers_and_states_equal_allennlp(folder, backend):
    model = read_fixture(folder, lstm_backend=backend)
    arrays = read_arrays(folder, "bilm_reset")
    for batch in BATCHES:
        inputs = batch_of(arrays, batch)
        with torch.no_grad():
            output = model(**inputs, output_hidden_states=True, output_state=True)
        assert np.array_equal(inputs["attention_mask"], arrays[f"b{batch}.mask_with_boundaries"])
        assert largest_difference(torch.stack(output.hidden_states), arrays[f"b{batch}.activations"]) <= FLOAT32
        assert largest_difference(output.last_hidden_state, arrays[f"b{batch}.activations"][-1]) <= FLOAT32
        assert largest_difference(output.state[0], arrays[f"b{batch}.state_h"]) <= FLOAT32
        assert largest_difference(output.state[1], arrays[f"b{batch}.state_c"]) <= FLOAT32


@pytest.mark.parametrize("backend", ["packed", "reference"])
def test_state_passed_on_equals_allennlp_carrying_it(folder, backend):
    model = read_fixture(folder, lstm_backend=backend)
    arrays = read_arrays(folder, "bilm_reset") | read_arrays(folder, "bilm_carry")
    carried = CarriedState()
    for batch in BATCHES:
        inputs = batch_of(arrays, batch)
        with torch.no_grad():
            state = carried.for_batch(len(inputs["char_ids"]))
            output = model(**inputs, state=state, output_hidden_states=True, output_state=True)
        carried.update(output.state)
        assert largest_difference(torch.stack(output.hidden_states), arrays[f"b{batch}.activations"]) <= FLOAT32
        # AllenNLP keeps rows that a smaller batch did not use.
        for part, name in zip(carried.parts, ("state_h", "state_c"), strict=True):
            assert largest_difference(part, arrays[f"b{batch}.{name}"]) <= FLOAT32


def test_both_mixes_equal_allennlp(folder):
    model = read_fixture(folder, num_scalar_mixes=2)
    set_mixes(model, read_manifest(folder))
    arrays, expected = read_arrays(folder, "bilm_reset"), read_arrays(folder, "elmo_mix")
    for batch in BATCHES:
        inputs = batch_of(arrays, batch)
        with torch.no_grad():
            output = model(**inputs)
        for number, mixed in enumerate(output.mixed_states):
            got = without_boundaries(mixed, inputs["attention_mask"])
            assert largest_difference(got, expected[f"b{batch}.rep{number}"]) <= FLOAT32
        assert output.mixed_state is output.mixed_states[0]


def test_mix_with_layer_norm_equals_allennlp(folder):
    model = read_fixture(folder, scalar_mix_layer_norm=True)
    set_mixes(model, read_manifest(folder))
    arrays, expected = read_arrays(folder, "bilm_reset"), read_arrays(folder, "elmo_mix_layer_norm")
    for batch in BATCHES:
        inputs = batch_of(arrays, batch)
        with torch.no_grad():
            got = without_boundaries(model(**inputs).mixed_state, inputs["attention_mask"])
        assert largest_difference(got, expected[f"b{batch}.rep0"]) <= FLOAT32


def test_boundary_positions_equal_allennlp_keeping_them(folder):
    model = read_fixture(folder)
    set_mixes(model, read_manifest(folder))
    arrays, expected = read_arrays(folder, "bilm_reset"), read_arrays(folder, "elmo_keep_boundaries")
    for batch in (0, 1):
        with torch.no_grad():
            mixed = model(**batch_of(arrays, batch)).mixed_state
        assert largest_difference(mixed, expected[f"b{batch}.rep0"]) <= FLOAT32


def our_name(name: str) -> str:
    """AllenNLP's parameter name in our words, spelled out for this test alone."""
    name = name.removeprefix("grad.").replace("_elmo_lstm._elmo_lstm.", "layers.").removeprefix("_elmo_lstm.")
    name = re.sub(r"layers\.(\w+)_layer_(\d)\.", r"layers.\2.\1_direction.", name)
    for theirs, ours in (
        ("_token_embedder._char_embedding_weights", "char_cnn.char_embeddings.weight"),
        ("_token_embedder.char_conv_", "char_cnn.convolutions."),
        ("_token_embedder._highways._layers.", "char_cnn.highways."),
        ("_token_embedder._projection.", "char_cnn.projection."),
        ("input_linearity.weight", "weight_ih"),
        ("state_linearity.weight", "weight_hh"),
        ("state_linearity.bias", "bias"),
        ("state_projection.weight", "weight_hr"),
        ("scalar_mix_0.", "scalar_mix."),
    ):
        name = name.replace(theirs, ours)
    return name


@pytest.mark.parametrize("backend", ["packed", "reference"])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_every_gradient_equals_allennlp(folder, backend, checkpointing):
    model = read_fixture(folder, lstm_backend=backend).train()
    set_mixes(model, read_manifest(folder))
    if checkpointing:
        enable_checkpointing(model)
    arrays, expected = read_arrays(folder, "bilm_reset"), read_arrays(folder, "gradients")
    inputs = batch_of(arrays, 0)
    mixed = model(**inputs).mixed_state
    lengths = inputs["attention_mask"].sum(dim=1) - 2
    vectors = mixed[:, 1:-1]
    keep = (torch.arange(vectors.shape[1]) < lengths.unsqueeze(1)).unsqueeze(-1)  # </S> of short rows goes, too
    vectors = vectors * keep
    (vectors * torch.linspace(-1, 1, vectors.numel()).view_as(vectors) * keep).sum().backward()

    got = {name: parameter.grad for name, parameter in model.named_parameters()}
    weights = [
        f"grad.scalar_mix_0.scalar_parameters.{layer}" for layer in range(len(got["scalar_mix.scalar_parameters"]))
    ]
    differences = {}
    for name, gradient in expected.items():
        if name.startswith("grad.") and name not in weights:
            allowed = max(FLOAT32, TOLERANCES["gradient_relative", "float32"] * np.abs(gradient).max())
            differences[name] = largest_difference(got.pop(our_name(name)), gradient) / allowed
    mix_gradient = np.concatenate([expected[name] for name in weights])
    differences["mix"] = largest_difference(got.pop("scalar_mix.scalar_parameters"), mix_gradient) / FLOAT32
    assert not got, "a parameter without an expected gradient"
    assert max(differences.values()) <= 1, differences


# --- bilm-tf and AllenNLP's own public fixtures ---------------------------------------------------------------------


@requires_shared
@pytest.mark.parametrize("name", ["allennlp", "bilm_tf"])
def test_streams_of_the_public_fixtures(name):
    """Ten batches of three sentences, state carried; the second set has no skip connections."""
    folder = SHARED / "fixtures" / "bilm" / name
    model = read_fixture(folder, weights="lm_weights.hdf5")
    tokenizer = ElmoTokenizer()
    sentences = _stream_sentences(folder)
    carried = CarriedState()
    expected = [h5py.File(folder / f"lm_embeddings_{stream}.hdf5") for stream in range(3)]
    for batch in range(10):
        words = [sentences[stream][batch].split() for stream in range(3)]
        inputs = tokenizer(words, is_split_into_words=True, padding=True, return_tensors="pt")
        with torch.no_grad():
            output = model(**inputs, state=carried.for_batch(3), output_state=True)
        carried.update(output.state)
        for stream in range(3):
            ahead, back = np.array(expected[stream][str(batch)])
            got = output.last_hidden_state[stream, 1 : len(words[stream]) + 1]
            assert largest_difference(got, np.concatenate([ahead, back], axis=-1)) <= FLOAT32


def _stream_sentences(folder):
    path = next(folder.glob("*sentences.json"))
    return json.loads(path.read_text())


@requires_shared
def test_token_vectors_of_the_public_fixture():
    folder = SHARED / "fixtures" / "bilm" / "allennlp"
    model = read_fixture(folder, weights="lm_weights.hdf5")
    words = (folder / "vocab_test.txt").read_text().split("\n")
    with h5py.File(folder / "elmo_token_embeddings.hdf5") as file:
        expected = np.array(file["embedding"])
    encoded = ElmoTokenizer()(words, is_split_into_words=True, add_special_tokens=False, return_tensors="pt")
    with torch.no_grad():
        got = model.char_cnn(encoded["char_ids"])[0]
    assert largest_difference(got, expected) <= FLOAT32


# --- NumPy in float64 -----------------------------------------------------------------------------------------------


@functools.cache
def numpy_elmo(folder):
    return NumpyElmo.from_files(folder / "options.json", folder / "weights.hdf5")


@pytest.mark.parametrize("backend", ["packed", "reference"])
def test_double_precision_equals_numpy(folder, backend):
    """All layers and states, from zeros and from a state, to the rounding of float64."""
    oracle = numpy_elmo(folder)
    model = read_fixture(folder, lstm_backend=backend)
    set_mixes(model, manifest := read_manifest(folder))
    model.double()
    mix = manifest["mixes"][0]
    state = None
    for words in ([["A", "river", "bank"], ["Grüße", "北京", "", "😀", "<S>"]], [["w" * 60], ["one", "two", "three"]]):
        char_ids, lengths = char_ids_of_sentences(words)
        expected, expected_state = oracle.run(char_ids, lengths, state)
        with torch.no_grad():
            output = model(
                char_ids=torch.from_numpy(char_ids),
                state=None if state is None else tuple(torch.from_numpy(part) for part in state),
                output_hidden_states=True,
                output_state=True,
            )
        mixed = mix_layers(expected, np.array(mix["scalar_parameters"], np.float32).astype(np.float64), mix["gamma"])
        assert largest_difference(torch.stack(output.hidden_states), expected) <= FLOAT64
        assert largest_difference(output.mixed_state, mixed) <= FLOAT64
        for got, part in zip(output.state, expected_state, strict=True):
            assert largest_difference(got, part) <= FLOAT64
        state = expected_state
