# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The heads: their numbers by hand, the same for a text in any company, losses, pairs, choices and answers."""

import pytest
import torch
import torch.nn.functional as F
from elmo_builders import largest_difference, tiny_config
from tolerances import TOLERANCES

from hf_elmo.modeling import (
    ElmoForMultipleChoice,
    ElmoForQuestionAnswering,
    ElmoForSequenceClassification,
    ElmoForTokenClassification,
    ElmoTokenizer,
)

CLOSE = TOLERANCES["head", "float32"]
BIO = {0: "O", 1: "B-a", 2: "I-a", 3: "B-b", 4: "I-b"}
FORMS = {
    "linear": {"task_head": "linear"},
    "recurrent": {"task_head": "recurrent", "task_hidden_size": 5, "task_num_layers": 2},
    "static": {"task_head": "recurrent", "task_hidden_size": 5, "static_embedding_size": 4},
}
QUESTIONS = ["who sat on it?", "", "what is zebra-coloured, and why?", "?"]
CONTEXTS = ["the cat sat on a mat.", "the cat", "zebras sat low", ""]


@pytest.fixture(scope="module")
def tokenizer():
    return ElmoTokenizer(["<S>", "</S>", "<UNK>", "the", "cat", "sat", "on", "a", "mat", "."])


def build(head, seed: int = 0, **settings):
    """A head in eval mode whose every parameter is random, dropout off, so that all of them act."""
    settings = {"embedding_dropout": 0.0, "classifier_dropout": 0.0, "vocab_size": 11, **settings}
    model = head(tiny_config(**settings)).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.4)
        model.elmo.char_cnn.char_embeddings.weight[0] = 0
    return model


def run(model, **inputs):
    with torch.no_grad():
        return model(**inputs)


def choices(batch: dict) -> dict:
    """Rows two by two, as the choices of one question each."""
    return {name: tensor.unflatten(0, (-1, 2)) for name, tensor in batch.items()}


# ------------------------------------------------------------------------------------------------- the numbers by hand


def test_tagging_is_a_linear_layer_on_the_mix(tokenizer):
    model, batch = (
        build(ElmoForTokenClassification, num_labels=5),
        tokenizer(CONTEXTS, padding=True, return_tensors="pt"),
    )
    labels = torch.randint(0, 5, batch["input_ids"].shape).masked_fill(batch["attention_mask"] == 0, -100)
    output = run(model, **batch, labels=labels, output_hidden_states=True)
    mixed = run(model.elmo, **batch).mixed_state
    assert largest_difference(output.logits, mixed @ model.classifier.weight.T + model.classifier.bias) <= CLOSE
    counted = labels != -100
    assert largest_difference(output.loss, F.cross_entropy(output.logits[counted], labels[counted])) <= CLOSE
    assert len(output.hidden_states) == 3
    assert torch.equal(run(model, **batch, return_dict=False)[0], output.logits)


def test_texts_are_the_mean_of_their_words_without_marks(tokenizer):
    model = build(ElmoForSequenceClassification, num_labels=3)
    batch = tokenizer([*CONTEXTS, "one"], padding=True, return_tensors="pt")
    logits, mixed = run(model, **batch).logits, run(model.elmo, **batch).mixed_state
    for row, length in enumerate(batch["attention_mask"].sum(1).tolist()):
        mean = mixed[row, 1 : length - 1].mean(0) if length > 2 else torch.zeros(24)
        assert largest_difference(logits[row], model.classifier(mean)) <= CLOSE
    # a pair: the words of both texts
    pair = tokenizer("the cat", "sat on a", return_tensors="pt")
    words = run(model.elmo, **pair).mixed_state[0, [1, 2, 5, 6, 7]]
    assert largest_difference(run(model, **pair).logits[0], model.classifier(words.mean(0))) <= CLOSE


def test_answers_are_two_numbers_per_position(tokenizer):
    model = build(ElmoForQuestionAnswering)
    batch = tokenizer(QUESTIONS, CONTEXTS, padding=True, return_tensors="pt")
    positions = torch.tensor([5, 3, 0, 99]), torch.tensor([6, 3, 0, 99])  # 99: cut off, does not count
    output = run(model, **batch, start_positions=positions[0], end_positions=positions[1])
    mixed, mask = run(model.elmo, **batch).mixed_state, batch["attention_mask"].bool()
    losses = []
    for logits, layer, gold in zip(
        (output.start_logits, output.end_logits), (model.start_output, model.end_output), positions, strict=True
    ):
        assert largest_difference(logits[mask], layer(mixed)[..., 0][mask]) <= CLOSE
        assert (logits[~mask] == -1e4).all()
        losses.append(torch.stack([F.cross_entropy(logits[row, mask[row]], gold[row]) for row in range(3)]).mean())
    assert largest_difference(output.loss, (losses[0] + losses[1]) / 2) <= CLOSE


@pytest.mark.parametrize("form", FORMS)
def test_choices_are_texts_with_one_score(tokenizer, form):
    model = build(ElmoForMultipleChoice, **FORMS[form])
    single = build(ElmoForSequenceClassification, num_labels=1, **FORMS[form])
    batch = tokenizer(QUESTIONS, CONTEXTS, padding=True, return_tensors="pt")
    output = run(model, **choices(batch), labels=torch.tensor([1, 0]))
    assert largest_difference(output.logits, run(single, **batch).logits.view(2, 2)) <= CLOSE
    assert largest_difference(output.loss, F.cross_entropy(output.logits, torch.tensor([1, 0]))) <= CLOSE
    flat = choices(batch) | {"char_ids": batch["char_ids"].reshape(2, 2, -1)}  # the stock collator's shape
    assert torch.equal(run(model, **flat).logits, output.logits)


# ------------------------------------------------------------------------------------- the same text in any other company


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("head", "settings"),
    [
        (ElmoForTokenClassification, {"num_labels": 5}),
        (ElmoForTokenClassification, {"id2label": BIO, "use_crf": True}),
        (ElmoForSequenceClassification, {"num_labels": 3}),
        (ElmoForQuestionAnswering, {}),
        (ElmoForMultipleChoice, {}),
    ],
    ids=["tagging", "crf", "texts", "answers", "choices"],
)
def test_company_and_padding_do_not_change_a_text(tokenizer, head, settings, form, side):
    model = build(head, **FORMS[form], **settings)
    several = choices if head is ElmoForMultipleChoice else dict
    batch = several(
        tokenizer(QUESTIONS, CONTEXTS, padding="max_length", max_length=30, padding_side=side, return_tensors="pt")
    )
    together = run(model, **batch)
    names = ("start_logits", "end_logits") if head is ElmoForQuestionAnswering else ("logits",)
    for row in range(len(batch["input_ids"])):
        rows = [row] if several is dict else [2 * row, 2 * row + 1]
        texts = ([texts[row] for row in rows] for texts in (QUESTIONS, CONTEXTS))
        alone_batch = several(tokenizer(*texts, padding=True, padding_side=side, return_tensors="pt"))
        alone = run(model, **alone_batch)
        for name in names:
            ours, theirs = together[name][row], alone[name][0]
            if several is dict and head is not ElmoForSequenceClassification:
                ours, theirs = ours[batch["attention_mask"][row] == 1], theirs[alone_batch["attention_mask"][0] == 1]
            assert largest_difference(ours, theirs) <= CLOSE


# -------------------------------------------------------------------------------------------------------------- losses


def test_problem_types(tokenizer):
    batch = tokenizer(CONTEXTS, padding=True, return_tensors="pt")
    cases = [
        (3, None, torch.tensor([0, 2, 1, 1]), F.cross_entropy),
        (1, None, torch.tensor([0.5, -1.0, 2.0, 0.0]), lambda logits, labels: F.mse_loss(logits[:, 0], labels)),
        (3, "regression", torch.randn(4, 3), F.mse_loss),
        (3, None, torch.tensor([[1.0, 0, 1]] * 4), F.binary_cross_entropy_with_logits),
        (3, "multi_label_classification", torch.tensor([[1.0, 0, 1]] * 4), F.binary_cross_entropy_with_logits),
    ]
    for count, problem_type, labels, expected in cases:
        model = build(ElmoForSequenceClassification, num_labels=count, problem_type=problem_type)
        output = run(model, **batch, labels=labels)
        assert largest_difference(output.loss, expected(output.logits, labels)) <= CLOSE


@pytest.mark.parametrize("kind", ["tagging", "crf", "one of several", "several", "regression", "choices"])
def test_losses_of_parts_of_a_step_add_up(tokenizer, kind):
    """With the number of labels of the whole step, as Trainer gives it under accumulation and over processes."""
    batch = tokenizer(QUESTIONS, CONTEXTS, padding=True, return_tensors="pt")
    if kind in ("tagging", "crf"):
        model = build(ElmoForTokenClassification, num_labels=5, use_crf=kind == "crf")
        labels = torch.randint(0, 5, batch["input_ids"].shape).masked_fill(batch["attention_mask"] == 0, -100)
    elif kind == "choices":
        model, labels, batch = build(ElmoForMultipleChoice), torch.tensor([1, 0]), choices(batch)
    else:
        several = {"one of several": None, "several": "multi_label_classification", "regression": "regression"}[kind]
        model = build(ElmoForSequenceClassification, num_labels=3, problem_type=several)
        labels = torch.tensor([0, 2, 1, 1]) if several is None else torch.randn(4, 3)
    whole = run(model, **batch, labels=labels).loss
    items = (labels != -100).sum()
    parts = 0
    for rows in (slice(0, 1), slice(1, None)):
        part = {name: tensor[rows] for name, tensor in batch.items()}
        parts = parts + run(model, **part, labels=labels[rows], num_items_in_batch=items).loss
    assert largest_difference(parts, whole) <= CLOSE


# ---------------------------------------------------------------------------------------------------------- label chains


def test_crf_gives_emissions_in_training_and_the_best_path_in_eval(tokenizer):
    model = build(ElmoForTokenClassification, use_crf=True, num_labels=5)
    model.config.id2label = BIO  # as run_ner.py does, after the model is there
    batch = tokenizer(CONTEXTS, padding=True, return_tensors="pt")
    mixed = run(model.elmo, **batch).mixed_state
    emissions = mixed @ model.classifier.weight.T + model.classifier.bias
    labels = torch.full_like(batch["input_ids"], -100)
    labels[0, 1:8] = torch.tensor([1, 2, -100, 0, 3, 4, 0])  # a hole at "sat"

    output = model.train()(**batch, labels=labels)
    assert largest_difference(output.logits.detach(), emissions) <= CLOSE
    expected = model.crf.negative_log_likelihood(emissions[:1, [1, 2, 4, 5, 6, 7]], labels[:1, [1, 2, 4, 5, 6, 7]]) / 6
    assert largest_difference(output.loss, expected) <= CLOSE

    evaluated = run(model.eval(), **batch, labels=labels)
    assert largest_difference(evaluated.loss, output.loss.detach()) <= CLOSE
    assert torch.equal(evaluated.logits, run(model, **batch).logits)  # labels do not leak
    with torch.no_grad():
        model.classifier.weight.zero_()
        model.classifier.bias.copy_(torch.tensor([0.0, 0, 9, 0, 0]))  # I-a everywhere
        model.crf.transitions.zero_()
    chosen = run(model, **batch).logits.argmax(-1)
    assert chosen[0, 1:8].tolist() == [1, 2, 2, 2, 2, 2, 2] and chosen[1, 1:3].tolist() == [1, 2]
    assert chosen[0, 0] == 2  # <S> is in no chain


# ------------------------------------------------------------------------------------------------------------- answers


def test_answers_stand_in_the_context_or_at_the_first_position(tokenizer):
    model = build(ElmoForQuestionAnswering, **FORMS["recurrent"])
    batch = tokenizer(QUESTIONS, CONTEXTS, padding=True, return_tensors="pt")
    output = run(model, **batch)
    for row in range(len(QUESTIONS)):
        sequence = batch.sequence_ids(row)
        expected = [place for place, text in enumerate(sequence) if place == 0 or text == 1]
        for logits in (output.start_logits, output.end_logits):
            assert (logits[row] > -1e4).nonzero().flatten().tolist() == expected


def test_no_answer_can_be_learned_from_position_zero(tokenizer):
    model = build(ElmoForQuestionAnswering, **FORMS["recurrent"])
    batch = tokenizer(QUESTIONS, CONTEXTS, padding=True, return_tensors="pt")
    nowhere = torch.zeros(4, dtype=torch.long)
    model(**batch, start_positions=nowhere, end_positions=nowhere).loss.backward()
    # the gradient reaches words of question and context through the flow
    assert model.flow.encoder.lstm.weight_ih_l0.grad.any() and model.elmo.char_cnn.char_embeddings.weight.grad.any()


def test_long_contexts_in_several_features(tokenizer):
    model = build(ElmoForQuestionAnswering, **FORMS["recurrent"])
    features = tokenizer(
        ["who sat?"],
        ["the cat sat on a mat . " * 5],
        truncation="only_second",
        max_length=20,
        stride=4,
        padding=True,
        return_overflowing_tokens=True,
        return_tensors="pt",
    )
    features.pop("overflow_to_sample_mapping")
    output = run(model, **features)
    assert len(output.start_logits) == 4
    assert ((output.start_logits > -1e4).sum(1) > 3).all()


def test_answers_need_a_pair(tokenizer):
    model = build(ElmoForQuestionAnswering, **FORMS["recurrent"])
    good = tokenizer("who?", "the cat", return_tensors="pt")
    run(model, **good)
    for bad in (
        tokenizer("who?", return_tensors="pt"),
        tokenizer("who?", "the cat", add_special_tokens=False, return_tensors="pt"),
    ):
        with pytest.raises(
            ValueError, match=r"row 0 has no end of a question before a context.*tokenizer\(question, con"
        ):
            run(model, **bad)
    mixed = tokenizer(["who?", "the cat sat on"], padding=True, return_tensors="pt")
    mixed["char_ids"][0, :6], mixed["attention_mask"][0, :6] = good["char_ids"][0, :6], 1
    with pytest.raises(ValueError, match="row 1 has no end"):
        run(model, **mixed)


# ------------------------------------------------------------------------------------------------------- wrong and empty


@pytest.mark.parametrize("form", ["linear", "recurrent"])
def test_batches_without_words(form):
    for shape in ((2, 0), (0, 3)):
        empty = {"char_ids": torch.zeros(*shape, 50, dtype=torch.long)}
        assert run(build(ElmoForTokenClassification, **FORMS[form]), **empty).logits.shape == (*shape, 2)
        assert run(build(ElmoForSequenceClassification, **FORMS[form]), **empty).logits.shape == (shape[0], 2)
    only_padding = {"char_ids": torch.zeros(2, 3, 50, dtype=torch.long)}
    for head in (ElmoForTokenClassification, ElmoForSequenceClassification):
        assert run(build(head, **FORMS[form]), **only_padding).logits.isfinite().all()


def test_heads_use_one_mix():
    with pytest.raises(
        ValueError, match="uses one scalar mix, the config has num_scalar_mixes=2: load the model with"
    ):
        ElmoForTokenClassification(tiny_config(num_scalar_mixes=2))


def test_what_is_missing_is_named(tokenizer):
    batch = tokenizer(["the cat", "a"], padding=True, return_tensors="pt")
    with pytest.raises(ValueError, match=r"shape \(questions, choices, words, ...\), got \(2, 4\)"):
        run(build(ElmoForMultipleChoice), **batch)
    with pytest.raises(ValueError, match="got none"):
        run(build(ElmoForMultipleChoice))
    with pytest.raises(ValueError, match="input_ids alone do not tell a word's characters"):
        run(build(ElmoForTokenClassification), input_ids=batch["input_ids"])
    words = torch.randn(2, 4, 12)
    with pytest.raises(ValueError, match="pass the tokenizer's input_ids beside inputs_embeds"):
        run(build(ElmoForSequenceClassification), inputs_embeds=words)
    assert run(build(ElmoForSequenceClassification), inputs_embeds=words, input_ids=batch["input_ids"]).logits.any()
