"""Means of some proteins of a store as one array to be sliced, [N, d], in the order of storage.

Nothing is copied before it is sliced: a block is read from the segments' maps as it is needed, so a
million proteins take 40 bytes each of memory and not 2,560.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..store import Embeddings


class MeanRows:
    """Rows of a view of means.

    Parameters
    ----------
    means : Embeddings
        One row a protein, see `jobs.means`.
    rows : ndarray, shape=(N,), dtype=int64, optional
        Rows of the view; all by default. Repeats are fine.

    Raises
    ------
    InputError
        The view is of residues.
    """

    def __init__(self, means: Embeddings, rows: NDArray[np.int64] | None = None) -> None:
        if not means.provenance.fingerprint.reduction:
            raise InputError(
                "this takes means of proteins. Make them with `sesstore embed --reduce mean`"
            )
        rows = np.arange(len(means), dtype=np.int64) if rows is None else rows
        segments, starts, _ = means.locate(rows)
        self.order = np.lexsort((starts, segments))
        """Where each row stands in what was asked for, shape=(N,)."""
        self._means = means
        self._segments, self._starts = segments[self.order], starts[self.order]
        self.digests = means.digests[rows[self.order]]
        """Digest of each row, shape=(N, 32), dtype=uint8."""
        self.shape = (len(rows), means.dim)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, block: slice) -> NDArray[Any]:
        """Return rows `start` to `stop`, [n, d]; not copied where they lie in one piece."""
        segments, starts = self._segments[block], self._starts[block]
        cuts = np.flatnonzero(np.diff(segments)) + 1
        bounds = [0, *cuts.tolist(), len(segments)]
        parts = [
            self._of_segment(int(segments[first]), starts[first:last])
            for first, last in pairwise(bounds)
            if last > first
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _of_segment(self, segment: int, starts: NDArray[np.int64]) -> NDArray[Any]:
        first, last = int(starts[0]), int(starts[-1]) + 1
        values = np.asarray(self._means.values(segment)[first:last])
        in_one_piece = last - first == len(starts)
        if not in_one_piece:
            values = values[starts - first]
        if self._means.dtype != np.int8:
            return values
        scales = np.asarray(self._means.scales(segment)[first:last], np.float32)
        return (
            values.astype(np.float32)
            * (scales if in_one_piece else scales[starts - first])[:, None]
        )
