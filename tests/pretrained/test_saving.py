# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""`export` writes a small folder that every Auto class reads in single precision, or leaves nothing."""

import json
import logging
import os
import shutil

import pytest
import torch
from language_models import tiny_language_model, tiny_tokenizer
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import (
    AutoModel,
    AutoModelForPreTraining,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
)

from hf_elmo import ElmoForPreTraining, ElmoModel, ElmoTokenizer
from hf_elmo.pretrained import PretrainedError, export

NAMES = ("elmo-mini-en", "bert-mini-en")
EMPTY: dict = {"missing_keys": set(), "unexpected_keys": set(), "mismatched_keys": set()}


@pytest.fixture(params=NAMES)
def saved(request, box, originals):
    return box / request.param, *originals[request.param]


def loaded(auto_class, folder, **settings):
    model, info = auto_class.from_pretrained(folder, output_loading_info=True, **settings)
    return model, {name: set(info[name]) for name in EMPTY}


def test_the_folder_holds_data_and_no_code(saved):
    folder, _, _ = saved
    assert {path.name for path in folder.iterdir()} == {
        "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "README.md",
    }  # fmt: skip
    assert (folder / "README.md").read_text(encoding="utf-8") == "# Ä\n"
    assert "auto_map" not in (folder / "config.json").read_text() + (folder / "tokenizer_config.json").read_text()


def test_the_file_is_half_precision_and_the_model_is_single(saved):
    folder, original, _ = saved
    assert {tensor.dtype for tensor in load_file(folder / "model.safetensors").values()} == {torch.float16}
    model, info = loaded(AutoModelForPreTraining, folder)
    assert type(model) is type(original) and info == EMPTY and not model.training
    weights, expected = model.state_dict(), original.state_dict()
    assert weights.keys() == expected.keys()
    for name, weight in weights.items():
        assert weight.dtype == torch.float32
        assert torch.equal(weight, expected[name].half().float()), name


def test_tied_weights_are_stored_once_and_stay_tied(box):
    with safe_open(box / "bert-mini-en" / "model.safetensors", "pt") as file:
        assert "cls.predictions.decoder.weight" not in file.keys()  # noqa: SIM118
    model = AutoModelForPreTraining.from_pretrained(box / "bert-mini-en")
    assert model.cls.predictions.decoder.weight is model.bert.embeddings.word_embeddings.weight


def test_the_encoder_and_heads_load_in_single_precision(saved):
    folder, original, _ = saved
    expected = original.base_model.state_dict()
    for auto_class in (AutoModel, AutoModelForTokenClassification, AutoModelForSequenceClassification):
        model, info = loaded(auto_class, folder)
        assert all(name.startswith("classifier.") for name in info["missing_keys"])
        assert bool(info["missing_keys"]) is (auto_class is not AutoModel)
        for name, weight in model.base_model.state_dict().items():
            assert weight.dtype == torch.float32
            assert torch.equal(weight, expected[name].half().float()), name


def test_the_encoder_of_elmo_loads_without_a_word_about_the_softmax(box, caplog):
    with caplog.at_level(logging.WARNING):
        for trusted in (False, True):  # the README's habit needs no code file in the folder either
            model, info = loaded(AutoModel, box / "elmo-mini-en", trust_remote_code=trusted)
            assert type(model) is ElmoModel and info == EMPTY
    assert not caplog.records


def test_other_unexpected_weights_are_still_told(box, tmp_path):
    model = AutoModelForTokenClassification.from_pretrained(box / "elmo-mini-en")
    model.save_pretrained(tmp_path)
    _, info = loaded(AutoModel, tmp_path)
    assert info["unexpected_keys"] == {"classifier.weight", "classifier.bias"}


def test_a_copy_of_the_folder_gives_the_same_model_and_tokenizer(saved, tmp_path):
    folder, original, tokenizer = saved
    shutil.copytree(folder, tmp_path / "copy")
    for trusted in (False, True):
        copy = AutoTokenizer.from_pretrained(tmp_path / "copy", trust_remote_code=trusted)
        assert type(copy) is type(tokenizer) and copy.get_vocab() == tokenizer.get_vocab()
    first, second = (AutoModel.from_pretrained(path) for path in (folder, tmp_path / "copy"))
    batch = copy(["the cat sat", "on"], padding=True, return_tensors="pt")
    with torch.no_grad():
        assert torch.equal(first(**batch).last_hidden_state, second(**batch).last_hidden_state)


def test_the_precision_can_be_chosen_when_loading(saved):
    assert AutoModel.from_pretrained(saved[0], dtype=torch.float16).dtype == torch.float16


def test_the_softmax_predicts_as_before(box, originals):
    original, tokenizer = originals["elmo-mini-en"]
    model = ElmoForPreTraining.from_pretrained(box / "elmo-mini-en")
    (expected,), (score,) = (each.score(["the cat sat on a mat"], tokenizer) for each in (original, model))
    assert score.total == pytest.approx(expected.total, rel=1e-2)


def test_a_model_in_another_precision_is_read_as_single_and_stays_as_it_was(tmp_path):
    model = tiny_language_model(dtype=torch.bfloat16)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    report = export(model, tiny_tokenizer(), tmp_path / "m", torch.float32)
    assert report["parameters"] == sum(tensor.numel() for tensor in before.values())
    assert report["bytes"] == sum(path.stat().st_size for path in (tmp_path / "m").iterdir())
    assert report["largest_rounding"] == 0  # bfloat16 fits into float32
    loaded_model = ElmoForPreTraining.from_pretrained(tmp_path / "m")
    for name, tensor in model.state_dict().items():
        assert tensor.dtype == torch.bfloat16 and torch.equal(tensor, before[name])
        assert torch.equal(loaded_model.state_dict()[name], before[name].float())


def test_the_rounding_that_is_reported_is_the_largest(tmp_path):
    model = tiny_language_model(dtype=torch.float32)
    with torch.no_grad():
        model.lm_head.weight.zero_()[3, 4] = 2049  # half precision has 2048 and 2050 here
    assert export(model, tiny_tokenizer(), tmp_path / "m")["largest_rounding"] == 1


def unchanged(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        ("encoder", {}, "model is ElmoModel; needed is ElmoForPreTraining or BertForPreTraining"),
        (None, {"dtype": torch.bfloat16}, "dtype is torch.bfloat16; needed is torch.float16 or torch.float32"),
        ("int8", {}, "the model is quantized to 8 bits: export the float weights it was made of"),
        (
            "tokenizer",
            {},
            "the tokenizer has 4 tokens, the softmax of the model 13: give the tokenizer it was trained",
        ),
        (None, {"texts": {"config.json": ""}}, "texts names 'config.json': needed are plain file names"),
        (None, {"texts": {"../README.md": ""}}, "texts names '../README.md': needed are plain file names"),
        ("large", {}, "lm_head.weight reaches 70000, which float16 cannot hold: is the model trained to the end"),
        ("nan", {}, "lm_head.weight reaches nan, which float16 cannot hold"),
    ],
)
def test_what_cannot_be_exported_leaves_nothing(change, settings, message, tmp_path):
    model, tokenizer = tiny_language_model(dtype=torch.float32), tiny_tokenizer()
    if change == "encoder":
        model = model.elmo
    elif change == "int8":
        model.elmo.quantize_int8()
    elif change == "tokenizer":
        tokenizer = ElmoTokenizer()
    elif change is not None:
        with torch.no_grad():
            model.lm_head.weight[3, 4] = {"large": 70000.0, "nan": float("nan")}[change]
    with pytest.raises(PretrainedError, match=message):
        export(model, tokenizer, tmp_path / "m", **settings)
    assert unchanged(tmp_path) == []


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_files_can_be_read_by_whom_the_umask_allows(umask, originals, tmp_path):
    before = os.umask(umask)
    try:
        export(*originals["elmo-mini-en"], tmp_path / "m", texts={"README.md": "#\n"})
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "m").iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json", "README.md"} <= modes.keys()
    assert set(modes.values()) == {0o666 & ~umask}
    assert (tmp_path / "m").stat().st_mode & 0o777 == 0o777 & ~umask


def test_a_disk_that_fills_up_leaves_nothing(originals, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hf_elmo.pretrained.saving._leave_code_out", full)
    with pytest.raises(OSError, match="No space left"):
        export(*originals["elmo-mini-en"], tmp_path / "m")
    assert unchanged(tmp_path) == []


def test_only_such_a_model_is_replaced_and_only_when_asked(originals, tmp_path):
    elmo, bert = (originals[name] for name in NAMES)
    export(*bert, tmp_path / "m")
    with pytest.raises(PretrainedError, match="m exists already; choose another folder, or allow it to be replaced"):
        export(*elmo, tmp_path / "m")
    with pytest.raises(
        PretrainedError, match=r"m is not replaced: it is not empty, and no elmo model \(config.json\)"
    ):
        export(*elmo, tmp_path / "m", overwrite=True)
    assert json.loads((tmp_path / "m" / "config.json").read_text())["model_type"] == "bert"
    export(*bert, tmp_path / "m", torch.float32, overwrite=True)
    assert load_file(tmp_path / "m" / "model.safetensors")["bert.pooler.dense.bias"].dtype == torch.float32
    assert unchanged(tmp_path) == ["m"]


def test_rows_of_bert_beyond_its_pieces_are_allowed(originals, tmp_path):
    model, tokenizer = originals["bert-mini-en"]
    wider = type(model)(type(model.config)(**{**model.config.to_dict(), "vocab_size": 16}))
    export(wider, tokenizer, tmp_path / "m")
    assert len(tokenizer) < len(AutoModelForPreTraining.from_pretrained(tmp_path / "m").cls.predictions.bias) == 16
