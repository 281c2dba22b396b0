# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""From the characters of a word to its context-free vector: embeddings, convolutions, highway layers, projection.

Shapes: n words, C characters of a word (50), E `char_embedding_size`, F filters in all, D `projection_size`.
"""

import torch
from torch import Tensor, nn

# Words per pass without gradients: the widest convolution of the original model needs 180 kB a word.
WORDS_PER_PASS = 512


class CharHighway(nn.Module):
    """Highway layer (Srivastava et al. 2015): `y = g * x + (1 - g) * relu(t)` with g the sigmoid of a linear map.

    One matrix (2F, F) holds both maps, transform t first, as in AllenNLP's `highway.py`. In files of bilm-tf the gate
    has the opposite sign, and the non-linearity is relu whatever the convolutions use.
    """

    def __init__(self, size: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(2 * size, size))
        self.bias = nn.Parameter(torch.empty(2 * size))

    def forward(self, inputs: Tensor) -> Tensor:
        """(n, F) -> (n, F)."""
        transform, gate = nn.functional.linear(inputs, self.weight, self.bias).chunk(2, dim=-1)
        gate = torch.sigmoid(gate)
        return gate * inputs + (1 - gate) * torch.relu(transform)


class CharCnn(nn.Module):
    """Character encoder of ELMo (Kim et al. 2016 with ELMo's sizes): char ids (..., C) -> word vectors (..., D).

    The padding *inside* a word has a trained embedding and takes part in the convolutions; id 0, the padding of whole
    words, is a zero vector.
    """

    def __init__(self, config):
        super().__init__()
        self.char_embeddings = nn.Embedding(config.num_characters, config.char_embedding_size, padding_idx=0)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(config.char_embedding_size, count, width) for width, count in config.char_filters
        )
        self.activation = torch.relu if config.char_activation == "relu" else torch.tanh
        self.highways = nn.ModuleList(CharHighway(config.char_cnn_size) for _ in range(config.num_highway_layers))
        self.projection = (
            nn.Linear(config.char_cnn_size, config.projection_size) if config.use_char_projection else None
        )

    def forward(self, char_ids: Tensor) -> Tensor:
        """Vectors (..., D) of words given as char_ids (..., C) int64."""
        words = char_ids.reshape(-1, char_ids.shape[-1])  # (n, C)
        if torch.compiler.is_compiling() or torch.is_grad_enabled() or words.shape[0] <= WORDS_PER_PASS:
            vectors = self._encode(words)
        else:
            vectors = torch.cat([self._encode(part) for part in words.split(WORDS_PER_PASS)])
        return vectors.reshape(*char_ids.shape[:-1], -1)

    def _encode(self, words: Tensor) -> Tensor:
        embedded = self.char_embeddings(words).transpose(1, 2)  # (n, E, C)
        # The maximum first: both activations are monotone, and there is one value left to activate instead of C.
        # max, not amax: amax spreads the gradient over equal windows (padding has many), which costs a digit in float32.
        features = [self.activation(convolution(embedded).max(dim=-1).values) for convolution in self.convolutions]
        vectors = torch.cat(features, dim=-1)  # (n, F)
        for highway in self.highways:
            vectors = highway(vectors)
        return vectors if self.projection is None else self.projection(vectors)
