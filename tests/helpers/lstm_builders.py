# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Weights and runs of one direction of the LSTM, for the tests of its compiled backends."""

import torch
from elmo_builders import largest_difference
from tolerances import TOLERANCES

from hf_elmo.modeling import LstmWeights, lstm_projection

FLOAT32 = TOLERANCES["parity", "float32"]
LENGTHS = {
    "usual": [3, 1, 7, 7, 2],
    "with empty": [0, 4, 0, 1],
    "one word": [1],
    "one sentence": [150],  # more words than a block
    "many": [2] * 90 + [1] * 60,  # more sentences than a block has words
    "every number of rows": list(range(1, 24)),
}
# D, M, projection: in one panel, over several, not a multiple of anything, several depths
SIZES = {"tiny": (6, 10, True), "odd": (70, 33, True), "bare": (19, 19, False), "deep": (128, 136, True)}


def make_weights(size: int, cell: int, projected: bool) -> LstmWeights:
    """In float64; large enough that gates saturate and clips act, small enough that rounding does not grow."""
    generator = torch.Generator().manual_seed(size + cell)

    def random(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    scale = 1.5 * size**-0.5
    return LstmWeights(
        random(4 * cell, size) * scale,
        random(4 * cell, size) * scale,
        random(4 * cell),
        random(size, cell) * 2 * cell**-0.5 if projected else None,
    )


def to_float(weights: LstmWeights) -> LstmWeights:
    return LstmWeights(*(None if weight is None else weight.float() for weight in weights))


def run(backend, weights, lengths, inputs=None, state=True, **settings):
    size, cell = weights.weight_hh.shape[1], weights.weight_hh.shape[0] // 4
    generator = torch.Generator().manual_seed(1)
    shape = (len(lengths), max(lengths) + 1)
    drawn = torch.randn(*shape, size, generator=generator, dtype=torch.float64)
    before = tuple(torch.randn(shape[0], width, generator=generator, dtype=torch.float64) for width in (size, cell))
    kind = weights.bias.dtype
    with torch.no_grad():
        outputs, (h, c) = lstm_projection(
            (drawn if inputs is None else inputs).to(kind),
            weights,
            torch.tensor(lengths),
            tuple(part.to(kind) for part in before) if state else None,
            backend=backend,
            **settings,
        )
    return outputs, h, c


def agree(got, expected, tolerance=FLOAT32) -> None:
    for a, b in zip(got, expected, strict=True):
        assert largest_difference(a, b) <= tolerance


def check_that_infinite_words_saturate_the_gates() -> None:
    """By the compiled kernel, as by the definition."""
    weights = make_weights(1, 3, True)
    inputs = torch.tensor([1, float("inf"), -float("inf"), 2, 0], dtype=torch.float64).view(1, 5, 1)
    expected = run("reference", weights, [4], inputs)
    assert expected[0].isfinite().all()
    agree(run("native", to_float(weights), [4], inputs), expected)
