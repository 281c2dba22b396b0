"""Where the same numbers must come out to the last bit, and where only within rounding."""

import torch
from elmo_builders import largest_difference
from tolerances import TOLERANCES

# MKL's code for AVX-512 sums a row in one order whatever stands beside it; that for AVX2 does so only under
# MKL_CBWR=AVX2,STRICT, and other libraries promise nothing.
FLOAT_PRODUCTS_KEEP_BITS = torch.backends.mkl.is_available() and torch.backends.cpu.get_cpu_capability() == "AVX512"


def assert_same_float_products(got: torch.Tensor, expected: torch.Tensor, what: str = "") -> None:
    """Equal bits where the library gives them; else equal but for another order of summation."""
    if FLOAT_PRODUCTS_KEEP_BITS:
        assert torch.equal(got, expected), what
    else:
        size = max(1.0, expected.abs().max().item())
        assert largest_difference(got, expected) <= TOLERANCES["batch_invariance", "float32"] * size, what
