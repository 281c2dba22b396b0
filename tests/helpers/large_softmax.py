# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Problems for the losses over a large vocabulary, comparing with torch's dense ones, and a meter of the memory."""

import torch
from tolerances import TOLERANCES
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# Blocks of a few words, so that tiny problems take many; 5 words for 4 tokens of size 5 in float64.
SMALL_BLOCK_BYTES = 5 * (2 * 4 + 3 * 5) * 8


def problem(tokens=13, size=5, words=37, dtype=torch.float64, ignored=(), scale=1.0):
    """hidden, weight, bias (leaves) and targets."""
    hidden = (scale * torch.randn(tokens, size, dtype=torch.float64)).to(dtype).requires_grad_()
    weight = torch.randn(words, size, dtype=torch.float64).to(dtype).requires_grad_()
    bias = torch.randn(words, dtype=torch.float64).to(dtype).requires_grad_()
    targets = torch.randint(words, (tokens,))
    targets[list(ignored)] = -100
    return hidden, weight, bias, targets


def dense(hidden, weight, bias, targets, **settings):
    return F.cross_entropy(F.linear(hidden, weight, bias), targets, **settings)


def gradients(loss, *leaves):
    factors = torch.linspace(0.5, 2.0, loss.numel(), dtype=loss.dtype).view_as(loss)  # each token its own
    return torch.autograd.grad((loss * factors).sum(), leaves)


def assert_near(got, expected, tolerance):
    torch.testing.assert_close(got, expected, rtol=tolerance, atol=tolerance, equal_nan=True, check_dtype=False)


def assert_same_gradients(got, expected, leaves, tolerance=TOLERANCES["softmax_loss", "float64"]):
    for ours, theirs in zip(gradients(got, *leaves), gradients(expected, *leaves), strict=True):
        assert_near(ours, theirs, tolerance)


class MemoryMeter(TorchDispatchMode):
    """Bytes of all tensors that live at once besides those given, and the largest number of elements of one."""

    def __init__(self, *known):
        super().__init__()
        self.known = {StorageWeakRef(tensor.untyped_storage()).cdata for tensor in known}
        self.live, self.peak_bytes, self.largest = {}, 0, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        self.live = {key: entry for key, entry in self.live.items() if not entry[0].expired()}
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor) and tensor.layout == torch.strided:
                storage = tensor.untyped_storage()
                reference = StorageWeakRef(storage)
                if reference.cdata not in self.known:
                    self.live.setdefault(reference.cdata, (reference, storage.nbytes()))
                    self.largest = max(self.largest, tensor.numel())
        self.peak_bytes = max(self.peak_bytes, sum(size for _, size in self.live.values()))
        return result
