"""Points of a map, against scikit-learn's principal components."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.decomposition import PCA

from sesstore.errors import MissingExtraError
from sesstore.neighbours import projection
from sesstore.neighbours.projection import principal_components, umap


def cloud(count: int, dim: int = 7) -> np.ndarray:
    rng = np.random.default_rng(count)
    return (rng.normal(size=(count, dim)) * np.arange(1, dim + 1) + 100).astype(np.float16)


@pytest.mark.parametrize(
    ("block", "rows"), [(5, cloud(60)), (8192, cloud(60)), (5, cloud(9, 2)), (5, cloud(3))]
)
def test_they_are_scikit_learns_up_to_the_sign(block: int, rows: np.ndarray, monkeypatch) -> None:
    monkeypatch.setattr(projection, "BLOCK_ROWS", block)
    points, variance = principal_components(rows)
    reference = PCA(2, svd_solver="full").fit(rows.astype(float))
    expected = reference.transform(rows.astype(float))
    signs = np.sign((points * expected).sum(0))
    np.testing.assert_allclose(points * signs, expected, atol=1e-3)
    np.testing.assert_allclose(variance, reference.explained_variance_ratio_, rtol=1e-6)


def test_an_axis_points_to_its_largest_weight() -> None:
    rows = np.zeros((4, 3))
    rows[:, 2] = [0, 1, 2, 3]
    rows[:, 0] = [1, 0, 0, 1]
    points, variance = principal_components(rows)
    np.testing.assert_allclose(points[:, 0], [-1.5, -0.5, 0.5, 1.5], atol=1e-6)
    np.testing.assert_allclose(points[:, 1], [0.5, -0.5, -0.5, 0.5], atol=1e-6)
    np.testing.assert_allclose(variance, [5 / 6, 1 / 6])


@pytest.mark.parametrize("rows", [cloud(0), cloud(2), cloud(9, 1), np.ones((5, 4))])
def test_what_has_no_two_axes_lies_at_the_origin(rows: np.ndarray) -> None:
    points, variance = principal_components(rows)
    assert points.shape == (len(rows), 2)
    np.testing.assert_allclose(points, 0, atol=1e-6)
    np.testing.assert_allclose(variance, 0, atol=1e-6)


def test_umap_keeps_groups_together() -> None:
    pytest.importorskip("umap")
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(size=(30, 5)) + 9 * np.eye(5)[k] for k in (0, 1)])
    points = umap(rows)
    assert points.dtype == np.float32
    centres = points[:30].mean(0), points[30:].mean(0)
    assert np.linalg.norm(points[:30] - centres[0], axis=1).max() < np.linalg.norm(
        centres[0] - centres[1]
    )
    assert umap(rows[:3]).shape == (3, 2)


@pytest.mark.parametrize(("count", "neighbours"), [(4, 3), (15, 14), (16, 15), (40, 15)])
def test_umap_gets_all_rows_and_is_the_same_each_time(monkeypatch, count, neighbours) -> None:
    """Angles count, not lengths; a seed, and one thread, or its points would differ."""
    calls: list[dict[str, object]] = []
    rows = cloud(count)

    class Reducer:
        def __init__(self, **settings: object) -> None:
            calls.append(settings)

        def fit_transform(self, values: np.ndarray) -> np.ndarray:
            assert values.dtype == np.float32
            np.testing.assert_array_equal(values, rows.astype(np.float32))
            return values[:, :2].astype(np.float64)

    monkeypatch.setattr(projection, "BLOCK_ROWS", 7)
    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=Reducer))
    points = umap(rows)
    assert points.dtype == np.float32
    np.testing.assert_array_equal(points, rows[:, :2].astype(np.float32))
    settings = {"metric": "cosine", "n_neighbors": neighbours, "random_state": 0, "n_jobs": 1}
    assert calls == [settings]
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(MissingExtraError, match=r"sesstore\[map\]"):
        umap(rows)
