# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The conditional random field against all paths of a sentence, one by one."""

import itertools

import numpy as np
import pytest
import torch
from tolerances import TOLERANCES

from hf_elmo.modeling import Crf
from hf_elmo.modeling.crf import bio_constraints

EXACT = TOLERANCES["crf", "float64"]
BIO = ("O", "B-a", "I-a", "B-b", "I-b")
# Positions of each sentence's chain among 6: none, one, with holes, all, at the right end.
CHAINS = [[], [3], [0, 2, 5], [0, 1, 2, 3, 4, 5], [4, 5]]


def random_crf(labels: int = 5, seed: int = 0) -> Crf:
    generator = torch.Generator().manual_seed(seed)
    crf = Crf(labels).double()
    with torch.no_grad():
        for parameter in crf.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return crf


def random_batch(labels: int = 5, seed: int = 1):
    generator = torch.Generator().manual_seed(seed)
    emissions = torch.randn(len(CHAINS), 6, labels, generator=generator, dtype=torch.float64)
    mask = torch.zeros(len(CHAINS), 6, dtype=torch.bool)
    for row, chain in enumerate(CHAINS):
        mask[row, chain] = True
    gold = torch.randint(0, labels, mask.shape, generator=generator).masked_fill(~mask, -100)
    return emissions, mask, gold


def all_paths(labels: int, length: int) -> torch.Tensor:
    """Every label sequence of a length, (labels ** length, length)."""
    return torch.tensor(list(itertools.product(range(labels), repeat=length)))


def score(crf, emissions, paths):
    """Scores of paths (P, n) over the emissions (n, K), by their definition."""
    total = crf.start_transitions[paths[:, 0]] + crf.end_transitions[paths[:, -1]]
    for step in range(paths.shape[1]):
        total = total + emissions[step, paths[:, step]]
    for step in range(1, paths.shape[1]):
        total = total + crf.transitions[paths[:, step - 1], paths[:, step]]
    return total


def is_bio(path) -> bool:
    """Whether a path is BIO, read from the left with the open span in mind."""
    span = None
    for name in (BIO[label] for label in path):
        if name[0] == "I" and name[2:] != span:
            return False
        span = None if name == "O" else name[2:]
    return True


def test_loss_and_every_gradient_are_those_of_all_paths():
    crf, (emissions, _, gold) = random_crf(), random_batch()
    emissions.requires_grad_()
    leaves = [emissions, *crf.parameters()]
    loss = crf.negative_log_likelihood(emissions, gold)
    got = torch.autograd.grad(loss, leaves)

    expected = torch.zeros((), dtype=torch.float64)
    for row, chain in enumerate(CHAINS):
        if chain:
            log_sum = torch.logsumexp(score(crf, emissions[row, chain], all_paths(5, len(chain))), dim=0)
            expected = expected + log_sum - score(crf, emissions[row, chain], gold[row, chain].unsqueeze(0)).sum()
    assert (loss - expected).abs() <= EXACT
    for ours, theirs in zip(got, torch.autograd.grad(expected, leaves), strict=True):
        assert (ours - theirs).abs().max() <= EXACT


@pytest.mark.parametrize("constrained", [False, True])
def test_max_marginals_and_best_path_are_those_of_all_paths(constrained):
    crf, (emissions, mask, _) = random_crf(), random_batch()
    emissions[3] *= 0.1  # transitions decide there
    got, best = crf.max_marginals(emissions, mask, bio_constraints(BIO) if constrained else None)
    assert torch.equal(best.masked_fill(~mask, -100), best) and not (best[mask] < 0).any()
    assert torch.equal(got[~mask], emissions[~mask])
    for row, chain in enumerate(CHAINS):
        if not chain:
            continue
        paths = all_paths(5, len(chain))
        if constrained:
            paths = paths[[is_bio(path) for path in paths.tolist()]]
        scores = score(crf, emissions[row, chain], paths).detach()
        winner = paths[scores.argmax()]
        assert torch.equal(best[row, chain], winner) and torch.equal(got[row, chain].argmax(-1), winner)
        for step, place in enumerate(chain):
            for label in range(5):
                through = scores[paths[:, step] == label]
                if label == winner[step]:
                    assert got[row, place, label] == pytest.approx(1e-3)
                elif len(through):
                    assert (got[row, place, label] - (through.max() - scores.max())).abs() <= EXACT
                else:
                    assert got[row, place, label] == -1e4


def test_constraints_change_the_path():
    crf, (emissions, mask, _) = random_crf(), random_batch()
    free = crf.max_marginals(emissions, mask)[1][3].tolist()
    assert not is_bio(free) and is_bio(crf.max_marginals(emissions, mask, bio_constraints(BIO))[1][3].tolist())


def test_tied_paths_do_not_mix():
    """Two paths of the same score, 0 1 and 1 0: the argmax is one of them."""
    crf = Crf(2)
    with torch.no_grad():
        crf.transitions.copy_(torch.tensor([[-5.0, 0.0], [0.0, -5.0]]))
    logits, best = crf.max_marginals(torch.zeros(1, 2, 2), torch.ones(1, 2, dtype=torch.bool))
    assert logits.argmax(-1).tolist() == best.tolist() and best.tolist()[0] in ([0, 1], [1, 0])


def test_long_sentences_keep_their_digits():
    """3,000 words in float32 with large scores, against Viterbi with back pointers in float64."""
    rng = np.random.default_rng(0)
    emissions = rng.normal(size=(3000, 4)) * 30 + 200
    crf = random_crf(4).float()
    transitions = crf.transitions.detach().double().numpy()
    total, pointers = crf.start_transitions.detach().double().numpy() + emissions[0], []
    for row in emissions[1:]:
        pairs = total[:, None] + transitions
        pointers.append(pairs.argmax(axis=0))
        total = pairs.max(axis=0) + row
    path = [int((total + crf.end_transitions.detach().double().numpy()).argmax())]
    for pointer in reversed(pointers):
        path.append(int(pointer[path[-1]]))
    logits, best = crf.max_marginals(
        torch.tensor(emissions, dtype=torch.float32)[None], torch.ones(1, 3000, dtype=torch.bool)
    )
    assert best[0].tolist() == path[::-1] == logits[0].argmax(-1).tolist()


def test_without_labels_the_loss_is_zero_and_so_are_its_gradients():
    crf = Crf(3)
    for shape in ((2, 4), (2, 0), (0, 4)):
        emissions = torch.randn(*shape, 3, requires_grad=True)
        loss = crf.negative_log_likelihood(emissions, torch.full(shape, -100))
        loss.backward()
        assert loss == 0 and not emissions.grad.any()
        assert torch.equal(crf.max_marginals(emissions, torch.zeros(shape, dtype=torch.bool))[0], emissions)
    assert all(parameter.grad is not None and not parameter.grad.any() for parameter in crf.parameters())


def test_half_precision_emissions_are_summed_in_float32():
    crf, (emissions, mask, gold) = random_crf().float(), random_batch()
    half = emissions.to(torch.bfloat16)
    assert crf.negative_log_likelihood(half, gold).dtype == torch.float32
    assert crf.negative_log_likelihood(half, gold) == crf.negative_log_likelihood(half.float(), gold)
    assert crf.max_marginals(half, mask)[0].dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("labels", "constrained"),
    [
        (("O", "B-a", "I-a"), True),
        (("B-a", "I-a", "B-b"), True),
        (("O", "B-a", "I-b"), False),  # I-b has no B-b to continue
        (("O", "B-a", "I-a", "E-a"), False),
        (("NOUN", "VERB"), False),
    ],
)
def test_constraints_are_for_bio_labels(labels, constrained):
    assert (bio_constraints(labels) is not None) == constrained


def test_constraints_in_full():
    allowed, first = bio_constraints(BIO)
    assert first == [True, True, False, True, False]
    assert allowed == [
        [True, True, False, True, False],  # after O
        [True, True, True, True, False],  # after B-a
        [True, True, True, True, False],  # after I-a
        [True, True, False, True, True],  # after B-b
        [True, True, False, True, True],  # after I-b
    ]
