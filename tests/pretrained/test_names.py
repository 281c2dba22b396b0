# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""A model of the box is found by its name wherever a model is named, without a network."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from support import ROOT

from hf_elmo import embed_sentences, pretrained
from hf_elmo.cli import main
from hf_elmo.finetune.models import ModelError, load_config_and_tokenizer, load_model
from hf_elmo.finetune.options import ModelArguments

NAMES = ("elmo-mini-en", "bert-mini-en")


def test_a_name_becomes_its_folder(in_the_box):
    assert pretrained.names() == NAMES
    for name in NAMES:
        assert pretrained.path_of(name) == in_the_box / name
        assert pretrained.resolve(name) == str(in_the_box / name)


def test_anything_else_stays_as_it_is(in_the_box):
    for name in ("org/elmo-mini-en", "./elmo-mini-en", "elmo-mini", "", "elmo-mini-en/"):
        assert pretrained.resolve(name) == name
    assert pretrained.resolve(Path("some") / "folder") == os.path.join("some", "folder")


def test_a_local_folder_of_that_name_wins(in_the_box, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elmo-mini-en").write_text("a file is no model")
    assert pretrained.resolve("elmo-mini-en") == str(in_the_box / "elmo-mini-en")
    (tmp_path / "elmo-mini-en").unlink()
    (tmp_path / "elmo-mini-en").mkdir()
    assert pretrained.resolve("elmo-mini-en") == "elmo-mini-en"


def test_a_model_that_the_installation_lacks(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "ROOT", tmp_path)
    (tmp_path / "elmo-mini-en").mkdir()
    (tmp_path / "elmo-mini-en" / "config.json").write_text("{}")
    (tmp_path / "elmo-mini-en" / "tokenizer_config.json").write_text("{}")
    message = (
        "elmo-mini-en belongs to hf_elmo, but this installation lacks model.safetensors, tokenizer.json in .*: install "
        "the package again, or give another model"
    )
    for ask in (pretrained.path_of, pretrained.resolve):
        with pytest.raises(pretrained.PretrainedError, match=message):
            ask("elmo-mini-en")
    for option in ("model", "from_scratch"):
        with pytest.raises(ModelError, match="^bert-mini-en belongs to hf_elmo, but this installation lacks"):
            load_config_and_tokenizer(ModelArguments(**{option: "bert-mini-en"}), False)


def test_a_name_that_is_not_of_the_box():
    with pytest.raises(
        pretrained.PretrainedError, match="'elmo' is no model of the box; there are elmo-mini-en, bert"
    ):
        pretrained.path_of("elmo")


def test_looking_up_names_loads_no_torch():
    code = (
        "import sys; sys.argv[0] = 'hf-elmo'; import hf_elmo.pretrained as p; p.names(); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_there_is_nothing_else():
    with pytest.raises(AttributeError, match="module 'hf_elmo.pretrained' has no attribute 'exports'"):
        pretrained.exports  # noqa: B018


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("option", ["model", "from_scratch"])
def test_fine_tuning_takes_the_name(name, option, in_the_box, originals):
    arguments = ModelArguments(**{option: name})
    config, tokenizer = load_config_and_tokenizer(arguments, True)
    prepared = load_model(arguments, config, tokenizer, "AutoModelForTokenClassification")
    assert tokenizer.get_vocab() == originals[name][1].get_vocab()
    encoder, original = prepared.model.base_model, originals[name][0].base_model
    expected = dict(original.named_parameters())
    same = [torch.equal(weight, expected[key].half().float()) for key, weight in encoder.named_parameters()]
    assert all(same) if option == "model" else not all(same)
    assert {parameter.dtype for parameter in prepared.model.parameters()} == {torch.float32}


def test_the_tokenizer_alone_may_be_of_the_box(in_the_box, originals):
    arguments = ModelArguments(from_scratch="elmo-tiny", tokenizer="elmo-mini-en")
    _, tokenizer = load_config_and_tokenizer(arguments, True)
    assert tokenizer.get_vocab() == originals["elmo-mini-en"][1].get_vocab()


def test_embedding_takes_the_name(in_the_box, originals, tmp_path):
    (tmp_path / "in.txt").write_text("the cat sat on a mat\n")
    assert main(["embed", "elmo-mini-en", str(tmp_path / "in.txt"), str(tmp_path / "out") + "/"]) == 0
    model, tokenizer = originals["elmo-mini-en"]
    (expected,) = embed_sentences(model.elmo, tokenizer, ["the cat sat on a mat"])
    # half precision keeps three digits of each weight
    np.testing.assert_allclose(np.load(tmp_path / "out" / "vectors.npy"), expected, atol=2e-3)


def test_the_perplexity_metric_takes_the_name(in_the_box, originals):
    from hf_elmo.metrics.perplexity.perplexity import ElmoPerplexity

    metric = ElmoPerplexity(keep_in_memory=True)
    sentences = ["the cat sat on a mat"]
    got = metric.compute(predictions=sentences, model_id="elmo-mini-en")
    model, tokenizer = originals["elmo-mini-en"]
    expected = metric.compute(predictions=sentences, model=model, tokenizer=tokenizer)
    assert got["perplexity"] == pytest.approx(expected["perplexity"], rel=1e-2)


def test_sentence_transformers_take_the_name(in_the_box):
    modules = pytest.importorskip("hf_elmo.sentence_transformers")
    encoder = modules.ElmoEncoder("elmo-mini-en")
    assert encoder.config.projection_size == 12 and encoder.get_embedding_dimension() == 24
