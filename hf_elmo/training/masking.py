# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Which pieces a masked language model predicts, and what it reads in their place.

Every choice is a function of a key, the number of a row and the column, so that it does not matter in which batch or on
which process a row is made.
"""

import numpy as np

IGNORED = -100  # the label of a position that is not predicted
_STEP = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio
_FATE, _PIECE = np.uint64(0xD1B54A32D192ED03), np.uint64(0x8CB92BA72F3D8DD7)  # separate further draws from the first
_LARGEST = np.uint64(2**64 - 1)


def _mix(bits: np.ndarray) -> np.ndarray:
    """Scramble 64-bit numbers; the last step of SplitMix64 (Steele, Lea and Flood 2014)."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def random_bits(key: int, rows: np.ndarray, columns: int) -> np.ndarray:
    """64 random bits for each position.

    Args:
        key: below 2^64.
        rows: (B,) numbers of the rows.
        columns: T.
    Returns:
        (B, T) uint64.
    """
    # Array operations, whose overflow is meant and gives no warning.
    of_rows = _mix(rows.astype(np.uint64) * _STEP + np.full(1, key, np.uint64))
    of_columns = np.arange(1, columns + 1, dtype=np.uint64) * _STEP
    return _mix(of_rows[:, None] + of_columns)


def _below_one(bits: np.ndarray) -> np.ndarray:
    """Random bits as float64 from 0 to below 1."""
    return (bits >> np.uint64(11)) * 2.0**-53


def mask_pieces(
    pieces: np.ndarray,
    maskable: np.ndarray,
    bits: np.ndarray,
    mask_fraction: float,
    mask: int,
    replacements: range,
    words: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Choose pieces to be predicted, and hide most of them (Devlin et al. 2018, section 3.1, task 1).

    Each piece, or each word with all its pieces, is chosen on its own with the same probability. A row in which chance
    chooses nothing gets its first candidate in the order of the random bits. Of the chosen pieces 80 % become `[MASK]`,
    10 % another piece and 10 % stay.

    Args:
        pieces: (B, T) int64.
        maskable: (B, T) bool, where there is text.
        bits: (B, T) uint64, random.
        mask_fraction: probability, 0 to 1.
        mask: id of `[MASK]`.
        replacements: ids that a piece can be replaced by, at random.
        words: (B, T) int64, for each position the one where its word begins; None chooses single pieces.
    Returns:
        what the model reads, and labels, both (B, T) int64.
    """
    order = bits if words is None else np.take_along_axis(bits, words, axis=1)
    order = np.where(maskable, order, _LARGEST)
    threshold = np.maximum(order.min(axis=1, keepdims=True), np.uint64(min(int(mask_fraction * 2.0**64), 2**64 - 1)))
    rows, columns = np.nonzero((order <= threshold) & maskable)
    chosen = pieces[rows, columns]
    labels = np.full(pieces.shape, IGNORED, np.int64)
    labels[rows, columns] = chosen
    fate = _below_one(_mix(bits[rows, columns] ^ _FATE))
    other = _below_one(_mix(bits[rows, columns] ^ _PIECE)) * len(replacements)
    read = pieces.copy()
    read[rows, columns] = np.where(
        fate < 0.8, mask, np.where(fate < 0.9, replacements.start + other.astype(np.int64), chosen)
    )
    return read, labels
