"""Means of proteins as points of a plane: principal components, or UMAP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import MissingExtraError

BLOCK_ROWS = 8192
"""Rows that are cast to float64 at once."""

Points = NDArray[np.float32]


class Rows(Protocol):
    """Rows [N, d] to be sliced: an array, or `MeanRows`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """N and d."""

    def __getitem__(self, block: slice, /) -> NDArray[Any]:
        """Return rows `start` to `stop`."""


def principal_components(rows: Rows) -> tuple[Points, NDArray[np.float64]]:
    """First two principal components of rows, by the eigenvectors of their covariance.

    Exact, in the memory of a block and a d x d matrix. An axis points to where its largest weight
    is positive, so that the same rows give the same map everywhere.

    Parameters
    ----------
    rows : Rows, shape=(N, d)

    Returns
    -------
    points : ndarray, shape=(N, 2), dtype=float32
        Zeros where there are fewer than three rows.
    variance : ndarray, shape=(2,), dtype=float64
        Share of the variance of each axis.
    """
    count, dim = rows.shape
    points, share = np.zeros((count, 2), np.float32), np.zeros(2)
    if count < 3 or dim < 2:
        return points, share
    mean = sum((block.sum(0) for _, block in _blocks(rows)), np.zeros(dim)) / count
    covariance = np.zeros((dim, dim))
    for _, block in _blocks(rows):
        block -= mean
        covariance += block.T @ block
    variances, axes = np.linalg.eigh(covariance)
    axes, variances = axes[:, :-3:-1], np.maximum(variances, 0)
    axes = axes * np.sign(axes[np.abs(axes).argmax(0), [0, 1]])
    for start, block in _blocks(rows):
        points[start : start + len(block)] = (block - mean) @ axes
    total = float(variances.sum())
    return points, variances[:-3:-1] / total if total else share


def _blocks(rows: Rows) -> Iterator[tuple[int, NDArray[np.float64]]]:
    for start in range(0, rows.shape[0], BLOCK_ROWS):
        yield start, np.array(rows[start : start + BLOCK_ROWS], np.float64)


def umap(rows: Rows) -> Points:
    """Lay rows out by UMAP (McInnes et al. 2018, arXiv:1802.03426), with cosine as the distance.

    Its own defaults but for the distance: 15 neighbours, least distance 0.1; the same points for
    the same rows and version.

    Parameters
    ----------
    rows : Rows, shape=(N, d)

    Returns
    -------
    ndarray, shape=(N, 2), dtype=float32

    Raises
    ------
    MissingExtraError
        The extra ``[map]`` is not installed.
    """
    try:
        import umap as package
    except ImportError:
        raise MissingExtraError("a map by UMAP", "map") from None
    count = rows.shape[0]
    if count < 4:  # its spectral beginning needs more rows than dimensions
        return principal_components(rows)[0]
    values = np.concatenate([block.astype(np.float32) for _, block in _blocks(rows)])
    neighbours = min(15, count - 1)
    layout = package.UMAP(metric="cosine", n_neighbors=neighbours, random_state=0, n_jobs=1)
    return np.asarray(layout.fit_transform(values), np.float32)
