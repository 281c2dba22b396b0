# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The word cache: the same vectors, and never stale or without a gradient that was asked for."""

import copy

import pytest
import torch
from elmo_builders import largest_difference, random_batch, tiny_model
from tolerances import TOLERANCES


@pytest.fixture(scope="module")
def model():
    return tiny_model()


def run(model, **inputs):
    with torch.no_grad():
        return model(**inputs, output_hidden_states=True, output_state=True)


class Vocabulary:
    """Stands for a tokenizer: only the characters of its words are asked for."""

    def __init__(self, char_ids: torch.Tensor):
        self.char_ids = char_ids

    def vocabulary_char_ids(self):
        return self.char_ids.numpy()


@pytest.fixture
def cached():
    model = tiny_model()
    batch = random_batch([6, 4])
    table = torch.cat([torch.zeros(1, 50, dtype=torch.long), batch["char_ids"][0, :3], batch["char_ids"][1, :2]])
    input_ids = torch.tensor([[1, 2, 3, 5, 0, 99], [4, 5, 1, 2, 0, 0]])  # ids of other words, too, and out of range
    expected = run(model, **batch).mixed_state
    assert model.cache_words(Vocabulary(table)) == 6
    return model, batch, input_ids, expected


def count_encoded_words(model, monkeypatch) -> list[int]:
    counts = []
    encode = model.char_cnn.forward
    monkeypatch.setattr(model.char_cnn, "forward", lambda ids: (counts.append(ids.shape[0]), encode(ids))[1])
    return counts


def test_cached_words_give_the_same_vectors(cached, monkeypatch):
    model, batch, input_ids, expected = cached
    encoded = count_encoded_words(model, monkeypatch)
    got = run(model, input_ids=input_ids, **batch).mixed_state
    assert encoded == [5]  # ten words, five of them cached under the id that came
    assert largest_difference(got, expected) <= TOLERANCES["word_cache", "float32"]


def test_cache_is_dropped_when_weights_change(cached, caplog):
    model, batch, input_ids, _ = cached
    with torch.no_grad():
        model.char_cnn.projection.weight.mul_(1.5)
    got = run(model, input_ids=input_ids, **batch).mixed_state
    fresh = run(model, **batch).mixed_state
    assert torch.equal(got, fresh)


def test_cache_does_not_cut_gradients(cached):
    model, batch, input_ids, _ = cached
    model(input_ids=input_ids, **batch).mixed_state.square().sum().backward()
    got = model.char_cnn.projection.weight.grad.clone()
    model.zero_grad()
    model(**batch).mixed_state.square().sum().backward()
    assert largest_difference(got, model.char_cnn.projection.weight.grad) <= TOLERANCES["parity", "float32"]


def test_cache_with_frozen_encoder_serves_training_of_a_head(cached, monkeypatch):
    model, batch, input_ids, _ = cached
    model.char_cnn.requires_grad_(False)
    encoded = count_encoded_words(model, monkeypatch)
    model(input_ids=input_ids, **batch)
    assert encoded == [5]


def test_cache_survives_inference_mode_and_follows_moves(cached):
    model, batch, input_ids, expected = cached
    double = copy.deepcopy(model).double()
    got = run(double, input_ids=input_ids, **batch).mixed_state
    assert largest_difference(got, expected) <= TOLERANCES["parity", "float32"]
    with torch.inference_mode():
        made_there = tiny_model()
        made_there.cache_words(Vocabulary(model._word_cache.char_ids))
        got = made_there(input_ids=input_ids, **batch).mixed_state
    assert largest_difference(got, expected) <= TOLERANCES["word_cache", "float32"]


def test_cache_of_a_bare_list_is_refused(model):
    with pytest.raises(TypeError, match=r"takes an ElmoTokenizer, got list.*cache_words\(ElmoTokenizer\(words\)\)"):
        model.cache_words(["the", "bank"])


def test_cache_is_not_used_in_training_nor_after_clearing(cached, monkeypatch):
    model, batch, input_ids, _ = cached
    encoded = count_encoded_words(model, monkeypatch)
    model.train()(input_ids=input_ids, **batch)
    model.eval().clear_word_cache()
    model(input_ids=input_ids, **batch)
    assert encoded == [10, 10]
