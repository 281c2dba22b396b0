# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The plane of the pictures is that of scikit-learn's PCA."""

import numpy as np
import pytest

from hf_elmo.demo.pca import plane


@pytest.mark.parametrize("shape", [(8, 40), (40, 8), (3, 5), (8, 2)])
def test_points_and_shares_are_those_of_scikit_learn(shape):
    decomposition = pytest.importorskip("sklearn.decomposition")
    vectors = np.random.default_rng(1).standard_normal(shape) * np.linspace(3, 1, shape[1]) + 5
    points, shares = plane(vectors)
    pca = decomposition.PCA(n_components=2).fit(vectors)
    np.testing.assert_allclose(np.abs(points), np.abs(pca.transform(vectors)), atol=1e-9)
    np.testing.assert_allclose(shares, pca.explained_variance_ratio_, atol=1e-9)


def test_the_farthest_point_of_each_axis_is_positive():
    vectors = np.random.default_rng(2).standard_normal((7, 20))
    points, _ = plane(vectors)
    mirrored, _ = plane(-vectors)
    np.testing.assert_allclose(points, mirrored, atol=1e-9)
    farthest = np.abs(points).argmax(axis=0)
    assert (points[farthest, [0, 1]] > 0).all()


def test_two_vectors_lie_on_a_line():
    points, shares = plane(np.array([[0.0, 3.0], [4.0, 0.0]]))
    np.testing.assert_allclose(np.abs(points), [[2.5, 0], [2.5, 0]], atol=1e-12)
    np.testing.assert_allclose(shares, [1, 0])


def test_equal_vectors_have_no_plane():
    points, shares = plane(np.tile(np.float32([0.1, 0.7, -3.3]), (6, 1)))
    assert not points.any() and not shares.any()
