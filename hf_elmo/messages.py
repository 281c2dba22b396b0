# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What commands say to the person who gave them, apart from their results."""

import sys


def say(line: str) -> None:
    """A line about what is going on, on stderr, at once."""
    print(line, file=sys.stderr, flush=True)
