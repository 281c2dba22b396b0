# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""A tiny model size and little text, so that a whole benchmark takes a second."""

import pytest

from hf_elmo.benchmark import options, sides, workloads

TINY = {
    "char_embedding_size": 5,
    "char_filters": [[1, 4], [2, 6], [3, 8]],
    "num_highway_layers": 1,
    "projection_size": 12,
    "cell_size": 20,
    "num_hidden_layers": 2,
}
TINY_BERT = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "vocab_size": 99,
}


@pytest.fixture
def tiny(monkeypatch):
    """The size "tiny" beside the published ones."""
    monkeypatch.setitem(workloads.SIZES, "tiny", TINY)
    monkeypatch.setattr(options, "SIZES", (*options.SIZES, "tiny"))
    monkeypatch.setattr(workloads, "SPELLINGS", 300)
    monkeypatch.setattr(workloads, "MADE_SENTENCES", 40)
    monkeypatch.setattr(workloads, "SHORTEST", 1)
    monkeypatch.setattr(workloads, "LONGEST", 7)
    monkeypatch.setattr(sides, "BERT", TINY_BERT)
    monkeypatch.setattr(sides, "can_import_allennlp", lambda: False)
    monkeypatch.setattr(sides, "can_run_native", lambda: True)  # without a compiler another loop runs instead
    return TINY
