# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""ELMo computed in the order and with the operations of AllenNLP 2.10: the baseline that speed is measured against.

Nothing is done here that AllenNLP does not do, and nothing it does is left out that takes time: the character encoder
runs over all 50 columns of every position of the batch, padding included; the LSTM steps through the words in Python,
with one product for the input and one for the state at each step, on the sentences that are long enough; the results
are written into an accumulator. Left out are only the cheap rows around it (boundary positions, stored states).

Shapes: B sentences, T words, C characters of a word, D `projection_size`, M `cell_size`, F filters in all.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from hf_elmo.modeling import ElmoConfig, ElmoModel


class AllenNlpEquivalent(nn.Module):
    """The encoder of an `ElmoModel`, its weights copied, computed as AllenNLP's `Elmo` computes it.

    Parameters have the names they have in `ElmoModel`, so that gradients can be compared; the forget bias is inside of
    `bias`, where AllenNLP keeps it. `clip = False` leaves both clips out, as `torch.nn.LSTM` does.

    Raises:
        ValueError: the model is of a kind that AllenNLP cannot load.
    """

    def __init__(self, model: ElmoModel):
        super().__init__()
        config = model.config
        _check_config(config)
        self.clip = True
        self.char_cnn = CharacterEncoder(config)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))
        self.scalar_mix = Mix(config.num_hidden_layers + 1)
        weights = model.state_dict()
        self.load_state_dict({name: weights[name].clone() for name in self.state_dict()}, assign=True)
        size = config.cell_size
        with torch.no_grad():
            for pair in self.directions():
                for direction in pair:
                    direction.bias[size : 2 * size] += config.forget_bias

    def directions(self) -> "list[tuple[Direction, Direction]]":
        """Forward and backward direction of every layer."""
        layers = cast("list[Layer]", list(self.layers))
        return [(layer.forward_direction, layer.backward_direction) for layer in layers]

    def forward(self, char_ids: Tensor) -> tuple[Tensor, list[Tensor]]:
        """char_ids (B, T, C) int64, boundaries included -> mix (B, T, 2D) and L + 1 layers (B, T, 2D), zero at padding."""
        words, mask = self.encode_words(char_ids)
        layers = [torch.cat([words, words], dim=-1) * mask.unsqueeze(-1), *self.run_layers(words, mask)]
        return self.scalar_mix(layers), layers

    def encode_words(self, char_ids: Tensor) -> tuple[Tensor, Tensor]:
        """char_ids (B, T, C) -> vectors (B, T, D) of every position, padding too, and the mask (B, T) bool."""
        mask = (char_ids > 0).sum(dim=-1) > 0
        return self.char_cnn(char_ids), mask

    def run_layers(self, words: Tensor, mask: Tensor) -> list[Tensor]:
        """Word vectors (B, T, D) and mask (B, T) -> every LSTM layer (B, T, 2D); padding stands at the right."""
        lengths, order = mask.sum(dim=1).sort(descending=True)
        place = order.argsort()
        packed = pack_padded_sequence(words.index_select(0, order), lengths.tolist(), batch_first=True)
        ahead, padded_lengths = pad_packed_sequence(packed, batch_first=True, total_length=words.shape[1])
        back = ahead
        outputs = []
        for index, (forward_direction, backward_direction) in enumerate(self.directions()):
            ahead_inputs, back_inputs = ahead, back
            ahead = forward_direction(ahead_inputs, padded_lengths.tolist(), self.clip)
            back = backward_direction(back_inputs, padded_lengths.tolist(), self.clip)
            if index > 0:
                ahead += ahead_inputs
                back += back_inputs
            outputs.append(torch.cat([ahead, back], dim=-1))
        return list(torch.stack(outputs).index_select(1, place).unbind(0))


def _check_config(config: ElmoConfig) -> None:
    needed = {
        "use_skip_connections": True,
        "use_lstm_projection": True,
        "use_char_projection": True,
        "scalar_mix_layer_norm": False,
        "num_scalar_mixes": 1,
    }
    for name, value in needed.items():
        if getattr(config, name) != value:
            raise ValueError(f"the AllenNLP equivalent needs {name}={value}, the model has {getattr(config, name)}")


class CharacterEncoder(nn.Module):
    """Embeddings, convolutions, highway layers and projection of every position (AllenNLP `_ElmoCharacterEncoder`)."""

    def __init__(self, config: ElmoConfig):
        super().__init__()
        width = config.char_cnn_size
        self.char_embeddings = nn.Embedding(config.num_characters, config.char_embedding_size, device="meta")
        self.convolutions = nn.ModuleList(
            nn.Conv1d(config.char_embedding_size, count, span, device="meta") for span, count in config.char_filters
        )
        self.highways = nn.ModuleList(
            nn.Linear(width, 2 * width, device="meta") for _ in range(config.num_highway_layers)
        )
        self.projection = nn.Linear(width, config.projection_size, device="meta")
        self.activation = torch.tanh if config.char_activation == "tanh" else F.relu

    def forward(self, char_ids: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, D)."""
        characters = self.char_embeddings(char_ids.view(-1, char_ids.shape[-1])).transpose(1, 2)  # (B * T, E, C)
        features = []
        for convolution in self.convolutions:
            strongest, _ = torch.max(convolution(characters), dim=-1)
            features.append(self.activation(strongest))
        vectors = torch.cat(features, dim=-1)  # (B * T, F)
        for highway in self.highways:
            transformed, gate = highway(vectors).chunk(2, dim=-1)
            gate = torch.sigmoid(gate)
            vectors = gate * vectors + (1 - gate) * F.relu(transformed)
        return self.projection(vectors).view(*char_ids.shape[:2], -1)


class Layer(nn.Module):
    """The two directions of a layer."""

    def __init__(self, config: ElmoConfig):
        super().__init__()
        self.forward_direction = Direction(config, reverse=False)
        self.backward_direction = Direction(config, reverse=True)


class Direction(nn.Module):
    """One direction of one layer, cell by cell (AllenNLP `LstmCellWithProjection`)."""

    def __init__(self, config: ElmoConfig, reverse: bool):
        super().__init__()
        size, cell_size = config.projection_size, config.cell_size
        self.reverse = reverse
        self.cell_clip, self.proj_clip = config.cell_clip, config.proj_clip
        self.weight_ih = nn.Parameter(torch.empty(4 * cell_size, size, device="meta"))
        self.weight_hh = nn.Parameter(torch.empty(4 * cell_size, size, device="meta"))
        self.bias = nn.Parameter(torch.empty(4 * cell_size, device="meta"))
        self.weight_hr = nn.Parameter(torch.empty(size, cell_size, device="meta"))

    def forward(self, inputs: Tensor, lengths: list[int], clip: bool) -> Tensor:
        """(B, T, D), the longest sentence first -> (B, T, D), zero past each length."""
        batch, steps, size = inputs.shape
        cell_size = self.weight_hr.shape[1]
        outputs = inputs.new_zeros(batch, steps, size)
        all_h = inputs.new_zeros(batch, size)
        all_c = inputs.new_zeros(batch, cell_size)
        live = 0 if self.reverse else batch
        for t in range(steps - 1, -1, -1) if self.reverse else range(steps):
            while live < batch and lengths[live] > t:  # backward: a sentence joins at its last word
                live += 1
            while live > 0 and lengths[live - 1] <= t:  # forward: it leaves after it
                live -= 1
            if live == 0:
                continue
            c = all_c[:live].clone()
            h = all_h[:live].clone()
            from_input = F.linear(inputs[:live, t], self.weight_ih)
            from_state = F.linear(h, self.weight_hh, self.bias)
            i, f, g, o = (
                act(from_input[:, first : first + cell_size] + from_state[:, first : first + cell_size])
                for first, act in zip(
                    range(0, 4 * cell_size, cell_size),
                    (torch.sigmoid, torch.sigmoid, torch.tanh, torch.sigmoid),
                    strict=True,
                )
            )
            c = i * g + f * c
            if clip and self.cell_clip is not None:
                c = torch.clamp(c, -self.cell_clip, self.cell_clip)
            h = F.linear(o * torch.tanh(c), self.weight_hr)
            if clip and self.proj_clip is not None:
                h = torch.clamp(h, -self.proj_clip, self.proj_clip)
            all_c = all_c.clone()  # the tensors of the last step stay whole for the backward pass
            all_h = all_h.clone()
            all_c[:live] = c
            all_h[:live] = h
            outputs[:live, t] = h
        return outputs


class Mix(nn.Module):
    """The learned weighted sum of the layers (AllenNLP `ScalarMix`)."""

    def __init__(self, layers: int):
        super().__init__()
        self.scalar_parameters = nn.Parameter(torch.empty(layers, device="meta"))
        self.gamma = nn.Parameter(torch.empty(1, device="meta"))

    def forward(self, layers: list[Tensor]) -> Tensor:
        """Layers, each (B, T, 2D) -> (B, T, 2D)."""
        weights = torch.softmax(self.scalar_parameters, dim=0).split(1)
        return self.gamma * sum(weight * layer for weight, layer in zip(weights, layers, strict=True))
