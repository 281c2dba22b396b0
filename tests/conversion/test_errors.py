# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
import logging

from transformers.utils.logging import is_progress_bar_enabled

from hf_elmo.conversion.errors import ConversionError, name_some, shorten
from hf_elmo.conversion.verify import quiet


def test_messages_are_one_line_of_bounded_length():
    assert str(ConversionError("two\n  lines\x1b[31m \ud800")) == "two lines [31m"
    assert len(str(ConversionError("x" * 5000))) == 1000


def test_values_and_names_are_shortened():
    assert shorten("a") == "'a'" and shorten([1] * 100, 10) == "[1, 1, ..."
    assert shorten(10**5000) == "a very large int"
    assert name_some("abcdefg", 3) == "a, b, c and 4 more" and name_some("ab") == "a, b"


def test_quiet_leaves_logging_as_it_was():
    before = logging.root.manager.disable, is_progress_bar_enabled()
    with quiet():
        assert logging.root.manager.disable == logging.WARNING and not is_progress_bar_enabled()
    assert (logging.root.manager.disable, is_progress_bar_enabled()) == before
