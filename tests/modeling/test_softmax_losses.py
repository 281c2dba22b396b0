# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The loss over the full vocabulary against torch's dense one, and what both losses have in common."""

import pytest
import torch
from large_softmax import SMALL_BLOCK_BYTES, MemoryMeter, assert_near, assert_same_gradients, dense, gradients, problem
from tolerances import TOLERANCES

from hf_elmo.modeling import softmax_losses
from hf_elmo.modeling.softmax_losses import LogUniformSample, chunked_cross_entropy, sampled_softmax_loss


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(softmax_losses, "BLOCK_BYTES_CPU", SMALL_BLOCK_BYTES)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("ignored", [(), (0, 5, 12)])
@pytest.mark.parametrize("chunk_size", [None, 1, 4, 100])
def test_chunked_equals_dense(small_blocks, reduction, with_bias, ignored, chunk_size):
    hidden, weight, bias, targets = problem(ignored=ignored)
    leaves = (hidden, weight, bias) if with_bias else (hidden, weight)
    arguments = (hidden, weight, bias if with_bias else None, targets)
    expected = dense(*arguments, reduction=reduction)
    got = chunked_cross_entropy(*arguments, reduction=reduction, chunk_size=chunk_size)
    assert_near(got, expected, TOLERANCES["softmax_loss", "float64"])
    assert_same_gradients(got, expected, leaves)


def test_ignore_index_may_be_a_word_of_the_vocabulary():
    hidden, weight, bias, targets = problem()
    targets[:4] = 0
    expected = dense(hidden, weight, bias, targets, ignore_index=0)
    got = chunked_cross_entropy(hidden, weight, bias, targets, ignore_index=0)
    assert_near(got, expected, TOLERANCES["softmax_loss", "float64"])
    assert_near(gradients(got, weight)[0], gradients(expected, weight)[0], TOLERANCES["softmax_loss", "float64"])


def test_ignored_tokens_may_hold_anything():
    hidden, weight, bias, targets = problem(ignored=[3])
    expected = chunked_cross_entropy(hidden, weight, bias, targets)
    with torch.no_grad():
        hidden[3] = torch.nan
    loss = chunked_cross_entropy(hidden, weight, bias, targets)
    assert loss == expected
    assert all(gradient.isfinite().all() for gradient in gradients(loss, hidden, weight, bias))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("tokens", [0, 3])
def test_without_any_token_as_torch_does(tokens, reduction):
    *leaves, targets = problem(tokens=tokens, ignored=range(tokens))
    expected = dense(*leaves, targets, reduction=reduction)  # nan, 0 or zeros; gradients 0
    full = chunked_cross_entropy(*leaves, targets, reduction=reduction)
    sampled = sampled_softmax_loss(*leaves, targets, num_sampled=5, reduction=reduction)
    for got in (full, sampled):
        assert_near(got, expected, 0.0)
        expected = dense(*leaves, targets, reduction=reduction)
        assert_same_gradients(got, expected, leaves, 0.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_lower_precision_sums_in_float32(small_blocks, dtype):
    """From the same rounded numbers the loss is that of float64; gradients are rounded once, to their dtype."""
    arguments = problem(tokens=50, words=300, dtype=dtype, ignored=[7])
    exact = [tensor.detach().double().requires_grad_() for tensor in arguments[:3]]
    got, expected = chunked_cross_entropy(*arguments), dense(*exact, arguments[3])
    assert got.dtype == torch.float32
    assert_near(got, expected, TOLERANCES["softmax_loss", "float32"])
    for ours, theirs in zip(gradients(got, *arguments[:3]), gradients(expected, *exact), strict=True):
        assert ours.dtype == dtype
        assert_near(ours, theirs.to(dtype), max(TOLERANCES["softmax_loss", "float32"], torch.finfo(dtype).eps))


def test_frequent_target_is_not_lost_in_bfloat16():
    """2,000 gradients of one word summed in bfloat16 would stop growing at 256 times the first."""
    hidden = torch.ones(2000, 4, dtype=torch.bfloat16)
    weight = torch.zeros(8, 4, dtype=torch.bfloat16, requires_grad=True)
    targets = torch.full((2000,), 3)
    full = chunked_cross_entropy(hidden, weight, None, targets, reduction="sum", chunk_size=1)
    assert_near(
        gradients(full, weight)[0][3], torch.full((4,), -2000 * 7 / 8 / 2), TOLERANCES["softmax_loss_sum", "bfloat16"]
    )
    every_word = LogUniformSample(torch.arange(8), 10**9)
    sampled = sampled_softmax_loss(hidden, weight, None, targets, sampled=every_word, reduction="sum")
    assert_near(
        gradients(sampled, weight)[0][3],
        torch.full((4,), -2000 * 7 / 8 / 2),
        TOLERANCES["softmax_loss_sum", "bfloat16"],
    )


def test_autocast_takes_weights_of_another_dtype():
    hidden, weight, bias, targets = problem(dtype=torch.float32)
    half = hidden.detach().bfloat16().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = chunked_cross_entropy(half, weight, bias, targets)
        sampled = sampled_softmax_loss(half, weight, bias, targets, sampled=LogUniformSample(torch.arange(37), 10**9))
    expected = dense(half.float(), weight, bias, targets)
    assert_near(got, expected, TOLERANCES["softmax_loss", "float32"])
    assert_near(sampled, expected, TOLERANCES["softmax_loss", "float32"])
    assert_near(gradients(got, weight)[0], gradients(expected, weight)[0], TOLERANCES["softmax_loss", "float32"])
    assert gradients(sampled, half)[0].dtype == torch.bfloat16


def test_large_logits_and_excluded_words(small_blocks):
    hidden, weight, bias, targets = problem(scale=1e4)
    targets %= 20
    with torch.no_grad():
        bias[20:] = -torch.inf  # whole blocks of them
    expected = dense(hidden, weight, bias, targets)
    got = chunked_cross_entropy(hidden, weight, bias, targets, chunk_size=4)
    assert expected.isfinite()
    assert_near(got, expected, TOLERANCES["softmax_loss", "float64"])
    assert_near(
        gradients(got, weight)[0], gradients(expected, weight)[0], TOLERANCES["softmax_loss_large_logits", "float64"]
    )


def test_gradients_by_finite_differences(small_blocks):
    hidden, weight, bias, targets = problem(tokens=6, words=11, ignored=[2])
    sample = LogUniformSample(torch.tensor([0, 4, 9, 2]), 9)
    for loss in (
        lambda *leaves: chunked_cross_entropy(*leaves, targets, reduction="none", chunk_size=4),
        lambda *leaves: sampled_softmax_loss(*leaves, targets, sampled=sample, reduction="none", chunk_size=4),
    ):
        assert torch.autograd.gradcheck(loss, (hidden, weight, bias))


@pytest.mark.parametrize("frozen", [0, 1, 2])
def test_frozen_arguments_get_no_gradient(frozen):
    *leaves, targets = problem()
    expected = gradients(dense(*leaves, targets), *leaves)
    leaves[frozen].requires_grad_(False)
    (0.5 * chunked_cross_entropy(*leaves, targets)).backward()  # the factor of `gradients`
    assert leaves[frozen].grad is None
    for leaf, theirs in zip(leaves, expected, strict=True):
        if leaf.requires_grad:
            assert_near(leaf.grad, theirs, TOLERANCES["softmax_loss", "float64"])


def test_second_derivative_is_refused():
    hidden, *others = problem()
    with pytest.raises(RuntimeError, match="no second derivative; take F.cross_entropy"):
        torch.autograd.grad(chunked_cross_entropy(hidden, *others), hidden, create_graph=True)


def test_compiled_caller_leaves_the_losses_out_of_its_graphs(small_blocks):
    arguments, calls = problem(), []

    def note_calls(graph, _):
        calls.extend(node.target for node in graph.graph.nodes if node.op.startswith("call"))
        return graph.forward

    def caller(*given):
        sample = LogUniformSample(torch.arange(5), 7)
        return 2 * chunked_cross_entropy(*given) + sampled_softmax_loss(*given, sampled=sample)

    assert torch.compile(caller, backend=note_calls)(*arguments) == caller(*arguments)
    assert len(calls) <= 4, calls  # arange, times, plus


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("ignored", [0, 20])
def test_full_softmax_stays_within_the_stated_bytes(monkeypatch, dtype, ignored):
    tokens, size, words = 400, 16, 3000
    hidden, weight, bias, targets = problem(tokens, size, words, dtype, ignored=range(ignored))
    block = 800 * 2**10
    monkeypatch.setattr(softmax_losses, "BLOCK_BYTES_CPU", block)
    if dtype == torch.float32:
        block /= 2  # the other half is for rounded copies
    with MemoryMeter(hidden, weight, bias, targets) as meter:
        chunked_cross_entropy(hidden, weight, bias, targets, chunk_size=128).backward()
    per_token_or_word = 8 * (8 * tokens + 2 * words)
    result = sum(tensor.grad.nbytes for tensor in (hidden, weight, bias))
    assert meter.peak_bytes <= block + 5 * tokens * size * 4 + result + per_token_or_word
    assert meter.largest < tokens * words / 10

    with torch.no_grad(), MemoryMeter(hidden, weight, bias, targets) as meter:  # evaluation makes no gradients
        assert not chunked_cross_entropy(hidden, weight, bias, targets, chunk_size=128).requires_grad
    assert meter.peak_bytes <= block + 2 * tokens * size * 4 + per_token_or_word

    with MemoryMeter(hidden, weight, bias, targets) as meter:  # the meter sees what the dense loss makes
        dense(hidden, weight, bias, targets).backward()
    assert meter.largest == tokens * words and meter.peak_bytes > 2 * tokens * words * dtype.itemsize


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"hidden": torch.zeros(2, 3, 5)}, ValueError, r"hidden has shape \(2, 3, 5\); needed is \(N, D\)"),
        ({"weight": torch.zeros(37, 4)}, ValueError, r"weight has shape \(37, 4\); needed is \(V, 5\)"),
        ({"weight": torch.zeros(0, 5), "bias": None}, ValueError, r"weight has shape \(0, 5\)"),
        ({"bias": torch.zeros(36)}, ValueError, r"bias has shape \(36,\); needed is \(37,\)"),
        ({"targets": torch.zeros(2, 3).long()}, ValueError, r"targets has shape \(2, 3\); needed is \(6,\)"),
        ({"targets": torch.zeros(6).int()}, TypeError, r"targets is torch.int32; .* targets.long\(\)"),
        ({"hidden": torch.zeros(6, 5).long()}, TypeError, r"must be floating point; got .*int64"),
        ({"weight": torch.zeros(37, 5).bfloat16()}, TypeError, r"one dtype; got .*bfloat16.* or use torch.autocast"),
        ({"bias": torch.zeros(37, device="meta")}, ValueError, r"\['cpu', 'meta'\]; move them to one device"),
        ({"targets": torch.tensor([0, 1, 2, 3, 4, 37])}, IndexError, r"target 37 is out of bounds.* words 0 to 36"),
        ({"targets": torch.tensor([0, 1, -1, 3, 4, -100])}, IndexError, r"target -1 is .*ignore_index=-100"),
        ({"reduction": "average"}, ValueError, r"reduction must be mean, sum or none; got 'average'"),
        ({"chunk_size": 0}, ValueError, r"chunk_size is 0; needed is at least 1"),
    ],
)
def test_wrong_arguments_are_told(change, error, text):
    given = {"hidden": torch.zeros(6, 5), "weight": torch.zeros(37, 5), "bias": torch.zeros(37)}
    given |= {"targets": torch.zeros(6).long(), **change}
    with pytest.raises(error, match=text):
        chunked_cross_entropy(**given)
    with pytest.raises(error, match=text):
        sampled_softmax_loss(num_sampled=3, **given)
