# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Float32 products by the tiles of AMX: against float64, in any company, numbers that do not split, and who gets them."""

import threading

import numpy as np
import pytest
import torch
from elmo_builders import largest_difference, random_batch, tiny_model
from lstm_builders import (
    LENGTHS,
    SIZES,
    agree,
    check_that_infinite_words_saturate_the_gates,
    make_weights,
    run,
    to_float,
)
from tolerances import TOLERANCES

from hf_elmo.modeling import LstmWeights, linear, lstm_native, lstm_projection
from hf_elmo.modeling.weight_copies import WeightCopies

FLOAT32 = TOLERANCES["parity", "float32"]


@pytest.fixture
def tiles(monkeypatch, own_kernel):
    """Tiles for matrices of any size, and nothing else."""
    kernel = lstm_native.native_kernel()
    if kernel is None or kernel.lstm_amx is None:
        pytest.skip("the processor has no AMX for bfloat16, or there is no C compiler")

    def refuse(*arguments):
        raise AssertionError("something else ran")

    monkeypatch.setattr(lstm_native, "TILES_FROM", 0)
    monkeypatch.setattr(lstm_native, "FloatRun", refuse)
    monkeypatch.setattr(lstm_native, "lstm_over_packed_words", refuse)
    return kernel


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("sizes", [*SIZES.values(), (300, 600, True)], ids=[*SIZES, "more than a depth"])
def test_tiles_equal_reference(tiles, sizes, lengths):
    weights, settings = make_weights(*sizes), {"cell_clip": 0.5, "proj_clip": 0.3}
    agree(run("native", to_float(weights), lengths, **settings), run("reference", weights, lengths, **settings))


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_a_sentence_has_the_same_bits_in_any_company(tiles, sizes):
    weights, lengths = to_float(make_weights(*sizes)), [*range(1, 24), *[5] * 130]
    inputs = torch.randn(len(lengths), 24, sizes[0])

    def outputs_of(rows):
        with torch.no_grad():
            outputs, last = lstm_projection(inputs[rows], weights, torch.tensor(lengths)[rows], backend="native")
        return outputs, *last

    together = outputs_of(list(range(len(lengths))))
    for company in ([4], [4, 30], [22, 4, 21, 20], [4, *range(14, 29)], [4, *range(30, 62)], [4, *range(30, 110)]):
        for alone, among in zip(outputs_of(company), together, strict=True):
            assert torch.equal(alone[company.index(4)], among[4])


def by_tiles(rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return linear.linear(rows, weight, bias, WeightCopies(), native=True)


@pytest.mark.parametrize("rows", [1, 2, 15, 17, 33, 257, 513])
@pytest.mark.parametrize("shape", [(1, 1), (70, 31), (64, 300), (130, 513)])
@pytest.mark.parametrize("threads", [1, 2])
def test_products_are_as_exact_as_float32(tiles, monkeypatch, rows, shape, threads):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    generator = np.random.default_rng(rows)
    x, weight, bias = (generator.normal(size=size).astype(np.float32) for size in ((rows, shape[1]), shape, shape[0]))
    got = by_tiles(*map(torch.from_numpy, (x, weight, bias))).numpy()
    exact = x.astype(np.float64) @ weight.T.astype(np.float64) + bias
    # Sums of float32 numbers, each rounded: the bound that any order of summation keeps (Higham 2002, section 3.1).
    bound = (
        (shape[1] + 8) * 2.0**-24 * (np.abs(x).astype(np.float64) @ np.abs(weight.T).astype(np.float64) + np.abs(bias))
    )
    assert got.shape == exact.shape and (np.abs(got - exact) <= bound).all()
    assert np.abs(got - exact).max() <= 2e-6 * np.sqrt(shape[1])


@pytest.fixture
def one_row(tiles):
    """The switch in the kernel: whether vectors multiply a single row."""
    assert tiles.amx_one_row.value, "vectors gave other bits than tiles when the kernel was loaded"
    yield tiles.amx_one_row
    tiles.amx_one_row.value = True


# Powers of 2: of usual numbers; whose products, and whose third parts, are below the least normal number; of both kinds.
@pytest.mark.parametrize("powers", [(-3, 3), (-70, -60), (-126, -100), (-149, 60)])
@pytest.mark.parametrize("shape", [(1, 1), (70, 31), (64, 300), (33, 1200)])
def test_a_single_row_has_the_same_bits_by_vectors_as_by_tiles(one_row, powers, shape):
    generator = np.random.default_rng(shape[1])

    def numbers(*size):
        mantissas = generator.uniform(-2, 2, size).astype(np.float32)
        return torch.from_numpy(np.ldexp(mantissas, generator.integers(*powers, size)).astype(np.float32))

    rows, weight, bias = numbers(5, shape[1]), numbers(*shape), torch.zeros(shape[0])
    together = by_tiles(rows, weight, bias)
    for by_vectors in (False, True):
        one_row.value = by_vectors
        alone = torch.cat([by_tiles(row.unsqueeze(0), weight, bias) for row in rows])
        assert alone.numpy().tobytes() == together.numpy().tobytes()


def test_a_product_is_right_while_another_copy_of_the_module_checks_the_library(one_row):
    row, weight, bias = torch.randn(1, 512), torch.randn(2048, 512), torch.zeros(2048)
    expected, copies = by_tiles(row, weight, bias), WeightCopies()
    done = threading.Event()

    def switch():
        while not done.is_set():
            one_row.value = not one_row.value

    thread = threading.Thread(target=switch)
    thread.start()
    try:
        with torch.no_grad():
            found = [linear.linear(row, weight, bias, copies, native=True) for _ in range(300)]
    finally:
        done.set()
        thread.join()
    assert all(torch.equal(one, expected) for one in found)


def test_numbers_below_the_least_normal_one_are_zero_in_a_product_of_a_single_row_and_nowhere_else(one_row):
    rows, weight, bias = torch.full((1, 64), 1e-30), torch.full((64, 64), 1e-15), torch.zeros(64)
    assert (by_tiles(rows, weight, bias) == 0).all()
    assert (torch.full((64,), 1e-30) * 1e-10 > 0).all()


def test_long_sums_are_not_less_exact_than_by_vectors(tiles, monkeypatch):
    generator = np.random.default_rng(0)
    x, weight = (generator.normal(size=(64, 4096)).astype(np.float32) for _ in range(2))
    exact, bias = x.astype(np.float64) @ weight.T.astype(np.float64), torch.zeros(64)

    def error() -> float:
        return np.sqrt(np.mean((by_tiles(torch.from_numpy(x), torch.from_numpy(weight), bias).numpy() - exact) ** 2))

    with_tiles = error()
    monkeypatch.setattr(lstm_native, "TILES_FROM", 2**60)
    assert 0 < with_tiles <= 1.1 * error()


def test_all_24_bits_of_a_number_count(tiles):
    generator = np.random.default_rng(0)
    numbers = generator.integers(2**23, 2**24, size=(64, 32)).astype(np.float32) * generator.choice([-1, 1], (64, 32))
    numbers = np.ldexp(numbers.astype(np.float32), generator.integers(-60, 20, size=(64, 32))).astype(np.float32)
    one = torch.eye(32)
    assert torch.equal(by_tiles(one, torch.from_numpy(numbers), torch.zeros(64)), torch.from_numpy(numbers).t())
    assert torch.equal(by_tiles(torch.from_numpy(numbers), one, torch.zeros(32)), torch.from_numpy(numbers))


def test_what_is_infinite_stays_so_in_its_row_and_nan_does_not_spread(tiles):
    x, weight = torch.ones(40, 50), torch.ones(70, 50)
    x[3, 7], x[5, 49], x[39, 0], x[39, 1] = float("inf"), float("nan"), float("inf"), -float("inf")
    x[20] = 3.4e38 / 50
    got = by_tiles(x, weight, torch.zeros(70))
    assert (got[3] == float("inf")).all() and got[5].isnan().all() and got[39].isnan().all()
    assert torch.allclose(got[20], torch.tensor(3.4e38), rtol=1e-5)
    usual = [row for row in range(40) if row not in (3, 5, 20, 39)]
    assert (got[usual] == 50).all()


@pytest.mark.parametrize("number", [1.23456e38, -1.98765e38, 7.65432e30, 1.23456e18])
def test_products_of_large_numbers_are_large_or_infinite_as_in_float32_but_never_nan(tiles, number):
    x = torch.ones(5, 4)
    x[2, 1] = number
    weight = torch.tensor([1.98765e16, -1.23456e16, 54321.987, 1.0]).view(4, 1).expand(4, 4)
    assert torch.equal(by_tiles(x, weight, torch.zeros(4)).isinf(), (x @ weight.t()).isinf())
    assert torch.allclose(by_tiles(x, weight, torch.zeros(4)), x @ weight.t(), rtol=1e-5)


def test_infinite_words_saturate_the_gates(tiles):
    check_that_infinite_words_saturate_the_gates()


@pytest.mark.parametrize("strange", [float("inf"), float("nan"), 1e30])
def test_weights_that_do_not_split_take_vectors(own_kernel, monkeypatch, strange):
    monkeypatch.setattr(lstm_native, "TILES_FROM", 0)
    weights = to_float(make_weights(6, 10, True))
    weights.weight_hh[3, 2] = strange
    outputs = run("native", weights, [3])[0]
    monkeypatch.setattr(lstm_native, "TILES_FROM", 2**60)
    assert torch.equal(outputs.nan_to_num(5), run("native", weights, [3])[0].nan_to_num(5))


def test_a_model_is_the_same_by_tiles_and_by_vectors_within_rounding(tiles, monkeypatch):
    used = []
    make = lstm_native.AmxRun
    monkeypatch.setattr(lstm_native, "AmxRun", lambda *arguments: (used.append(1), make(*arguments))[1])
    native, packed = tiny_model(lstm_backend="native"), tiny_model(lstm_backend="scan")
    with torch.no_grad():
        batch = random_batch([4, 2, 9])
        assert largest_difference(native(**batch).mixed_state, packed(**batch).mixed_state) <= FLOAT32
    assert len(used) == 4  # two layers, two directions


def test_changed_weights_are_noticed(tiles):
    model, batch = tiny_model(lstm_backend="native"), random_batch([4, 2])
    with torch.no_grad():
        model(**batch)
        for parameter in model.parameters():
            parameter.mul_(0.5)
        expected = tiny_model(lstm_backend="reference")
        expected.load_state_dict(model.state_dict())
        agree([model(**batch).mixed_state], [expected(**batch).mixed_state])


def test_states_may_lie_in_memory_in_any_order(tiles):
    size, cell = 20, 2 * tiles.width  # whole panels: nothing is padded
    weights, alive = to_float(make_weights(size, cell, True)), [4, 3, 1]
    words, h, c = (torch.randn(rows, columns).t() for rows, columns in ((size, 8), (size, 4), (cell, 4)))
    results = []
    with torch.no_grad():
        for arrange in (torch.Tensor.contiguous, lambda tensor: tensor):
            arguments = arrange(words), weights, alive, arrange(h), arrange(c), 0.9, 0.8, WeightCopies()
            results.append(lstm_native.lstm_over_packed_words_native(*arguments))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


# --- who gets them ----------------------------------------------------------------------------------------------------


def test_small_matrices_take_vectors_for_any_number_of_rows(own_kernel, monkeypatch):
    if lstm_native.native_kernel() is None:
        pytest.skip("there is no C compiler")
    monkeypatch.setattr(lstm_native, "AmxRun", None)
    weights = to_float(make_weights(6, 10, True))
    assert weights.weight_hh.numel() < lstm_native.TILES_FROM
    for lengths in ([1], [3] * 200):
        run("native", weights, lengths)


def test_the_environment_turns_them_off(monkeypatch, nothing_loaded):
    monkeypatch.setenv(lstm_native.NO_AMX, "1")
    monkeypatch.setattr(lstm_native, "TILES_FROM", 0)
    kernel = lstm_native.native_kernel()
    assert kernel is None or (kernel.lstm_amx is None and kernel.linear_amx is None)
    weights = make_weights(6, 10, True)
    agree(run("native", to_float(weights), [3, 1]), run("reference", weights, [3, 1]))


def test_tiles_that_compute_something_else_are_not_used(monkeypatch, tiles, nothing_loaded):
    wrong = lstm_native.SOURCE.replace("ROWS_OF(1) WEIGHTS(0)", "ROWS_OF(0) WEIGHTS(0)")
    assert wrong != lstm_native.SOURCE
    monkeypatch.undo()
    monkeypatch.setattr(lstm_native, "SOURCE", wrong)
    monkeypatch.setattr(lstm_native, "_loaded", [])
    monkeypatch.setattr(lstm_native, "_cache_folder", lambda: None)
    kernel = lstm_native.native_kernel()
    assert kernel is not None and kernel.lstm_amx is None


def test_a_system_that_refuses_is_asked_once_and_believed(monkeypatch, tiles, nothing_loaded):
    monkeypatch.undo()
    monkeypatch.setattr(lstm_native, "SOURCE", lstm_native.SOURCE.replace("0x1023, 18", "0x1023, 99"))
    monkeypatch.setattr(lstm_native, "_loaded", [])
    monkeypatch.setattr(lstm_native, "_cache_folder", lambda: None)
    kernel = lstm_native.native_kernel()
    assert kernel is not None and kernel.lstm_amx is None


def test_weights_without_projection_have_no_third_matrix(tiles):
    weights = to_float(make_weights(19, 19, False))
    assert isinstance(weights, LstmWeights) and weights.weight_hr is None
    agree(run("native", weights, [5, 2]), run("reference", make_weights(19, 19, False), [5, 2]))
