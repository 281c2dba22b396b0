# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Training the heads: frozen encoders, saved layers, gradients everywhere, half precision, int8, saving, Trainer."""

import copy

import pytest
import torch
from elmo_builders import enable_checkpointing, largest_difference, tiny_config
from tolerances import TOLERANCES

from hf_elmo.modeling import (
    ElmoForMultipleChoice,
    ElmoForQuestionAnswering,
    ElmoForSequenceClassification,
    ElmoForTokenClassification,
    ElmoModel,
    ElmoTokenizer,
)

CLOSE = TOLERANCES["head", "float32"]
HEADS = [
    ElmoForTokenClassification,
    ElmoForSequenceClassification,
    ElmoForQuestionAnswering,
    ElmoForMultipleChoice,
]
FORMS = ["linear", "recurrent"]
ALL = pytest.mark.parametrize(("head", "form"), [(head, form) for head in HEADS for form in FORMS])
TOKENIZER = ElmoTokenizer(["<S>", "</S>", "<UNK>", "the", "cat", "sat"])


def build(head, form="recurrent", **settings):
    """A small head without dropout, with the use of everything the form has."""
    torch.manual_seed(0)
    extra = (
        {"static_embedding_size": 3, "freeze_static_embeddings": False, "use_crf": True} if form == "recurrent" else {}
    )
    sizes = {"task_hidden_size": 5, "vocab_size": 7, "embedding_dropout": 0.0, "classifier_dropout": 0.0}
    model = head(tiny_config(task_head=form, **{**sizes, **extra, **settings}))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if any(part in name for part in ("static", "crf", "scalar_mix")):
                parameter.normal_()
    return model


def batch_for(head, **extra) -> dict:
    batch = TOKENIZER(["who sat?", "the dog"], ["the cat sat.", "it"], padding=True, return_tensors="pt")
    if head is ElmoForTokenClassification:
        labels = batch["attention_mask"].masked_fill(batch["attention_mask"] == 0, -100)
        return {**batch, "labels": labels, **extra}
    if head is ElmoForSequenceClassification:
        return {**batch, "labels": torch.tensor([0, 1]), **extra}
    if head is ElmoForQuestionAnswering:
        return {**batch, "start_positions": torch.tensor([6, 0]), "end_positions": torch.tensor([7, 0]), **extra}
    return {**{name: tensor.unsqueeze(0) for name, tensor in batch.items()}, "labels": torch.tensor([1]), **extra}


def logits_of(output) -> torch.Tensor:
    return output.start_logits if "start_logits" in output else output.logits


def gradients(model, batch) -> dict:
    model.zero_grad()
    model(**batch).loss.backward()
    return {name: parameter.grad for name, parameter in model.named_parameters()}


# ----------------------------------------------------------------------------------------------------------- gradients


@ALL
def test_full_fine_tuning_reaches_every_parameter(head, form):
    model = build(head, form).train()
    for name, gradient in gradients(model, batch_for(head)).items():
        assert gradient is not None and gradient.isfinite().all(), name
        shared = head is ElmoForMultipleChoice and name == "classifier.bias"  # by all choices: no probability changes
        assert gradient.any() or shared, name


@ALL
@pytest.mark.parametrize("reentrant", [False, True])
def test_gradient_checkpointing_gives_the_same_gradients(head, form, reentrant):
    model, batch = build(head, form).train(), batch_for(head)
    expected = gradients(model, batch)
    enable_checkpointing(model, {"use_reentrant": reentrant})
    for name, gradient in gradients(model, batch).items():
        assert largest_difference(gradient, expected[name]) <= CLOSE, name


@ALL
def test_autocast_and_half_precision_weights(head, form):
    model, batch = build(head, form).train(), batch_for(head)
    expected = model(**batch).loss
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(**batch).loss
    loss.backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
    assert loss.item() == pytest.approx(expected.item(), abs=0.05)
    for dtype in (torch.bfloat16, torch.float16):
        with torch.no_grad():
            output = copy.deepcopy(model).eval().to(dtype)(**batch)
        assert output.loss.item() == pytest.approx(expected.item(), abs=0.05) and logits_of(output).dtype == dtype


# -------------------------------------------------------------------------------------------------------------- frozen


@ALL
def test_a_frozen_encoder_learns_nothing_and_everything_else_does(head, form, tmp_path):
    model, batch = build(head, form, freeze_encoder=True), batch_for(head)
    model.save_pretrained(tmp_path)
    for frozen in (model, head.from_pretrained(tmp_path)):
        frozen.train()
        assert frozen.training and not any(module.training for module in frozen.elmo.char_cnn.modules())
        assert not any(module.training for module in frozen.elmo.layers.modules())
        for name, gradient in gradients(frozen, batch).items():
            in_encoder = name.startswith(("elmo.char_cnn", "elmo.layers"))
            assert (gradient is None) == in_encoder, name
            assert frozen.get_parameter(name).requires_grad != in_encoder
    free = build(head, form).train()
    assert largest_difference(free(**batch).loss, model(**batch).loss) <= CLOSE


def test_a_frozen_encoder_keeps_no_graph():
    model = build(ElmoForTokenClassification, freeze_encoder=True).train()
    output = model(**batch_for(ElmoForTokenClassification), output_hidden_states=True)
    assert not any(layer.requires_grad for layer in output.hidden_states) and output.logits.requires_grad


def test_a_frozen_encoder_uses_the_word_cache_in_training(monkeypatch):
    model = build(ElmoForTokenClassification, freeze_encoder=True).train()
    model.elmo.cache_words(TOKENIZER)
    batch = TOKENIZER("the cat sat", return_tensors="pt")
    monkeypatch.setattr(model.elmo.char_cnn, "forward", lambda *_: pytest.fail("a cached word was encoded"))
    model(**batch)


@pytest.mark.parametrize("frozen", [True, False])
def test_freezing_a_plain_encoder(frozen):
    model = ElmoModel(tiny_config(freeze_encoder=frozen)).train()
    model(**TOKENIZER("the cat", return_tensors="pt")).mixed_state.sum().backward()
    assert (model.char_cnn.char_embeddings.weight.grad is None) == frozen
    assert model.scalar_mix.scalar_parameters.grad is not None


def test_an_int8_encoder_trains_its_head(tmp_path):
    model, batch = build(ElmoForTokenClassification).train(), batch_for(ElmoForTokenClassification)
    before = model(**batch).loss
    model.elmo.quantize_int8()
    optimizer = torch.optim.Adam([parameter for parameter in model.parameters() if parameter.requires_grad], 0.05)
    for _ in range(15):
        optimizer.zero_grad()
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
    assert loss < before / 2 and model.scalar_mix.scalar_parameters.grad.any()
    assert not any(parameter.requires_grad for parameter in model.elmo.layers.parameters())
    model.save_pretrained(tmp_path)
    again = ElmoForTokenClassification.from_pretrained(tmp_path)
    assert (
        again.config.weight_format == "int8" and again.elmo.layers[0].forward_direction.weight_ih.dtype == torch.int8
    )
    with torch.no_grad():
        assert torch.equal(again(**batch).logits, model.eval()(**batch).logits)


# -------------------------------------------------------------------------------------------------------- saved layers


@ALL
def test_saved_layers_stand_in_for_the_encoder(head, form, monkeypatch):
    model, batch = build(head, form, freeze_encoder=True).train(), batch_for(head)
    expected = gradients(model, batch)
    with torch.no_grad():
        whole = model.eval()(**batch, output_hidden_states=True)
    layers = torch.stack(whole.hidden_states, dim=2)
    if head is ElmoForMultipleChoice:
        layers = layers.unsqueeze(0)
    for part in (model.elmo.char_cnn, *model.elmo.layers):
        monkeypatch.setattr(part, "forward", lambda *_: pytest.fail("the encoder ran"))
    saved = {name: tensor for name, tensor in batch.items() if name != "char_ids"}
    with torch.no_grad():
        output = model(**saved, encoder_layers=layers)
        assert largest_difference(logits_of(output), logits_of(whole)) <= CLOSE
        # padding in saved layers may hold anything, and they may be of half precision
        noise = layers.masked_fill(batch["attention_mask"][..., None, None] == 0, 7.0)
        assert torch.equal(logits_of(model(**saved, encoder_layers=noise)), logits_of(output))
        assert logits_of(model(**saved, encoder_layers=layers.half())).dtype == torch.float32
    for name, gradient in gradients(model.train(), {**saved, "encoder_layers": layers}).items():
        if expected[name] is not None:
            assert largest_difference(gradient, expected[name]) <= CLOSE, name


def test_saved_layers_must_fit():
    model = build(ElmoForTokenClassification, "linear")
    batch = TOKENIZER("the cat", return_tensors="pt")
    layers, mask = torch.zeros(1, 4, 3, 24), batch["attention_mask"]
    assert model(encoder_layers=layers, attention_mask=mask).logits.shape == (1, 4, 2)
    with pytest.raises(ValueError, match="encoder_layers needs attention_mask beside it, and no inputs_embeds"):
        model(encoder_layers=layers)
    with pytest.raises(ValueError, match="and no inputs_embeds"):
        model(encoder_layers=layers, attention_mask=mask, inputs_embeds=torch.zeros(1, 4, 12))
    with pytest.raises(ValueError, match=r"encoder_layers has shape \(1, 3, 4, 24\); needed is \(1, 4, 3, 24\)"):
        model(encoder_layers=layers.transpose(1, 2), attention_mask=mask)


# ---------------------------------------------------------------------------------------------------- mix, save, export


def test_the_mix_can_be_read():
    model = build(ElmoForTokenClassification)
    shares = model.scalar_mix.normalized_weights()
    assert model.scalar_mix is model.elmo.scalar_mix and not shares.requires_grad
    assert shares.shape == (3,) and shares.sum() == pytest.approx(1) and shares.std() > 0.01


@ALL
def test_saved_heads_are_the_same(head, form, tmp_path):
    model, batch = build(head, form).eval(), batch_for(head)
    model.save_pretrained(tmp_path)
    again, info = head.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"] and not again.training
    with torch.no_grad():
        assert torch.equal(logits_of(again(**batch)), logits_of(model(**batch)))
    base = ElmoModel.from_pretrained(tmp_path)
    assert torch.equal(base.char_cnn.char_embeddings.weight, model.elmo.char_cnn.char_embeddings.weight)


def test_a_head_on_a_saved_encoder(tmp_path):
    encoder = ElmoModel(tiny_config())
    encoder.save_pretrained(tmp_path)
    model, info = ElmoForTokenClassification.from_pretrained(
        tmp_path, num_labels=4, task_head="recurrent", use_crf=True, freeze_encoder=True, output_loading_info=True
    )
    assert all(name.startswith(("encoder.", "classifier.", "crf.")) for name in info["missing_keys"])
    assert torch.equal(model.elmo.char_cnn.char_embeddings.weight, encoder.char_cnn.char_embeddings.weight)
    assert not any(parameter.requires_grad for parameter in model.elmo.layers.parameters())
    assert model.crf.transitions.shape == (4, 4) and not model.crf.transitions.any()


@pytest.mark.extended
@pytest.mark.slow
@pytest.mark.parametrize("head", HEADS)
def test_linear_heads_can_be_exported_and_compiled(head):
    model = build(head, "linear").eval()
    inputs = {
        name: tensor for name, tensor in batch_for(head).items() if not name.startswith(("labels", "start", "end"))
    }
    rows, words = torch.export.Dim("rows"), torch.export.Dim("words")
    axes = {0: rows, 1: words} if head is not ElmoForMultipleChoice else {0: None, 1: rows, 2: words}
    program = torch.export.export(model, (), kwargs=inputs, dynamic_shapes=dict.fromkeys(inputs, axes)).module()
    compiled = torch.compile(model, backend="aot_eager")
    texts = ["a longer text of words", "one", "two of them"]
    other = TOKENIZER(texts, texts[::-1], padding=True, return_tensors="pt")
    if head is ElmoForMultipleChoice:
        other = {name: tensor.unsqueeze(0) for name, tensor in other.items()}
    with torch.no_grad():
        expected = logits_of(model(**other))
        for version in (program, compiled):
            assert largest_difference(logits_of(version(**other)), expected) <= TOLERANCES["compiled", "float32"]


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_trainer_trains_the_head_and_leaves_a_frozen_encoder(form, tmp_path):
    from transformers import DataCollatorForTokenClassification, Trainer, TrainingArguments

    model = build(ElmoForTokenClassification, form, freeze_encoder=True, id2label={0: "O", 1: "B-x", 2: "I-x"})
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    examples = []
    for text in ("the cat sat", "a dog sat on it", "cat") * 8:
        encoded = TOKENIZER(text)
        inner = [int(word in ("cat", "dog")) for word in text.split()]
        examples.append({**encoded, "labels": [-100, *inner, -100]})
    arguments = TrainingArguments(
        tmp_path / "run",
        max_steps=80,
        learning_rate=0.3 if form == "linear" else 0.05,  # untrained vectors are small
        per_device_train_batch_size=4,
        gradient_accumulation_steps=2,
        gradient_checkpointing=True,
        report_to=[],
        use_cpu=True,
        save_steps=80,
        logging_steps=5,
        disable_tqdm=True,
    )
    trainer = Trainer(
        model,
        arguments,
        train_dataset=examples,
        eval_dataset=examples,
        data_collator=DataCollatorForTokenClassification(TOKENIZER),
    )
    trainer.train()
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name]) == name.startswith(("elmo.char_cnn", "elmo.layers")), name
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert losses[-1] < 0.6 * losses[0]
    predicted = trainer.predict(examples)
    gold = predicted.label_ids
    assert (predicted.predictions.argmax(-1) == gold)[gold != -100].mean() > 0.95  # the commonest label: 0.67
    again = ElmoForTokenClassification.from_pretrained(tmp_path / "run" / "checkpoint-80")
    with torch.no_grad():
        batch = TOKENIZER("the dog sat", return_tensors="pt")
        assert torch.equal(again(**batch).logits, model.eval()(**batch).logits)
