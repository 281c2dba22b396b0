# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Training with sampled words: which loss is meant, what it costs; its definition is in test_sampled_softmax.py."""

import math

import pytest
import torch
from elmo_builders import largest_difference
from language_models import FULL, SAMPLED, SENTENCES, encode, lanes_of, tiny_language_model, with_labels
from large_softmax import MemoryMeter
from tolerances import TOLERANCES

from hf_elmo.modeling import log_uniform_sample, softmax_losses
from hf_elmo.training.optimization import clip_gradients

TOLERANCE = TOLERANCES["log_probability", "float64"]
WORDS_OF_1B = 793_471


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(5)


def present(output) -> set[str]:
    return {name for name in (*FULL, *SAMPLED) if getattr(output, name) is not None}


def test_the_names_of_both_kinds_of_losses_never_coincide():
    model, batch = tiny_language_model(num_sampled=4), with_labels(SENTENCES)
    assert present(model(**batch)) == set(FULL)  # eval mode
    assert present(model(**batch, num_sampled=4)) == set(SAMPLED)
    model.train()
    sampled = model(**batch)
    assert present(sampled) == set(SAMPLED) and sampled.objective is sampled.sampled_loss
    full = model(**batch, num_sampled=0)
    assert present(full) == set(FULL) and full.objective is full.loss
    assert present(tiny_language_model().train()(**batch)) == set(FULL)


def by_definition(logits, targets, sample, num_words):
    """Each target against the words sampled, all logits corrected by their words' expected counts; ids without padding."""

    def log_count(word):
        probability = math.log((word + 2) / (word + 1)) / math.log(num_words + 1)
        return math.log(1 - (1 - probability) ** sample.num_tries)

    losses = []
    for scores, target in zip(logits[..., 1:].flatten(0, 1), (targets - 1).flatten().tolist(), strict=True):
        others = [int(word) for word in sample.ids if word != target]
        corrected = torch.stack([scores[word] - log_count(word) for word in (target, *others)])
        losses.append(corrected.logsumexp(0) - corrected[0])
    return torch.stack(losses).mean()


def test_each_direction_draws_words_of_its_own_by_frequency():
    model, batch = tiny_language_model(), lanes_of(["the cat sat on it"], ["a mat saw it and"])
    output = model(**batch, num_sampled=5, generator=generator(), output_logits=True)
    same = generator()
    for direction, name in (("forward", "sampled_forward_loss"), ("backward", "sampled_backward_loss")):
        sample = log_uniform_sample(5, 12, same)
        logits, targets = output[f"{direction}_logits"], batch[f"{direction}_targets"]
        assert largest_difference(getattr(output, name), by_definition(logits, targets, sample, 12)) <= TOLERANCE
    mean = (output.sampled_forward_loss + output.sampled_backward_loss) / 2
    assert largest_difference(output.sampled_loss, mean) <= TOLERANCE


def test_sparse_gradients_are_the_dense_ones():
    model, gradients = tiny_language_model(), []
    for sparse in (False, True):
        model.zero_grad()
        output = model(**with_labels(SENTENCES), num_sampled=5, generator=generator(), sparse_gradient=sparse)
        output.sampled_loss.backward()
        gradients.append([rows.grad for rows in (model.lm_head.weight, model.lm_head.bias)])
    assert all(gradient.is_sparse for gradient in gradients[1])
    for dense, sparse in zip(*gradients, strict=True):
        assert largest_difference(sparse.to_dense(), dense) <= TOLERANCE
        assert float(dense.abs().sum()) > 0 and not dense[0].any()


def test_a_clipped_step_with_sparse_gradients_is_the_dense_one():
    after, norms = [], []
    for sparse in (False, True):
        model = tiny_language_model()
        optimizer = torch.optim.Adagrad(model.parameters(), lr=0.2, initial_accumulator_value=1.0, eps=0)
        output = model(**with_labels(SENTENCES), num_sampled=5, generator=generator(), sparse_gradient=sparse)
        (20 * output.sampled_loss).backward()
        assert model.lm_head.weight.grad.is_sparse == sparse
        clip = clip_gradients if sparse else torch.nn.utils.clip_grad_norm_
        norms.append(clip(model.parameters(), 0.5))
        optimizer.step()
        after.append([parameter.detach() for parameter in model.parameters()])
    assert norms[0] > 0.5 and largest_difference(*norms) <= TOLERANCE
    for dense, sparse in zip(*after, strict=True):
        # torch divides by the norm + 1e-6
        assert largest_difference(sparse, dense) <= TOLERANCES["recorded_training", "float64"]


def test_small_gradients_are_not_clipped():
    parameter = torch.nn.Parameter(torch.zeros(3))
    parameter.grad = torch.tensor([0.0, 3.0, 4.0])
    assert clip_gradients([parameter, torch.nn.Parameter(torch.zeros(2))], 6.0) == 5
    assert clip_gradients([parameter], float("inf")) == 5 and parameter.grad.tolist() == [0, 3, 4]
    clip_gradients([parameter], 2.5)
    assert parameter.grad.tolist() == [0, 1.5, 2]


def test_no_tensor_has_the_size_of_tokens_times_vocabulary(monkeypatch):
    monkeypatch.setattr(softmax_losses, "BLOCK_BYTES_CPU", 1 << 17)
    words = 5000
    model = tiny_language_model(vocab_size=words, dtype=torch.float32).train()
    batch = lanes_of(SENTENCES[:3], SENTENCES[:3])
    tokens = batch["forward_targets"].numel()
    sizes = {}
    for kind, settings in (("sampled", {"num_sampled": 50, "sparse_gradient": True}), ("full", {"num_sampled": 0})):
        model.zero_grad()
        with MemoryMeter(*model.parameters(), *batch.values()) as meter:
            model(**batch, **settings).objective.backward()
        sizes[kind] = meter.largest
    assert sizes["sampled"] < tokens * words / 10
    assert sizes["full"] <= model.lm_head.weight.numel() < tokens * words  # the gradient of the softmax


@pytest.mark.slow
def test_the_original_softmax_in_little_memory():
    """8,192 of 793,471 words, 128 lanes of 20 words, width 512: what a step holds besides weights and inputs."""
    settings = {"vocab_size": WORDS_OF_1B + 1, "projection_size": 512, "cell_size": 512, "num_hidden_layers": 1}
    model = tiny_language_model(dtype=torch.float32, **settings).train()
    batch = lanes_of(*[["the cat sat on a mat and saw it on and on and on and on and a mat"]] * 128)
    tokens = batch["forward_targets"].numel()
    assert tokens == 128 * 20
    with MemoryMeter(*model.parameters(), *batch.values()) as meter:
        model(**batch, num_sampled=8192, sparse_gradient=True).objective.backward()
    assert meter.largest < tokens * 16384  # blocks and gates; tokens times words would be 124 times as many
    print(f"peak besides weights and inputs: {meter.peak_bytes / 2**20:.0f} MiB")
    assert meter.peak_bytes < 2**30


def test_without_labels_nothing_is_drawn():
    assert present(tiny_language_model(num_sampled=4).train()(**encode(SENTENCES))) == set()
