# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The baseline computes what AllenNLP computed, does AllenNLP's work, and its limits count the right products."""

import pytest
import torch
from elmo_builders import (
    ALLENNLP_SMALL,
    SMALL_MODELS,
    largest_difference,
    random_batch,
    read_arrays,
    read_fixture,
    read_manifest,
    tiny_model,
    with_boundaries,
    without_boundaries,
)
from tolerances import TOLERANCES
from torch.utils.flop_counter import FlopCounterMode

from hf_elmo.benchmark.allennlp_equivalent import AllenNlpEquivalent
from hf_elmo.benchmark.lstm_stage import BareProducts, TorchLstmStage
from hf_elmo.modeling import ElmoTokenizer

FLOAT32 = TOLERANCES["parity", "float32"]
LENGTHS = [3, 1, 7, 7, 2]


@pytest.mark.parametrize("name", SMALL_MODELS)
def test_layers_and_mix_equal_allennlp(name):
    model = read_fixture(ALLENNLP_SMALL / name)
    mix = read_manifest(ALLENNLP_SMALL / name)["mixes"][0]
    model.scalar_mix.scalar_parameters.data = torch.tensor(mix["scalar_parameters"])
    model.scalar_mix.gamma.data = torch.tensor([mix["gamma"]])
    equivalent = AllenNlpEquivalent(model).eval()
    arrays, mixes = read_arrays(ALLENNLP_SMALL / name, "bilm_reset"), read_arrays(ALLENNLP_SMALL / name, "elmo_mix")
    for batch in range(6):
        char_ids, mask = with_boundaries(arrays[f"b{batch}.char_ids"])
        with torch.no_grad():
            mixed, layers = equivalent(char_ids)
        assert largest_difference(torch.stack(layers), arrays[f"b{batch}.activations"]) <= FLOAT32
        assert largest_difference(without_boundaries(mixed, mask), mixes[f"b{batch}.rep0"]) <= FLOAT32


@pytest.mark.parametrize("changes", [{}, {"forget_bias": 0.0}, {"cell_clip": None, "proj_clip": None}])
def test_forward_and_gradients_equal_the_reference_loop(changes):
    model = tiny_model(lstm_backend="reference", num_highway_layers=2, **changes).train()
    equivalent = AllenNlpEquivalent(model).train()
    batch = random_batch(LENGTHS, columns=8)
    expected = model(**batch, output_hidden_states=True)
    mixed, layers = equivalent(batch["char_ids"])
    assert largest_difference(mixed, expected.mixed_state) <= FLOAT32
    assert largest_difference(torch.stack(layers), torch.stack(expected.hidden_states)) <= FLOAT32
    factors = torch.linspace(-1, 1, mixed.numel()).view_as(mixed)
    (mixed * factors).sum().backward()
    (expected.mixed_state * factors).sum().backward()
    wanted = {name: parameter.grad for name, parameter in model.named_parameters()}
    got = {name: parameter.grad for name, parameter in equivalent.named_parameters()}
    assert set(got) == set(wanted)
    for name, gradient in wanted.items():
        assert largest_difference(got[name], gradient) <= 1e-5 * gradient.abs().max(), name


def test_its_weights_are_copies():
    model = tiny_model()
    char_ids = random_batch([4])["char_ids"]
    with torch.no_grad():
        equivalent = AllenNlpEquivalent(model)
        before = equivalent(char_ids)[0]
        for parameter in model.parameters():
            parameter.zero_()
        assert torch.equal(equivalent(char_ids)[0], before)


def test_it_does_all_of_allennlps_work():
    """Every padded position and all 50 columns; two products of the input's and the state's for each word."""
    model = tiny_model()
    batch = random_batch(LENGTHS, columns=8)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        AllenNlpEquivalent(model)(batch["char_ids"])
    words, positions = sum(LENGTHS), 5 * 8
    windows = sum(span * 5 * count * (50 - span + 1) for span, count in [(1, 4), (2, 6), (3, 8)])
    characters = windows + 2 * 18 * 18 + 18 * 12
    lstm = 2 * 2 * (2 * 4 * 20 * 12 + 20 * 12)
    assert counter.get_total_flops() == 2 * (positions * characters + words * lstm)


@pytest.mark.parametrize(
    "changes",
    [
        {"use_skip_connections": False},
        {"scalar_mix_layer_norm": True},
        {"num_scalar_mixes": 2},
        {"projection_size": 20},  # no projection of the cell
        {"projection_size": 18},  # none of the character features
    ],
)
def test_models_that_allennlp_has_not_are_refused(changes):
    with pytest.raises(ValueError, match="the AllenNLP equivalent needs .*=.*, the model has"):
        AllenNlpEquivalent(tiny_model(**changes))


# --- torch's LSTM and the bare products ------------------------------------------------------------------------------


def test_torchs_lstm_is_the_same_but_for_the_clips():
    equivalent = AllenNlpEquivalent(tiny_model(scale=2))
    batch = random_batch(LENGTHS, columns=8)
    with torch.no_grad():
        words, mask = equivalent.encode_words(batch["char_ids"])
        clipped = torch.stack(equivalent.run_layers(words, mask))
        equivalent.clip = False
        free = torch.stack(equivalent.run_layers(words, mask))
        got = torch.stack(TorchLstmStage(equivalent)(words, mask))
    assert largest_difference(got, free) <= FLOAT32
    assert largest_difference(clipped, free) > 0.1


def test_bare_products_are_those_that_cannot_be_avoided():
    model = tiny_model(num_highway_layers=2)
    words = [["a", "cat", "a", "z" * 60], ["cat"]]
    batch = ElmoTokenizer()(words, is_split_into_words=True, padding=True, return_tensors="pt")
    products = BareProducts(AllenNlpEquivalent(model))
    stage, characters = products.lstm_stage(batch["attention_mask"].bool()), products.char_cnn(batch["char_ids"])
    with FlopCounterMode(display=False) as counter:
        stage()
    assert counter.get_total_flops() == 2 * (6 + 3) * 2 * 2 * (4 * 20 * 12 + 4 * 20 * 12 + 20 * 12)
    with FlopCounterMode(display=False) as counter:
        characters()
    lengths = [3, 3, 3, 5, 50]  # <S>, </S>, a, cat, the long word; each with the marks of its ends
    windows = sum(
        min(length, 50 - span + 1) * span * 5 * count for length in lengths for span, count in [(1, 4), (2, 6), (3, 8)]
    )
    assert counter.get_total_flops() == 2 * (windows + len(lengths) * (2 * 2 * 18 * 18 + 18 * 12))
