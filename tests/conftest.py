# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Settings for all tests: offline, one source of randomness, one thread in each of the two processes."""

import os
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Remote code is copied here by transformers; processes must not write into each other's copy.
_modules = tempfile.TemporaryDirectory(prefix="hf_elmo_tests_")
os.environ["HF_MODULES_CACHE"] = _modules.name

import pytest  # noqa: E402
import torch  # noqa: E402

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def fixed_seed():
    torch.manual_seed(0)
