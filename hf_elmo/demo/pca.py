# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Principal components: the plane in which the vectors differ most."""

import numpy as np


def plane(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates on the first two principal components, and their shares of the variance.

    The side of each axis is chosen so that its farthest point is positive (the first of equally far ones).

    Args:
        vectors: (P, S) float.
    Returns:
        (P, 2) and (2,) float64; zeros where the vectors do not differ.
    """
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    left, lengths, _ = np.linalg.svd(centred, full_matrices=False)
    # Vectors that are equal but for rounding have no direction in which they differ.
    scale = float(np.linalg.norm(vectors.astype(np.float64)))
    lengths = np.where(lengths > 1e-6 * max(scale, 1e-300), lengths, 0)
    points, shares = np.zeros((len(vectors), 2)), np.zeros(2)
    total = float((lengths**2).sum())
    for axis in range(min(2, len(lengths))):
        column = left[:, axis] * lengths[axis]
        farthest = int(np.argmax(np.abs(column).round(9)))
        points[:, axis] = -column if column[farthest] < 0 else column
        shares[axis] = lengths[axis] ** 2 / total if total else 0.0
    return points, shares
