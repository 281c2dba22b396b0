# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Parameter groups by depth, and the callbacks that use them."""

import pytest
import torch
import transformers
from elmo_builders import tiny_config
from transformers import TrainerControl, TrainerState, TrainingArguments

from hf_elmo.finetune import GradualUnfreezing, ScalarMixLogger, optimizer_grouped_parameters
from hf_elmo.finetune.optimization import freeze_encoder, parameters_by_depth
from hf_elmo.finetune.trainer import FinetuneTrainer, Rates
from hf_elmo.modeling import ElmoForSequenceClassification, ElmoForTokenClassification

SMALL = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 8, "vocab_size": 9}


def elmo(**changes):
    return ElmoForTokenClassification(tiny_config(task_head="recurrent", task_hidden_size=3, **changes))


def bert():
    return transformers.BertForSequenceClassification(transformers.BertConfig(**SMALL))


def modern_bert():
    config = transformers.ModernBertConfig(**SMALL, pad_token_id=0, bos_token_id=1, eos_token_id=2)
    return transformers.ModernBertForSequenceClassification(config)


def distil_bert():
    config = transformers.DistilBertConfig(vocab_size=9, dim=8, n_layers=2, n_heads=2, hidden_dim=8)
    return transformers.DistilBertForTokenClassification(config)


def albert():
    return transformers.AlbertForTokenClassification(transformers.AlbertConfig(**SMALL, embedding_size=4))


def roberta():
    return transformers.RobertaForTokenClassification(transformers.RobertaConfig(**SMALL))


DEPTHS = {
    elmo: {
        "head": ("elmo.scalar_mix.", "encoder.", "classifier."),
        "layer 1": ("elmo.layers.1.",),
        "layer 0": ("elmo.layers.0.",),
        "embeddings": ("elmo.char_cnn.",),
    },
    bert: {
        "head": ("bert.pooler.", "classifier."),
        "layer 1": ("bert.encoder.layer.1.",),
        "layer 0": ("bert.encoder.layer.0.",),
        "embeddings": ("bert.embeddings.",),
    },
    modern_bert: {
        "head": ("head.", "classifier."),
        "layer 1": ("model.layers.1.", "model.final_norm."),
        "layer 0": ("model.layers.0.",),
        "embeddings": ("model.embeddings.",),
    },
    distil_bert: {
        "head": ("classifier.",),
        "layer 1": ("distilbert.transformer.layer.1.",),
        "layer 0": ("distilbert.transformer.layer.0.",),
        "embeddings": ("distilbert.embeddings.",),
    },
    albert: {"head": ("classifier.",), "layer 0": ("albert.encoder.",), "embeddings": ("albert.embeddings.",)},
    roberta: {
        "head": ("classifier.",),
        "layer 1": ("roberta.encoder.layer.1.",),
        "layer 0": ("roberta.encoder.layer.0.",),
        "embeddings": ("roberta.embeddings.",),
    },
}


@pytest.mark.parametrize("build", DEPTHS)
def test_every_parameter_has_its_depth(build):
    model, expected = build(), DEPTHS[build]
    groups = parameters_by_depth(model)
    assert list(groups) == list(expected)
    for depth, prefixes in expected.items():
        wanted = {name for name, _ in model.named_parameters() if name.startswith(prefixes)}
        assert wanted and {name for name, _ in groups[depth]} == wanted


@pytest.mark.parametrize("build", [elmo, bert])
def test_rates_fall_from_the_top_down_and_norms_and_biases_do_not_decay(build):
    model = build()
    groups = optimizer_grouped_parameters(model, 1.0, encoder_learning_rate=0.5, layer_decay=0.1, weight_decay=0.01)
    of = {id(p): (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}
    assert len(of) == sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    rates = dict(zip(DEPTHS[build], (1.0, 0.5, 0.05, 0.005), strict=True))
    for name, parameter in model.named_parameters():
        (depth,) = (depth for depth, prefixes in DEPTHS[build].items() if name.startswith(prefixes))
        free = "bias" in name or "LayerNorm" in name or "scalar_mix" in name
        assert of[id(parameter)] == (pytest.approx(rates[depth]), 0.0 if free else 0.01), name
    assert groups[0]["lr"] == 1.0  # the one that Trainer logs
    torch.optim.AdamW(groups)


def test_without_settings_all_learn_alike():
    assert {group["lr"] for group in optimizer_grouped_parameters(elmo(), 0.1)} == {0.1}


@pytest.mark.parametrize("build", [elmo, bert])
def test_a_frozen_encoder_keeps_mix_and_pooler_in_the_training(build):
    model = build()
    freeze_encoder(model)
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained == {name for name, _ in model.named_parameters() if name.startswith(DEPTHS[build]["head"])}
    assert {group["name"] for group in optimizer_grouped_parameters(model, 0.1)} == {"head", "head, no decay"}


def test_rates_that_make_no_sense_are_refused():
    model = bert()
    with pytest.raises(ValueError, match="learning_rate must be a positive number, got 0"):
        optimizer_grouped_parameters(model, 0)
    with pytest.raises(ValueError, match="encoder_learning_rate must be a positive number, got -1"):
        optimizer_grouped_parameters(model, 1, encoder_learning_rate=-1)
    with pytest.raises(ValueError, match="layer_decay must be above 0 and at most 1 .*, got 0"):
        optimizer_grouped_parameters(model, 1, layer_decay=0)
    model.requires_grad_(False)
    with pytest.raises(ValueError, match="nothing would be trained"):
        optimizer_grouped_parameters(model, 1)


def test_optimizers_with_groups_of_their_own_are_refused(tmp_path, monkeypatch):
    arguments = TrainingArguments(output_dir=str(tmp_path), use_cpu=True, optim="galore_adamw")
    trainer = FinetuneTrainer(bert(), arguments, rates=Rates(0.1), encoder_is_frozen=False, token_loss=False)
    found = (torch.optim.AdamW, {"lr": 0.1, "params": []})
    monkeypatch.setattr(FinetuneTrainer, "get_optimizer_cls_and_kwargs", staticmethod(lambda *_: found))
    with pytest.raises(ValueError, match="--optim galore_adamw makes parameter groups of its own; choose another"):
        trainer.create_optimizer()


def test_a_frozen_encoder_is_in_eval_mode_during_training(tmp_path):
    model = bert()
    freeze_encoder(model)
    arguments = TrainingArguments(output_dir=str(tmp_path), use_cpu=True)
    trainer = FinetuneTrainer(model, arguments, rates=Rates(0.1), encoder_is_frozen=True, token_loss=False)
    model.train()
    trainer.compute_loss(model, {"input_ids": torch.ones(2, 3, dtype=torch.long), "labels": torch.tensor([0, 1])})
    assert not any(part.training for part in model.bert.modules()) and model.classifier.training


def test_incomplete_batches_are_dropped_from_the_training_only(tmp_path):
    arguments = TrainingArguments(
        output_dir=str(tmp_path), use_cpu=True, dataloader_drop_last=True, dataloader_pin_memory=False,
        per_device_train_batch_size=2, per_device_eval_batch_size=2, remove_unused_columns=False,
    )  # fmt: skip
    data = [{"input_ids": [1]}] * 3
    options = {"rates": Rates(0.1), "encoder_is_frozen": False, "token_loss": False}
    trainer = FinetuneTrainer(bert(), arguments, train_dataset=data, eval_dataset=data, **options)
    assert len(trainer.get_eval_dataloader()) == len(trainer.get_test_dataloader(data)) == 2
    assert len(trainer.get_train_dataloader()) == 1


def trainable(model):
    """Depths of which all parameters need a gradient; none may be in part."""
    found = {}
    for depth, named in parameters_by_depth(model).items():
        (found[depth],) = {parameter.requires_grad for _, parameter in named}
    return [depth for depth, needed in found.items() if needed]


@pytest.mark.parametrize("build", [elmo, bert])
def test_unfreezing_one_depth_an_epoch_from_the_top(build, tmp_path):
    model, callback = build(), GradualUnfreezing()
    arguments = TrainingArguments(output_dir=str(tmp_path), use_cpu=True)
    state, control = TrainerState(), TrainerControl()
    callback.on_train_begin(arguments, state, control, model=model)
    seen = []
    for epoch in (0.0, 1.0, 1.9999999, 3.0, 4.0):
        state.epoch = epoch
        callback.on_epoch_begin(arguments, state, control)
        seen.append(len(trainable(model)))
    assert seen == [1, 2, 3, 4, 4]
    state.epoch = 2.0  # resumed in the third epoch
    callback.on_train_begin(arguments, state, control, model=model)
    assert trainable(model) == ["head", "layer 1", "layer 0"]
    callback.on_train_end(arguments, state, control)
    assert len(trainable(model)) == 4


def test_what_was_frozen_before_stays_frozen(tmp_path):
    model = bert()
    freeze_encoder(model)
    callback = GradualUnfreezing(epochs_per_group=0.5)
    arguments = TrainingArguments(output_dir=str(tmp_path), use_cpu=True)
    state = TrainerState(epoch=7.0)
    callback.on_train_begin(arguments, state, TrainerControl(), model=model)
    callback.on_train_end(arguments, state, TrainerControl())
    assert trainable(model) == ["head"]
    with pytest.raises(ValueError, match="epochs_per_group must be a positive number, got 0"):
        GradualUnfreezing(0)


def test_the_scalar_mix_goes_into_the_log_of_the_training(tmp_path):
    model = ElmoForSequenceClassification(tiny_config())
    with torch.no_grad():
        model.scalar_mix.scalar_parameters.copy_(torch.tensor([1.0, 1.0, 2.0]).log())
        model.scalar_mix.gamma.fill_(3.0)
    arguments = TrainingArguments(output_dir=str(tmp_path), use_cpu=True)
    state = TrainerState(log_history=[{"loss": 1.0}])
    logs = {"loss": 1.0}
    ScalarMixLogger().on_log(arguments, state, TrainerControl(), model=model, logs=logs)
    expected = {"scalar_mix/layer_0": 0.25, "scalar_mix/layer_1": 0.25, "scalar_mix/layer_2": 0.5}
    assert logs == {"loss": 1.0, **expected, "scalar_mix/gamma": 3.0} == state.log_history[-1]
    scores = {"eval_loss": 1.0}
    ScalarMixLogger().on_log(arguments, state, TrainerControl(), model=model, logs=scores)
    assert scores == {"eval_loss": 1.0}
    with pytest.raises(ValueError, match="BertForSequenceClassification has no scalar mix"):
        ScalarMixLogger().on_log(arguments, state, TrainerControl(), model=bert(), logs={"loss": 1.0})
