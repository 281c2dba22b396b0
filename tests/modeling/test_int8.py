# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Products with 8-bit weights against exact whole numbers."""

import json
import os
import subprocess
import sys
from fractions import Fraction

import pytest
import torch
from elmo_builders import largest_difference
from support import ROOT
from tolerances import TOLERANCES

from hf_elmo.modeling.int8 import Int8Product, quantize_rows, quantize_weight
from hf_elmo.modeling.linear import Int8Linear

ROWS = {
    "random": torch.randn(7, 33, generator=torch.Generator().manual_seed(0)).tolist(),
    "halves are rounded to even": [[127.0, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 126.5]],
    "the largest is negative": [[-3.0, 1.0, 2.9]],
    "both ends": [[5.0, -5.0, 0.0]],
    "zeros": [[0.0, 0.0], [1.0, 0.0]],
    "tiny beside large": [[1e-30, -2e-30], [1e30, 1e10]],
    "one number": [[0.3]],
}


def nearest_whole_numbers(row: list[float]) -> list[int]:
    """In exact arithmetic; Python rounds halves to even."""
    numbers = [Fraction(float(number)) for number in row]
    largest = max(abs(number) for number in numbers)
    return [round(number * 127 / largest) if largest else 0 for number in numbers]


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
def test_rows_become_the_nearest_whole_numbers(rows):
    rows = torch.tensor(rows)
    expected = torch.tensor([nearest_whole_numbers(row) for row in rows.tolist()])
    weight, scale = quantize_weight(rows)
    assert weight.dtype == torch.int8 and weight.tolist() == expected.tolist()
    assert scale.shape == (len(rows),) and scale.dtype == torch.float32
    values, row_scale = quantize_rows(rows)
    assert values.dtype == torch.uint8 and (values.int() - 128).tolist() == expected.tolist()
    assert torch.equal(row_scale.squeeze(1), scale)
    for row, largest, one in zip(rows, rows.abs().amax(dim=1), scale, strict=True):
        if row.any():
            assert float(one * 127) == pytest.approx(float(largest), rel=TOLERANCES["int8_scale_relative", "float32"])
        assert one > 0


def test_a_half_precision_weight_gives_the_whole_numbers_of_its_float32_form():
    weight = torch.randn(5, 40).to(torch.bfloat16)
    assert torch.equal(quantize_weight(weight)[0], quantize_weight(weight.float())[0])


SIZES = [(1, 1, 1), (3, 5, 7), (33, 129, 65), (1, 1024, 128), (16, 64, 31), (2, 1031, 3), (0, 64, 16)]


def whole_product(rows, inputs, outputs, largest=127, seed=0):
    """Operands with every number up to the largest, scales that are powers of two, and the exact result in float64."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randint(128 - largest, 128 + largest + 1, (rows, inputs), generator=generator)
    weight = torch.randint(-largest, largest + 1, (outputs, inputs), generator=generator)
    scale = 2.0 ** torch.randint(-9, 3, (outputs,), generator=generator)
    exact = ((values - 128) @ weight.T).double() * scale.double()
    return values.to(torch.uint8), weight.to(torch.int8), scale, exact


@pytest.fixture(params=["oneDNN", "plain"])
def library(request, monkeypatch):
    if request.param == "plain":
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    elif not torch.backends.mkldnn.is_available():
        pytest.skip("torch was built without oneDNN")
    return request.param


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_product_equals_that_of_whole_numbers(library, sizes):
    values, weight, scale, exact = whole_product(*sizes)
    got = Int8Product(weight, scale)(values)
    assert got.dtype == torch.float32 and got.shape == exact.shape
    assert torch.equal(got.double(), exact)


def test_product_of_the_largest_numbers(library):
    """Pairs of products beyond 16 bits."""
    values, weight = torch.full((3, 64), 255, dtype=torch.uint8), torch.full((4, 64), 127, dtype=torch.int8)
    weight[1] = -127
    got = Int8Product(weight, torch.ones(4))(values)
    assert got.tolist() == [[127 * 127 * 64 * sign for sign in (1, -1, 1, 1)]] * 3


OLD_PROCESSOR = """
import sys, types
package = types.ModuleType("package")
package.__path__ = [sys.argv[1]]
sys.modules["package"] = package
import torch
from package.int8 import Int8Product
print(Int8Product(torch.full((16, 64), 127, dtype=torch.int8), torch.ones(16))(torch.full((3, 64), 255, dtype=torch.uint8)).unique().tolist())
"""


@pytest.mark.slow  # a process of its own
def test_product_of_the_largest_numbers_on_a_processor_without_8_bit_instructions():
    """oneDNN then adds pairs in 16 bits, which they overflow."""
    command = [sys.executable, "-c", OLD_PROCESSOR, str(ROOT / "modeling")]
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [127 * 127 * 64]


def test_both_libraries_and_any_company_give_the_same_bits(monkeypatch):
    values, weight, scale, _ = whole_product(50, 200, 33)
    product = Int8Product(weight, scale)
    expected = product(values)
    for rows in ([3], [3, 1], list(range(17)), list(range(49, -1, -1))):
        assert torch.equal(product(values[rows]), expected[rows])
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert torch.equal(Int8Product(weight, scale)(values), expected)


@pytest.mark.parametrize("bias", [True, False])
def test_linear_layer_is_the_product_of_both_quantised_sides(bias):
    linear = torch.nn.Linear(37, 11, bias=bias)
    inputs = torch.randn(5, 37)
    quantised = Int8Linear.of(linear)
    weight = torch.tensor([nearest_whole_numbers(row) for row in linear.weight.tolist()])
    rows = torch.tensor([nearest_whole_numbers(row) for row in inputs.tolist()])
    scales = inputs.double().abs().amax(1, keepdim=True) / 127 * (linear.weight.double().abs().amax(1) / 127)
    expected = (rows @ weight.T).double() * scales + (linear.bias.double() if bias else 0)
    with torch.no_grad():
        assert largest_difference(quantised(inputs).double(), expected) <= TOLERANCES["parity", "float32"]
    assert largest_difference(quantised(inputs.half()).double(), expected) <= TOLERANCES["dtype", "float16"]
    assert quantised(inputs.half()).dtype == torch.float16


def test_inputs_of_a_linear_layer_get_the_gradient_of_the_weights_stood_for():
    linear, inputs = torch.nn.Linear(37, 11), torch.randn(5, 37, requires_grad=True)
    quantised = Int8Linear.of(linear)
    outputs = quantised(inputs)
    (gradient,) = torch.autograd.grad(outputs.sum(), inputs)
    whole = torch.tensor([nearest_whole_numbers(row) for row in linear.weight.tolist()]).double()
    weight = whole * linear.weight.detach().double().abs().amax(1, keepdim=True) / 127
    expected = inputs.detach().double() @ weight.T + linear.bias.detach().double()
    assert largest_difference(outputs.double(), expected) <= TOLERANCES["parity", "float32"]
    assert largest_difference(gradient.double(), weight.sum(0).expand(5, 37)) <= TOLERANCES["parity", "float32"]
