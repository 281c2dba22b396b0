# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Where the same numbers must come out to the last bit, and where only within rounding."""

import torch
from elmo_builders import largest_difference
from tolerances import TOLERANCES


def library_keeps_bits() -> bool:
    """Whether a row of a product is the same beside any number of others, for more than one row and 512 numbers at most.

    MKL's code for AVX-512 sums so; that for AVX2 does only under MKL_CBWR=AVX2,STRICT, and others promise nothing.
    """
    generator = torch.Generator().manual_seed(0)
    for inputs, outputs in ((16, 32), (112, 64), (512, 128)):
        rows, weight = (torch.randn(*shape, generator=generator) for shape in ((400, inputs), (inputs, outputs)))
        expected = rows @ weight
        if any(not torch.equal(rows[:count] @ weight, expected[:count]) for count in (2, 7, 31, 100, 255)):
            return False
    return True


FLOAT_PRODUCTS_KEEP_BITS = library_keeps_bits()


def assert_same_float_products(got: torch.Tensor, expected: torch.Tensor, what: str = "") -> None:
    """Equal bits where the library gives them; else equal but for another order of summation."""
    if FLOAT_PRODUCTS_KEEP_BITS:
        assert torch.equal(got, expected), what
    else:
        size = max(1.0, expected.abs().max().item())
        assert largest_difference(got, expected) <= TOLERANCES["batch_invariance", "float32"] * size, what
