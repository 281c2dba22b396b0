# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Tokens and keys in files: what is published once stays readable in the history of the repository."""

import re
from collections.abc import Iterator

# The prefixes and lengths are those that the issuers document, so that words and hashes are not taken for keys.
_BEFORE, _AFTER = rb"(?<![A-Za-z0-9_])", rb"(?![A-Za-z0-9])"
KINDS = {
    "a Hugging Face token": _BEFORE + rb"(?:hf_|api_org_)[A-Za-z0-9]{34,}" + _AFTER,
    "a GitHub token": _BEFORE + rb"(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{60,})" + _AFTER,
    "an AWS access key id": _BEFORE + rb"(?:AKIA|ASIA)[A-Z0-9]{16}" + _AFTER,
    "an AWS secret key": rb"(?i:aws_?secret_?(?:access_?)?key)[\"']?\s*[=:]\s*[\"']?[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])",
    "a private key": rb"-----BEGIN (?:[A-Z]+ ){0,2}PRIVATE KEY(?: BLOCK)?-----",
    "an OpenAI or Anthropic key": _BEFORE + rb"sk-(?:proj-|ant-|svcacct-)?[A-Za-z0-9_-]{32,}" + _AFTER,
    "a Google API key": _BEFORE + rb"AIza[A-Za-z0-9_-]{35}" + _AFTER,
    "a Slack token": _BEFORE + rb"xox[abeprs]-[A-Za-z0-9-]{20,}" + _AFTER,
    "a GitLab token": _BEFORE + rb"glpat-[A-Za-z0-9_-]{20,}" + _AFTER,
    "a password in an address": rb"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@\"'<>{}$]{1,100}:[^\s/:@\"'<>{}$]{3,100}@[\w.-]+",
}
_PATTERNS = {kind: re.compile(pattern) for kind, pattern in KINDS.items()}


def find_credentials(content: bytes, own_token: str | None = None) -> Iterator[tuple[int, str]]:
    """Line number, from 1, and kind of everything in a text that looks like a token or a key; never the secret itself.

    Args:
        content: of a text file.
        own_token: the token in use, found in whatever form it has.
    """
    patterns = dict(_PATTERNS)
    if own_token:
        patterns["the token in use"] = re.compile(re.escape(own_token.encode()))
    for kind, pattern in patterns.items():
        for found in pattern.finditer(content):
            yield content.count(b"\n", 0, found.start()) + 1, kind
