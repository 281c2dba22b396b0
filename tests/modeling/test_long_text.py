# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Texts in segments: the numbers of the whole, in the memory of a part."""

import pytest
import torch
from elmo_builders import largest_difference, random_batch, tiny_model
from tolerances import TOLERANCES

from hf_elmo.modeling import ElmoModel


@pytest.fixture(scope="module")
def model() -> ElmoModel:
    return tiny_model(num_scalar_mixes=2)


def whole(model, **inputs):
    with torch.no_grad():
        return model(**inputs, output_state=True)


def assert_same(got, expected):
    tolerance = TOLERANCES["batch_invariance", "float32"]
    pairs = [(got.last_hidden_state, expected.last_hidden_state), (got.mixed_state, expected.mixed_state)]
    pairs += [*zip(got.mixed_states, expected.mixed_states, strict=True), *zip(got.state, expected.state, strict=True)]
    for a, b in pairs:
        assert a.shape == b.shape and largest_difference(a, b) <= tolerance


@pytest.mark.parametrize("words_per_segment", [1, 2, 5, 13, 100])
def test_segments_equal_the_whole(model, words_per_segment):
    batch = random_batch([13, 5, 9])
    got = model.forward_in_segments(**batch, words_per_segment=words_per_segment)
    assert_same(got, whole(model, **batch))


def test_padding_may_stand_anywhere_and_sentences_may_be_empty(model):
    batch = random_batch([12, 12, 12])
    mask = torch.tensor([[1] * 12, [0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 1, 0], [0] * 12])
    batch["attention_mask"] = mask
    got = model.forward_in_segments(**batch, words_per_segment=4)
    assert_same(got, whole(model, **batch))
    assert not got.mixed_state[2].any()


def test_state_is_taken_and_handed_on(model):
    first = whole(model, **random_batch([6, 3]))
    batch = random_batch([4, 8])
    got = model.forward_in_segments(**batch, state=first.state, words_per_segment=3)
    assert_same(got, whole(model, **batch, state=first.state))


def test_word_vectors_may_come_ready_made(model):
    vectors = torch.randn(2, 7, model.config.projection_size)
    got = model.forward_in_segments(inputs_embeds=vectors, words_per_segment=3)
    assert_same(got, whole(model, inputs_embeds=vectors))


def test_int8_and_cached_words_in_segments(model):
    batch = random_batch([9, 4])
    quantized = tiny_model(num_scalar_mixes=2).quantize_int8()
    got = quantized.forward_in_segments(**batch, words_per_segment=4)
    assert_same(got, whole(quantized, **batch))


class LargestTensor(torch.utils._python_dispatch.TorchDispatchMode):
    """Sees every tensor that is made, and keeps the largest number of elements."""

    elements = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for one in torch.utils._pytree.tree_leaves(result):
            if isinstance(one, torch.Tensor):
                self.elements = max(self.elements, one.untyped_storage().nbytes() // one.element_size())
        return result


def test_nothing_but_results_and_inputs_has_the_length_of_the_text(model):
    words = 600
    batch = random_batch([words])
    batch["char_ids"] = batch["char_ids"].to(torch.int16)
    with LargestTensor() as seen:
        model.forward_in_segments(**batch, words_per_segment=16)
    assert seen.elements <= max(words * model.config.hidden_size, batch["char_ids"].numel())
    with LargestTensor() as seen_whole:
        whole(model, **batch)
    assert seen_whole.elements > seen.elements  # so the limit above can be missed


def test_wrong_arguments_are_refused(model):
    batch = random_batch([3])
    with pytest.raises(ValueError, match="words_per_segment must be at least 1, got 0"):
        model.forward_in_segments(**batch, words_per_segment=0)
    with pytest.raises(ValueError, match="looks at all words at once; use forward"):
        tiny_model(scalar_mix_layer_norm=True).forward_in_segments(**batch)
    with pytest.raises(ValueError, match="either char_ids or inputs_embeds"):
        model.forward_in_segments()


def test_offloaded_weights_come_for_every_segment(model, tmp_path):
    accelerate = pytest.importorskip("accelerate")
    batch = random_batch([7, 4])
    offloaded = tiny_model(num_scalar_mixes=2)
    accelerate.disk_offload(offloaded, str(tmp_path), execution_device="cpu")
    assert_same(offloaded.forward_in_segments(**batch, words_per_segment=3), whole(model, **batch))
