# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Extractive question answering over the vectors of a contender: bidirectional attention flow (Seo et al. 2016)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hf_elmo.compare import task_probe
from hf_elmo.compare.task_probe import DROPOUT, LONGEST, Budget, head_config
from hf_elmo.compare.tasks import split_words, word_places
from hf_elmo.finetune.qa import Window, answer_span, best_answers
from hf_elmo.modeling.task_encoders import EXCLUDED, AttentionFlow

CONTEXT, QUESTION = 1, 2  # in the masks; 0 is padding


class Pairs:
    """Contexts with their questions behind them, with `lengths` and `batch` as `task_probe.Features` has.

    Args:
        source: of the texts, `Features` or `WordNumbers`.
        contexts, questions: rows of `source`.
    """

    def __init__(self, source: Any, contexts: Any, questions: Any):
        self.source, self.contexts, self.questions = source, np.array(contexts), np.array(questions)

    def lengths(self) -> np.ndarray:
        return self.source.lengths()[self.contexts]

    def batch(self, rows: Any) -> tuple[Tensor, Tensor]:
        """Vectors or word numbers (B, T, ...), and the mask (B, T) int64 of 0, CONTEXT and QUESTION."""
        parts = [self.source.batch(side[rows]) for side in (self.contexts, self.questions)]
        masks = [parts[0][1] * CONTEXT, parts[1][1] * QUESTION]
        return torch.cat([values for values, _ in parts], dim=1), torch.cat(masks, dim=1)


class Answerer(nn.Module):
    """Input, attention flow, first and last word of the answer: logits (B, 2, T)."""

    def __init__(self, source: nn.Module):
        super().__init__()
        self.source, self.flow = source, AttentionFlow(head_config(), task_probe.WIDTH)
        self.dropout = nn.Dropout(DROPOUT)
        self.first, self.last = (nn.Linear(self.flow.output_size, 1) for _ in range(2))

    def forward(self, vectors: Tensor, mask: Tensor) -> Tensor:
        context = mask == CONTEXT
        starts, ends = self.flow(self.source(vectors, mask > 0), mask == QUESTION, context)
        logits = [self.first(self.dropout(starts)), self.last(self.dropout(ends))]
        return torch.cat(logits, dim=2).transpose(1, 2).masked_fill(~context[:, None], EXCLUDED)


def probe(
    contender: Any, train: Any, sets: Sequence[Any], learns: bool, budget: Budget, seed: int, context: Any
) -> tuple[list[list[str]], dict[str, Any]]:
    """Train the network on questions and answer those of each set.

    Args:
        contender: gives the vectors; `learns`: its static vectors learn as well.
        train, sets: as `load_qa` gives them.
        budget, seed: of the training.
        context: of the run.
    Returns:
        answers of each set, and facts of the training.
    """
    torch.manual_seed(seed)
    texts = [list(dict.fromkeys([*dataset["context"], *dataset["question"]])) for dataset in (train, *sets)]
    words = [[split_words(text) for text in rows] for rows in texts]
    sources: list[Any]
    layer: nn.Module
    if learns:
        from hf_elmo.compare.quality import word_inputs

        sources, layer = word_inputs(contender, words)
    else:
        sources = [task_probe.cached_features(contender, rows, context.cache) for rows in words]
        layer = task_probe.LayerInput(sources[0])
    pairs = []
    for dataset, rows, source in zip((train, *sets), texts, sources, strict=True):
        row_of = {text: row for row, text in enumerate(rows)}
        sides = [[row_of[text] for text in dataset[side]] for side in ("context", "question")]
        pairs.append(Pairs(source, *sides))
    usable = [(row, span) for row, span in enumerate(map(answer_words, train)) if span is not None]
    kept = [row for row, _ in usable]
    learned = Pairs(sources[0], pairs[0].contexts[kept], pairs[0].questions[kept])
    model = Answerer(layer)
    loss = task_probe.train_head(model, learned, [list(span) for _, span in usable], budget, seed, context.device)
    found = [answer(model, one, dataset, context.device) for one, dataset in zip(pairs[1:], sets, strict=True)]
    head = sum(p.numel() for name, p in model.named_parameters() if ".table." not in name)
    return found, {**budget.as_dict(), "training_loss": loss, "learned": len(kept), "head_parameters": head}


def answer_words(row: dict[str, Any]) -> tuple[int, int] | None:
    """First and last word of the answer in its context; None where it is not among the first `LONGEST` words."""
    span = answer_span(row["context"], row["answers"])
    if span is None:
        return None
    places = [place for _, place in word_places(row["context"])]
    inside = [word for word, (begin, end) in enumerate(places) if end > span[0] and begin < span[1]]
    return (inside[0], inside[-1]) if inside and inside[-1] < LONGEST else None


@torch.inference_mode()
def answer(model: nn.Module, pairs: Pairs, dataset: Any, device: Any, batch_size: int = 32) -> list[str]:
    """The best answer to each question, at most 30 words of its context."""
    model.to(device).eval()
    lengths = pairs.lengths()
    starts, ends = [np.empty(0)] * len(lengths), [np.empty(0)] * len(lengths)
    order = np.argsort(lengths, kind="stable")
    for begin in range(0, len(order), batch_size):
        rows = order[begin : begin + batch_size]
        vectors, mask = (part.to(device) for part in pairs.batch(rows))
        for row, logits in zip(rows, model(vectors, mask).cpu().numpy(), strict=True):
            starts[row], ends[row] = logits[:, : lengths[row]]
    windows = []
    for row, text in enumerate(dataset["context"]):
        places = [place for _, place in word_places(text)][: lengths[row]]
        windows.append(Window(row, np.array(places, dtype=np.int64).reshape(-1, 2)))
    ranked = best_answers(starts, ends, windows, list(dataset["context"]), n_best=10)  # type: ignore[arg-type]
    return [answers[0]["text"] for answers in ranked]
