# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Tokens and keys in files: what is published once stays readable in the history of the repository."""

import re
from collections.abc import Iterator
from typing import BinaryIO

# The prefixes and lengths are those that the issuers document, so that words and hashes are not taken for keys. Each begins
# with fixed letters, by which vocabularies of tens of megabytes are searched fast.
_END = rb"(?![A-Za-z0-9])"
KINDS = {
    "a Hugging Face token": (rb"hf_[A-Za-z0-9]{34,}" + _END, rb"api_org_[A-Za-z0-9]{34,}" + _END),
    "a GitHub token": (rb"gh[pousr]_[A-Za-z0-9]{36,}" + _END, rb"github_pat_[A-Za-z0-9_]{60,}" + _END),
    "an AWS access key id": (rb"AKIA[A-Z0-9]{16}" + _END, rb"ASIA[A-Z0-9]{16}" + _END),
    "an AWS secret key": tuple(
        name + rb"[\"']?\s*[=:]\s*[\"']?[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])"
        for name in (rb"aws_secret_access_key", rb"AWS_SECRET_ACCESS_KEY", rb"aws_secret_key", rb"SecretAccessKey")
    ),
    "a private key": (rb"-----BEGIN (?:[A-Z]+ ){0,2}PRIVATE KEY(?: BLOCK)?-----",),
    "an OpenAI or Anthropic key": (rb"sk-(?:proj-|ant-|svcacct-)?[A-Za-z0-9_-]{32,}" + _END,),
    "a Google API key": (rb"AIza[A-Za-z0-9_-]{35}" + _END,),
    "a Slack token": (rb"xox[abeprs]-[A-Za-z0-9-]{20,}" + _END,),
    "a GitLab token": (rb"glpat-[A-Za-z0-9_-]{20,}" + _END,),
    "a password in an address": (rb"://[^\s/:@\"'<>{}$]{1,100}:[^\s/:@\"'<>{}$]{3,100}@[\w.-]+",),
}
_BLOCK, _LONGEST = 1 << 20, 1 << 10  # of a binary file, and what is looked at again with the next block
_PRINTABLE = re.compile(rb"[ -~\s]+")
_SHORTEST_TOKEN = 16  # a stand-in such as "x" is in every text
_PATTERNS = [(kind, re.compile(pattern)) for kind, patterns in KINDS.items() for pattern in patterns]


def find_credentials(content: bytes, own_token: str | None = None) -> Iterator[tuple[int, str]]:
    """Line number, from 1, and kind of everything in a text that looks like a token or a key; never the secret itself.

    Args:
        content: of a text file.
        own_token: the token in use, found in whatever form it has.
    """
    for kind, pattern in _patterns(own_token):
        for found in pattern.finditer(content):
            yield content.count(b"\n", 0, found.start()) + 1, kind


def find_in_binary(file: BinaryIO, own_token: str | None = None) -> Iterator[str]:
    """Kind of everything in a file of any size and content that looks like a token or a key; one may come twice."""
    patterns, content = _patterns(own_token), b""
    while block := file.read(_BLOCK):
        content = content[-_LONGEST:] + block
        for kind, pattern in patterns:
            # A short pattern may fit random bytes, which are hardly ever all printable.
            if any(_PRINTABLE.fullmatch(found.group()) for found in pattern.finditer(content)):
                yield kind


def _patterns(own_token: str | None) -> list[tuple[str, re.Pattern[bytes]]]:
    if own_token is None or len(own_token) < _SHORTEST_TOKEN:
        return _PATTERNS
    return [*_PATTERNS, ("the token in use", re.compile(re.escape(own_token.encode())))]
