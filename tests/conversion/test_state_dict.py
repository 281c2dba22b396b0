# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
import collections

import pytest
import torch
from safetensors.torch import save_file
from tiny_checkpoints import allennlp_state_dict, options_of_variant, random_weights, write_tiny_model
from tolerances import TOLERANCES

from hf_elmo.conversion import ConversionError, convert, convert_to_allennlp
from hf_elmo.conversion.state_dict import read_state_dict
from hf_elmo.modeling import ElmoModel

# What AllenNLP refuses (no skip, no key for highways), or only makes with both projections.
REFUSED = {"no_skip", "skip_key_absent"}
PREFIXES = {
    "Elmo": "_elmo_lstm.",
    "ElmoTokenEmbedder": "_elmo._elmo_lstm.",
    "task model": "_text_field_embedder.token_embedder_elmo._elmo._elmo_lstm.",
}


def write(tmp_path, state, name="weights.th", variant="plain"):
    import json

    (tmp_path / "options.json").write_text(json.dumps(options_of_variant(variant)))
    path = tmp_path / name
    if name.endswith(".safetensors"):
        save_file(state, path)
    else:
        torch.save(state, path)
    return path


def read(tmp_path, state, name="weights.th", variant="plain", prefix=None):
    return read_state_dict(tmp_path / "options.json", write(tmp_path, state, name, variant), prefix)


@pytest.mark.parametrize("variant", ["plain", "no_char_projection", "no_lstm_projection", "one_layer", "no_highway"])
def test_variants_convert_exactly(tmp_path, variant):
    state = allennlp_state_dict(random_weights(variant), mixes=2)
    report = convert(write(tmp_path, state, variant=variant), tmp_path / "out", verify=True)
    assert report["kind"] == "allennlp-state-dict" and report["tensors_read"] == len(state)
    differences = report["verification"]["float64"]["largest_difference"]
    assert {"mix_0", "mix_1"} <= set(differences) and max(differences.values()) < TOLERANCES["parity", "float64"]
    config = ElmoModel.from_pretrained(tmp_path / "out").config
    assert config.forget_bias == 0.0 and config.num_scalar_mixes == 2


@pytest.mark.parametrize("name", ["weights.th", "weights.pt", "weights.bin", "weights.safetensors"])
@pytest.mark.parametrize("kind", PREFIXES)
def test_elmo_is_found_in_what_allennlp_saves(tmp_path, kind, name):
    state = allennlp_state_dict(random_weights(), PREFIXES[kind])
    others = {}
    if kind != "Elmo":
        outer = PREFIXES[kind].removesuffix("_elmo._elmo_lstm.")
        others = {f"{outer}_projection.weight": torch.ones(3, 12), f"{outer}_projection.bias": torch.ones(3)}
    if kind == "task model":
        others["classifier.weight"] = torch.ones(2, 3)
    source = read(tmp_path, others | state, name)
    assert source.prefix == PREFIXES[kind] and sorted(source.other_tensors) == sorted(others)
    assert source.tensors_read == len(state)
    mix = state[PREFIXES[kind].removesuffix("_elmo_lstm.") + "scalar_mix_0.gamma"]
    assert source.tensors["scalar_mix.gamma"] == mix.numpy()


def test_a_bare_bilm_has_no_mix_and_says_so(tmp_path):
    state = allennlp_state_dict(random_weights(), prefix="", mixes=0)
    source = read(tmp_path, state)
    assert source.prefix == "" and not source.other_tensors
    assert not source.tensors["scalar_mix.scalar_parameters"].any()
    assert any("no scalar mix" in note for note in source.notes)
    report = convert(tmp_path / "weights.th", tmp_path / "out", verify=True)
    assert report["prefix"] == ""


def test_a_bilm_inside_another_module_of_that_name(tmp_path):
    state = allennlp_state_dict(random_weights(), prefix="encoder._elmo_lstm.", mixes=0)
    source = read(tmp_path, {**state, "encoder.extra": torch.ones(1)})
    assert source.prefix == "encoder._elmo_lstm." and source.other_tensors == ["encoder.extra"]


def test_state_dicts_inside_checkpoints_are_found(tmp_path):
    state = allennlp_state_dict(random_weights())
    checkpoint = {
        "epoch": 3,
        "model": collections.OrderedDict(state),
        "optimizer": {"state": {0: {"step": torch.ones(1)}}},
    }
    source = read(tmp_path, checkpoint)
    assert source.prefix == "model._elmo_lstm." and source.other_tensors == ["optimizer.state.0.step"]


def test_several_elmo_modules_need_a_choice(tmp_path):
    first = allennlp_state_dict(random_weights(), "source._elmo_lstm.")
    second = allennlp_state_dict(random_weights(seed=9), "target._elmo_lstm.")
    with pytest.raises(ConversionError, match="holds 2 ELMo modules; choose one with prefix=: 'source.', 'target.'"):
        read(tmp_path, first | second)
    for prefix in ("target", "target.", "target._elmo_lstm"):
        source = read(tmp_path, first | second, prefix=prefix)
        assert source.prefix == "target._elmo_lstm." and set(source.other_tensors) == set(first)
    with pytest.raises(
        ConversionError, match="has no ELMo under the prefix 'both'; there is one under 'source.', 'target.'"
    ):
        read(tmp_path, first | second, prefix="both")
    convert(tmp_path / "weights.th", tmp_path / "out", prefix="source", verify=True)


def test_cached_word_vectors_are_left_out_and_named(tmp_path):
    state = allennlp_state_dict(random_weights())
    source = read(tmp_path, {**state, "_elmo_lstm._word_embedding.weight": torch.ones(7, 6)})
    assert any("cached vectors of 7 words" in note for note in source.notes)


def test_a_padding_row_that_is_not_zero_is_repaired(tmp_path):
    state = allennlp_state_dict(random_weights())
    state["_elmo_lstm._token_embedder._char_embedding_weights"][0] = 1.0
    source = read(tmp_path, state)
    assert not source.tensors["char_cnn.char_embeddings.weight"][0].any()
    assert any("padding row" in line for line in source.repaired)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floating_dtypes_become_float32(tmp_path, dtype):
    state = {name: tensor.to(dtype) for name, tensor in allennlp_state_dict(random_weights()).items()}
    source = read(tmp_path, state)
    assert all(array.dtype == "float32" for array in source.tensors.values())
    assert any(str(dtype)[6:] in note for note in source.notes)
    convert(tmp_path / "weights.th", tmp_path / "out", verify=True)


def damaged(change):
    state = allennlp_state_dict(random_weights())
    change(state)
    return state


BIAS = "_elmo_lstm._elmo_lstm.backward_layer_1.state_linearity.bias"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda s: s.pop(BIAS),
            r"tensor _elmo_lstm.backward_layer_1.state_linearity.bias of shape \(40,\) is missing",
        ),
        (lambda s: s.update({BIAS: torch.ones(39)}), r"bias has shape \(39,\); options.json needs \(40,\)"),
        (
            lambda s: s.update({BIAS: torch.ones(40, dtype=torch.int32)}),
            "bias .* has dtype int32; needed are floating",
        ),
        (lambda s: s.update({BIAS: torch.ones(40).to_sparse()}), "bias is sparse"),
        (lambda s: s[BIAS].fill_(float("nan")), "bias .* holds NaN or infinity at 40 of 40 places"),
        (lambda s: s.update({"_elmo_lstm.extra": torch.ones(2)}), r"tensor extra of shape \(2,\) belongs to no part"),
        (lambda s: s.update({"scalar_mix_0.extra": torch.ones(2)}), "tensor scalar_mix_0.extra of shape"),
        (lambda s: s.pop("scalar_mix_0.scalar_parameters.1"), "tensor scalar_mix_0.scalar_parameters.1 .* is missing"),
        (lambda s: s.update({"scalar_mix_2.gamma": torch.ones(1)}), "scalar_mix_1.* is missing"),
        (lambda s: s.clear(), "holds no ELMo of AllenNLP: .* It holds no tensors"),
        (lambda s: (s.clear(), s.update({"x": torch.ones(1)})), "It holds x."),
        (
            lambda s: (s.clear(), s.update({"char_emb_layer.embedding.weight": torch.ones(1)})),
            "looks like ELMoForManyLangs",
        ),
        (
            lambda s: (s.clear(), s.update({"elmo.char_cnn.char_embeddings.weight": torch.ones(1)})),
            "a model of this package: load it with ElmoModel.from_pretrained",
        ),
    ],
)
def test_wrong_state_dicts_are_refused_by_name(tmp_path, change, message):
    with pytest.raises(ConversionError, match=message):
        read(tmp_path, damaged(change))


class Unsafe:
    def __reduce__(self):
        return print, ("code of the file was run",)


def test_python_objects_are_not_run(tmp_path, capsys):
    with pytest.raises(ConversionError, match="weights.th cannot be read as tensors .*only state dicts"):
        read(tmp_path, {"_elmo_lstm.x": Unsafe()})
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["weights.th", "weights.safetensors"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x08" * 100, b"\x80\x02}q\x00"])
def test_files_that_are_no_state_dict(tmp_path, name, content):
    write(tmp_path, {}, "other.th")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(
        ConversionError, match=f"{name} (cannot be read as tensors|is no readable safetensors|holds no ELMo)"
    ):
        read_state_dict(tmp_path / "options.json", tmp_path / name)


@pytest.mark.parametrize("variant", sorted(REFUSED))
def test_options_without_skip_connections_contradict_allennlp(tmp_path, variant):
    with pytest.raises(ConversionError, match="use_skip_connections is not true, but AllenNLP"):
        read(tmp_path, allennlp_state_dict(random_weights()), variant=variant)


def test_options_are_needed(tmp_path):
    path = write(tmp_path, allennlp_state_dict(random_weights()))
    (tmp_path / "options.json").unlink()
    with pytest.raises(ConversionError, match=r"must hold one options.json, .* found none. Name it \(options\)"):
        convert(path, tmp_path / "out")
    options = write_tiny_model(tmp_path / "model") / "options.json"
    assert convert(path, tmp_path / "out", options=options)["tensors_read"]


def test_a_softmax_does_not_go_with_a_state_dict(tmp_path):
    path = write(tmp_path, allennlp_state_dict(random_weights()))
    (tmp_path / "softmax.hdf5").write_bytes(b"")
    with pytest.raises(ConversionError, match="a softmax file belongs to bilm-tf's HDF5 weights"):
        convert(path, tmp_path / "out", softmax=tmp_path / "softmax.hdf5")


def test_export_subtracts_the_forget_bias_and_says_so(tmp_path):
    import h5py
    import numpy as np

    weights = random_weights()
    convert(write(tmp_path, allennlp_state_dict(weights)), tmp_path / "out")
    report = convert_to_allennlp(tmp_path / "out", tmp_path / "back")
    assert any("forget_bias 0; 1 was subtracted in float32" in note for note in report["notes"])
    assert any("scalar mix are left out" in note for note in report["notes"])
    with h5py.File(tmp_path / "back" / "weights.hdf5") as file:
        for name, array in weights.items():
            if name.endswith("/B"):
                np.testing.assert_allclose(
                    file[name][()], array, rtol=0, atol=TOLERANCES["forget_bias_export", "float32"]
                )
            else:
                np.testing.assert_array_equal(file[name][()], array)
