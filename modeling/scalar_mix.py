# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The learned weighted sum of ELMo's layers."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class ScalarMix(nn.Module):
    """Mix K layers to one: `gamma * sum_k softmax(w)_k * layer_k` (Peters et al. 2018, equation 1).

    Untrained, w is zero and gamma one, so the mix is the mean of the layers.

    Args:
        num_layers: K, for ELMo the LSTM layers plus one.
        do_layer_norm: normalise each layer first, with one mean and one variance over all words and numbers of the
            batch, as AllenNLP's `scalar_mix.py` does. The result of a sentence then depends on its batch.
    """

    def __init__(self, num_layers: int, do_layer_norm: bool = False):
        super().__init__()
        self.do_layer_norm = do_layer_norm
        self.scalar_parameters = nn.Parameter(torch.zeros(num_layers))
        self.gamma = nn.Parameter(torch.ones(1))

    def normalized_weights(self) -> Tensor:
        """Share of each layer, (K,), to be read: the softmax of the learned weights, without a gradient."""
        return torch.softmax(self.scalar_parameters.detach(), dim=0)

    def forward(self, layers: Sequence[Tensor], mask: Tensor) -> Tensor:
        """Mix layers, each (B, T, 2D), to (B, T, 2D), zero where mask (B, T) bool is False.

        Raises:
            ValueError: another number of layers came than the mix has weights for.
        """
        if len(layers) != len(self.scalar_parameters):
            raise ValueError(f"got {len(layers)} layers to mix, the mix has {len(self.scalar_parameters)} weights")
        if self.do_layer_norm:
            layers = [_normalize(layer, mask) for layer in layers]
        weights = torch.softmax(self.scalar_parameters, dim=0)
        mixed = weights[0] * layers[0]
        for weight, layer in zip(weights[1:], layers[1:], strict=True):
            mixed = mixed + weight * layer
        return (self.gamma * mixed).masked_fill(~mask.unsqueeze(-1), 0)


def _normalize(layer: Tensor, mask: Tensor) -> Tensor:
    # At least float32: half precision can neither count the numbers of a batch nor hold the tiny value.
    wide = layer.to(torch.promote_types(layer.dtype, torch.float32))
    padding = ~mask.unsqueeze(-1)  # (B, T, 1)
    count = (mask.sum() * layer.shape[-1]).clamp(min=1)
    mean = wide.masked_fill(padding, 0).sum() / count
    variance = ((wide - mean) ** 2).masked_fill(padding, 0).sum() / count
    return ((wide - mean) / torch.sqrt(variance + 1e-13)).to(layer.dtype)
