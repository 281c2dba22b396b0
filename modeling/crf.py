# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Linear-chain conditional random field over the labels of a sentence's words.

Lafferty et al. 2001 on the scores of a neural tagger, as in Collobert et al. 2011 and Peters et al. 2018. Shapes: B
sentences, T positions, K labels.
"""

from functools import lru_cache

import torch
from torch import Tensor, nn

from .word_layout import WordLayout

# Score of a transition that BIO labels do not have; far below any sum of real scores, and sums of it stay finite.
FORBIDDEN = -1e30
# The least that a label is told to stay behind.
FARTHEST = -1e4
# What the label on the best path gets, above the zero that another label may tie with.
ON_BEST_PATH = 1e-3


@lru_cache
def bio_constraints(labels: tuple[str, ...]) -> tuple[list[list[bool]], list[bool]] | None:
    """Which label may follow which, and which may come first, where I-x continues only B-x or I-x.

    Args:
        labels: names in the order of their ids.
    Returns:
        `allowed[previous][next]` and `allowed_first[label]`; None unless all labels are O, B-x and I-x, each I-x with
        its B-x.
    """
    known = set(labels)
    if not all(
        label == "O" or label[:2] == "B-" or (label[:2] == "I-" and "B-" + label[2:] in known) for label in labels
    ):
        return None

    def may_follow(previous: str | None, label: str) -> bool:
        return label[:2] != "I-" or (previous is not None and previous[:2] != "O" and previous[2:] == label[2:])

    allowed = [[may_follow(previous, label) for label in labels] for previous in labels]
    return allowed, [may_follow(None, label) for label in labels]


class Crf(nn.Module):
    """Scores of label sequences: emissions, transitions, and a score for the first and the last label.

    The chain of a sentence consists of the positions of a mask, whatever lies between them. Numbers are float32 at least.

    Args:
        num_labels: K.
    """

    def __init__(self, num_labels: int):
        super().__init__()
        self.transitions = nn.Parameter(torch.zeros(num_labels, num_labels))  # [previous, next]
        self.start_transitions = nn.Parameter(torch.zeros(num_labels))
        self.end_transitions = nn.Parameter(torch.zeros(num_labels))

    def negative_log_likelihood(self, emissions: Tensor, labels: Tensor) -> Tensor:
        """Sum over the sentences of -log p(labels | emissions), without constraints.

        Args:
            emissions: (B, T, K).
            labels: (B, T) int64; positions with -100 are left out of the chain.
        """
        if not labels.numel():
            return emissions.sum()
        layout = WordLayout(labels != -100)
        scores = layout.to_left(_wide(emissions))
        labels = layout.to_left(labels.clamp(min=0).unsqueeze(-1)).squeeze(-1)
        steps = max(int(layout.lengths.max()), 1)  # without any label every parameter still gets a gradient, of zeros
        scores, labels = scores[:, :steps], labels[:, :steps]
        in_chain = torch.arange(steps, device=scores.device) < layout.lengths.unsqueeze(1)  # (B, steps)

        log_sums = self.start_transitions + scores[:, 0]  # (B, K)
        for step in range(1, steps):
            longer = torch.logsumexp(log_sums.unsqueeze(2) + self.transitions, dim=1) + scores[:, step]
            log_sums = torch.where(in_chain[:, step, None], longer, log_sums)
        log_partition = torch.logsumexp(log_sums + self.end_transitions, dim=-1)

        of_labels = scores.gather(2, labels.unsqueeze(-1)).squeeze(-1).masked_fill(~in_chain, 0).sum(dim=1)
        of_pairs = self.transitions[labels[:, :-1], labels[:, 1:]].masked_fill(~in_chain[:, 1:], 0).sum(dim=1)
        last = labels.gather(1, (layout.lengths - 1).clamp(min=0).unsqueeze(1)).squeeze(1)
        of_ends = self.start_transitions[labels[:, 0]] + self.end_transitions[last]
        return (log_partition - of_labels - of_pairs - of_ends).masked_fill(layout.lengths == 0, 0).sum()

    @torch.no_grad()
    def max_marginals(self, emissions: Tensor, mask: Tensor, constraints=None) -> tuple[Tensor, Tensor]:
        """How far the best path through each label stays behind the best path of all, and that path (Viterbi).

        Args:
            emissions: (B, T, K).
            mask: (B, T) bool, the positions of the chain.
            constraints: of `bio_constraints`; paths against them stay 1e4 behind.
        Returns:
            (B, T, K): best score of a path with this label here minus the best score; zero or less, and on the best
            path a little above zero, so that it is the argmax even where two paths tie. Emissions outside of the mask.
            (B, T) int64: the labels of the best path, -100 outside of the mask.
        """
        layout = WordLayout(mask)
        scores = layout.to_left(_wide(emissions))
        transitions, first, last = (
            part.to(scores.dtype) for part in (self.transitions, self.start_transitions, self.end_transitions)
        )
        if constraints is not None:
            allowed, allowed_first = (torch.tensor(part, device=scores.device) for part in constraints)
            transitions = transitions.masked_fill(~allowed, FORBIDDEN)
            first = first.masked_fill(~allowed_first, FORBIDDEN)
        best = torch.full(scores.shape[:2], -100, device=scores.device)
        if not mask.any():
            return emissions, best
        steps = int(layout.lengths.max())

        # Best score of the labels up to each step; what all labels have in common is taken away, it only costs digits.
        ahead = [first + scores[:, 0]]
        for step in range(1, steps):
            ahead.append(_from_zero((ahead[-1].unsqueeze(2) + transitions).amax(dim=1)) + scores[:, step])
        # From the end: best score of the labels after each step, and score of going on to the best path's next label.
        after = onward = last.expand_as(ahead[0])
        marginals = scores.clone()
        for step in reversed(range(steps)):
            if step + 1 < steps:
                after = _from_zero((transitions + (scores[:, step + 1] + after).unsqueeze(1)).amax(dim=2))
                onward = transitions.t()[best[:, step + 1].clamp(min=0)]  # (B, K)
            ends_here, in_chain = (layout.lengths == step + 1).unsqueeze(1), layout.lengths > step
            after, onward = torch.where(ends_here, last, after), torch.where(ends_here, last, onward)
            best[:, step] = torch.where(in_chain, (ahead[step] + onward).argmax(dim=-1), -100)
            behind = _from_zero(ahead[step] + after).scatter(1, best[:, step, None].clamp(min=0), ON_BEST_PATH)
            marginals[:, step] = torch.where(in_chain.unsqueeze(1), behind.clamp(min=FARTHEST), scores[:, step])
        best = layout.to_place(best.unsqueeze(-1)).squeeze(-1)
        return layout.to_place(marginals).to(emissions.dtype), best


def _wide(emissions: Tensor) -> Tensor:
    return emissions.to(torch.promote_types(emissions.dtype, torch.float32))


def _from_zero(scores: Tensor) -> Tensor:
    return scores - scores.amax(dim=-1, keepdim=True)
