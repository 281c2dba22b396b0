# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
import json
import shutil

import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from support import ROOT, SHARED, requires_shared
from tiny_checkpoints import VARIANTS, options_of_variant, random_weights, write_hdf5, write_tiny_model
from tolerances import TOLERANCES

from hf_elmo.conversion import ConversionError, convert, convert_to_allennlp
from hf_elmo.conversion.options import read_options


def datasets(path):
    """Everything HDF5 says about each dataset: shape, dtype, layout, filters, attributes, bytes."""
    found = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            settings = item.chunks, item.compression, dict(item.attrs)
            found[name] = (item.shape, item.dtype.str, settings, item[()].tobytes())

    with h5py.File(path) as file:
        file.visititems(visit)
        assert not file.attrs
    return found


def assert_same_meaning(a, b):
    """Both files give the same model (absent keys and training's 261 characters aside)."""
    assert read_options(a).config == read_options(b).config
    assert json.loads(b.read_text())["char_cnn"]["n_characters"] == 262


# Reading the others is covered without a model in test_names.py and test_options.py.
QUICK = {"no_char_projection", "no_lstm_projection", "one_layer_bare", "three_layers", "no_skip", "training_options"}


@pytest.mark.parametrize("variant", [pytest.param(v, marks=() if v in QUICK else pytest.mark.slow) for v in VARIANTS])
def test_every_variant_converts_exactly_and_comes_back_byte_for_byte(tmp_path, variant):
    source = write_tiny_model(tmp_path / "source", variant)
    report = convert(source, tmp_path / "out", verify=True)
    assert max(report["verification"]["float64"]["largest_difference"].values()) < TOLERANCES["parity", "float64"]
    layers = options_of_variant(variant)["lstm"].get("n_layers", 1)
    assert set(report["verification"]["float32"]["largest_difference"]) == {
        *(f"layer_{index}" for index in range(layers + 1)),
        "mix_0",
        "state_h",
        "state_c",
    }
    assert bool(report["repaired"]) == (variant in ("training_options", "one_layer_bare"))
    assert bool(report["ignored_options"]) == (variant == "training_options")

    report = convert_to_allennlp(tmp_path / "out", tmp_path / "back")
    expected = datasets(source / "weights.hdf5")
    if variant == "one_layer_bare":  # comes back under the names both programs find
        expected = {name.replace("RNN/LSTMCell", "RNN/MultiRNNCell/Cell0/LSTMCell"): e for name, e in expected.items()}
    assert datasets(tmp_path / "back" / "weights.hdf5") == expected
    assert_same_meaning(source / "options.json", tmp_path / "back" / "options.json")
    assert report["datasets"] == len(expected) and report["notes"] == []
    assert [entry["name"] for entry in report["files"]] == ["options.json", "weights.hdf5"]


@pytest.mark.parametrize("name", ["tiny-relu-seed7", "tiny-tanh3-seed8"])
def test_fixtures_of_allennlp_come_back(tmp_path, name):
    source = ROOT / "tests" / "fixtures" / "allennlp_small" / name
    convert(source, tmp_path / "out")
    convert_to_allennlp(tmp_path / "out", tmp_path / "back")
    assert datasets(tmp_path / "back" / "weights.hdf5") == datasets(source / "weights.hdf5")
    assert json.loads((tmp_path / "back" / "options.json").read_text()) == json.loads(
        (source / "options.json").read_text()
    )


@requires_shared
@pytest.mark.parametrize("name", ["bilm/allennlp", "bilm/bilm_tf"])
def test_public_fixtures_come_back(tmp_path, name):
    source = SHARED / "fixtures" / name
    convert(source, tmp_path / "out")
    convert_to_allennlp(tmp_path / "out", tmp_path / "back")
    assert datasets(tmp_path / "back" / "weights.hdf5") == datasets(source / "lm_weights.hdf5")
    assert_same_meaning(source / "options.json", tmp_path / "back" / "options.json")


@pytest.fixture(scope="module")
def in_training(tmp_path_factory):
    """Verified against its files."""
    source, folder = SHARED / "fixtures" / "bilm_training", tmp_path_factory.mktemp("in_training")
    convert(
        out=folder / "out",
        options=source / "checkpoint" / "options.json",
        weights=source / "weights_start.hdf5",
        softmax=source / "softmax_start.hdf5",
        vocab=source / "vocab.txt",
        verify=True,
    )
    return source, folder / "out"


@requires_shared
@pytest.mark.parametrize("softmax", ["beside", "inside", "none"])
def test_a_model_in_training_comes_back_with_its_softmax(tmp_path, in_training, softmax):
    source, converted = in_training
    convert_to_allennlp(converted, tmp_path / "back", softmax=softmax)
    back, expected = tmp_path / "back", datasets(source / "weights_start.hdf5")
    if softmax == "inside":
        expected |= datasets(source / "softmax_start.hdf5")
    assert datasets(back / "weights.hdf5") == expected
    assert (back / "softmax_weights.hdf5").exists() == (softmax == "beside")
    if softmax == "beside":
        assert datasets(back / "softmax_weights.hdf5") == datasets(source / "softmax_start.hdf5")
    assert (back / "vocab.txt").read_bytes() == (source / "vocab.txt").read_bytes()
    assert_same_meaning(source / "checkpoint" / "options.json", back / "options.json")
    report = convert(back, tmp_path / "again")  # what was written is found by itself
    assert report["softmax_words"] == (None if softmax == "none" else 26)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pristine")
    convert(write_tiny_model(folder / "source"), folder / "out")
    return folder


@pytest.fixture
def converted(tmp_path, pristine):
    shutil.copytree(pristine, tmp_path, dirs_exist_ok=True)
    return tmp_path / "out"


def change_weights(folder, change):
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def test_a_trained_mix_cannot_be_kept_and_is_named(tmp_path, converted):
    change_weights(converted, lambda tensors: tensors["scalar_mix.gamma"].fill_(2.0))
    lines = []
    notes = convert_to_allennlp(converted, tmp_path / "back", progress=lines.append)["notes"]
    assert notes == [
        "the weights of the scalar mix are left out (scalar_mix.gamma): these formats have no place for them"
    ]
    assert f"note: {notes[0]}" in lines and lines[-1] == f"wrote {tmp_path / 'back'}"


def test_mixes_the_formats_cannot_describe_are_named(tmp_path, converted):
    def train(tensors):
        tensors["scalar_mix.scalar_parameters"][1] = 0.5
        for j in range(2):
            tensors[f"extra_scalar_mixes.{j}.scalar_parameters"] = torch.zeros(3)
            tensors[f"extra_scalar_mixes.{j}.gamma"] = torch.full((1,), j + 1.0)

    edit_config(num_scalar_mixes=3, scalar_mix_layer_norm=True)(converted)
    change_weights(converted, train)
    assert convert_to_allennlp(converted, tmp_path / "back")["notes"] == [
        "the weights of the scalar mix are left out (extra_scalar_mixes.1.gamma, scalar_mix.scalar_parameters): these "
        "formats have no place for them",
        "the model has 3 scalar mixes: these formats do not say how many; AllenNLP is told by num_output_representations=3",
        "scalar_mix_layer_norm is on: these formats do not say so; AllenNLP is told by do_layer_norm=True",
    ]


def test_the_encoder_of_a_model_with_a_head(tmp_path, converted):
    tensors = {f"elmo.{name}": tensor for name, tensor in load_file(converted / "model.safetensors").items()}
    save_file({**tensors, "classifier.weight": torch.ones(2, 3)}, converted / "model.safetensors")
    report = convert_to_allennlp(converted, tmp_path / "back")
    assert report["notes"] == ["left out, not part of the encoder: classifier.weight"]
    assert datasets(tmp_path / "back" / "weights.hdf5") == datasets(tmp_path / "source" / "weights.hdf5")


def test_float64_comes_back_in_float32(tmp_path):
    source = write_tiny_model(tmp_path / "source")
    wide = {name: array.astype(np.float64) for name, array in random_weights().items()}
    write_hdf5(source / "weights.hdf5", wide)
    convert(source, tmp_path / "out")
    convert_to_allennlp(tmp_path / "out", tmp_path / "back")
    write_hdf5(source / "weights.hdf5", random_weights())
    assert datasets(tmp_path / "back" / "weights.hdf5") == datasets(source / "weights.hdf5")


def test_half_precision_comes_back_as_float32(tmp_path, converted):
    convert(tmp_path / "source", tmp_path / "half", dtype="float16")
    report = convert_to_allennlp(tmp_path / "half", tmp_path / "back")
    assert "stored as float16: they are written as float32" in report["notes"][0]
    with h5py.File(tmp_path / "back" / "weights.hdf5") as file:
        expected = random_weights()["char_embed"].astype(np.float16).astype(np.float32)
        np.testing.assert_array_equal(file["char_embed"][()], expected)


def drop(name):
    return lambda folder: change_weights(folder, lambda tensors: tensors.pop(name))


def edit_config(**changes):
    def change(folder):
        content = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(content | changes))

    return change


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "config.json").unlink(), "holds no config.json; needed is a folder that convert"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json.* is no configuration of ELMo"),
        (edit_config(model_type="bert"), "holds a model of type 'bert'; needed is 'elmo'"),
        (edit_config(cell_size="x"), "is no configuration of ELMo"),
        (edit_config(cell_size=12), r"weight_ih has shape \(40, 6\); config.json needs \(48, 6\)"),
        (edit_config(num_characters=300), "has 300 characters; bilm-tf and AllenNLP need 262"),
        (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors is missing; needed is the model"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"x" * 99), "is no readable safetensors file"),
        (drop("char_cnn.projection.bias"), "tensor char_cnn.projection.bias .* is missing"),
    ],
)
def test_what_is_no_model_is_refused(tmp_path, converted, damage, message):
    damage(converted)
    with pytest.raises(ConversionError, match=message):
        convert_to_allennlp(converted, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_wrong_arguments(tmp_path, converted):
    with pytest.raises(ConversionError, match="softmax is 'maybe'; it must be one of beside, inside, none"):
        convert_to_allennlp(converted, tmp_path / "back", softmax="maybe")
    (tmp_path / "back").mkdir()
    with pytest.raises(ConversionError, match="back exists already"):
        convert_to_allennlp(converted, tmp_path / "back")
    convert_to_allennlp(converted, tmp_path / "back", overwrite=True)
    with pytest.raises(ConversionError, match="holds the source model.safetensors and is not replaced"):
        convert_to_allennlp(converted, converted, overwrite=True)


@pytest.mark.parametrize(
    "files",
    [
        {"options.json": "{}", "thesis.txt": "three years"},
        {"options.json": "{}", "weights.hdf5": "x", "thesis.txt": "three years"},
        {"options.json": "{}"},
        {"config.json": '{"model_type": "elmo"}'},
        {"options.json": "{}", "weights.hdf5": "x", "vocab.txt/thesis.txt": "three years"},
    ],
)
def test_only_what_this_way_writes_is_replaced(tmp_path, converted, files):
    back = tmp_path / "back"
    for name, content in files.items():
        (back / name).parent.mkdir(parents=True, exist_ok=True)
        (back / name).write_text(content)
    with pytest.raises(
        ConversionError, match="back is not replaced: it is not empty, and holds not just options.json"
    ):
        convert_to_allennlp(converted, back, overwrite=True)
    assert all((back / name).read_text() == content for name, content in files.items())


def test_what_this_way_wrote_is_replaced(tmp_path, converted):
    save_file({"weight": torch.ones(5, 6), "bias": torch.ones(5)}, converted / "lm_head.safetensors")
    (converted / "vocab.txt").write_text("a\nb\nc\nd\ne\n")
    for softmax in ("beside", "none"):
        convert_to_allennlp(converted, tmp_path / "back", softmax=softmax, overwrite=True)
    assert sorted(path.name for path in (tmp_path / "back").iterdir()) == ["options.json", "vocab.txt", "weights.hdf5"]


def test_an_interruption_leaves_nothing_behind(tmp_path, converted, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("hf_elmo.conversion.to_allennlp.write_hdf5", interrupt)
    with pytest.raises(KeyboardInterrupt):
        convert_to_allennlp(converted, tmp_path / "back")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "source"]


def test_a_softmax_of_another_width_is_refused(tmp_path, converted):
    save_file({"weight": torch.ones(5, 7), "bias": torch.ones(5)}, converted / "lm_head.safetensors")
    with pytest.raises(ConversionError, match=r"lm_head.safetensors: weight has shape \(5, 7\)"):
        convert_to_allennlp(converted, tmp_path / "back")
