# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Fixtures of several test files: the compiled kernel, built once, in a cache folder of the tests."""

import pytest

from hf_elmo.modeling import lstm_native, lstm_native_int8


@pytest.fixture(scope="session")
def built_kernel(tmp_path_factory) -> tuple:
    """A cache folder, and the kernel of this machine, or None."""
    patch = pytest.MonkeyPatch()
    home = str(tmp_path_factory.mktemp("home"))
    patch.setattr(lstm_native.constants, "HF_HOME", home)
    patch.setattr(lstm_native, "_loaded", [])
    kernel = lstm_native.native_kernel()
    patch.undo()
    return home, kernel


@pytest.fixture
def own_kernel(monkeypatch, built_kernel):
    """The kernel is loaded, and anything built goes into the tests' folder."""
    monkeypatch.setattr(lstm_native.constants, "HF_HOME", built_kernel[0])
    monkeypatch.setattr(lstm_native, "_loaded", [built_kernel[1]])


@pytest.fixture
def nothing_loaded(monkeypatch, own_kernel):
    """As in a process that has not used the kernel yet."""
    monkeypatch.setattr(lstm_native, "_loaded", [])
    lstm_native_int8._is_right.cache_clear()
    yield
    lstm_native_int8._is_right.cache_clear()
