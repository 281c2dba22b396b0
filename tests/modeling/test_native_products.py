# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The compiled loop with 8-bit weights and the compiled linear layers: against exact whole numbers, and in any company."""

import platform
import shutil

import numpy as np
import pytest
import torch
from elmo_builders import largest_difference, random_batch, tiny_model
from tolerances import TOLERANCES

from hf_elmo.modeling import linear, lstm_native, lstm_native_int8
from hf_elmo.modeling.int8 import Int8LstmWeights, quantize_weight
from hf_elmo.modeling.linear import int8_linear
from hf_elmo.modeling.lstm_native_int8 import int8_lstm_over_packed_words_native
from hf_elmo.modeling.weight_copies import WeightCopies

FLOAT32 = TOLERANCES["parity", "float32"]
compiled = pytest.mark.skipif(
    not any(shutil.which(name) for name in ("cc", "gcc", "clang"))
    or (platform.machine() not in ("aarch64", "arm64") and torch.backends.cpu.get_cpu_capability() == "DEFAULT"),
    reason="there is no C compiler, or the processor has none of the instructions the kernel is written for",
)
pytestmark = [compiled, pytest.mark.usefixtures("own_kernel")]
# D, M, projection: in one panel, over several, not a multiple of anything, several depths
SIZES = {"tiny": (6, 10, True), "odd": (70, 33, True), "bare": (19, 19, False), "deep": (263, 300, True)}
LENGTHS = {
    "usual": [7, 7, 3, 2, 1],
    "one sentence": [150],
    "many": [2] * 90 + [1] * 60,
    "rows": list(range(23, 0, -1)),
}


@pytest.fixture
def vnni(monkeypatch):
    """The kernel runs, or the test is skipped."""
    if lstm_native.native_kernel().lstm_int8 is None:
        pytest.skip("the processor has no VNNI")
    assert lstm_native_int8._is_right()

    def refuse(*arguments):
        raise AssertionError("the loop without the kernel ran")

    monkeypatch.setattr(lstm_native_int8, "int8_lstm_over_packed_words", refuse)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed + sum(shape)))


def make_weights(size: int, cell: int, projected: bool) -> Int8LstmWeights:
    ih, hh = (quantize_weight(1.5 * size**-0.5 * random(4 * cell, size, seed=seed)) for seed in (0, 1))
    hr = quantize_weight(2 * cell**-0.5 * random(size, cell)) if projected else (None, None)
    return Int8LstmWeights(*ih, *hh, random(4 * cell), *hr)


def whole_numbers(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows as whole numbers up to 127 and their scales, as the model's float32 numbers are rounded."""
    scale = np.abs(rows).max(axis=1, keepdims=True).astype(np.float32) / np.float32(127)
    return np.rint(rows.astype(np.float32) / scale + np.float32(128)).astype(np.int64) - 128, scale.astype(np.float64)


def exact_lstm(words, weights, alive, h, c, cell_clip, proj_clip):
    """The loop in NumPy: exact sums of whole numbers, everything else in float64."""

    def product(rows, weight, scale):
        values, row_scale = whole_numbers(rows)
        return values @ weight.long().numpy().T * scale.double().numpy() * row_scale

    words, h, last_c, bias = (part.double().numpy().copy() for part in (words, h, c, weights.bias))
    outputs, start = [], 0
    for count in alive:
        gates = product(words[start : start + count], weights.weight_ih, weights.weight_ih_scale) + bias
        gates += product(h[:count], weights.weight_hh, weights.weight_hh_scale)
        i, f, g, o = np.split(gates, 4, axis=1)
        cell = last_c[:count] / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
        last_c[:count] = cell.clip(-cell_clip, cell_clip)
        h = np.tanh(last_c[:count]) / (1 + np.exp(-o))
        if weights.weight_hr is not None:
            values = np.rint(h.astype(np.float32) * np.float32(127) + np.float32(128)).astype(np.int64) - 128
            h = values @ weights.weight_hr.long().numpy().T * weights.weight_hr_scale.double().numpy() / 127
            h = h.clip(-proj_clip, proj_clip)
        outputs.append(h)
        start += count
    return np.concatenate(outputs), last_c


def arguments_of(sizes, lengths):
    weights = make_weights(*sizes)
    alive = [sum(length > step for length in lengths) for step in range(max(lengths))]
    before = random(len(lengths), sizes[0], seed=3), random(len(lengths), sizes[1], seed=4)
    return random(sum(alive), sizes[0], seed=5), weights, alive, *before, 0.5, 0.3


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_the_loop_computes_with_exact_whole_numbers(vnni, sizes, lengths):
    arguments = arguments_of(sizes, lengths)
    with torch.no_grad():
        got = int8_lstm_over_packed_words_native(*arguments, WeightCopies())
    for a, b in zip(got, exact_lstm(*arguments), strict=True):
        difference = np.abs(a.numpy() - b)
        # A number in the middle between two whole ones may be rounded to the other one, and what follows differs.
        assert difference.max() <= TOLERANCES["int8_rounded_otherwise", "float32"]
        assert (difference <= FLOAT32).mean() >= 0.9


def test_each_clip_acts(vnni):
    words, weights, alive, h, c, _, _ = arguments_of(SIZES["odd"], LENGTHS["usual"])
    with torch.no_grad():
        outputs, last_c = int8_lstm_over_packed_words_native(words, weights, alive, h, c, 0.5, 0.3, WeightCopies())
        free, free_c = int8_lstm_over_packed_words_native(words, weights, alive, h, c, None, None, WeightCopies())
    assert last_c.abs().max() == 0.5 < free_c.abs().max()
    assert outputs.abs().max() == np.float32(0.3) < free.abs().max()


def test_int8_states_may_lie_in_memory_in_any_order(vnni):
    size, cell = 20, 2 * lstm_native.native_kernel().width  # whole panels: nothing is padded
    weights, results = make_weights(size, cell, True), []
    words, h, c = (torch.randn(columns, rows).t() for rows, columns in ((8, size), (4, size), (4, cell)))
    for arrange in (torch.Tensor.contiguous, lambda tensor: tensor):
        arguments = arrange(words), weights, [4, 3, 1], arrange(h), arrange(c), 0.9, 0.8, WeightCopies()
        with torch.no_grad():
            results.append(int8_lstm_over_packed_words_native(*arguments))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


@pytest.mark.skipif(torch.backends.cpu.get_cpu_capability() != "AVX512", reason="registers are 256 bits wide anyway")
def test_narrow_registers_give_the_same(monkeypatch, nothing_loaded):
    monkeypatch.setenv("CC", f"{lstm_native._find_compiler()[0]} -mno-avx512f")
    if lstm_native.native_kernel().lstm_int8 is None:
        pytest.skip("the processor has no VNNI for registers of 256 bits")
    assert lstm_native.native_kernel().width == 8 and lstm_native_int8._is_right()
    arguments = arguments_of(SIZES["odd"], LENGTHS["rows"])
    run = lstm_native_int8.Int8Run(lstm_native.native_kernel(), *arguments, WeightCopies())
    run()
    assert run.answer == 0
    assert (
        largest_difference(run.outputs, exact_lstm(*arguments)[0]) <= TOLERANCES["int8_rounded_otherwise", "float32"]
    )


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("where", ["words", "h", "c"])
@pytest.mark.parametrize("threads", [1, 2])
def test_what_is_not_finite_goes_where_it_goes_without_the_kernel(bad, where, threads):
    if lstm_native.native_kernel().lstm_int8 is None:
        pytest.skip("the processor has no VNNI")
    native, packed = (tiny_model(lstm_backend=name).quantize_int8() for name in ("native", "packed"))
    words, state = random(3, 6, 12), [random(2, 3, 24, seed=1), random(2, 3, 40, seed=2)]
    if where == "words":
        words[1, 2, 3] = bad
    else:
        state["hc".index(where)][0, 1, 5] = bad
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.no_grad():
            inputs = {"inputs_embeds": words, "attention_mask": torch.ones(3, 6), "state": tuple(state)}
            got, expected = (model(**inputs, output_state=True) for model in (native, packed))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(got.last_hidden_state.isnan(), expected.last_hidden_state.isnan())
    assert torch.equal(got.state[1].isnan(), expected.state[1].isnan())
    assert np.isinf(bad) or got.last_hidden_state[1].isnan().any()
    assert got.last_hidden_state[[0, 2]].isfinite().all()


@pytest.mark.parametrize("part", ["-clip, clip)", "load_ints(m->excess + column)"])
def test_a_kernel_that_computes_something_else_is_not_used(monkeypatch, nothing_loaded, part):
    wrong = {"-clip, clip)": "-clip, clip + 0.3f)", "load_ints(m->excess + column)": "0"}[part]
    assert part in lstm_native.SOURCE
    monkeypatch.setattr(lstm_native, "SOURCE", lstm_native.SOURCE.replace(part, wrong))
    monkeypatch.setattr(lstm_native, "FLAGS", ["-O0", *lstm_native.FLAGS[1:]])  # compiles in a third of the time
    monkeypatch.setattr(lstm_native, "_checked", lambda kernel: kernel)
    if lstm_native.native_kernel().lstm_int8 is None:
        pytest.skip("the processor has no VNNI")
    assert not lstm_native_int8._is_right()
    model = tiny_model(lstm_backend="native").quantize_int8()
    other = tiny_model(lstm_backend="packed").quantize_int8()
    with torch.no_grad():
        inputs = {"inputs_embeds": random(2, 4, 12), "attention_mask": torch.ones(2, 4)}
        assert torch.equal(model(**inputs).mixed_state, other(**inputs).mixed_state)


# --- linear layers ----------------------------------------------------------------------------------------------------


@pytest.fixture(params=[1, 3])
def threads(request):
    """A torch that may use so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


LINEAR = [(1, 1, 1), (5, 70, 33), (23, 130, 64), (150, 19, 300), (3, 600, 65)]


@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize(("rows", "inputs", "outputs"), LINEAR)
def test_a_linear_layer_equals_float64(threads, rows, inputs, outputs, with_bias):
    x, weight, bias = random(rows, inputs), random(outputs, inputs) * inputs**-0.5, random(outputs)
    bias = bias if with_bias else None
    with torch.no_grad():
        got = linear.linear(x, weight, bias, WeightCopies(), native=True)
    expected = x.double().numpy() @ weight.double().numpy().T + (bias.double().numpy() if with_bias else 0)
    assert got.shape == (rows, outputs) and largest_difference(got, expected) <= FLOAT32


@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize(("rows", "inputs", "outputs"), LINEAR)
def test_an_int8_layer_computes_with_exact_whole_numbers(vnni, threads, rows, inputs, outputs, with_bias):
    x, (weight, scale) = random(rows, inputs), quantize_weight(random(outputs, inputs) * inputs**-0.5)
    bias = random(outputs) if with_bias else None
    with torch.no_grad():
        got = int8_linear(x, weight, scale, bias, WeightCopies(), native=True)
    values, row_scale = whole_numbers(x.numpy())
    expected = values @ weight.long().numpy().T * scale.double().numpy() * row_scale
    assert largest_difference(got, expected + (bias.double().numpy() if with_bias else 0)) <= FLOAT32


def test_rows_of_an_int8_layer_that_are_not_finite_go_the_usual_way():
    x, (weight, scale) = random(4, 20), quantize_weight(random(8, 20))
    x[2, 3] = float("nan")
    with torch.no_grad():
        got = int8_linear(x, weight, scale, None, WeightCopies(), native=True)
        plain = int8_linear(x, weight, scale, None, WeightCopies())
    assert got[2].isnan().all() and got[[0, 1, 3]].isfinite().all()
    assert np.array_equal(got, plain, equal_nan=True)


@pytest.mark.parametrize("int8", [False, True])
def test_the_character_encoder_takes_the_kernel_and_stays_the_same(monkeypatch, int8):
    native, packed = tiny_model(lstm_backend="native"), tiny_model(lstm_backend="packed")
    if int8:
        native, packed = native.quantize_int8(), packed.quantize_int8()
    taken = []
    name = "_native_int8_linear" if int8 else "_native_linear"
    run = getattr(linear, name)
    monkeypatch.setattr(linear, name, lambda *arguments: (taken.append(name), run(*arguments))[1])
    char_ids = random_batch([9, 4])["char_ids"]
    with torch.no_grad():
        difference = largest_difference(native.char_cnn(char_ids), packed.char_cnn(char_ids))
    int8_runs = not int8 or lstm_native.native_kernel().lstm_int8 is not None
    assert len(taken) == 2 * int8_runs  # one highway layer and the projection
    assert difference <= (TOLERANCES["int8_rounded_otherwise", "float32"] if int8 else FLOAT32)


@pytest.mark.parametrize(
    ("words", "columns", "size", "filters", "span"), [(1, 3, 5, 4, 3), (9, 30, 16, 70, 7), (51, 9, 3, 130, 1)]
)
def test_a_convolution_equals_float64(threads, words, columns, size, filters, span):
    embedded, weight, bias = random(words, columns, size), random(filters, size, span), random(filters)
    embedded[0, 0, 0] = float("nan") if words == 9 else 0.5
    with torch.no_grad():
        got = linear.native_convolution(embedded, weight, bias, WeightCopies()).numpy()
    windows = np.lib.stride_tricks.sliding_window_view(
        embedded.double().numpy(), span, axis=1
    )  # (n, windows, E, span)
    expected = np.einsum("nwes,fes->nwf", windows, weight.double().numpy()).max(axis=1) + bias.double().numpy()
    assert got.shape == (words, filters) and np.array_equal(np.isnan(got), np.isnan(expected))
    assert largest_difference(np.nan_to_num(got), np.nan_to_num(expected)) <= 5 * FLOAT32  # sums of magnitude 30


def test_words_shorter_than_a_filter_are_refused():
    with pytest.raises(ValueError, match="words of 2 characters are shorter than a filter of 3"):
        linear.native_convolution(random(4, 2, 5), random(8, 5, 3), random(8), WeightCopies())


def test_changed_weights_of_a_layer_are_noticed():
    layer = linear.InvariantLinear(8, 4, native=True)
    x = random(3, 8)
    with torch.no_grad():
        layer(x)
        layer.weight.mul_(2)
        expected = x.double().numpy() @ layer.weight.double().numpy().T + layer.bias.double().numpy()
        assert largest_difference(layer(x), expected) <= FLOAT32


def test_gradients_take_torchs_own_product():
    layer = linear.InvariantLinear(8, 4, native=True)
    layer(random(3, 8)).sum().backward()
    assert layer.weight.grad is not None and layer.bias.grad.tolist() == [3.0] * 4
