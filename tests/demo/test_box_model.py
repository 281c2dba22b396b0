# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What the pretrained model of the box knows of the demo's words, and that a random one of its shape does not."""

import pytest
import torch

from hf_elmo import ElmoModel, pretrained
from hf_elmo.demo.encoding import ElmoEncoder
from hf_elmo.demo.study import make_study
from hf_elmo.demo.texts import Sentence, read_groups
from hf_elmo.demo.verdict import headline

NAME = "elmo-mini-en"


def study_of(encoder):
    return make_study(encoder, read_groups(encoder.split), "play", [Sentence("A play .", ["A", "play", "."], None)])


@pytest.fixture(scope="module")
def encoder():
    return ElmoEncoder(str(pretrained.path_of(NAME)))


def test_it_tells_uses_apart_that_differ_in_grammar_but_not_senses(encoder):
    study = study_of(encoder)
    grammar, senses = study.groups
    assert not grammar.separated(0) and not senses.separated(0)
    for layer in (1, 2, 3):
        assert len(grammar.separated(layer)) >= 8 and grammar.nearest_same(layer) > 0.85
        assert not senses.beyond_chance(layer)
    assert "tells apart uses that differ in grammar (" in headline(study)
    assert ", but not senses of the same part of speech (" in headline(study)


def test_random_weights_of_the_same_shape_separate_neither(encoder, monkeypatch):
    torch.manual_seed(1)
    monkeypatch.setattr(encoder, "model", ElmoModel(encoder.model.config).eval())
    study = study_of(encoder)
    for group in study.groups:
        assert not any(group.beyond_chance(layer) for layer in range(4))
        assert all(abs(each.same - each.different) > 1e-5 for found in group.judged.values() for each in found[1:3])
    assert "does not tell apart" in headline(study)
