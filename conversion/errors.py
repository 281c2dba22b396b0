# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The one exception of conversions, and how values are shown in it."""


class ConversionError(ValueError):
    """A source cannot be converted; the message is one line for people: what came, what was needed, the way out."""

    def __init__(self, message: str):
        # Messages of libraries have several lines and may quote bytes of a damaged file.
        printable = "".join(char if char.isprintable() else " " for char in message)
        super().__init__(shorten_text(" ".join(printable.split()), 1000))


def shorten_text(text: str, length: int) -> str:
    """`text` cut to `length` characters."""
    return text if len(text) <= length else text[: length - 3] + "..."


def shorten(value, length: int = 60) -> str:
    """`value` as it is written in Python, cut to `length` characters."""
    try:
        text = repr(value)
    except ValueError:  # Python refuses to print integers of thousands of digits
        text = f"a very large {type(value).__name__}"
    return shorten_text(text, length)


def name_some(names, limit: int = 5) -> str:
    """The first `limit` of `names`, and how many more there are."""
    names = list(names)
    some = ", ".join(names[:limit])
    return some if len(names) <= limit else f"{some} and {len(names) - limit} more"
