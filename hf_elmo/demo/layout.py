# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Text for a terminal of 80 columns: lines that are wrapped, sentences that are cut around a word."""

import textwrap
from collections.abc import Iterator

from hf_elmo.demo.texts import Occurrence

WIDTH = 80
CLOSING = {".", ",", ";", ":", "!", "?", ")"}


def wrapped(line: str) -> Iterator[str]:
    """Lines of at most 80 columns, the following ones indented."""
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    yield from textwrap.wrap(line, WIDTH, subsequent_indent=indent, break_on_hyphens=False)


def snippet(words: list[str], position: int, width: int) -> str:
    """The word between brackets with what fits of its sentence around it."""
    shown = list(words)
    shown[position] = f"[{shown[position]}]"
    begin, end = position, position + 1

    def text(begin: int, end: int) -> str:
        inner = joined(shown[begin:end])
        return ("... " if begin else "") + inner + (" ..." if end < len(shown) else "")

    grown = True
    while grown:
        grown = False
        for wider in ((begin - 1, end), (begin, end + 1)):
            if wider[0] >= 0 and wider[1] <= len(shown) and len(text(*wider)) <= width:
                begin, end = wider
                grown = True
    return text(begin, end)


def joined(words: list[str]) -> str:
    """Words as they are written: no blank before a closing mark."""
    line = ""
    for word in words:
        line += word if not line or word in CLOSING else " " + word
    return line


def query(occurrence: Occurrence) -> str:
    """The sentence of an occurrence on one line, with its sense."""
    sense = f" ({occurrence.sense})" if occurrence.sense else ""
    return snippet(occurrence.words, occurrence.position, WIDTH - len(sense)) + sense
