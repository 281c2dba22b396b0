# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Settings for all tests: offline, one source of randomness, one thread in each of the two processes."""

import gc
import os
import tempfile

# Hundreds of thousands of objects of torch and transformers live as long as the process: looking through them again and
# again, while they are imported and afterwards, took a twelfth of the time.
gc.disable()

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Remote code is copied here by transformers; processes must not write into each other's copy.
_modules = tempfile.TemporaryDirectory(prefix="hf_elmo_tests_")
os.environ["HF_MODULES_CACHE"] = _modules.name

import pytest  # noqa: E402


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop():
    """After the tests were imported: from now on, what is new is collected."""
    gc.freeze()
    gc.enable()


def pytest_unconfigure():
    gc.unfreeze()  # for the end of the process, at which libraries tell of objects that are left


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Imported here, as the process that hands out the tests needs no torch."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def fixed_seed(one_thread):
    import torch

    torch.manual_seed(0)
