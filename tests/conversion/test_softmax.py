# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The softmax of bilm-tf reaches the language model, and comes back."""

import logging
import shutil

import h5py
import numpy as np
import pytest
import torch
from language_models import HELD_OUT_LINES, TRAINING
from safetensors.torch import save_file
from tiny_checkpoints import random_softmax, write_hdf5, write_tiny_model
from transformers import AutoModelForPreTraining

from hf_elmo import ElmoForPreTraining, ElmoModel, ElmoTokenizer
from hf_elmo.conversion import ConversionError, convert, convert_to_allennlp
from hf_elmo.perplexity import perplexity

WORDS = ["<S>", "</S>", "<UNK>", "the", "of"]


def arrays_of(path) -> dict[str, np.ndarray]:
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]} if isinstance(item, h5py.Dataset) else {}))
    return found


def source_with(folder, words=WORDS, rows: int | None = None):
    """A tiny model, its vocabulary and its softmax."""
    source = write_tiny_model(folder / "source")
    (source / "vocab.txt").write_text("".join(word + "\n" for word in words))
    softmax = random_softmax(len(words) if rows is None else rows)
    write_hdf5(source / "softmax.hdf5", softmax)
    return source, softmax


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pristine")
    source, softmax = source_with(folder)
    convert(source, folder / "out")
    model = ElmoForPreTraining.from_pretrained(folder / "out")
    model.save_pretrained(folder / "own")
    ElmoTokenizer.from_pretrained(folder / "out").save_pretrained(folder / "own")
    return folder, softmax


@pytest.fixture
def warnings_of_the_model(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)
    monkeypatch.setattr(logging.getLogger("hf_elmo"), "propagate", True)
    return caplog


def test_rows_are_those_of_the_file_and_nothing_is_said(pristine, warnings_of_the_model):
    folder, softmax = pristine
    model, info = AutoModelForPreTraining.from_pretrained(folder / "out", output_loading_info=True)
    assert isinstance(model, ElmoForPreTraining) and not info["missing_keys"]
    np.testing.assert_array_equal(model.lm_head.weight[1:].detach().numpy(), softmax["softmax/W"])
    np.testing.assert_array_equal(model.lm_head.bias[1:].detach().numpy(), softmax["softmax/b"])
    encoder = ElmoModel.from_pretrained(folder / "out").state_dict()
    assert all(torch.equal(tensor, encoder[name]) for name, tensor in model.elmo.state_dict().items())
    assert not warnings_of_the_model.records


def test_without_a_softmax_it_is_new_and_the_encoder_is_kept(tmp_path, pristine, warnings_of_the_model):
    shutil.copytree(pristine[0] / "out", tmp_path / "out")
    (tmp_path / "out" / "lm_head.safetensors").unlink()
    model, info = ElmoForPreTraining.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert info["missing_keys"] == {"lm_head.weight", "lm_head.bias"}
    (record,) = warnings_of_the_model.records
    assert "has no softmax: the one of ElmoForPreTraining is new" in record.message
    assert model.lm_head.weight.shape == (6, 6) and not model.lm_head.bias.any()
    assert 0.2 < model.lm_head.weight.std().item() < 0.7  # bilm-tf's start, variance 1 / D
    encoder = ElmoModel.from_pretrained(tmp_path / "out").state_dict()
    assert all(torch.equal(tensor, encoder[name]) for name, tensor in model.elmo.state_dict().items())


def test_special_tokens_that_the_vocabulary_lacks_get_the_mean(tmp_path):
    source, softmax = source_with(tmp_path, words=["<S>", "the", "</S>", "of"])
    convert(source, tmp_path / "out")
    model = ElmoForPreTraining.from_pretrained(tmp_path / "out")
    assert ElmoTokenizer.from_pretrained(tmp_path / "out").unk_token_id == 5
    np.testing.assert_array_equal(model.lm_head.weight[1:5].detach().numpy(), softmax["softmax/W"])
    np.testing.assert_allclose(model.lm_head.weight[5].detach().numpy(), softmax["softmax/W"].mean(axis=0), rtol=1e-6)


def test_a_softmax_without_its_vocabulary_is_refused_where_it_is_needed(tmp_path):
    source, _ = source_with(tmp_path, rows=40)
    (source / "vocab.txt").unlink()
    convert(source, tmp_path / "out")
    with pytest.raises(ValueError, match="has 40 rows, but the vocabulary 3 words: convert the model together with"):
        ElmoForPreTraining.from_pretrained(tmp_path / "out")


def test_a_softmax_of_another_width_is_refused(tmp_path, pristine):
    shutil.copytree(pristine[0] / "out", tmp_path / "out")
    save_file({"weight": torch.zeros(5, 7), "bias": torch.zeros(5)}, tmp_path / "out" / "lm_head.safetensors")
    with pytest.raises(ValueError, match="is 7 wide; needed is projection_size=6"):
        ElmoForPreTraining.from_pretrained(tmp_path / "out")


def test_what_was_trained_wins_over_the_file_beside_it(tmp_path, pristine):
    shutil.copytree(pristine[0] / "out", tmp_path / "out")
    model = ElmoForPreTraining.from_pretrained(tmp_path / "out")
    torch.nn.init.constant_(model.lm_head.weight, 2.0)
    model.save_pretrained(tmp_path / "out")
    assert bool((ElmoForPreTraining.from_pretrained(tmp_path / "out").lm_head.weight == 2.0).all())


@pytest.mark.parametrize("softmax", ["beside", "inside", "none"])
def test_a_language_model_comes_back_as_files_of_bilm_tf(tmp_path, pristine, softmax):
    folder, expected = pristine
    source = folder / "source"
    report = convert_to_allennlp(folder / "own", tmp_path / "back", softmax=softmax)
    assert report["notes"] == []
    files = {path.name for path in (tmp_path / "back").iterdir()}
    assert ("softmax_weights.hdf5" in files) == (softmax == "beside")
    found = {}
    for name in files & {"weights.hdf5", "softmax_weights.hdf5"}:
        found |= arrays_of(tmp_path / "back" / name)
    wanted = arrays_of(source / "weights.hdf5") | ({} if softmax == "none" else expected)
    assert found.keys() == wanted.keys() and all(np.array_equal(found[name], wanted[name]) for name in wanted)
    if softmax != "none":
        assert (tmp_path / "back" / "vocab.txt").read_bytes() == (source / "vocab.txt").read_bytes()


def test_a_softmax_whose_words_nobody_knows_does_not_come_back(tmp_path, pristine):
    shutil.copytree(pristine[0] / "own", tmp_path / "own", ignore=shutil.ignore_patterns("tokenizer*"))
    with pytest.raises(ConversionError, match="the words of the softmax cannot be written"):
        convert_to_allennlp(tmp_path / "own", tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_continued_with_another_vocabulary_from_recorded_weights(tmp_path):
    """Domain tuning: the perplexity of the new text, with words of its own, falls."""
    settings = {
        "options": "options.json",
        "weights": "weights_end.hdf5",
        "softmax": "softmax_end.hdf5",
        "vocab": "vocab.txt",
    }
    convert(out=tmp_path / "out", **{name: TRAINING / file for name, file in settings.items()})
    model = ElmoForPreTraining.from_pretrained(tmp_path / "out", lstm_dropout=0.0)
    old = ElmoTokenizer.from_pretrained(tmp_path / "out")
    new = ElmoTokenizer(["<S>", "</S>", "<UNK>", "the", "cat", "and", "town", "said", "."], splitting="whitespace")
    model.change_vocabulary(old, new)
    before = perplexity(model, new, HELD_OUT_LINES).joint
    optimizer = torch.optim.Adagrad(model.parameters(), lr=0.2, initial_accumulator_value=1.0, eps=0)
    words = [line.split() for line in HELD_OUT_LINES]
    batch = new(words, is_split_into_words=True, padding=True, return_tensors="pt")
    model.train()
    for _ in range(3):
        optimizer.zero_grad()
        (model(**batch, labels=batch["input_ids"]).loss * 20).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
    assert perplexity(model, new, HELD_OUT_LINES).joint < 0.9 * before
