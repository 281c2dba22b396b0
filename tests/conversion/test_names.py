# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
import numpy as np
import pytest
import torch
from tiny_checkpoints import VARIANTS, WITHOUT_CHAR_PROJECTION, allennlp_state_dict, random_weights, write_tiny_model

from hf_elmo.conversion.names import allennlp_table, hdf5_table, model_shapes, to_model, to_source
from hf_elmo.conversion.options import read_options
from hf_elmo.modeling import ElmoModel


def config_of(tmp_path, variant, **changes):
    options = read_options(write_tiny_model(tmp_path / variant, variant) / "options.json")
    if variant == "equal_sizes_with_char_projection":
        changes["use_char_projection"] = True
    if variant == "equal_sizes_with_lstm_projection":
        changes["use_lstm_projection"] = True
    return options.make_config(**changes)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_number_of_the_source_becomes_one_number_of_the_model(tmp_path, variant):
    config = config_of(tmp_path, variant)
    table = hdf5_table(config, bare_cell=variant == "one_layer_bare")
    assert table.source_shapes == {name: array.shape for name, array in random_weights(variant).items()}
    numbered, start = {}, 1
    for name, shape in table.source_shapes.items():
        numbered[name] = np.arange(start, start + np.prod(shape), dtype=np.float64).reshape(shape)
        start += numbered[name].size
    model = to_model(table, numbered)
    wanted = {name: shape for name, shape in model_shapes(config).items() if "scalar_mix" not in name}
    assert {name: array.shape for name, array in model.items()} == wanted
    assert not model["char_cnn.char_embeddings.weight"][0].any()
    reached = np.sort(np.abs(np.concatenate([array.ravel() for array in model.values()])))
    padding = config.char_embedding_size
    np.testing.assert_array_equal(reached, np.concatenate([np.zeros(padding), np.arange(1, start)]))


@pytest.mark.parametrize("variant", VARIANTS)
def test_table_leads_back_to_the_same_bits(tmp_path, variant):
    config = config_of(tmp_path, variant)
    table = hdf5_table(config, bare_cell=variant == "one_layer_bare")
    weights = random_weights(variant)
    weights["char_embed"][0, :2] = 0.0, -0.0  # a sign of zero is a bit like any other
    weights["RNN_0/RNN/" + ("" if variant == "one_layer_bare" else "MultiRNNCell/Cell0/") + "LSTMCell/B"][0] = -0.0
    back = to_source(table, to_model(table, weights))
    assert {name: (a.shape, a.dtype, a.tobytes()) for name, a in back.items()} == {
        name: (a.shape, a.dtype, a.tobytes()) for name, a in weights.items()
    }


@pytest.mark.parametrize("variant", VARIANTS)
def test_both_formats_of_one_model_give_the_same_tensors(tmp_path, variant):
    """The state dict is made by loops of the test, so signs, order of gates and transpositions are checked."""
    weights = random_weights(variant)
    config = config_of(tmp_path, variant)
    from_hdf5 = to_model(hdf5_table(config, bare_cell=variant == "one_layer_bare"), weights)
    state = {name: tensor.numpy() for name, tensor in allennlp_state_dict(weights, prefix="", mixes=2).items()}
    config = config_of(tmp_path, variant, num_scalar_mixes=2, forget_bias=0.0)
    table = allennlp_table(config)
    assert table.source_shapes == {name: array.shape for name, array in state.items()}
    from_state_dict = to_model(table, state)
    for name, array in from_hdf5.items():
        if name.endswith("direction.bias"):
            forget = np.split(array, 4)[1]
            forget += np.float32(1)
        np.testing.assert_array_equal(from_state_dict[name], array, err_msg=name)
    assert from_state_dict["extra_scalar_mixes.0.gamma"] == state["scalar_mix_1.gamma"]
    assert from_state_dict["scalar_mix.scalar_parameters"][1] == state["scalar_mix_0.scalar_parameters.1"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_names_and_shapes_are_those_of_the_model(tmp_path, variant):
    config = config_of(tmp_path, variant, num_scalar_mixes=3)
    with torch.device("meta"):
        model = ElmoModel(config)
    assert {name: tuple(t.shape) for name, t in model.state_dict().items()} == model_shapes(config)
    assert ("char_cnn.projection.bias" in model_shapes(config)) == (variant not in WITHOUT_CHAR_PROJECTION)
