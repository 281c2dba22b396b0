# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Training goes on from a model that AllenNLP's files were converted to, or from one of our own, with any vocabulary."""

import json

import pytest
import torch
from language_models import TRAINING
from training_runs import same_bits, weights_of
from transformers import AutoTokenizer

from hf_elmo import ElmoForPreTraining, ElmoModel, ElmoTokenizer
from hf_elmo.conversion import convert
from hf_elmo.corpus import TokenShards, prepare
from hf_elmo.perplexity import perplexity
from hf_elmo.pretrained import PretrainedError
from hf_elmo.training.elmo_task import ElmoTask
from hf_elmo.training.piece_shards import PieceShards
from hf_elmo.training.pretrain import pretrain
from hf_elmo.training.settings import PretrainError, PretrainSettings, parse_settings

FILES = {"options": "options.json", "weights": "weights_end.hdf5", "softmax": "softmax_end.hdf5", "vocab": "vocab.txt"}


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """What bilm-tf's recorded run ended with, with and without its softmax file."""
    folder = tmp_path_factory.mktemp("converted")
    files = {name: TRAINING / file for name, file in FILES.items()}
    convert(out=folder / "with", **files)
    del files["softmax"]
    convert(out=folder / "without", **files)
    return folder


def prepared(folder, **options):
    """The text of the fixture's training as a corpus of its own domain."""
    text = folder / "text.txt"
    lines = (TRAINING / "train.txt").read_text().splitlines()
    text.write_text("\n\n".join("\n".join(lines[first : first + 2]) for first in range(0, len(lines), 2)) + "\n")
    options = {"documents": "blank-line", "sentences": "lines", "splitting": "whitespace", **options}
    prepare(text, folder / "corpus", held_out=0.2, say=lambda line: None, **options)
    return folder / "corpus"


@pytest.fixture(scope="module")
def same_words(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("same"), vocabulary=TRAINING / "vocab.txt")


@pytest.fixture(scope="module")
def own_words(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("own"), vocabulary_size=12)


@pytest.fixture
def settings_for(tmp_path, converted):
    def make(corpus, source="with", config=(), **changes) -> PretrainSettings:
        words = [
            "--corpus",
            str(corpus),
            "--output_dir",
            str(tmp_path / "run"),
            "--init_from",
            str(converted / source),
        ]
        words += ["--config", "lstm_dropout=0", *config]
        settings = parse_settings(words)
        fields = {"max_tokens": 256, "max_steps": 15, "learning_rate": 0.02, "save_steps": 10, **changes}
        return PretrainSettings(**{**vars(settings), **fields})

    return make


def task_of(settings) -> ElmoTask:
    return ElmoTask(settings, 0, 1, torch.device("cpu"), lambda line: None)


def test_with_its_softmax_and_its_words_the_model_begins_as_it_was(settings_for, same_words, converted):
    task = task_of(settings_for(same_words))
    assert same_bits(task.model.state_dict(), ElmoForPreTraining.from_pretrained(converted / "with").state_dict())
    sentences = list(TokenShards.open(same_words, "held_out").iter_sentences())
    own = perplexity(
        ElmoForPreTraining.from_pretrained(converted / "with"),
        ElmoTokenizer.from_pretrained(converted / "with"),
        sentences,
    )
    assert task.evaluate(task.model, None)["perplexity"] == pytest.approx(own.joint, rel=1e-6)


def test_without_a_softmax_only_that_is_new(settings_for, own_words, converted):
    task = task_of(settings_for(own_words, "without"))
    encoder = ElmoModel.from_pretrained(converted / "without").state_dict()
    assert same_bits(task.model.elmo.state_dict(), encoder)
    assert task.model.lm_head.weight.shape == (len(task.tokenizer), task.model.config.projection_size)
    assert task.model.lm_head.weight.std() > 0 and task.model.config.vocab_size == len(task.tokenizer)


def test_words_of_both_vocabularies_keep_their_rows_to_the_last_bit(settings_for, own_words, converted):
    task = task_of(settings_for(own_words))
    old = ElmoForPreTraining.from_pretrained(converted / "with")
    ids, new_ids = ElmoTokenizer.from_pretrained(converted / "with").get_vocab(), task.tokenizer.get_vocab()
    common = [word for word in new_ids if word in ids]
    assert 5 < len(common) < len(ids)
    moved = [word for word in common if ids[word] != new_ids[word]]
    assert len(moved) > 2
    for word in common:
        assert torch.equal(task.model.lm_head.weight[new_ids[word]], old.lm_head.weight[ids[word]]), word
        assert task.model.lm_head.bias[new_ids[word]] == old.lm_head.bias[ids[word]]
    assert same_bits(task.model.elmo.state_dict(), old.elmo.state_dict())


@pytest.mark.parametrize("source", ["with", "without"])
def test_the_perplexity_of_the_domain_falls_and_both_are_told(source, settings_for, own_words, tmp_path, capsys):
    result = pretrain(settings_for(own_words, source))
    before, after = result["metrics"]["held_out_before"], result["metrics"]["held_out"]
    assert after["perplexity"] < 0.9 * before["perplexity"] and before.keys() == after.keys()
    told = capsys.readouterr().err
    assert f"held-out text before: perplexity {before['perplexity']:.4g}, " in told
    assert f"held-out text: perplexity {after['perplexity']:.4g}, " in told
    # A run that goes on tells what the first process found before any update.
    for name in ("checkpoint-15", "results.json"):
        path = tmp_path / "run" / name
        path.rename(tmp_path / name)
    again = pretrain(settings_for(own_words, source, resume=True))
    assert again["run"]["resumed_from"] == 10 and again["metrics"] == result["metrics"]
    assert json.loads((tmp_path / "run" / "results.json").read_text())["metrics"] == result["metrics"]


def test_a_frozen_encoder_stays_to_the_last_bit_while_the_softmax_learns(settings_for, own_words, converted, tmp_path):
    settings = settings_for(
        own_words, "without", config=["freeze_encoder=true"], optimizer="adagrad", learning_rate=0.2
    )
    result = pretrain(settings)
    assert result["metrics"]["held_out"]["perplexity"] < 0.9 * result["metrics"]["held_out_before"]["perplexity"]
    encoder = ElmoModel.from_pretrained(converted / "without").state_dict()
    saved = weights_of(tmp_path / "run")
    assert all(torch.equal(saved[f"elmo.{name}"], tensor) for name, tensor in encoder.items() if "mix" not in name)
    assert json.loads((tmp_path / "run" / "model" / "config.json").read_text())["freeze_encoder"] is True
    learning = [name for name, one in task_of(settings).model.named_parameters() if one.requires_grad]
    assert learning == ["lm_head.weight", "lm_head.bias"]


def test_the_result_is_trained_on_in_turn(settings_for, own_words, same_words, tmp_path):
    """From our own folder to another vocabulary, and back to the first one."""
    pretrain(settings_for(own_words, max_steps=2))
    settings = settings_for(same_words, init_from=str(tmp_path / "run" / "model"), output_dir=str(tmp_path / "next"))
    result = pretrain(PretrainSettings(**{**vars(settings), "max_steps": 2}))
    assert result["run"]["steps"] == 2 and result["metrics"]["held_out_before"]


def test_a_bert_goes_on_with_its_own_pieces(settings_of, tmp_path):
    first = pretrain(settings_of("bert"))
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "run" / "model")
    assert tokenizer.model_max_length == settings_of("bert").max_length  # no position that was never trained
    settings = {**vars(settings_of("bert")), "config": {}, "init_from": str(tmp_path / "run" / "model")}
    own = {**settings, "corpus": str(tmp_path / "run" / "pieces"), "output_dir": str(tmp_path / "next")}
    result = pretrain(PretrainSettings(**own))
    before, after = (metrics["held_out"] for metrics in (first["metrics"], result["metrics"]))
    assert result["metrics"]["held_out_before"] == pytest.approx(before)
    assert after["masked_lm_loss"] != before["masked_lm_loss"]
    with pytest.raises(PretrainError, match="has other word pieces than --corpus: give pieces of its own"):
        pretrain(PretrainSettings(**{**settings, "lowercase": True, "output_dir": str(tmp_path / "third")}))
    with pytest.raises(PretrainError, match="--config hidden_size: with --init_from the configuration is that of"):
        pretrain(PretrainSettings(**{**own, "config": {"hidden_size": 8}, "output_dir": str(tmp_path / "fourth")}))


def test_a_model_of_another_kind_is_refused(settings_of, settings_for, own_words, converted, tmp_path):
    with pytest.raises(PretrainError, match="is a model of type elmo; needed is bert"):
        pretrain(PretrainSettings(**{**vars(settings_of("bert")), "init_from": str(converted / "with")}))
    pretrain(settings_of("bert", max_steps=1))
    with pytest.raises(PretrainError, match="is a model of type bert; needed is elmo"):
        task_of(settings_for(own_words, init_from=str(tmp_path / "run" / "model")))


def test_its_configuration_is_kept(settings_for, own_words):
    with pytest.raises(
        PretrainError, match="--config cell_size: with --init_from the configuration is that of .*freeze"
    ):
        task_of(settings_for(own_words, config=["cell_size=9"]))


@pytest.mark.parametrize("model", ["elmo", "bert"])
def test_training_goes_on_from_a_model_of_the_package_by_its_name(model, settings_of, tmp_path, monkeypatch):
    name = f"{model}-mini-en"
    first = pretrain(settings_of(model, max_steps=1))
    (tmp_path / "run" / "model").rename(tmp_path / name)
    monkeypatch.setattr("hf_elmo.pretrained.ROOT", tmp_path)
    changes = {"config": {}, "init_from": name, "output_dir": str(tmp_path / "on")}
    if model == "bert":
        changes["corpus"] = str(tmp_path / "run" / "pieces")
    second = pretrain(PretrainSettings(**{**vars(settings_of(model, max_steps=1)), **changes}))
    assert second["metrics"]["held_out_before"] == pytest.approx(first["metrics"]["held_out"])
    if model == "bert":
        shards = PieceShards.open(tmp_path / "run" / "pieces")
        assert second["data"]["piece_count"] == sum(len(shards.text([i]).pieces) for i in range(shards.num_shards))


def test_a_model_of_the_package_that_is_not_there_is_told(settings_of, tmp_path, monkeypatch):
    monkeypatch.setattr("hf_elmo.pretrained.ROOT", tmp_path)
    settings = PretrainSettings(**{**vars(settings_of()), "config": {}, "init_from": "elmo-mini-en"})
    with pytest.raises(
        PretrainedError, match="elmo-mini-en belongs to hf_elmo, but this installation lacks config.json"
    ):
        pretrain(settings)
