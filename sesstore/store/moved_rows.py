"""Rows of a segment that was merged into another one after a view had been opened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CorruptStoreError
from .segments import Segment


class MovedRows:
    """Stands in for the values, or the scales, of a segment that is gone: slices by its rows.

    Parameters
    ----------
    segment : Segment
        The one that is gone; its digests and offsets have been read.
    find, read : callable
        Row of each digest, and the content of a row, in a view opened after it had gone, which
        holds its proteins elsewhere.
    """

    def __init__(
        self,
        segment: Segment,
        find: Callable[[NDArray[np.uint8]], NDArray[np.int64]],
        read: Callable[[int], NDArray[Any]],
    ) -> None:
        self._segment, self._find, self._read = segment, find, read

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Rows `start` to `stop` of the segment; not copied if they are one protein's."""
        offsets = self._segment.offsets
        start, stop, _ = rows.indices(int(offsets[-1]))
        first = int(np.searchsorted(offsets, start, "right")) - 1
        last = max(int(np.searchsorted(offsets, stop)), first + 1)
        places = self._find(self._segment.digests[first:last])
        if (places < 0).any():
            raise CorruptStoreError(
                f"segment {self._segment.path} was removed, and no other one holds its proteins. "
                f"Embed them again with `sesstore embed`"
            )
        parts = [self._read(place) for place in places.tolist()]
        values = parts[0] if len(parts) == 1 else np.concatenate(parts)
        selection: NDArray[Any] = values[start - offsets[first] : stop - offsets[first]]
        return selection
