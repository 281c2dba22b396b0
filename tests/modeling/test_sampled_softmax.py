# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The loss over sampled words against its definition, TensorFlow's recording and the laws of chance."""

import math

import numpy as np
import pytest
import torch
from large_softmax import SMALL_BLOCK_BYTES, MemoryMeter, assert_near, assert_same_gradients, dense, gradients, problem
from support import ROOT
from tolerances import TOLERANCES
from torch.nn import functional as F

from hf_elmo.modeling import softmax_losses
from hf_elmo.modeling.softmax_losses import (
    LogUniformSample,
    chunked_cross_entropy,
    log_uniform_expected_count,
    log_uniform_sample,
    sampled_softmax_loss,
)

RECORDING = np.load(ROOT / "tests/fixtures/bilm_training/sampled_softmax.npz")


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(softmax_losses, "BLOCK_BYTES_CPU", SMALL_BLOCK_BYTES)


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
    assert float(rare) == pytest.approx(
        1 / 793471 / math.log(793472), rel=TOLERANCES["rare_count_relative", "float64"]
    )
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
    assert_near(of_sampled, recorded("sampled_expected_count"), TOLERANCES["recorded_softmax_loss", "float32"])
    assert_near(of_true, recorded("true_expected_count"), TOLERANCES["recorded_softmax_loss", "float32"])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("chunk_size", [None, 2])
def test_sampled_loss_equals_tensorflow(dtype, chunk_size):
    targets = recorded("labels", torch.int64).squeeze(1)
    assert set(targets.tolist()) & set(RECORDING["sampled_ids"].tolist())  # accidental hits are among them
    arguments = [recorded(name, dtype) for name in ("inputs", "W", "b")]
    settings = {"sampled": recorded_sample(), "reduction": "none", "chunk_size": chunk_size}
    loss = sampled_softmax_loss(*arguments, targets, **settings)
    assert loss.dtype == dtype
    assert_near(loss, recorded("loss"), TOLERANCES["recorded_softmax_loss", "float32"])


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
    assert_near(got, expected, TOLERANCES["sampled_definition", "float64"])
    assert_same_gradients(got, expected, leaves, TOLERANCES["sampled_definition", "float64"])


def test_sampling_every_word_is_the_full_softmax():
    """With very many tries every expected count is 1."""
    *leaves, targets = problem(ignored=[4])
    everything = LogUniformSample(torch.randperm(37), 10**9)
    for bias in (leaves[2], None):
        expected = dense(*leaves[:2], bias, targets)
        got = sampled_softmax_loss(*leaves[:2], bias, targets, sampled=everything)
        assert_near(got, expected, TOLERANCES["softmax_loss", "float64"])
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
    assert_near(got[0], expected[0], TOLERANCES["softmax_loss", "float64"])
    used = torch.cat([targets, sample.ids]).unique()
    for sparse, full in zip(got[1:], expected[1:], strict=True):
        assert sparse.is_sparse and not full.is_sparse
        assert torch.equal(sparse.coalesce().indices()[0], used)
        assert_near(sparse.to_dense(), full, TOLERANCES["softmax_loss", "float64"])


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
    assert_near(after[0], after[1], TOLERANCES["softmax_loss", "float64"])
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
    assert torch.backends.cuda.matmul.fp32_precision != "tf32"
    *leaves, targets = problem(tokens=300, size=64, words=5000, dtype=dtype, ignored=[7], scale=0.3)
    exact = [leaf.detach().double().requires_grad_() for leaf in leaves]
    there = [leaf.detach().cuda().requires_grad_() for leaf in leaves]
    sample = log_uniform_sample(500, 5000)
    pairs = [
        (chunked_cross_entropy(*there, targets.cuda()), dense(*exact, targets)),
        (sampled_softmax_loss(*there, targets.cuda(), sampled=sample), dense_sampled(*exact, targets, sample, "mean")),
    ]
    bound = TOLERANCES["softmax_loss_on_gpu_gradient_relative", str(dtype)[6:]]
    for got, expected in pairs:
        assert_near(got.cpu(), expected, TOLERANCES["softmax_loss_on_gpu", "float32"])
        for ours, theirs in zip(gradients(got, *there), gradients(expected, *exact), strict=True):
            assert (ours.cpu().double() - theirs).abs().max() <= bound * theirs.abs().max()
