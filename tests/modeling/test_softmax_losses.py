"""The two losses over a large vocabulary against torch's dense ones, TensorFlow's recording and the laws of chance."""

import math

import numpy as np
import pytest
import torch
from support import ROOT
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from hf_elmo.modeling import softmax_losses
from hf_elmo.modeling.softmax_losses import (
    LogUniformSample,
    chunked_cross_entropy,
    log_uniform_expected_count,
    log_uniform_sample,
    sampled_softmax_loss,
)

RECORDING = np.load(ROOT / "tests/fixtures/bilm_training/sampled_softmax.npz")
# Rounding of another order of summation only, for losses and gradients of magnitude 10 and below.
FLOAT64, FLOAT32 = 1e-12, 2e-5
# TensorFlow's float32 loss and counts, and ours in float64: log((k + 2) / (k + 1)) loses digits there.
RECORDED = 1e-6


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


def assert_same_gradients(got, expected, leaves, tolerance=FLOAT64):
    for ours, theirs in zip(gradients(got, *leaves), gradients(expected, *leaves), strict=True):
        assert_near(ours, theirs, tolerance)


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of a few words, so that tiny problems take many; 5 words for 4 tokens of size 5 in float64."""
    monkeypatch.setattr(softmax_losses, "BLOCK_BYTES_CPU", 5 * (2 * 4 + 3 * 5) * 8)


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


# Full softmax


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
    assert_near(got, expected, FLOAT64)
    assert_same_gradients(got, expected, leaves)


def test_ignore_index_may_be_a_word_of_the_vocabulary():
    hidden, weight, bias, targets = problem()
    targets[:4] = 0
    expected = dense(hidden, weight, bias, targets, ignore_index=0)
    got = chunked_cross_entropy(hidden, weight, bias, targets, ignore_index=0)
    assert_near(got, expected, FLOAT64)
    assert_near(gradients(got, weight)[0], gradients(expected, weight)[0], FLOAT64)


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
    assert_near(got, expected, FLOAT32)
    for ours, theirs in zip(gradients(got, *arguments[:3]), gradients(expected, *exact), strict=True):
        assert ours.dtype == dtype
        assert_near(ours, theirs.to(dtype), max(FLOAT32, torch.finfo(dtype).eps))


def test_frequent_target_is_not_lost_in_bfloat16():
    """2,000 gradients of one word summed in bfloat16 would stop growing at 256 times the first."""
    hidden = torch.ones(2000, 4, dtype=torch.bfloat16)
    weight = torch.zeros(8, 4, dtype=torch.bfloat16, requires_grad=True)
    targets = torch.full((2000,), 3)
    full = chunked_cross_entropy(hidden, weight, None, targets, reduction="sum", chunk_size=1)
    assert_near(gradients(full, weight)[0][3], torch.full((4,), -2000 * 7 / 8 / 2), 1e-2)
    every_word = LogUniformSample(torch.arange(8), 10**9)
    sampled = sampled_softmax_loss(hidden, weight, None, targets, sampled=every_word, reduction="sum")
    assert_near(gradients(sampled, weight)[0][3], torch.full((4,), -2000 * 7 / 8 / 2), 1e-2)


def test_autocast_takes_weights_of_another_dtype():
    hidden, weight, bias, targets = problem(dtype=torch.float32)
    half = hidden.detach().bfloat16().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = chunked_cross_entropy(half, weight, bias, targets)
        sampled = sampled_softmax_loss(half, weight, bias, targets, sampled=LogUniformSample(torch.arange(37), 10**9))
    expected = dense(half.float(), weight, bias, targets)
    assert_near(got, expected, FLOAT32)
    assert_near(sampled, expected, FLOAT32)
    assert_near(gradients(got, weight)[0], gradients(expected, weight)[0], FLOAT32)
    assert gradients(sampled, half)[0].dtype == torch.bfloat16


def test_large_logits_and_excluded_words(small_blocks):
    hidden, weight, bias, targets = problem(scale=1e4)
    targets %= 20
    with torch.no_grad():
        bias[20:] = -torch.inf  # whole blocks of them
    expected = dense(hidden, weight, bias, targets)
    got = chunked_cross_entropy(hidden, weight, bias, targets, chunk_size=4)
    assert expected.isfinite()
    assert_near(got, expected, FLOAT64)
    assert_near(gradients(got, weight)[0], gradients(expected, weight)[0], 1e-8)  # of magnitude 1e4


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
            assert_near(leaf.grad, theirs, FLOAT64)


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


# Log-uniform sampler


def draw_one_by_one(num_sampled, vocab_size, generator):
    """The sampler's definition: words in the order drawn until enough are distinct; 60 of 60 take some 600 draws."""
    seen, tries = [], 0
    uniform = torch.rand(100 * num_sampled, dtype=torch.float64, generator=generator).tolist()
    while len(seen) < num_sampled:
        word = int(math.exp(uniform[tries] * math.log(vocab_size + 1))) - 1
        tries += 1
        if word not in seen:
            seen.append(word)
    return seen, tries


@pytest.mark.parametrize(("num_sampled", "vocab_size"), [(1, 1), (12, 50), (300, 793471), (60, 60)])
def test_sampler_equals_drawing_one_by_one(num_sampled, vocab_size):
    ids, num_tries = log_uniform_sample(num_sampled, vocab_size, torch.Generator().manual_seed(3))
    expected = draw_one_by_one(num_sampled, vocab_size, torch.Generator().manual_seed(3))
    assert (ids.tolist(), num_tries) == expected
    assert ids.dtype == torch.int64


def test_single_draws_follow_zipf():
    generator, runs = torch.Generator().manual_seed(0), 2000
    counts = torch.zeros(6)
    for _ in range(runs):
        counts[log_uniform_sample(1, 6, generator).ids] += 1
    probability = torch.tensor([math.log((k + 2) / (k + 1)) / math.log(7) for k in range(6)])
    error = (counts / runs - probability).abs()
    assert (error <= 4 * (probability * (1 - probability) / runs).sqrt()).all()


def test_expected_counts_are_how_often_words_are_sampled():
    """Four standard errors, and 0.015 for taking the number of tries as given (0.0095 seen over 100,000 runs)."""
    words, generator, runs = 100, torch.Generator().manual_seed(0), 1000
    seen, expected = torch.zeros(words, dtype=torch.float64), torch.zeros(words, dtype=torch.float64)
    for _ in range(runs):
        ids, num_tries = log_uniform_sample(15, words, generator)
        seen[ids] += 1 / runs
        expected += log_uniform_expected_count(torch.arange(words), num_tries, words) / runs
    assert ((seen - expected).abs() <= 4 * (expected * (1 - expected) / runs).sqrt() + 0.015).all()


def test_expected_counts_keep_their_digits_for_rare_words():
    rare = log_uniform_expected_count(torch.tensor([793470]), 1, 793471)
    assert float(rare) == pytest.approx(1 / 793471 / math.log(793472), rel=1e-5)
    assert log_uniform_expected_count(torch.tensor([0]), 5, 1).tolist() == [1.0]


# Sampled softmax


def recorded(name, dtype=torch.float64):
    return torch.from_numpy(RECORDING[name]).to(dtype)


def recorded_sample() -> LogUniformSample:
    """The number of tries solves count = 1 - (1 - P)^tries; the rarest word tells it best."""
    ids, words = RECORDING["sampled_ids"], int(RECORDING["num_classes"])
    probability = np.log((ids + 2) / (ids + 1)) / np.log(words + 1)
    tries = np.log1p(-RECORDING["sampled_expected_count"].astype(np.float64)) / np.log1p(-probability)
    assert np.abs(tries - np.round(tries)).max() < 1e-3
    (num_tries,) = set(np.round(tries).astype(int))
    return LogUniformSample(torch.from_numpy(ids), int(num_tries))


def test_expected_counts_equal_tensorflow():
    sample, words = recorded_sample(), int(RECORDING["num_classes"])
    of_sampled = log_uniform_expected_count(sample.ids, sample.num_tries, words)
    of_true = log_uniform_expected_count(recorded("labels", torch.int64), sample.num_tries, words)
    assert_near(of_sampled, recorded("sampled_expected_count"), RECORDED)
    assert_near(of_true, recorded("true_expected_count"), RECORDED)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("chunk_size", [None, 2])
def test_sampled_loss_equals_tensorflow(dtype, chunk_size):
    targets = recorded("labels", torch.int64).squeeze(1)
    assert set(targets.tolist()) & set(RECORDING["sampled_ids"].tolist())  # accidental hits are among them
    arguments = [recorded(name, dtype) for name in ("inputs", "W", "b")]
    settings = {"sampled": recorded_sample(), "reduction": "none", "chunk_size": chunk_size}
    loss = sampled_softmax_loss(*arguments, targets, **settings)
    assert loss.dtype == dtype
    assert_near(loss, recorded("loss"), RECORDED)


def dense_sampled(hidden, weight, bias, targets, sample, reduction):
    """The definition with all logits (N, 1 + S) in one tensor."""

    def count(ids):
        probability = ((ids.double() + 2) / (ids + 1)).log() / math.log(len(weight) + 1)
        return 1 - (1 - probability) ** sample.num_tries

    keep = targets != -100
    known = targets.where(keep, 0)
    true = (hidden * weight[known]).sum(1) + bias[known] - count(known).log()
    others = hidden @ weight[sample.ids].T + bias[sample.ids] - count(sample.ids).log()
    others = others - 3.4e38 * (known[:, None] == sample.ids)
    logits = torch.cat([true[:, None], others], dim=1)
    return F.cross_entropy(logits, torch.where(keep, 0, -100), reduction=reduction)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("ignored", [(), (0, 5)])
def test_sampled_loss_and_gradients_equal_the_definition(small_blocks, reduction, ignored):
    *leaves, targets = problem(ignored=ignored)
    sample = log_uniform_sample(17, 37, torch.Generator().manual_seed(1))
    assert torch.isin(targets, sample.ids).any() and not torch.isin(targets, sample.ids).all()
    expected = dense_sampled(*leaves, targets, sample, reduction)
    settings = {"num_sampled": 17, "generator": torch.Generator().manual_seed(1), "chunk_size": 4}
    got = sampled_softmax_loss(*leaves, targets, reduction=reduction, **settings)
    assert_near(got, expected, 1e-10)  # the definition's 1 - (1 - P)^tries loses digits
    assert_same_gradients(got, expected, leaves, 1e-10)


def test_sampling_every_word_is_the_full_softmax():
    """With very many tries every expected count is 1."""
    *leaves, targets = problem(ignored=[4])
    everything = LogUniformSample(torch.randperm(37), 10**9)
    for bias in (leaves[2], None):
        expected = dense(*leaves[:2], bias, targets)
        got = sampled_softmax_loss(*leaves[:2], bias, targets, sampled=everything)
        assert_near(got, expected, FLOAT64)
        assert_same_gradients(got, expected, leaves[:2])


def test_sampled_words_stand_for_the_whole_vocabulary():
    """The corrected sum over samples estimates the softmax's normaliser: four standard errors and 1 % (see above)."""
    hidden, weight, bias, _ = (tensor.detach() for tensor in problem(tokens=1, words=200))
    target, generator = torch.tensor([150]), torch.Generator().manual_seed(0)
    logits = F.linear(hidden, weight, bias)[0]
    estimates = []
    for _ in range(300):
        sample = log_uniform_sample(40, 200, generator)
        odds = sampled_softmax_loss(hidden, weight, bias, target, sampled=sample).expm1()
        estimates.append(odds * logits[150].exp() / log_uniform_expected_count(target, sample.num_tries, 200))
    others = logits.exp().sum() - logits[150].exp()
    values = torch.cat(estimates)
    assert (values.mean() - others).abs() <= 4 * values.std() / 300**0.5 + 0.01 * others


def test_only_hits_leave_no_loss():
    *leaves, targets = problem(tokens=3)
    only = LogUniformSample(torch.tensor([5]), 1)
    loss = sampled_softmax_loss(*leaves, torch.full_like(targets, 5), sampled=only)
    assert loss == 0.0
    assert all((gradient == 0).all() for gradient in gradients(loss, *leaves))


def test_sparse_gradients_hold_the_used_rows_alone():
    *leaves, targets = problem(words=500)
    sample = log_uniform_sample(20, 500, torch.Generator().manual_seed(0))
    got, expected = (
        gradients(sampled_softmax_loss(*leaves, targets, sampled=sample, sparse=sparse), *leaves)
        for sparse in (True, False)
    )
    assert_near(got[0], expected[0], FLOAT64)
    used = torch.cat([targets, sample.ids]).unique()
    for sparse, full in zip(got[1:], expected[1:], strict=True):
        assert sparse.is_sparse and not full.is_sparse
        assert torch.equal(sparse.coalesce().indices()[0], used)
        assert_near(sparse.to_dense(), full, FLOAT64)


def test_sparse_gradients_are_what_sparse_adam_takes():
    *leaves, targets = problem(words=500)
    before, sample = leaves[1].detach().clone(), LogUniformSample(torch.arange(20), 25)
    with torch.sparse.check_sparse_tensor_invariants():
        sampled_softmax_loss(*leaves, targets, sampled=sample, sparse=True).backward()
        torch.optim.SparseAdam(leaves[1:], lr=0.1).step()
    changed = (leaves[1] != before).any(dim=1).nonzero().squeeze(1)
    assert torch.equal(changed, torch.cat([targets, sample.ids]).unique())


def test_sparse_gradients_drive_adagrad_as_dense_ones_do():
    *leaves, targets = problem(words=500)
    before = leaves[1].detach().clone()
    after = []
    for sparse in (True, False):
        copies = [leaf.detach().clone().requires_grad_() for leaf in leaves]
        optimizer = torch.optim.Adagrad(copies[1:], lr=0.2, initial_accumulator_value=1.0, eps=0.0)
        with torch.sparse.check_sparse_tensor_invariants():
            for seed in range(3):
                optimizer.zero_grad()
                generator = torch.Generator().manual_seed(seed)
                sampled_softmax_loss(*copies, targets, num_sampled=20, generator=generator, sparse=sparse).backward()
                optimizer.step()
        after.append(copies[1].detach())
    assert_near(after[0], after[1], FLOAT64)
    assert not torch.equal(after[0], before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_sampled_softmax_stays_within_the_stated_bytes(monkeypatch, dtype):
    tokens, size, words, samples = 400, 16, 20000, 600
    hidden, weight, bias, targets = problem(tokens, size, words, dtype, ignored=[1])
    block = 100 * 2**10
    monkeypatch.setattr(softmax_losses, "BLOCK_BYTES_CPU", block)
    with MemoryMeter(hidden, weight, bias, targets) as meter:
        settings = {"num_sampled": samples, "sparse": True, "chunk_size": 128}
        sampled_softmax_loss(hidden, weight, bias, targets, **settings).backward()
    result = hidden.grad.nbytes + weight.grad.coalesce().values().nbytes
    # The sampler's draws and sorted copies are numbers per word drawn.
    assert meter.peak_bytes <= block + 5 * (tokens + samples) * size * 4 + result + 8 * 16 * (tokens + 2 * samples)
    assert meter.largest < tokens * samples / 10


# Errors


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


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        ({}, ValueError, "give one of num_sampled"),
        ({"num_sampled": 2, "sampled": LogUniformSample(torch.arange(2), 3)}, ValueError, "give one of num_sampled"),
        ({"num_sampled": 0}, ValueError, "num_sampled is 0; needed is 1 to vocab_size=37"),
        ({"num_sampled": 38}, ValueError, "num_sampled is 38; .* chunked_cross_entropy"),
        ({"sampled": LogUniformSample(torch.zeros(2), 3)}, ValueError, r"sampled.ids has shape \(2,\), torch.float32"),
        ({"sampled": LogUniformSample(torch.arange(0), 3)}, ValueError, r"sampled.ids has shape \(0,\)"),
        ({"sampled": LogUniformSample(torch.tensor([3, 37]), 3)}, IndexError, "run from 3 to 37; .* words 0 to 36"),
        ({"sampled": LogUniformSample(torch.tensor([3, 3]), 3)}, ValueError, "holds a word twice"),
        ({"sampled": LogUniformSample(torch.arange(4), 3)}, ValueError, "num_tries is 3; 4 distinct words"),
    ],
)
def test_wrong_samples_are_told(settings, error, text):
    with pytest.raises(error, match=text):
        sampled_softmax_loss(*problem(), **settings)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("block_bytes", [2**16, 2**29])
def test_on_a_gpu(monkeypatch, dtype, block_bytes):
    """bfloat16 rounds probabilities and scaled vectors before the products: 2^-8 of the largest gradient."""
    monkeypatch.setattr(softmax_losses, "BLOCK_BYTES", block_bytes)
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)
    *leaves, targets = problem(tokens=300, size=64, words=5000, dtype=dtype, ignored=[7], scale=0.3)
    exact = [leaf.detach().double().requires_grad_() for leaf in leaves]
    there = [leaf.detach().cuda().requires_grad_() for leaf in leaves]
    sample = log_uniform_sample(500, 5000)
    pairs = [
        (chunked_cross_entropy(*there, targets.cuda()), dense(*exact, targets)),
        (sampled_softmax_loss(*there, targets.cuda(), sampled=sample), dense_sampled(*exact, targets, sample, "mean")),
    ]
    bound = 2**-7 if dtype == torch.bfloat16 else 1e-4
    for got, expected in pairs:
        assert_near(got.cpu(), expected, 1e-4)
        for ours, theirs in zip(gradients(got, *there), gradients(expected, *exact), strict=True):
            assert (ours.cpu().double() - theirs).abs().max() <= bound * theirs.abs().max()
