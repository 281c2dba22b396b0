# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Right or wrong of many items as a short text in a cell's file, for paired tests later."""

import base64
import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike


def pack_bits(right: ArrayLike) -> str:
    """(n,) bool as base64 of its bits, 1.4 characters for 8 items."""
    return base64.b64encode(np.packbits(np.asarray(right, dtype=bool)).tobytes()).decode("ascii")


def unpack_bits(packed: str, count: int) -> np.ndarray:
    """The (count,) bool that `pack_bits` was given.

    Raises:
        ValueError: the text holds fewer items.
    """
    bits = np.unpackbits(np.frombuffer(base64.b64decode(packed), dtype=np.uint8))
    if len(bits) < count:
        raise ValueError(f"{len(bits)} packed items; needed are {count}")
    return bits[:count].astype(bool)


def items_digest(items: Iterable[object]) -> str:
    """What tells whether two results are about the same items in the same order."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(repr(item).encode("utf-8", errors="surrogatepass") + b"\0")
    return digest.hexdigest()[:16]


__all__ = ["items_digest", "pack_bits", "unpack_bits"]
