# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""From the characters of a word to its context-free vector: embeddings, convolutions, highway layers, projection.

Shapes: n words, C characters of a word (50), K characters that matter, E `char_embedding_size`, F filters in all,
D `projection_size`.
"""

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .int8 import int8_parameters, quantized_parameters
from .linear import Int8Linear, InvariantLinear, int8_linear, linear, native_convolution
from .lstm_native import native_applies
from .products import add_product_, needs_plain_torch
from .weight_copies import WeightCopies

# Words encoded at once without gradients; the widest convolution needs 4 kB for every character of a word.
WORDS_PER_PASS = 256


class CharHighway(nn.Module):
    """Highway layer (Srivastava et al. 2015): `y = g * x + (1 - g) * relu(t)` with g the sigmoid of a linear map.

    One matrix (2F, F) holds both maps, transform t first, as in AllenNLP's `highway.py`. In files of bilm-tf the gate
    has the opposite sign, and the non-linearity is relu whatever the convolutions use.
    """

    def __init__(self, size: int, int8: bool = False, native: bool = False):
        super().__init__()
        self.int8, self.native = int8, native
        self.bias = nn.Parameter(torch.empty(2 * size))
        if int8:
            self.weight, self.weight_scale = int8_parameters(2 * size, size)
        else:
            self.weight = nn.Parameter(torch.empty(2 * size, size))
        self.copies = WeightCopies()

    def quantize(self) -> None:
        """Replace the matrix by an int8 one."""
        self.int8 = True
        self.copies = WeightCopies()  # that of the float weight is not needed any more
        self.weight, self.weight_scale = quantized_parameters(self.weight)

    def forward(self, inputs: Tensor) -> Tensor:
        """(n, F) -> (n, F)."""
        if self.int8:
            maps = int8_linear(inputs, self.weight, self.weight_scale, self.bias, self.copies, self.native)
        else:
            maps = linear(inputs, self.weight, self.bias, self.copies, self.native)
        transform, gate = maps.chunk(2, dim=-1)
        gate = torch.sigmoid(gate)
        return gate * inputs + (1 - gate) * torch.relu(transform)


class CharConvolution(nn.Conv1d):
    """Convolution over the characters of words, and the strongest window of each filter (max pooling over time)."""

    bias: nn.Parameter

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, native: bool = False):
        super().__init__(in_channels, out_channels, kernel_size)
        self.native = native
        self.copies = WeightCopies()

    def forward(self, embedded: Tensor) -> Tensor:
        """(n, K, E) -> (n, filters)."""
        if embedded.is_cuda and not torch.compiler.is_compiling():
            return convolve_by_products(embedded, self.weight, self.bias)
        if needs_plain_torch(embedded, self.weight):
            # max, not amax: amax spreads the gradient over equal windows (padding has many), which costs a digit in
            # float32.
            return super().forward(embedded.transpose(1, 2)).max(dim=-1).values
        if self.native and native_applies(embedded, self.weight, self.bias):
            return native_convolution(embedded, self.weight, self.bias, self.copies)
        count, columns, size = embedded.shape
        span = self.kernel_size[0]
        windows = embedded.unfold(1, span, 1).transpose(2, 3).reshape(-1, span * size)
        products = self.bias.repeat(len(windows), 1)
        add_product_(products, windows, self.copies.get("matrix", [self.weight], _as_matrix))
        return products.view(count, columns - span + 1, -1).amax(dim=1)


def convolve_by_products(embedded: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Highest value of each filter over all windows of words (n, K, E), as one product: (n, filters).

    cuDNN would plan a convolution anew for every number of words and every length, which takes longer than computing it.

    Args:
        weight: (filters, E, span).
        bias: (filters,).
    """
    windows = embedded.unfold(1, weight.shape[2], 1).transpose(2, 3).flatten(2)  # (n, K - span + 1, span * E)
    return F.linear(windows, weight.transpose(1, 2).flatten(1), bias).max(dim=1).values


def _as_matrix(weight: Tensor) -> Tensor:
    """Weight of a convolution (filters, E, span) -> (span * E, filters)."""
    return weight.permute(2, 1, 0).reshape(-1, weight.shape[0]).contiguous()


@cache
def _hash_factors(count: int) -> Tensor:
    """So many odd numbers of 64 bits without a pattern: powers of one, modulo 2^64."""
    powers = [pow(0x9E3779B97F4A7C15, power, 1 << 64) for power in range(1, count + 1)]
    return torch.tensor([power - (1 << 64) if power >> 63 else power for power in powers], device="cpu")


class DistinctWords(NamedTuple):
    """The words of a batch, each once, the shortest first."""

    char_ids: Tensor  # (u, C)
    lengths: list[int]  # characters up to those that only repeat the last one, not decreasing
    inverse: Tensor  # (n,) which of them each word is

    @classmethod
    def of(cls, words: Tensor) -> "DistinctWords":
        """Find the distinct rows of words (n, C)."""
        # A number for each word; should two words ever share one, comparing tells, and a slower way is taken.
        factors = _hash_factors(words.shape[1]).to(words.device)
        _, inverse = torch.unique((words * factors).sum(dim=1), return_inverse=True)
        some = torch.zeros(int(inverse.max()) + 1, dtype=torch.long, device=words.device)
        some[inverse] = torch.arange(len(words), device=words.device)
        distinct = words[some]
        if not torch.equal(distinct[inverse], words):
            distinct, inverse = torch.unique(words, dim=0, return_inverse=True)
        columns = torch.arange(1, words.shape[1] + 1, device=words.device)
        lengths = ((distinct != distinct[:, -1:]) * columns).amax(dim=1)
        lengths, order = torch.sort(lengths, stable=True)
        return cls(distinct[order], lengths.tolist(), torch.argsort(order)[inverse])


class CharCnn(nn.Module):
    """Character encoder of ELMo (Kim et al. 2016 with ELMo's sizes): char ids (..., C) -> word vectors (..., D).

    The padding *inside* a word has a trained embedding and takes part in the convolutions; id 0, the padding of whole
    words, is a zero vector. Every distinct word is encoded once, over the characters it has: where only padding is
    left, all windows of a convolution are alike, and one of them is enough for the maximum.
    """

    def __init__(self, config):
        super().__init__()
        int8, native = config.weight_format == "int8", config.lstm_backend == "native"
        self.char_embeddings = nn.Embedding(config.num_characters, config.char_embedding_size, padding_idx=0)
        self.convolutions = nn.ModuleList(
            CharConvolution(config.char_embedding_size, count, width, native) for width, count in config.char_filters
        )
        self.widest = max(width for width, _ in config.char_filters)
        self.activation = torch.relu if config.char_activation == "relu" else torch.tanh
        size, self.size = config.char_cnn_size, config.projection_size
        self.highways = nn.ModuleList(CharHighway(size, int8, native) for _ in range(config.num_highway_layers))
        self.projection: nn.Module | None = None
        if config.use_char_projection:
            made = Int8Linear if int8 else InvariantLinear
            self.projection = made(size, config.projection_size, native=native)

    def quantize(self) -> None:
        """Replace the matrix of the projection by an int8 one; highway layers have a `quantize` of their own."""
        if isinstance(self.projection, nn.Linear):
            self.projection = Int8Linear.of(self.projection)

    def forward(self, char_ids: Tensor) -> Tensor:
        """Vectors (..., D) of words given as char_ids (..., C) int64."""
        words = char_ids.reshape(-1, char_ids.shape[-1])  # (n, C)
        if torch.compiler.is_compiling():  # a graph cannot depend on what the words are
            vectors = self._project(self._convolve(words))
        elif len(words) == 0:
            return self.char_embeddings.weight.new_zeros(*char_ids.shape[:-1], self.size)
        else:
            distinct = DistinctWords.of(words)
            if torch.is_grad_enabled() and any(parameter.requires_grad for parameter in self.parameters()):
                width = distinct.lengths[-1] + self.widest
                vectors = self._project(self._convolve(distinct.char_ids[:, :width]))
            else:
                vectors = self._encode_in_passes(distinct)
            vectors = vectors.index_select(0, distinct.inverse)
        return vectors.reshape(*char_ids.shape[:-1], -1)

    def _convolve(self, words: Tensor) -> Tensor:
        """(n, K) -> (n, F)."""
        embedded = self.char_embeddings(words)  # (n, K, E)
        # The maximum first: both activations are monotone, and there is one value left to activate instead of K.
        return torch.cat([self.activation(convolution(embedded)) for convolution in self.convolutions], dim=-1)

    def _project(self, features: Tensor) -> Tensor:
        """(n, F) -> (n, D)."""
        for highway in self.highways:
            features = highway(features)
        return features if self.projection is None else self.projection(features)

    @torch.no_grad()
    def _encode_in_passes(self, distinct: DistinctWords) -> Tensor:
        """Vectors (u, D) of distinct words, over no more characters than the longest word of a pass has."""
        vectors = []
        for start in range(0, len(distinct.char_ids), WORDS_PER_PASS):
            stop = min(start + WORDS_PER_PASS, len(distinct.char_ids))
            width = distinct.lengths[stop - 1] + self.widest
            vectors.append(self._project(self._convolve(distinct.char_ids[start:stop, :width])))
        return torch.cat(vectors)
