# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The demo's own words, split without a model."""

import pytest
from planted_senses import Planted

from hf_elmo.demo.texts import read_senses


@pytest.fixture(scope="session")
def box_words():
    """The demo's own words with their occurrences."""
    return read_senses(Planted().split)
