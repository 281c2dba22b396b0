# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""A sentence has the same bits in any company, in models of published size: products are shaped so that MKL sums alike."""

import pytest
import torch
from elmo_builders import random_batch
from same_bits import FLOAT_PRODUCTS_KEEP_BITS

from hf_elmo.modeling import ElmoConfig, ElmoModel

pytestmark = pytest.mark.skipif(
    not FLOAT_PRODUCTS_KEEP_BITS, reason="this library or processor sums products otherwise; there 5e-6 is promised"
)
LENGTHS = [9, 1, 14, 3, 14, 7, 2, 22, 5, 11, 4, 18]
COMPANIES = [[0], [1], [7], [2, 4], [3, 5, 6], [11, 1, 8, 9, 10], list(range(11, -1, -1))]


@pytest.fixture(scope="module", params=["float", "int8", "native float", "native int8"])
def model(request) -> ElmoModel:
    torch.manual_seed(0)
    backend = "native" if "native" in request.param else "auto"
    sizes = {"projection_size": 128, "cell_size": 1024, "num_highway_layers": 1}  # the small one
    model = ElmoModel(ElmoConfig(**sizes, lstm_backend=backend)).eval()
    return model.quantize_int8() if "int8" in request.param else model


@pytest.fixture(scope="module")
def together(model) -> list[torch.Tensor]:
    with torch.no_grad():
        return list(model(**random_batch(LENGTHS), output_hidden_states=True).hidden_states)


@pytest.mark.parametrize("company", COMPANIES, ids=str)
def test_same_bits_in_any_company(model, together, company):
    batch = random_batch(LENGTHS)
    longest = max(LENGTHS[row] for row in company)
    part = {name: tensor[company][:, :longest] for name, tensor in batch.items()}
    with torch.no_grad():
        alone = model(**part, output_hidden_states=True).hidden_states
    for layer, whole in zip(alone, together, strict=True):
        assert torch.equal(layer, whole[company][:, :longest])


def test_same_bits_in_segments(model, together):
    got = model.forward_in_segments(**random_batch(LENGTHS), words_per_segment=5)
    assert torch.equal(got.last_hidden_state, together[-1])


def test_same_bits_with_and_without_a_word_cache(model, together):
    class Words:
        def vocabulary_char_ids(self):
            return batch["char_ids"][:4].flatten(0, 1).numpy()

    batch = random_batch(LENGTHS)
    input_ids = torch.arange(batch["char_ids"][..., 0].numel()).view(len(LENGTHS), -1)
    model.cache_words(Words())
    with torch.no_grad():
        got = model(**batch, input_ids=input_ids, output_hidden_states=True).hidden_states
    model.clear_word_cache()
    for layer, whole in zip(got, together, strict=True):
        assert torch.equal(layer, whole)
