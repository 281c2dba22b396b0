# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The demo's own words, split without a model, and studies of stand-ins that know of senses or do not."""

import pytest
from demo_studies import study_of
from planted_senses import Planted

from hf_elmo.demo.encoding import Substitutes
from hf_elmo.demo.texts import read_groups


@pytest.fixture(scope="session")
def box_groups():
    """The demo's own words with their occurrences, by group."""
    return read_groups(Planted().split)


@pytest.fixture(scope="session")
def separating(box_groups):
    """Layer 2 and the mix know the uses of most words, layer 1 none."""
    gap = Substitutes([("game", 0.25), ("film", 0.1)], 7, 100)
    return study_of(Planted((0.0, 4.0, 2.0), failing=["bat", "crane"], gap=gap), box_groups)


@pytest.fixture(scope="session")
def blind(box_groups):
    """No layer knows anything."""
    return study_of(Planted(), box_groups)
