# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The table of published models: addresses, and the sizes that follow from the shapes."""

import json

import pytest
from support import SHARED, requires_shared

from hf_elmo.conversion import known_models
from hf_elmo.conversion.known_models import KNOWN_MODELS, count_parameters, find_model, payload_bytes, table

# Computed once from models that were built with the released options (small, medium: files were written).
PUBLISHED = {"small": 13_593_296, "medium": 28_027_728, "original": 93_600_848}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_follow_from_the_shapes(name):
    assert count_parameters(KNOWN_MODELS[name].shapes) == PUBLISHED[name]
    assert payload_bytes(KNOWN_MODELS[name].shapes) == 4 * PUBLISHED[name]


@requires_shared
@pytest.mark.parametrize(
    "folder", ["bilm/allennlp", "allennlp_small/tiny-relu-seed7", "allennlp_small/tiny-tanh3-seed8"]
)
def test_payload_is_the_exact_size_of_the_numbers_in_a_file(folder):
    h5py = pytest.importorskip("h5py")
    source = SHARED / "fixtures" / folder
    options = json.loads((source / "options.json").read_text(encoding="utf-8"))
    sizes = []
    (weights,) = [path for path in source.glob("*.hdf5") if "weights" in path.name]
    with h5py.File(weights) as file:
        file.visititems(lambda _, item: sizes.append(item.nbytes) if isinstance(item, h5py.Dataset) else None)
    assert payload_bytes(options) == sum(sizes)
    assert payload_bytes(options) <= weights.stat().st_size


def test_projections_are_counted_only_where_sizes_differ():
    options = {
        "lstm": {"dim": 4, "projection_dim": 4, "n_layers": 1},
        "char_cnn": {"embedding": {"dim": 2}, "filters": [[1, 4]]},
    }
    # characters 261*2, one filter 2*4+4, two directions of (8, 16) and 16
    assert count_parameters(options) == 522 + 12 + 2 * (128 + 16)


def test_names_are_found_in_any_case():
    assert find_model("5.5b") is KNOWN_MODELS["5.5B"]
    assert find_model("Small") is KNOWN_MODELS["small"]
    assert find_model("large") is None


def test_every_model_has_options_and_weights_addresses():
    for name, model in KNOWN_MODELS.items():
        assert model.name == name
        assert model.options.endswith("options.json") and model.weights.endswith(".hdf5")
        assert (model.softmax is None) == (model.vocab is None)
        assert model.evidence


def test_table_names_everything_a_user_needs(monkeypatch):
    monkeypatch.delenv(known_models.BASE_VARIABLE, raising=False)
    text = table()
    for name, model in KNOWN_MODELS.items():
        assert name in text and model.evidence in text
        assert known_models.DEFAULT_BASE + model.weights in text
    assert "13.6 M" in text and "54.4 MB" in text and "tiny-random" in text
    assert "computed from the shapes" in text
    portuguese = next(line for line in text.splitlines() if line.startswith("portuguese"))
    assert portuguese.count("unknown") == 3  # no size is invented


def test_base_address_is_replaced_by_the_variable(monkeypatch):
    monkeypatch.setenv(known_models.BASE_VARIABLE, "http://mirror.example/elmo")
    assert known_models.base_address() == "http://mirror.example/elmo/"
    assert "http://mirror.example/elmo/2x1024" in table()
