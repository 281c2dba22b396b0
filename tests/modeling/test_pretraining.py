# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What the language models read, predict and return; the numbers of bilm-tf are in test_pretraining_recorded.py."""

import pytest
import torch
from elmo_builders import enable_checkpointing, largest_difference
from language_models import FULL, SENTENCES, WORDS, encode, lanes_of, tiny_language_model, with_labels
from tolerances import TOLERANCES

from hf_elmo.modeling import ElmoForPreTraining, modeling_elmo_pretraining

TOLERANCE = TOLERANCES["log_probability", "float64"]


@torch.no_grad()
def log_probs_by_reading(model, sentence: str) -> tuple[list[float], list[float]]:
    """Of w1 .. wn </S> given what stands before, and of <S> w1 .. wn given what stands behind: each from a run of its
    own over that part of the sentence alone, with all logits."""
    encoded = encode([sentence])
    ids, chars = encoded["input_ids"][0], encoded["char_ids"]
    words = slice(1, None)  # row 0 of the softmax is padding

    def log_prob(part, place, half, target):
        vector = model.elmo(char_ids=part).last_hidden_state[0, place].chunk(2)[half]
        scores = model.lm_head.weight[words] @ vector + model.lm_head.bias[words]
        return float(scores.log_softmax(0)[target - 1])

    places = range(len(ids) - 1)
    forward = [log_prob(chars[:, : place + 1], -1, 0, ids[place + 1]) for place in places]
    backward = [log_prob(chars[:, place + 1 :], 0, 1, ids[place]) for place in places]
    return forward, backward


@pytest.mark.parametrize("side", ["right", "left"])
def test_each_direction_predicts_its_neighbour_and_never_sees_it(side):
    model = tiny_language_model()
    with torch.no_grad():
        output = model(**with_labels(SENTENCES, side=side))
    expected = [log_probs_by_reading(model, sentence) for sentence in SENTENCES]
    for direction, loss in enumerate((output.forward_loss, output.backward_loss)):
        numbers = [number for sentence in expected for number in sentence[direction]]
        assert abs(float(loss) + sum(numbers) / len(numbers)) <= TOLERANCE
    assert abs(float(output.loss - (output.forward_loss + output.backward_loss) / 2)) <= TOLERANCE
    count = sum(len(sentence.split()) + 1 for sentence in SENTENCES)
    assert int(output.num_forward_targets) == int(output.num_backward_targets) == count


def test_a_label_of_minus_100_is_predicted_by_no_direction():
    model, batch = tiny_language_model(), with_labels(["the cat sat"])
    batch["labels"] = batch["input_ids"].clone()
    batch["labels"][0, 2] = -100
    with torch.no_grad():
        output = model(**batch)
    forward, backward = log_probs_by_reading(model, "the cat sat")
    assert abs(float(output.forward_loss) + (forward[0] + forward[2] + forward[3]) / 3) <= TOLERANCE
    assert abs(float(output.backward_loss) + (backward[0] + backward[1] + backward[3]) / 3) <= TOLERANCE


def test_lanes_of_one_sentence_are_sentences():
    model = tiny_language_model()
    lanes, sentences = model(**lanes_of([SENTENCES[0]])), model(**with_labels([SENTENCES[0]]))
    for name in FULL:
        assert largest_difference(getattr(lanes, name), getattr(sentences, name)) <= TOLERANCE


def test_each_direction_of_a_lane_reads_its_own_stream():
    model = tiny_language_model()
    first, other = lanes_of(["the cat sat on it"]), lanes_of(["a mat saw it and"])
    mixed = {name: (other if "backward" in name else first)[name] for name in first}
    assert largest_difference(model(**mixed).forward_loss, model(**first).forward_loss) <= TOLERANCE
    assert largest_difference(model(**mixed).backward_loss, model(**other).backward_loss) <= TOLERANCE


def test_windows_with_carried_state_are_one_long_window():
    model, batch = tiny_language_model(), lanes_of(SENTENCES[:3], [SENTENCES[2], SENTENCES[1], SENTENCES[0]])
    whole = model(**batch, output_state=True, output_logits=True)
    state, parts = None, []
    for window in range(0, 18, 6):
        part = {name: tensor[:, window : window + 6] for name, tensor in batch.items()}
        parts.append(model(**part, state=state, output_state=True, output_logits=True))
        state = parts[-1].state
    for name in FULL:
        mean = sum(getattr(part, name) for part in parts) / len(parts)
        assert largest_difference(mean, getattr(whole, name)) <= TOLERANCE
    for name in ("forward_logits", "backward_logits"):
        joined = torch.cat([getattr(part, name)[..., 1:] for part in parts], dim=1)
        assert largest_difference(joined, getattr(whole, name)[..., 1:]) <= TOLERANCE
    for ours, theirs in zip(state, whole.state, strict=True):
        assert largest_difference(ours, theirs) <= TOLERANCE


def test_gradients_end_with_the_window():
    model, batch = tiny_language_model(), lanes_of(["the cat sat on it"])
    state = model(**batch, output_state=True).state
    assert not any(part.requires_grad for part in state)
    leaves = tuple(part.clone().requires_grad_() for part in state)
    model(**batch, state=leaves).loss.backward()
    assert all(leaf.grad is None for leaf in leaves)


def test_dropout_is_where_bilm_tf_has_it(monkeypatch):
    """On what enters each layer, where the skip connection carries on what is left, and on the top layer; here it halves."""
    model, batch = tiny_language_model(lstm_dropout=0.3).train(), with_labels(["the cat sat"])
    calls = []

    def halve(hidden, p, training):
        calls.append((p, training, tuple(hidden.shape)))
        return 0.5 * hidden

    monkeypatch.setattr(modeling_elmo_pretraining.F, "dropout", halve)
    logits = model(**batch, output_logits=True).forward_logits
    assert calls == [(0.3, True, (1, 5, 24))] * 3
    lengths = torch.tensor([5])
    words = 0.5 * model.elmo.char_cnn(batch["char_ids"][0]).unsqueeze(0)
    first, second = (layer.forward_direction for layer in model.elmo.layers)
    below = 0.5 * first(words, lengths)[0]
    top = 0.5 * (second(below, lengths)[0] + below)
    expected = top @ model.lm_head.weight.T + model.lm_head.bias
    assert largest_difference(logits[..., 1:], expected[..., 1:]) <= TOLERANCE


def test_dropout_acts_in_training_mode_alone():
    model, batch = tiny_language_model(lstm_dropout=0.5), with_labels(SENTENCES)
    losses = [model(**batch).loss.item() for _ in range(2)]
    assert losses[0] == losses[1]
    model.train()
    losses += [model(**batch).loss.item() for _ in range(2)]
    assert len(set(losses)) == 3
    frozen = tiny_language_model(lstm_dropout=0.5, freeze_encoder=True).train()
    states = [frozen(**batch).last_hidden_state for _ in range(2)]
    assert torch.equal(*states)


def test_logits_only_when_asked_for():
    model, batch = tiny_language_model(), with_labels(SENTENCES)
    assert model(**batch).forward_logits is None
    output = model(**batch, output_logits=True)
    assert output.forward_logits.shape == (*batch["input_ids"].shape, len(WORDS) + 1)
    assert bool((output.backward_logits[..., 0] == -torch.inf).all())
    targets = batch["input_ids"][:, 1:].masked_fill(batch["attention_mask"][:, 1:] == 0, -100)
    loss = torch.nn.functional.cross_entropy(output.forward_logits[:, :-1].flatten(0, 1), targets.flatten())
    assert largest_difference(loss, output.forward_loss) <= TOLERANCE


def test_hidden_states_and_objects_of_transformers():
    model, batch = tiny_language_model(), encode(SENTENCES)
    output = model(**batch, output_hidden_states=True)
    expected = model.elmo(**batch, output_hidden_states=True)
    assert output.loss is None and output.objective is None and output.state is None
    for ours, theirs in zip(output.hidden_states, expected.hidden_states, strict=True):
        assert torch.equal(ours, theirs)
    assert torch.equal(output.last_hidden_state, expected.last_hidden_state)
    assert model(**batch, labels=batch["input_ids"], return_dict=False)[0] == model(**with_labels(SENTENCES)).loss


def test_every_parameter_that_learns_gets_a_gradient():
    """Otherwise several processes wait for it."""
    model = ElmoForPreTraining(tiny_language_model().config)
    model(**with_labels(SENTENCES)).loss.backward()
    without = {name for name, parameter in model.named_parameters() if parameter.grad is None}
    assert without == {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    assert without and all("scalar_mix" in name for name in without)


def test_gradient_checkpointing_changes_nothing():
    gradients = []
    for checkpointing in (False, True):
        model = tiny_language_model().train()
        if checkpointing:
            enable_checkpointing(model)
        model(**lanes_of(["the cat sat"])).loss.backward()
        gradients.append([p.grad for p in model.parameters() if p.requires_grad])
    for ours, theirs in zip(*gradients, strict=True):
        assert largest_difference(ours, theirs) <= TOLERANCE


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": torch.zeros(1, 9, dtype=torch.long)}, r"labels has shape \(1, 9\); needed is \(1, 4\)"),
        ({"forward_targets": torch.ones(1, 4, dtype=torch.long)}, "belong to lanes, with backward_char_ids"),
        ({"backward_char_ids": torch.ones(1, 3, 50, dtype=torch.long)}, "two streams of one shape"),
        ({"num_sampled": 99, "labels": torch.ones(1, 4, dtype=torch.long)}, "num_sampled is 99"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        tiny_language_model()(**encode(["the cat"]), **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": torch.ones(1, 3, dtype=torch.long)}, "labels are for whole sentences"),
        ({"backward_targets": None}, "both forward_targets and backward_targets"),
        ({"backward_targets": torch.ones(1, 2, dtype=torch.long)}, r"backward_targets has shape \(1, 2\)"),
        ({"backward_char_ids": torch.zeros(1, 3, 50, dtype=torch.long)}, "lanes have no padding"),
    ],
)
def test_lanes_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        tiny_language_model()(**{**lanes_of(["the cat"]), **changes})


@pytest.mark.parametrize("wrong", [0, 13])
def test_a_target_outside_of_the_vocabulary_is_named(wrong):
    batch = with_labels(["the cat"])
    batch["labels"] = batch["labels"].clone()
    batch["labels"][0, 1] = wrong
    with pytest.raises(IndexError, match=f"has the id {wrong}; the vocabulary has 1 to 12"):
        tiny_language_model()(**batch)


def test_losses_of_parts_add_up_to_that_of_the_whole_when_its_targets_are_told():
    model = tiny_language_model()
    with torch.no_grad():
        whole = model(**with_labels(SENTENCES))
        parts = [
            model(**with_labels([sentence]), num_items_in_batch=whole.num_forward_targets) for sentence in SENTENCES
        ]
    for name in FULL:
        added = sum(getattr(part, name) for part in parts)
        assert largest_difference(added, getattr(whole, name)) <= TOLERANCE
