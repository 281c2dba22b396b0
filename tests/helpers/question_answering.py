# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What stands in for the question-answering pipeline that transformers 5 has removed; for any extractive model."""

import torch


@torch.no_grad()
def answer(
    model, tokenizer, question: str, context: str, max_length: int = 384, stride: int = 128, max_words: int = 30
) -> dict:
    """The best piece of the context as `answer`, its characters `start` and `end`, and its `score`."""
    encoded = tokenizer(
        question,
        context,
        truncation="only_second",
        max_length=max_length,
        stride=stride,
        padding=True,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        return_tensors="pt",
    )
    offsets, _ = encoded.pop("offset_mapping"), encoded.pop("overflow_to_sample_mapping")
    output = model(**encoded)
    best = {"answer": "", "start": 0, "end": 0, "score": float("-inf")}
    for row, places in enumerate(offsets.tolist()):
        outside = torch.tensor([part != 1 for part in encoded.sequence_ids(row)])
        starts, ends = (
            logits[row].masked_fill(outside, -torch.inf) for logits in (output.start_logits, output.end_logits)
        )
        allowed = torch.ones(len(places), len(places), dtype=torch.bool).triu().tril(max_words - 1)
        scores = (starts[:, None] + ends).masked_fill(~allowed, -torch.inf)
        if scores.max() > best["score"]:
            first, last = divmod(int(scores.argmax()), len(places))
            start, end = places[first][0], places[last][1]
            best = {"answer": context[start:end], "start": start, "end": end, "score": scores.max().item()}
    return best
