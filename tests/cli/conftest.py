# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What the tests of `hf-elmo embed` share."""

import pytest
import torch

from hf_elmo import ElmoConfig, ElmoModel, ElmoTokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A saved tiny model."""
    torch.manual_seed(2)
    path = tmp_path_factory.mktemp("model") / "elmo"
    config = ElmoConfig(char_filters=[[1, 4], [2, 4]], projection_size=4, cell_size=6, num_highway_layers=1)
    ElmoModel(config).save_pretrained(path)
    ElmoTokenizer().save_pretrained(path)
    return path
