# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The recurrent function: every backend against the reference and against torch.nn.LSTM, forward, backward, states."""

import pytest
import torch
from elmo_builders import largest_difference
from tolerances import TOLERANCES

from hf_elmo.modeling import LstmWeights, lstm_projection

LENGTHS = {"usual": [3, 1, 7, 7, 2], "with empty": [0, 4, 0, 1], "one word": [1], "long": [63, 20], "empty": [0, 0]}


def make_weights(size=6, cell=10, projected=True, dtype=torch.float64, seed=0) -> LstmWeights:
    generator = torch.Generator().manual_seed(seed)

    def random(*shape):
        return torch.randn(*shape, generator=generator, dtype=dtype).requires_grad_()

    return LstmWeights(
        random(4 * cell, size), random(4 * cell, size), random(4 * cell), random(size, cell) if projected else None
    )


def run(backend, lengths, weights, with_state=True, **settings):
    """Outputs, final state and all gradients of a loss that touches every output and both states."""
    size, cell = weights.weight_hh.shape[1], weights.weight_hh.shape[0] // 4
    generator = torch.Generator().manual_seed(1)
    shape = (len(lengths), max(max(lengths), 1) + 1)  # one column no sentence reaches
    inputs = torch.randn(*shape, size, generator=generator, dtype=weights.bias.dtype).requires_grad_()
    state = tuple(
        torch.randn(len(lengths), width, generator=generator, dtype=inputs.dtype).requires_grad_()
        for width in (size, cell)
    )
    outputs, last = lstm_projection(
        inputs, weights, torch.tensor(lengths), state if with_state else None, backend=backend, **settings
    )
    loss = (outputs * torch.linspace(-1, 1, outputs.numel(), dtype=inputs.dtype).view_as(outputs)).sum()
    loss = loss + (last[0] ** 2).sum() + last[1].sin().sum()
    leaves = [inputs, *(state if with_state else ()), *(w for w in weights if w is not None)]
    gradients = torch.autograd.grad(loss, leaves, allow_unused=True)
    return (
        outputs,
        last,
        [torch.zeros_like(leaf) if g is None else g for leaf, g in zip(leaves, gradients, strict=True)],
    )


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("clips", [(None, None), (0.5, 0.3)], ids=["free", "clipped"])
@pytest.mark.parametrize("projected", [True, False], ids=["projected", "bare"])
def test_packed_equals_reference(reverse, lengths, clips, projected):
    weights = make_weights(projected=projected, cell=10 if projected else 6)
    settings = {"reverse": reverse, "cell_clip": clips[0], "proj_clip": clips[1]}
    expected = run("reference", lengths, weights, **settings)
    got = run("packed", lengths, weights, **settings)
    assert largest_difference(got[0], expected[0]) <= TOLERANCES["parity", "float64"]
    for a, b in zip((*got[1], *got[2]), (*expected[1], *expected[2]), strict=True):
        assert largest_difference(a, b) <= TOLERANCES["parity", "float64"]


@pytest.mark.parametrize(
    "part, message",
    [
        (
            {"weight_hh": torch.zeros(20, 3)},
            r"weights of shapes \(20, 3\), \(20,\), \(4, 5\) do not fit weight_ih \(20, 4\)",
        ),
        ({"bias": torch.zeros(16)}, r"needed are weight_hh \(20, 4\), bias \(20,\) and weight_hr \(4, 5\)"),
        ({"weight_hr": None}, "or none if both sizes are equal"),
        ({"weight_hr": torch.zeros(5, 4)}, "do not fit weight_ih"),
    ],
)
def test_weights_that_do_not_fit_each_other_are_refused(part, message):
    """The compiled loop would read beyond them."""
    weights = LstmWeights(torch.zeros(20, 4), torch.zeros(20, 4), torch.zeros(20), torch.zeros(4, 5))._replace(**part)
    with pytest.raises(ValueError, match=message):
        lstm_projection(torch.zeros(1, 2, 4), weights, torch.tensor([2]), backend="native")


@pytest.mark.slow  # each one compiles
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("case", [([3, 0, 7, 2], True, 0.5, 0.3), ([1], False, None, None)], ids=["clipped", "free"])
def test_scan_equals_reference(reverse, case):
    lengths, projected, cell_clip, proj_clip = case
    weights = make_weights(projected=projected, cell=10 if projected else 6)
    settings = {"reverse": reverse, "cell_clip": cell_clip, "proj_clip": proj_clip}
    expected = run("reference", lengths, weights, **settings)
    got = run("scan", lengths, weights, **settings)
    for a, b in zip((got[0], *got[1], *got[2]), (expected[0], *expected[1], *expected[2]), strict=True):
        assert largest_difference(a, b) <= TOLERANCES["parity", "float64"]


def test_scan_takes_a_state_that_is_a_slice_and_no_words():
    weights, state = make_weights(), tuple(torch.randn(2, 2 * size, dtype=torch.float64) for size in (6, 10))
    halves = tuple(part.chunk(2, dim=-1)[1] for part in state)
    for words in (3, 0):
        inputs = torch.randn(2, words, 6, dtype=torch.float64)
        arguments = inputs, weights, torch.tensor([words, words // 2]), halves
        got, expected = (
            lstm_projection(*arguments, cell_clip=0.5, proj_clip=0.3, backend=backend)
            for backend in ("scan", "reference")
        )
        for a, b in zip((got[0], *got[1]), (expected[0], *expected[1]), strict=True):
            assert largest_difference(a, b) <= TOLERANCES["parity", "float64"]


def test_a_torch_without_scan_is_named(monkeypatch):
    monkeypatch.setitem(lstm_projection.__globals__, "scan", None)
    with pytest.raises(ValueError, match='backend "scan" needs torch._higher_order_ops.scan.*use "packed"'):
        run("scan", [2], make_weights())


@pytest.mark.parametrize("backend", ["reference", "packed"])
@pytest.mark.parametrize("reverse", [False, True])
def test_without_clips_it_is_torchs_lstm(backend, reverse):
    weights = make_weights()
    lengths, size, cell = [5, 2, 4], 6, 10
    lstm = torch.nn.LSTM(size, cell, proj_size=size, batch_first=True, dtype=torch.float64)
    for name, tensor in (
        ("weight_ih_l0", weights.weight_ih),
        ("weight_hh_l0", weights.weight_hh),
        ("bias_ih_l0", weights.bias),
        ("bias_hh_l0", torch.zeros_like(weights.bias)),
        ("weight_hr_l0", weights.weight_hr),
    ):
        getattr(lstm, name).data.copy_(tensor.detach())
    inputs = torch.randn(3, 5, size, dtype=torch.float64)
    outputs, (h, c) = lstm_projection(inputs, weights, torch.tensor(lengths), reverse=reverse, backend=backend)
    for row, length in enumerate(lengths):
        sentence = inputs[row : row + 1, :length]
        expected, (last_h, last_c) = lstm(sentence.flip(1) if reverse else sentence)
        expected = expected.flip(1) if reverse else expected
        assert largest_difference(outputs[row, :length], expected[0]) <= TOLERANCES["parity", "float64"]
        assert not outputs[row, length:].any()
        assert largest_difference(h[row], last_h[0, 0]) <= TOLERANCES["parity", "float64"]
        assert largest_difference(c[row], last_c[0, 0]) <= TOLERANCES["parity", "float64"]


@pytest.mark.parametrize("backend", ["reference", "packed"])
def test_clips_bound_cell_and_output(backend):
    outputs, (h, c), _ = run(backend, [9, 6], make_weights(), cell_clip=0.5, proj_clip=0.3)
    assert outputs.abs().max() == 0.3 and h.abs().max() == 0.3
    assert c.abs().max() == 0.5
    free_outputs, (_, free_c), _ = run(backend, [9, 6], make_weights())
    assert free_outputs.abs().max() > 1 and free_c.abs().max() > 1


@pytest.mark.parametrize("backend", ["reference", "packed"])
@pytest.mark.parametrize("reverse", [False, True])
def test_a_sentence_in_two_parts_with_the_state_between_equals_the_whole(backend, reverse):
    weights = make_weights()
    inputs = torch.randn(2, 8, 6, dtype=torch.float64)
    settings = {"reverse": reverse, "cell_clip": 0.5, "proj_clip": 0.3, "backend": backend}
    whole, last = lstm_projection(inputs, weights, torch.tensor([8, 8]), **settings)
    parts = [inputs[:, 5:], inputs[:, :5]] if reverse else [inputs[:, :5], inputs[:, 5:]]
    first, state = lstm_projection(parts[0], weights, torch.tensor([parts[0].shape[1]] * 2), **settings)
    second, state = lstm_projection(parts[1], weights, torch.tensor([parts[1].shape[1]] * 2), state, **settings)
    together = torch.cat([second, first] if reverse else [first, second], dim=1)
    assert largest_difference(together, whole) <= TOLERANCES["parity", "float64"]
    assert largest_difference(state[1], last[1]) <= TOLERANCES["parity", "float64"]


@pytest.mark.parametrize("reverse", [False, True])
def test_gradients_equal_finite_differences(reverse):
    weights = make_weights(size=3, cell=4)
    inputs = torch.randn(3, 4, 3, dtype=torch.float64, requires_grad=True)

    def run(inputs, *weights):
        outputs, state = lstm_projection(
            inputs, LstmWeights(*weights), torch.tensor([4, 2, 0]), reverse=reverse, cell_clip=0.5, proj_clip=0.3
        )
        return outputs, *state

    assert torch.autograd.gradcheck(run, (inputs, *weights))


def test_values_behind_the_end_are_never_read():
    weights = make_weights()
    inputs = torch.randn(2, 4, 6, dtype=torch.float64)
    spoiled = inputs.clone()
    spoiled[0, 2:] = float("nan")
    for reverse in (False, True):
        clean, _ = lstm_projection(inputs, weights, torch.tensor([2, 4]), reverse=reverse)
        got, state = lstm_projection(spoiled, weights, torch.tensor([2, 4]), reverse=reverse)
        assert torch.equal(clean, got)
        assert all(torch.isfinite(part).all() for part in state)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": torch.zeros(2, 3, 5)}, r"inputs has shape \(2, 3, 5\); needed is \(B, T, 6\)"),
        ({"lengths": torch.tensor([1, 2, 3])}, r"lengths has shape \(3,\); needed is \(2,\)"),
        ({"state": (torch.zeros(2, 6), torch.zeros(2, 6))}, r"needed are h \(2, 6\), c \(2, 10\)"),
        ({"backend": "cuda"}, "backend must be auto, reference, packed, native, scan; got 'cuda'"),
    ],
)
def test_wrong_arguments_are_refused(changes, message):
    arguments = {"inputs": torch.zeros(2, 3, 6), "lengths": torch.tensor([1, 2])} | changes
    with pytest.raises(ValueError, match=message):
        lstm_projection(weights=make_weights(dtype=torch.float32), **arguments)
