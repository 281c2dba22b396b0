# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Vectors of many sentences: equal to AllenNLP's, independent of batches, in order, lazily."""

import itertools
import json

import numpy as np
import pytest
import torch
from support import SHARED, requires_shared
from tolerances import TOLERANCES

from hf_elmo import ElmoConfig, ElmoModel, ElmoTokenizer, embed_sentences
from hf_elmo import embed as module
from hf_elmo.embed import EmbedError

SENTENCES = [
    "The cat sat on the mat.",
    "",
    ["a", "b,", "", "c d"],
    "one two three four five six seven eight nine ten",
    "   ",
    "Hi",
    [],
    "The cat sat.",
]
WORDS = [7, 0, 4, 10, 0, 1, 0, 4]


def make_model(**changes):
    torch.manual_seed(1)
    settings = {"char_filters": [[1, 4], [3, 8]], "projection_size": 6, "cell_size": 10, "num_highway_layers": 1}
    model = ElmoModel(ElmoConfig(**{**settings, **changes})).eval()
    with torch.no_grad():
        for weight in model.parameters():  # far from the initial values, so that layers and words differ
            weight.add_(torch.randn_like(weight) * 0.2)
        model.char_cnn.char_embeddings.weight[0] = 0
    return model


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture(scope="module")
def tokenizer():
    return ElmoTokenizer()


def one_by_one(model, tokenizer, sentence, layer):
    words = {"is_split_into_words": True} if isinstance(sentence, list) else {}
    inputs = tokenizer([sentence], return_tensors="pt", **words)
    with torch.no_grad():
        return model(**inputs, output_hidden_states=True).hidden_states[layer][0, 1:-1].numpy()


def assert_close(vectors, wanted):
    assert vectors.shape == wanted.shape
    np.testing.assert_allclose(vectors, wanted, rtol=0, atol=TOLERANCES["batch_invariance", "float32"])


@requires_shared
@pytest.mark.parametrize("name", ["tiny-relu-seed7", "tiny-tanh3-seed8"])
@pytest.mark.parametrize("max_batch_words", [1, 30, 5000])
def test_all_layers_equal_allennlp(name, max_batch_words, tmp_path_factory):
    from hf_elmo.conversion import convert

    source = SHARED / "fixtures" / "allennlp_small" / name
    folder = tmp_path_factory.getbasetemp() / f"embed-{name}"
    if not folder.exists():
        convert(source, folder)
    model, tokenizer = ElmoModel.from_pretrained(folder), ElmoTokenizer.from_pretrained(folder)
    batches = json.loads((source / "sentences.json").read_text(encoding="utf-8"))
    wanted = np.load(source / "bilm_reset.npz")
    sentences = [words for batch in batches for words in batch]
    vectors = embed_sentences(
        model, tokenizer, sentences, "all", keep_boundaries=True, max_batch_words=max_batch_words
    )
    inner = embed_sentences(model, tokenizer, sentences, "all", max_batch_words=max_batch_words)
    for number, batch in enumerate(batches):
        for row, words in enumerate(batch):
            oracle = wanted[f"b{number}.activations"][:, row, : len(words) + 2]
            for item, part in ((next(vectors), oracle), (next(inner), oracle[:, 1:-1])):
                assert item.shape == part.shape
                np.testing.assert_allclose(item, part, rtol=0, atol=TOLERANCES["parity", "float32"])


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_a_layer_is_the_models_own_for_each_sentence_alone(model, tokenizer, layer):
    vectors = list(embed_sentences(model, tokenizer, SENTENCES, layer))
    assert [len(item) for item in vectors] == WORDS
    for item, sentence, words in zip(vectors, SENTENCES, WORDS, strict=True):
        if words:
            assert_close(item, one_by_one(model, tokenizer, sentence, layer))


def test_names_of_layers_mean_what_they_say(model, tokenizer):
    every = list(embed_sentences(model, tokenizer, SENTENCES, "all"))
    weights = model.scalar_mix.normalized_weights().detach().numpy()[:, None, None] * model.scalar_mix.gamma.item()
    for name, wanted in {
        "top": [item[-1] for item in every],
        "mean": [item.mean(axis=0) for item in every],
        "mix": [(item * weights).sum(axis=0) for item in every],
        "1": [item[1] for item in every],
    }.items():
        for item, other in zip(embed_sentences(model, tokenizer, SENTENCES, name), wanted, strict=True):
            assert_close(item, other)
    assert not np.allclose(every[0].mean(axis=0), (every[0] * weights).sum(axis=0))  # the mix is trained here


def test_vectors_do_not_depend_on_the_batch(model, tokenizer):
    sentences = [f"w{i} " * (1 + i * 7 % 13) + "end ." for i in range(15)]
    alone = {text: item for text in sentences for item in embed_sentences(model, tokenizer, [text])}
    orders = [sentences, sentences[::-1], sentences[::2] + sentences[1::2]]
    for order, budget in itertools.product(orders, (1, 17, 100, 10**6)):
        for text, item in zip(order, embed_sentences(model, tokenizer, order, max_batch_words=budget), strict=True):
            assert_close(item, alone[text])


def test_windows_do_not_change_the_vectors(model, tokenizer, monkeypatch):
    sentences = [f"word{i} in a sentence" for i in range(50)]
    whole = list(embed_sentences(model, tokenizer, sentences, max_batch_words=8))
    monkeypatch.setattr(module, "WINDOW_BYTES", 1)
    monkeypatch.setattr(module, "CHARACTERS_PER_CALL", 30)
    assert len(list(module.embed_windows(model, tokenizer, sentences, max_batch_words=8))) > 5
    for item, other in zip(embed_sentences(model, tokenizer, sentences, max_batch_words=8), whole, strict=True):
        assert_close(item, other)


def test_an_endless_source_is_read_as_needed(model, tokenizer, monkeypatch):
    monkeypatch.setattr(module, "WINDOW_BYTES", 1)
    monkeypatch.setattr(module, "CHARACTERS_PER_CALL", 100)
    read = []
    source = (read.append(i) or f"sentence {i}" for i in itertools.count())
    vectors = embed_sentences(model, tokenizer, source, max_batch_words=8)
    assert next(vectors).shape == (2, 12)
    assert len(read) < 100


def test_a_very_long_sentence_is_one_exact_sequence(model, tokenizer):
    words = [f"w{i % 97}" for i in range(1500)]
    (item,) = embed_sentences(model, tokenizer, [words], "top", max_batch_words=64)
    assert_close(item, one_by_one(model, tokenizer, words, -1))
    assert not np.allclose(item[0], item[97])  # the same word, but the context counts


def test_no_batch_is_larger_than_the_budget(model, tokenizer, monkeypatch):
    sizes = []
    monkeypatch.setattr(
        module.LayerChoice, "select", lambda _, output: sizes.append(output.mixed_state.shape) or output.mixed_state
    )
    list(embed_sentences(model, tokenizer, ["a b c", "d", "e f g h i j k l m n", "o p"] * 5, max_batch_words=11))
    assert all(rows * length <= 11 or rows == 1 for rows, length, _ in sizes)
    assert len(sizes) < 20


def test_each_distinct_word_is_encoded_once(model, tokenizer, monkeypatch):
    counts = []
    real = model.char_cnn.forward
    monkeypatch.setattr(model.char_cnn, "forward", lambda ids: counts.append(len(ids)) or real(ids))
    list(embed_sentences(model, tokenizer, ["the cat the dog", "the cat"] * 10))
    assert counts == [5]  # the, cat, dog and two marks


def test_boundaries_can_be_kept(model, tokenizer):
    inner = list(embed_sentences(model, tokenizer, SENTENCES))
    outer = list(embed_sentences(model, tokenizer, SENTENCES, keep_boundaries=True))
    assert [len(item) for item in outer] == [words + 2 for words in WORDS]
    for item, other in zip(inner, outer, strict=True):
        assert_close(item, other[1:-1])


def test_boundary_words_of_the_text_stay(model, tokenizer):
    assert [len(item) for item in embed_sentences(model, tokenizer, [["<S>", "x", "</S>"], ["</S>"]])] == [3, 1]


def test_a_tokenizer_without_marks_loses_no_words(model):
    bare = ElmoTokenizer(bos_token=None, eos_token=None)
    assert [len(item) for item in embed_sentences(model, bare, ["a b c", "", "d"])] == [3, 0, 1]


def test_half_precision_is_rounded_at_the_end_only(model, tokenizer):
    full = list(embed_sentences(model, tokenizer, SENTENCES))
    for item, other in zip(embed_sentences(model, tokenizer, SENTENCES, dtype="float16"), full, strict=True):
        assert item.dtype == np.float16
        limit = TOLERANCES["half_file_against_float32", "float16"]
        np.testing.assert_allclose(item.astype(np.float64), other, rtol=0, atol=limit)


def test_a_mix_with_layer_norm_is_computed_sentence_by_sentence(tokenizer):
    model = make_model(scalar_mix_layer_norm=True)
    together = list(embed_sentences(model, tokenizer, SENTENCES))
    for sentence, item in zip(SENTENCES, together, strict=True):
        (alone,) = embed_sentences(model, tokenizer, [sentence])
        assert_close(item, alone)


def test_the_models_mode_is_left_as_it_was(model, tokenizer):
    model.train()
    assert list(embed_sentences(model, tokenizer, ["a"]))
    assert model.training
    model.eval()


def test_parts_that_were_in_eval_mode_stay_so(tokenizer):
    model = make_model().train()
    model.char_cnn.eval()
    model.layers[0].forward_direction.eval()
    before = {name: module.training for name, module in model.named_modules()}
    assert list(embed_sentences(model, tokenizer, ["a"]))
    assert {name: module.training for name, module in model.named_modules()} == before
    with pytest.raises(IndexError):  # an error leaves them alone too
        module._embed_window(
            model, [np.full((3, 50), 10**4)], module.check_layers("mix", model.config), (1, 1), "float32", 9
        )
    assert {name: module.training for name, module in model.named_modules()} == before


def test_arrays_do_not_keep_their_batch_alive(model, tokenizer):
    assert all(item.base is None for item in embed_sentences(model, tokenizer, SENTENCES, "all"))


def test_wrong_arguments_are_refused_at_once(model, tokenizer):
    for layers in (3, -1, "first", "1.0", True, None):
        with pytest.raises(EmbedError, match=r"layers must be all, top, mean, mix or a layer number from 0 .* to 2"):
            embed_sentences(model, tokenizer, [], layers)
    with pytest.raises(EmbedError, match="dtype must be float32 or float16, got 'int8'"):
        embed_sentences(model, tokenizer, [], dtype="int8")
    for budget in (0, 1.5, True):
        with pytest.raises(EmbedError, match="max_batch_words must be a whole number from 1"):
            embed_sentences(model, tokenizer, [], max_batch_words=budget)
    with pytest.raises(EmbedError, match=r"a single string; give a list of sentences: \[sentence\]"):
        embed_sentences(model, tokenizer, "a sentence")
    with pytest.raises(EmbedError, match="model is Linear; needed is ElmoModel"):
        embed_sentences(torch.nn.Linear(1, 1), tokenizer, [])
    message = "tokenizer gives 20 character ids for each word .* config of the model says 50: take the tokenizer saved"
    with pytest.raises(EmbedError, match=message):
        embed_sentences(model, ElmoTokenizer(max_characters_per_token=20), [])
    with pytest.raises(EmbedError, match="sentence 1 is neither a string nor a list of words: 7"):
        list(embed_sentences(model, tokenizer, ["a", 7]))
    with pytest.raises(EmbedError, match="sentence 0 is neither a string nor a list of words"):
        list(embed_sentences(model, tokenizer, [["a", 7]]))


@pytest.mark.parametrize("layers", ["mix", "mean", "top", "all", 0, 1, 2])
def test_a_sentence_longer_than_a_batch_is_computed_in_segments(model, tokenizer, layers, monkeypatch):
    lengths = []
    run = module.run_in_segments
    monkeypatch.setattr(module, "run_in_segments", lambda *a: (lengths.append(a[2].shape[1]), run(*a))[1])
    words = [f"w{i % 7}" for i in range(23)]
    whole = list(embed_sentences(model, tokenizer, [words, ["short"]], layers))
    assert not lengths
    parts = list(embed_sentences(model, tokenizer, [words, ["short"]], layers, max_batch_words=4))
    assert lengths == [25]  # with the sentence marks
    for a, b in zip(parts, whole, strict=True):
        assert_close(a, b)
