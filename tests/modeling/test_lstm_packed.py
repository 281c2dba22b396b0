# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The LSTM over packed words and its own backward pass, against one word after the other and finite differences."""

import pytest
import torch
from elmo_builders import largest_difference
from large_softmax import MemoryMeter
from same_bits import assert_same_float_products
from tolerances import TOLERANCES

from hf_elmo.modeling.lstm_packed import LstmWeights, input_blocks, lstm_over_packed_words
from hf_elmo.modeling.weight_copies import WeightCopies

ALIVE = [4, 3, 3, 1]
NAMES = ("words", "weight_ih", "weight_hh", "bias", "weight_hr", "h", "c")
CLIPS = (0.5, 0.3)


def make_inputs(size=5, cell=7, alive=ALIVE, projected=True, dtype=torch.float64, scale=0.7) -> list:
    generator = torch.Generator().manual_seed(0)
    shapes = [(sum(alive), size), (4 * cell, size), (4 * cell, size), (4 * cell,), (size, cell)]
    shapes += [(alive[0], size), (alive[0], cell)]
    tensors = [torch.randn(*shape, generator=generator, dtype=torch.float64) * scale for shape in shapes]
    return [
        None if name == "weight_hr" and not projected else t.to(dtype) for name, t in zip(NAMES, tensors, strict=True)
    ]


def run(words, weight_ih, weight_hh, bias, weight_hr, h, c, alive=ALIVE, clips=CLIPS, copies=None):
    weights = LstmWeights(weight_ih, weight_hh, bias, weight_hr)
    return lstm_over_packed_words(words, weights, alive, h, c, *clips, copies or WeightCopies())


def word_by_word(words, weight_ih, weight_hh, bias, weight_hr, h, c, alive=ALIVE, clips=CLIPS):
    """The equations of `lstm_projection`, one word at a time; also the largest numbers before each clip."""
    hs, cs, outputs, row, free = list(h), list(c), [], 0, ([], [])
    for count in alive:
        for sentence in range(count):
            i, f, g, o = (weight_ih @ words[row] + weight_hh @ hs[sentence] + bias).chunk(4)
            cell = torch.sigmoid(f) * cs[sentence] + torch.sigmoid(i) * torch.tanh(g)
            free[0].append(cell.detach())
            if clips[0] is not None:
                cell = cell.clamp(-clips[0], clips[0])
            output = torch.sigmoid(o) * torch.tanh(cell)
            if weight_hr is not None:
                output = weight_hr @ output
                free[1].append(output.detach())
                if clips[1] is not None:
                    output = output.clamp(-clips[1], clips[1])
            hs[sentence], cs[sentence] = output, cell
            outputs.append(output)
            row += 1
    return torch.stack(outputs), torch.stack(cs), free


def leaves_of(inputs, only=None) -> list:
    return [
        None if t is None else t.detach().clone().requires_grad_(only in (None, n))
        for n, t in zip(NAMES, inputs, strict=True)
    ]


def loss_of(outputs, c) -> torch.Tensor:
    factors = torch.cos(torch.arange(outputs.numel(), dtype=outputs.dtype)).view_as(outputs)
    return (outputs * factors).sum() + c.sin().sum()


def gradients(function, inputs, **settings) -> dict:
    leaves = leaves_of(inputs)
    loss_of(*function(*leaves, **settings)[:2]).backward()
    return {name: leaf.grad for name, leaf in zip(NAMES, leaves, strict=True) if leaf is not None}


CASES = {
    "clipped": (True, CLIPS),
    "free": (True, (None, None)),
    "cell clip alone": (True, (0.5, None)),
    "bare": (False, (0.5, None)),
}


@pytest.mark.parametrize(("projected", "clips"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("alive", [ALIVE, [1], [3], [2, 2, 2, 2]], ids=str)
def test_equals_word_by_word(projected, clips, alive):
    inputs = make_inputs(cell=7 if projected else 5, alive=alive, projected=projected)
    outputs, c, free = word_by_word(*inputs, alive, clips)
    for kind, clip in zip(free, clips, strict=True):  # the clips act on some and not on others
        assert clip is None or len(alive) == 1 or 0 < (torch.stack(kind).abs() > clip).double().mean() < 1
    expected = gradients(word_by_word, inputs, alive=alive, clips=clips)
    with torch.no_grad():
        plain = run(*inputs, alive=alive, clips=clips)
    trained = run(*leaves_of(inputs), alive=alive, clips=clips)
    for got in (plain, trained):
        assert largest_difference(got[0], outputs) <= TOLERANCES["parity", "float64"]
        assert largest_difference(got[1], c) <= TOLERANCES["parity", "float64"]
    got = gradients(run, inputs, alive=alive, clips=clips)
    assert got.keys() == expected.keys()
    for name, gradient in expected.items():
        assert gradient.abs().sum() > 0
        assert largest_difference(got[name], gradient) <= TOLERANCES["parity", "float64"], name


@pytest.mark.parametrize("use", [0, 1], ids=["outputs alone", "state alone"])
def test_one_result_alone_may_be_used(use):
    inputs, grads = make_inputs(), []
    for function in (run, word_by_word):
        leaves = leaves_of(inputs)
        loss = function(*leaves)[use].square().sum()
        grads.append(torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True))
    for got, expected in zip(*grads, strict=True):
        assert largest_difference(got, expected) <= TOLERANCES["parity", "float64"]


@pytest.mark.parametrize(("projected", "clips"), CASES.values(), ids=CASES)
def test_gradients_equal_finite_differences(projected, clips):
    inputs = make_inputs(size=3, cell=4 if projected else 3, alive=[3, 2], projected=projected)
    leaves = leaves_of(inputs)
    assert torch.autograd.gradcheck(lambda *tensors: run(*tensors, alive=[3, 2], clips=clips), leaves)


@pytest.mark.parametrize("name", NAMES)
def test_only_what_needs_a_gradient_gets_one(name):
    inputs = make_inputs()
    expected, leaves = gradients(word_by_word, inputs), leaves_of(inputs, only=name)
    outputs, c = run(*leaves)
    assert outputs.requires_grad
    loss_of(outputs, c).backward()
    for leaf, each in zip(leaves, NAMES, strict=True):
        assert (leaf.grad is not None) == (each == name)
    assert largest_difference(leaves[NAMES.index(name)].grad, expected[name]) <= TOLERANCES["parity", "float64"]


def test_a_kept_graph_gives_the_same_gradients_again():
    leaves = leaves_of(make_inputs())
    loss = loss_of(*run(*leaves))
    first, second = (torch.autograd.grad(loss, leaves, retain_graph=True) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("train", [False, True])
def test_what_was_given_stays_as_it_was(train):
    """The words, weights and states; the list of living sentences; and the results, once another call has run."""
    inputs, alive = make_inputs(), list(ALIVE)
    given = leaves_of(inputs) if train else [tensor.clone() for tensor in inputs]
    copies = WeightCopies()
    with torch.set_grad_enabled(train):
        results = run(*given, alive=alive, copies=copies)
        before = [result.detach().clone() for result in results]
        run(given[0].detach() * 2, *given[1:], alive=alive, copies=copies)
        if train:
            loss_of(*results).backward()
    for tensor, right in zip(given, inputs, strict=True):
        assert torch.equal(tensor, right)
    for result, right in zip(results, before, strict=True):
        assert torch.equal(result, right)
    assert alive == ALIVE


def test_one_word_of_one_sentence_leaves_the_weights_alone():
    """A bias is no room for sums, whatever its shape."""
    inputs = make_inputs(alive=[1])
    given = [tensor.clone() for tensor in inputs]
    with torch.no_grad():
        first = run(*given, alive=[1])
        second = run(*given, alive=[1])
    assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])
    for tensor, right in zip(given, inputs, strict=True):
        assert torch.equal(tensor, right)


def test_gradients_given_stay_as_they_were():
    leaves = leaves_of(make_inputs())
    results = run(*leaves)
    given = [torch.ones_like(result) for result in results]
    torch.autograd.grad(results, leaves, given)
    assert all(bool((gradient == 1).all()) for gradient in given)


def test_without_need_nothing_is_kept_for_a_gradient():
    inputs = make_inputs()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        with torch.no_grad():
            quiet = run(*leaves_of(inputs))
        for outputs, c in (quiet, run(*inputs)):
            assert outputs.grad_fn is None and c.grad_fn is None and not outputs.requires_grad
        assert not kept
        assert run(*leaves_of(inputs))[0].grad_fn is not None and kept


def test_without_gradient_the_gates_of_all_words_never_stand_at_once(monkeypatch):
    monkeypatch.setitem(lstm_over_packed_words.__globals__, "ROWS_PER_PRODUCT", 16)
    alive, cell = [2] * 40, 7
    leaves = leaves_of(make_inputs(cell=cell, alive=alive))
    with torch.no_grad(), MemoryMeter(*leaves) as meter:
        run(*leaves, alive=alive)
    assert meter.largest < sum(alive) * 4 * cell / 2
    with MemoryMeter(*leaves) as meter:
        run(*leaves, alive=alive)
    assert meter.largest == sum(alive) * 4 * cell


def test_kept_memory_is_what_the_documentation_says():
    """4 (5 M + 2 D) bytes a word in float32, besides the weights and the state given."""
    size, cell, words = 5, 7, sum(ALIVE)
    leaves, kept = leaves_of(make_inputs(dtype=torch.float32)), {}
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: kept.update({tensor.data_ptr(): tensor.nbytes}) or tensor, lambda tensor: tensor
    ):
        results = run(*leaves)
    given = {leaf.data_ptr() for leaf in leaves[1:]}
    assert sum(nbytes for pointer, nbytes in kept.items() if pointer not in given) == 4 * (5 * cell + 2 * size) * words
    assert results[0].requires_grad


def test_second_derivatives_are_refused():
    leaves = leaves_of(make_inputs())
    (gradient, *_) = torch.autograd.grad(loss_of(*run(*leaves)), leaves, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def strided(tensor: torch.Tensor) -> torch.Tensor:
    return torch.stack([tensor, tensor + 1], dim=-1)[..., 0]


def test_inputs_need_not_be_contiguous():
    inputs = make_inputs()
    expected, wanted = run(*inputs), gradients(run, inputs)
    others = [strided(tensor) for tensor in inputs]
    assert not any(tensor.is_contiguous() for tensor in others)
    got = run(*others)
    assert all(largest_difference(a, b) <= TOLERANCES["parity", "float64"] for a, b in zip(got, expected, strict=True))
    leaves = leaves_of(inputs)
    loss_of(*run(*(strided(leaf) for leaf in leaves))).backward()
    for name, leaf in zip(NAMES, leaves, strict=True):
        assert largest_difference(leaf.grad, wanted[name]) <= TOLERANCES["parity", "float64"]


def test_gradients_that_come_need_not_be_contiguous():
    leaves = leaves_of(make_inputs())
    results = run(*leaves)
    dense = torch.autograd.grad(results, leaves, [torch.ones_like(x) for x in results], retain_graph=True)
    for gradients_in in (
        [torch.ones(()).expand_as(x).to(x) for x in results],
        [strided(torch.ones_like(x)) for x in results],
    ):
        for got, right in zip(
            torch.autograd.grad(results, leaves, gradients_in, retain_graph=True), dense, strict=True
        ):
            assert torch.equal(got, right)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_other_precisions(dtype):
    """Without clips: a rounding that carries a number over a bound changes its gradient by a jump."""
    free, inputs = (None, None), make_inputs(dtype=dtype)
    exact = [tensor.double() for tensor in inputs]
    outputs, c, _ = word_by_word(*exact, clips=free)
    key = ("parity" if dtype == torch.float32 else "dtype", str(dtype)[6:])
    with torch.no_grad():
        plain = run(*inputs, clips=free)
    for got in (plain, run(*leaves_of(inputs), clips=free)):
        assert got[0].dtype == got[1].dtype == dtype
        assert largest_difference(got[0].double(), outputs) <= TOLERANCES[key]
        assert largest_difference(got[1].double(), c) <= TOLERANCES[key]
    got, expected = gradients(run, inputs, clips=free), gradients(word_by_word, exact, clips=free)
    for name, right in expected.items():
        assert got[name].dtype == dtype
        size = max(1.0, right.abs().max().item())
        assert largest_difference(got[name].double(), right) <= TOLERANCES[key] * size, name


# The blocks of the input product


@pytest.mark.parametrize("rows", [1, 3, 7, 1024])
@pytest.mark.parametrize("alive", [ALIVE, [1], [9, 9, 2], [1] * 9], ids=str)
def test_blocks_cover_every_step_once_and_keep_to_the_limit(monkeypatch, rows, alive):
    monkeypatch.setitem(lstm_over_packed_words.__globals__, "ROWS_PER_PRODUCT", rows)
    blocks = input_blocks(alive)
    assert [step for first, last, _, _ in blocks for step in range(first, last)] == list(range(len(alive)))
    assert [word for *_, start, stop in blocks for word in range(start, stop)] == list(range(sum(alive)))
    for number, (first, last, start, stop) in enumerate(blocks):
        assert stop - start == sum(alive[first:last])
        assert stop - start <= rows or last == first + 1  # one step is never divided
        if number:  # the step would not have fitted into the block before
            before = blocks[number - 1]
            assert before[3] - before[2] + alive[first] > rows


@pytest.mark.parametrize("rows", [1, 3, 7])
@pytest.mark.parametrize("projected", [True, False])
def test_blocks_change_nothing(monkeypatch, rows, projected):
    inputs = make_inputs(cell=7 if projected else 5, projected=projected)
    outputs, c, _ = word_by_word(*inputs)
    monkeypatch.setitem(lstm_over_packed_words.__globals__, "ROWS_PER_PRODUCT", rows)
    calls = []
    monkeypatch.setitem(
        lstm_over_packed_words.__globals__, "input_blocks", lambda alive: calls.append(input_blocks(alive)) or calls[0]
    )
    got = run(*inputs)
    assert len(calls[0]) > 1
    assert largest_difference(got[0], outputs) <= TOLERANCES["parity", "float64"]
    assert largest_difference(got[1], c) <= TOLERANCES["parity", "float64"]


@pytest.mark.parametrize(("size", "cell"), [(512, 640), (24, 48), (640, 640)])
def test_a_sentence_has_the_same_bits_in_any_company(size, cell):
    """Sizes above and below what the products add up at once."""
    alive = [17, 17, 9, 2, 1]
    words, *weights, h, c = make_inputs(size, cell, alive, size != cell, torch.float32, scale=0.05)
    with torch.no_grad():
        outputs, last = run(words, *weights, h, c, alive=alive)
        starts = [sum(alive[:step]) for step in range(len(alive))]
        for chosen in ([0], [16], [0, 1], [3, 10], list(range(9)), list(range(1, 17))):
            rows = [start + row for start, count in zip(starts, alive, strict=True) for row in chosen if row < count]
            living = [sum(row < count for row in chosen) for count in alive]
            got = run(words[rows], *weights, h[chosen], c[chosen], alive=[count for count in living if count])
            assert_same_float_products(got[0], outputs[rows])
            assert_same_float_products(got[1], last[chosen])
