# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The character encoder against each word by itself over all of its columns, and the same bits in any company."""

from types import SimpleNamespace

import pytest
import torch
from elmo_builders import largest_difference, random_batch, tiny_config, tiny_model
from same_bits import assert_same_float_products
from tolerances import TOLERANCES
from torch.nn import functional as F

from hf_elmo.modeling import ElmoConfig
from hf_elmo.modeling.char_cnn import CharCnn, convolve_by_products

BEGIN, END, INSIDE = 259, 260, 261
PUBLISHED_SMALL = {
    "char_filters": [[1, 32], [2, 32], [3, 64], [4, 128], [5, 256], [6, 512], [7, 1024]],
    "char_embedding_size": 16,
    "num_highway_layers": 1,
    "projection_size": 128,
}


def word(text: bytes, columns: int = 50, fill: int = INSIDE) -> list[int]:
    ids = [BEGIN, *(byte + 1 for byte in text), END]
    return ids + [fill] * (columns - len(ids))


def kinds_of_words() -> torch.Tensor:
    """Of 1 and of 48 bytes, repeated, without padding inside, with other paddings, of one character alone."""
    generator = torch.Generator().manual_seed(0)
    rows = [word(b"a"), word(b"bank"), word(b"a"), word(bytes(range(60, 108))), word(b"bank"), word(b"banks")]
    rows += torch.randint(1, 262, (4, 50), generator=generator).tolist()
    rows += [word(b"bank", fill=0), word(b"bank", fill=END), [0] * 50, [7] * 50, word(b"x" * 44), word(b"bank")]
    return torch.tensor(rows)


def randomised(encoder: CharCnn, dtype: torch.dtype, scale: float = 1.0) -> CharCnn:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in encoder.parameters():
            values = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.copy_(values * scale / parameter[0].numel() ** 0.5)
    encoder.char_embeddings.weight.data[0] = 0
    return encoder.to(dtype)


def each_word_alone(encoder: CharCnn, char_ids: torch.Tensor) -> torch.Tensor:
    """The definition (Kim et al. 2016; Srivastava et al. 2015) over all columns, one word after the other."""
    activation = torch.tanh if encoder.activation is torch.tanh else torch.relu
    vectors = []
    for ids in char_ids:
        embedded = F.embedding(ids, encoder.char_embeddings.weight, padding_idx=0).T  # (E, C)
        parts = [
            activation(F.conv1d(embedded, filters.weight, filters.bias)).max(dim=1).values
            for filters in encoder.convolutions
        ]
        features = torch.cat(parts)
        for highway in encoder.highways:
            size = len(features)
            transform = torch.relu(highway.weight[:size] @ features + highway.bias[:size])
            gate = torch.sigmoid(highway.weight[size:] @ features + highway.bias[size:])
            features = gate * features + (1 - gate) * transform
        if encoder.projection is not None:
            features = encoder.projection.weight @ features + encoder.projection.bias
        vectors.append(features)
    return torch.stack(vectors)


CONFIGS = {
    "usual": {},
    "tanh": {"char_activation": "tanh"},
    "width 1 alone": {"char_filters": [[1, 7]]},
    "wide": {"char_filters": [[2, 5], [9, 7]], "num_highway_layers": 2},
    "no highway, no projection": {"char_filters": [[1, 4], [3, 8]], "num_highway_layers": 0},
}
DTYPES = {
    torch.float64: (TOLERANCES["char_cnn", "float64"], TOLERANCES["char_cnn", "float64"]),
    torch.float32: (TOLERANCES["parity", "float32"], TOLERANCES["char_cnn_gradient_relative", "float32"]),
}


def check_against_each_word_alone(encoder: CharCnn, char_ids: torch.Tensor, dtype: torch.dtype) -> None:
    forward, backward = DTYPES[dtype]
    expected = each_word_alone(encoder, char_ids)
    factors = torch.cos(torch.arange(expected.numel(), dtype=dtype)).view_as(expected)
    wanted = torch.autograd.grad((expected * factors).sum(), list(encoder.parameters()))
    with torch.no_grad():
        assert largest_difference(encoder(char_ids), expected) <= forward
    got = encoder(char_ids)
    assert largest_difference(got, expected) <= forward
    gradients = torch.autograd.grad((got * factors).sum(), list(encoder.parameters()))
    for (name, _), ours, theirs in zip(encoder.named_parameters(), gradients, wanted, strict=True):
        assert largest_difference(ours, theirs) <= backward * max(1.0, theirs.abs().max().item()), name


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("changes", CONFIGS.values(), ids=CONFIGS)
def test_equals_each_word_alone_over_all_columns(changes, dtype):
    encoder = randomised(CharCnn(tiny_config(**changes)), dtype)
    check_against_each_word_alone(encoder, kinds_of_words(), dtype)


@pytest.mark.parametrize("columns", [9, 12])
def test_words_as_long_as_the_columns_and_filters_as_wide(columns):
    encoder = randomised(
        CharCnn(tiny_config(max_characters_per_token=columns, char_filters=[[1, 5], [9, 7]])), torch.float64
    )
    rows = [word(text, columns) for text in (b"a", b"banking"[: columns - 2], b"bank")]
    rows += torch.randint(1, 262, (2, columns)).tolist()
    check_against_each_word_alone(encoder, torch.tensor(rows), torch.float64)


@pytest.mark.parametrize("filters", [[[1, 5]], [[1, 5], [4, 7]]], ids=str)
def test_short_words_among_themselves(filters):
    """The columns that are left hold a window of padding alone for every filter, which here is often the strongest."""
    encoder = randomised(CharCnn(tiny_config(char_filters=filters)), torch.float64)
    encoder.char_embeddings.weight.data[INSIDE] *= 4
    words = torch.tensor([word(text) for text in (b"a", b"to", b"the", b"a", b"bank")] + [[0] * 50])
    for some in (words[:1], words[1:3], words):
        check_against_each_word_alone(encoder, some, torch.float64)


@pytest.mark.parametrize("count", [1, 5])
def test_many_words_in_several_passes(monkeypatch, count):
    monkeypatch.setitem(CharCnn.forward.__globals__, "WORDS_PER_PASS", count)
    encoder = randomised(CharCnn(tiny_config()), torch.float64)
    check_against_each_word_alone(encoder, kinds_of_words(), torch.float64)


def test_shape_of_the_words_is_kept_and_no_words_give_no_vectors():
    encoder = randomised(CharCnn(tiny_config()), torch.float64)
    words = kinds_of_words()
    expected = encoder(words)
    assert torch.equal(encoder(words.view(2, 8, 50)), expected.view(2, 8, 12))
    for context in (torch.no_grad(), torch.enable_grad()):
        with context:
            assert encoder(words[:0]).shape == (0, 12) and encoder(words[:0].view(3, 0, 50)).shape == (3, 0, 12)


def test_words_that_share_a_number_are_told_apart(monkeypatch):
    """As if the number of every word were the same."""
    encoder, words = randomised(CharCnn(tiny_config()), torch.float64), kinds_of_words()
    expected, unique, calls = each_word_alone(encoder, words), torch.unique, []

    def all_the_same(tensor, dim=None, **settings):
        calls.append(dim)
        return unique(torch.zeros_like(tensor) if dim is None else tensor, dim=dim, **settings)

    monkeypatch.setattr(torch, "unique", all_the_same)
    assert largest_difference(encoder(words), expected) <= TOLERANCES["char_cnn", "float64"]
    assert calls == [None, 0]


def test_words_of_a_language_have_numbers_of_their_own(monkeypatch):
    """The comparison of whole words is for accidents: it takes ten times as long."""
    encoder, unique = randomised(CharCnn(tiny_config()), torch.float64), torch.unique

    def only_numbers(tensor, dim=None, **settings):
        assert dim is None, "two words share a number"
        return unique(tensor, **settings)

    monkeypatch.setattr(torch, "unique", only_numbers)
    letters = b"abcdefghijklmnopqrstuvwxyz"
    with torch.no_grad():
        encoder(torch.tensor([word(bytes([a, b])) for a in letters for b in letters]))


def test_every_word_is_encoded_once(monkeypatch):
    encoder, words = CharCnn(tiny_config()), kinds_of_words()
    seen = []
    encoder.convolutions[0].register_forward_pre_hook(lambda module, arguments: seen.append(len(arguments[0])))
    with torch.no_grad():
        encoder(words.repeat(3, 1))
    encoder(words.repeat(3, 1))
    assert seen == [len({tuple(row) for row in words.tolist()})] * 2


# Same bits


@pytest.fixture(scope="module")
def published():
    """The encoder of the published small model, 300 words of all lengths, and their vectors."""
    encoder = randomised(CharCnn(ElmoConfig(**PUBLISHED_SMALL)), torch.float32, scale=2.0)
    generator = torch.Generator().manual_seed(1)
    lengths = torch.randint(1, 12, (300,), generator=generator).tolist()
    lengths[::40] = [48, 30, 20, 25, 1, 47, 13, 40]
    texts = [bytes(torch.randint(97, 123, (length,), generator=generator).tolist()) for length in lengths]
    words = torch.tensor(
        [word(text + b"%d" % number if len(text) < 40 else text) for number, text in enumerate(texts)]
    )
    with torch.no_grad():
        return encoder, words, encoder(words)


def check_bits(published, sizes) -> None:
    encoder, words, expected = published
    generator = torch.Generator().manual_seed(2)
    for size in sizes:
        chosen = torch.randperm(len(words), generator=generator)[:size]
        with torch.no_grad():
            got = encoder(words[chosen])
        assert_same_float_products(got, expected[chosen], f"{size} words")


def test_a_word_has_the_same_bits_in_any_company(published):
    check_bits(published, [1, 1, 2, 3, 7, 15, 16, 17, 32, 33, 65, 127, 129, 255, 257])


@pytest.mark.slow
def test_a_word_has_the_same_bits_in_a_batch_of_any_size(published):
    check_bits(published, range(1, 301))


def test_repeated_words_and_tiny_models_have_the_same_bits():
    encoder, words = randomised(CharCnn(tiny_config()), torch.float32), kinds_of_words()
    with torch.no_grad():
        expected = encoder(words)
        for row, vector in zip(words, expected, strict=True):
            assert_same_float_products(encoder(row), vector)
            assert_same_float_products(encoder(torch.stack([row, words[0], row]))[2], vector)


@pytest.mark.parametrize("words_per_pass", [1, 512])
@pytest.mark.parametrize("changes", [{}, PUBLISHED_SMALL], ids=["tiny", "published small"])
def test_cached_words_have_the_same_bits(changes, words_per_pass):
    model = tiny_model(scale=0.1 if changes else 1.0, cell_size=16, **changes)
    batch = random_batch([6, 4, 5])
    batch["char_ids"][0, 0], batch["char_ids"][1, 1] = torch.tensor([word(b"a"), word(b"bank")])
    with torch.no_grad():
        expected = model(**batch, output_hidden_states=True).hidden_states
        table = torch.cat([torch.zeros(1, 50, dtype=torch.long), batch["char_ids"][0], batch["char_ids"][1]])
        model.cache_words(SimpleNamespace(vocabulary_char_ids=table.numpy), words_per_pass)
        input_ids = torch.tensor([[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 0, 0], [1, 1, 1, 1, 1, 0]])
        encoded = []
        model.char_cnn.register_forward_pre_hook(lambda module, arguments: encoded.append(len(arguments[0])))
        got = model(input_ids=input_ids, **batch, output_hidden_states=True).hidden_states
    assert encoded == [5]  # the third sentence's words are not in the cache under their ids
    for ours, theirs in zip(got, expected, strict=True):
        assert_same_float_products(ours, theirs)


# Other precisions and places


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("train", [False, True])
def test_half_precision(dtype, train):
    encoder, words = randomised(CharCnn(tiny_config()), torch.float64), kinds_of_words()
    expected = each_word_alone(encoder, words)
    with torch.set_grad_enabled(train):
        got = encoder.to(dtype)(words)
    assert got.dtype == dtype and got.requires_grad == train
    assert largest_difference(got.double(), expected) <= TOLERANCES["dtype", str(dtype)[6:]]


@pytest.mark.parametrize("train", [False, True])
def test_autocast(train):
    encoder, words = randomised(CharCnn(tiny_config()), torch.float32), kinds_of_words()
    expected = each_word_alone(encoder, words)
    with torch.set_grad_enabled(train), torch.autocast("cpu", dtype=torch.bfloat16):
        got = encoder(words)
    assert got.dtype == torch.bfloat16
    assert largest_difference(got.float(), expected) <= TOLERANCES["dtype", "bfloat16"]


@pytest.mark.parametrize("int8", [False, True], ids=["float", "int8"])
def test_offloaded_weights_come_back_for_every_module(tmp_path, int8):
    """A hook brings a module's weights when the module is called, and takes them away again."""
    accelerate = pytest.importorskip("accelerate")
    model, batch = tiny_model(), random_batch([4, 2])
    if int8:
        model.quantize_int8()
    with torch.no_grad():
        expected = model(**batch).mixed_state
        accelerate.disk_offload(model, str(tmp_path), execution_device="cpu")
        assert all(parameter.is_meta for parameter in model.char_cnn.convolutions.parameters())
        for _ in range(2):
            assert torch.equal(model(**batch).mixed_state, expected)


def test_a_convolution_as_one_product_is_the_convolution():
    """The way that GPUs take, value and gradients, against torch's own convolution."""
    torch.manual_seed(4)
    embedded, weight, bias = torch.randn(5, 11, 6), torch.randn(7, 6, 3), torch.randn(7)
    results = []
    for convolve in (
        lambda x, w, b: F.conv1d(x.transpose(1, 2), w, b).max(dim=-1).values,
        convolve_by_products,
    ):
        leaves = [one.double().clone().requires_grad_() for one in (embedded, weight, bias)]
        values = convolve(*leaves)
        values.sin().sum().backward()
        results.append([values.detach(), *(leaf.grad for leaf in leaves)])
    for one, other in zip(*results, strict=True):
        assert largest_difference(one, other) <= TOLERANCES["char_cnn", "float64"]
