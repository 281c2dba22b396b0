# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Span tags: what BIO tags are, and IOB1 to BIO2."""

import re
from collections.abc import Iterable, Sequence

BIO_TAG = re.compile(r"O|[BI]-.+", re.DOTALL)


def is_bio(tags: Iterable[str]) -> bool:
    """Whether all tags are O, B-... or I-..., and at least one is not O."""
    tags = set(tags)
    return bool(tags - {"O"}) and all(BIO_TAG.fullmatch(tag) for tag in tags)


def to_bio2(tags: Sequence[str]) -> list[str]:
    """BIO2 tags of one sentence from IOB1 or BIO2.

    Ramshaw & Marcus 1995 (IOB1: B- only where a span touches another of its type), Tjong Kim Sang & Veenstra 1999
    (BIO2: every span begins with B-). An I- that continues nothing becomes B-; all else stays, so BIO2 comes back
    unchanged, and spans of mixed files are those that conlleval counts.

    Raises:
        ValueError: a tag is not O, B-... or I-...
    """
    converted = []
    previous = "O"
    for tag in tags:
        if not BIO_TAG.fullmatch(tag):
            raise ValueError(f"tag {tag!r} is not O, B-... or I-...; only such tags can be converted to BIO2")
        begins = tag[0] == "I" and (previous == "O" or previous[2:] != tag[2:])
        converted.append(f"B-{tag[2:]}" if begins else tag)
        previous = tag
    return converted
