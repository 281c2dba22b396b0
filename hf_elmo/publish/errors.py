# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What publishing says when it cannot go on: one line with the way out."""

from collections.abc import Sequence


class PublishError(ValueError):
    """A model cannot be published as asked; one line for people."""


class RefusedFiles(PublishError):
    """Files that must not, or need not, be sent; `problems` names each in a line of its own."""

    def __init__(self, message: str, problems: Sequence[str]):
        super().__init__(message)
        self.problems = list(problems)


class WrongOptions(PublishError):
    """Options that no repository could satisfy, or that exclude each other."""


class HubError(PublishError):
    """The Hub refused or could not be reached; the message tells what is known of the repository's state."""
