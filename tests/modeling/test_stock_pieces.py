# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The pieces of transformers that people already use work on ELMo as they are."""

import pytest
import torch
from elmo_builders import ALLENNLP_SMALL, largest_difference
from tolerances import TOLERANCES
from transformers import DataCollatorWithPadding, pipeline

from hf_elmo.conversion import convert
from hf_elmo.modeling import ElmoModel, ElmoTokenizer

TEXTS = ["The bank by the river.", "Hi", "She paid the unbelievably-long-word bank 北京 yesterday, twice."]
SAME = TOLERANCES["batch_invariance", "float32"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stock") / "elmo"
    convert(ALLENNLP_SMALL / "tiny-relu-seed7", folder)
    return folder


def encode_alone(folder, text) -> torch.Tensor:
    with torch.no_grad():
        return ElmoModel.from_pretrained(folder)(
            **ElmoTokenizer.from_pretrained(folder)(text, return_tensors="pt")
        ).last_hidden_state[0]


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_feature_extraction_pipeline(folder, batch_size):
    extract = pipeline("feature-extraction", model=str(folder), batch_size=batch_size)
    for text, features in zip(TEXTS, extract(TEXTS), strict=True):
        expected = encode_alone(folder, text)
        got = torch.tensor(features)[0]
        assert largest_difference(got[: len(expected)], expected) <= SAME
        assert not got[len(expected) :].any()


def test_feature_extraction_pipeline_cuts_to_a_length(folder):
    extract = pipeline("feature-extraction", model=str(folder))
    features = extract(TEXTS[2], tokenize_kwargs={"truncation": True, "max_length": 5}, return_tensors=True)
    assert features.shape == (1, 5, 32)


def test_padding_collator_feeds_the_model(folder):
    model, tokenizer = ElmoModel.from_pretrained(folder), ElmoTokenizer.from_pretrained(folder)
    for side in ("right", "left"):
        tokenizer.padding_side = side
        batch = DataCollatorWithPadding(tokenizer, pad_to_multiple_of=8)([tokenizer(text) for text in TEXTS])
        assert batch["char_ids"].shape[1] % 8 == 0
        with torch.no_grad():
            vectors = model(**batch).last_hidden_state
        for row, text in enumerate(TEXTS):
            real = batch["attention_mask"][row].bool()
            assert largest_difference(vectors[row, real], encode_alone(folder, text)) <= SAME


def test_datasets_map_and_torch_format(folder):
    datasets = pytest.importorskip("datasets")
    model, tokenizer = ElmoModel.from_pretrained(folder), ElmoTokenizer.from_pretrained(folder)
    data = datasets.Dataset.from_dict({"text": TEXTS})
    data = data.map(lambda row: tokenizer(row["text"]), batched=False, remove_columns="text").with_format("torch")
    for row, text in zip(data, TEXTS, strict=True):
        with torch.no_grad():
            vectors = model(**{name: tensor.unsqueeze(0) for name, tensor in row.items()}).last_hidden_state[0]
        assert largest_difference(vectors, encode_alone(folder, text)) <= SAME


def test_vocabulary_cache_gives_allennlps_cached_vectors(tmp_path):
    """AllenNLP's `vocab_to_cache`: the same vectors with and without, here and there."""
    import json

    import numpy as np
    from elmo_builders import SMALL_MODELS, read_fixture, without_boundaries

    for name in SMALL_MODELS:
        source = ALLENNLP_SMALL / name
        model = read_fixture(source)
        with np.load(source / "elmo_cached_vocab.npz") as arrays:
            vocabulary = json.loads(arrays["vocab_json"].tobytes().decode())
            tokenizer = ElmoTokenizer(vocabulary[1:])  # its entry 0 is the padding word
            assert model.cache_words(tokenizer) >= len(vocabulary) - 1
            for batch, words in enumerate(json.loads((source / "sentences_cached_vocab.json").read_text())):
                encoded = tokenizer(words, is_split_into_words=True, padding=True, return_tensors="pt")
                assert not (encoded["input_ids"][encoded["attention_mask"] > 0] == tokenizer.unk_token_id).any()
                with torch.no_grad():
                    mixed = model(**encoded).mixed_state
                got = without_boundaries(mixed, encoded["attention_mask"])
                assert largest_difference(got, arrays[f"b{batch}.rep0"]) <= TOLERANCES["parity", "float32"]
