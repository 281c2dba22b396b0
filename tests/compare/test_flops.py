# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Operations counted from configurations are those that torch's own counter sees."""

import pytest
import torch
from transformers import BertConfig, BertModel

from hf_elmo.compare import flops
from hf_elmo.modeling import ElmoConfig, ElmoModel, ElmoTokenizer

SENTENCES = [["The", "cat", "sat", "on", "the", "unbelievably", "soft", "mat", "."], ["It", "sat", "."]]


def elmo(**changes):
    sizes = {
        "char_embedding_size": 4,
        "char_filters": [[1, 4], [2, 8], [3, 12]],
        "num_highway_layers": 2,
        "projection_size": 16,
        "cell_size": 40,
        **changes,
    }
    return ElmoModel(ElmoConfig(**sizes)).eval()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"num_highway_layers": 0, "num_hidden_layers": 1},
        {"projection_size": 24, "cell_size": 24},  # neither projection
        {"max_characters_per_token": 8},  # words are cut
    ],
)
def test_elmo_counted_is_elmo_measured(changes):
    model = elmo(**changes)
    tokenizer = ElmoTokenizer(max_characters_per_token=model.config.max_characters_per_token)
    for words in SENTENCES:
        inputs = tokenizer([words], is_split_into_words=True, return_tensors="pt")
        counted = flops.count_elmo(model.config, len(words) + 2, flops.character_work(inputs["char_ids"], 3))
        measured = flops.measure(model, dict(inputs))
        assert sum(counted.values()) == sum(measured.values())
        assert counted["convolutions"] == measured["aten.convolution"]


@pytest.mark.parametrize("pooler", [False, True])
def test_bert_counted_is_bert_measured(pooler):
    config = BertConfig(
        vocab_size=50, hidden_size=24, intermediate_size=80, num_hidden_layers=3, num_attention_heads=4
    )
    model = BertModel(config, add_pooling_layer=pooler).eval()
    for batch, length in ((1, 7), (3, 31)):
        counted = flops.count_bert(config, [length] * batch, pooler)
        ids = torch.ones(batch, length, dtype=torch.long)
        # The counter's model is built anew, with the pooler that the class has by default.
        measured = flops.measure(model, {"input_ids": ids, "attention_mask": torch.ones_like(ids)})
        of_pooler = 2 * batch * 24 * 24
        assert sum(counted.values()) - pooler * of_pooler == sum(measured.values()) - of_pooler


def test_lstm_of_the_original_by_hand():
    # Per word: 2 layers x 2 directions x (gates 4 x 4096 from 512 inputs and 512 of state, projection 4096 x 512), twice.
    by_hand = 2 * 2 * (4 * 4096 * (512 + 512) + 4096 * 512) * 2
    assert flops.count_elmo(ElmoConfig(), 1, flops.CharacterWork(1, 50))["LSTM"] == by_hand == 150_994_944


def test_operations_of_bert_grow_with_the_square_of_a_window():
    config = BertConfig()
    one, two = (flops.count_bert(config, [length])["attention"] for length in (100, 200))
    assert two == 4 * one
    assert flops.count_bert(config, [100, 100])["attention"] == 2 * one


def test_repeated_words_cost_their_characters_once():
    tokenizer = ElmoTokenizer()
    once, often = (
        flops.character_work(tokenizer([words], is_split_into_words=True, return_tensors="pt")["char_ids"], 3)
        for words in (["a", "b"], ["a", "b", "a", "a"])
    )
    assert once == often and once.words == 4  # with both marks of the sentence


def test_padding_costs_nothing():
    rows = ElmoTokenizer()(SENTENCES, is_split_into_words=True, padding=True, return_tensors="pt")["char_ids"]
    assert flops.character_work(rows[1:], 3).words == len(set(SENTENCES[1])) + 2
