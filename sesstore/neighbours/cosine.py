"""Nearest rows by cosine: exact, by blocked products, in bounded memory.

References [N, d] come as arrays, mapped ones among them, of any floating type; a block of rows at a
time is cast to float32 and multiplied with the queries [Q, d]. Memory is a block a thread, whatever
N is: `MeanRows` slices the means of a store where they are mapped. Exact costs Q N d
multiplications: a million rows of 1,280 for 100 queries take seconds on two cores. Beyond some ten
million rows an approximate index is the alternative, see `approximate`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..memory import available_cores
from ..store import Embeddings

BLOCK_ROWS = 512
"""Rows that a thread multiplies at once: 2.6 MB as float32 at 1,280 columns, which caches hold."""
_AHEAD = 16
"""Blocks a thread may be ahead of what is taken in."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Nearest:
    """The rows nearest to some queries, the nearest first.

    Parameters
    ----------
    rows : ndarray, shape=(Q, k), dtype=int64
        Numbers of the reference rows.
    similarity : ndarray, shape=(Q, k), dtype=float32
        Cosine, -1 to 1.
    """

    rows: NDArray[np.int64]
    similarity: Floats


def unit(vectors: NDArray[Any]) -> Floats:
    """Rows divided by their length, float32; a row of zeros stays."""
    values: Floats = np.asarray(vectors, np.float32)
    norms = np.sqrt(np.einsum("ij,ij->i", values, values))
    directions: Floats = values / np.maximum(norms, np.finfo(np.float32).tiny)[:, None]
    return directions


def nearest(
    queries: NDArray[Any],
    references: Sequence[Any],
    count: int,
    *,
    without: NDArray[np.int64] | None = None,
    threads: int | None = None,
) -> Nearest:
    """Find the `count` rows most similar to each query.

    Parameters
    ----------
    queries : ndarray, shape=(Q, d)
    references : sequence of array, shape=(N_i, d)
        Together the reference rows, numbered from 0 over all of them; sliced block by block.
    count : int
        How many, k; fewer where there are not so many rows.
    without : ndarray, shape=(Q,), dtype=int64, optional
        A row that does not count for each query, such as the query itself; -1 for none.
    threads : int, optional
        All cores by default.

    Returns
    -------
    Nearest

    Raises
    ------
    InputError
        There is nothing to search, or widths differ.
    """
    total = sum(len(part) for part in references)
    if not total or count < 1:
        raise InputError("there is nothing to search in. Embed the proteins with `sesstore embed`")
    if any(part.shape[1] != queries.shape[1] for part in references):
        raise InputError(
            "queries and what is searched have different widths. Embed both by one encoder"
        )
    directions = unit(queries)
    available = total - int(without is not None)
    best = _Best(len(directions), min(count, max(available, 1)))
    blocks = list(_blocks(references))
    with ThreadPoolExecutor(threads or available_cores()) as pool:
        # A few at a time: what is done before it is taken in would pile up.
        step = _AHEAD * (threads or available_cores())
        for start in range(0, len(blocks), step):
            group = blocks[start : start + step]
            parts = pool.map(lambda block: _similarity(directions, *block), group)
            for (_, first, _), similarity in zip(group, parts, strict=True):
                _leave_out(similarity, first, without)
                best.take(similarity, first)
    return best.nearest()


def _blocks(references: Sequence[Any]) -> Iterator[tuple[Any, int, slice]]:
    """Array, number of the block's first row over all, and its rows in the array."""
    offset = 0
    for part in references:
        for start in range(0, len(part), BLOCK_ROWS):
            yield part, offset + start, slice(start, min(start + BLOCK_ROWS, len(part)))
        offset += len(part)


def _similarity(directions: Floats, part: Any, _: int, rows: slice) -> Floats:
    values = as_float32(np.asarray(part[rows]))
    # Divided after the product: one division a cosine instead of one a value.
    norms = np.sqrt(np.einsum("ij,ij->i", values, values))
    similarity: Floats = directions @ values.T
    similarity /= np.maximum(norms, np.finfo(np.float32).tiny)
    return similarity


def as_float32(values: NDArray[Any]) -> Floats:
    """Return finite values as float32: for float16 five times as fast as NumPy casts.

    The bits of a float16 after its sign, moved to where float32 has them, are its value times
    2**-112, subnormal numbers among them, as the exponents of the two types are biased by 15 and
    127.
    """
    if values.dtype != np.float16 or not values.flags.c_contiguous:
        return np.asarray(values, np.float32)
    bits = values.view(np.int16).astype(np.int32)  # the sign fills the upper half
    bits <<= 13
    bits &= np.int32(-0x70000001)  # 0x8FFFFFFF: of the upper bits only the sign
    numbers = bits.view(np.float32)
    numbers *= np.float32(2.0**112)
    return numbers


def _leave_out(similarity: Floats, first: int, without: NDArray[np.int64] | None) -> None:
    if without is not None:
        place = without - first
        inside = np.flatnonzero((place >= 0) & (place < similarity.shape[1]))
        similarity[inside, place[inside]] = -np.inf


class _Best:
    """The best of the rows so far, for each query."""

    def __init__(self, queries: int, count: int) -> None:
        self._count = count
        self._similarity = np.full((queries, count), -np.inf, np.float32)
        self._rows = np.full((queries, count), -1, np.int64)

    def take(self, similarity: Floats, first: int) -> None:
        """Take in a block, [Q, B], whose first row has a number."""
        # Of most blocks few rows are better than the last that counts: only those are sorted.
        queries, rows = np.nonzero(similarity > self._similarity[:, -1:])
        values = similarity[queries, rows]
        ends = np.searchsorted(queries, np.arange(len(similarity) + 1))
        for query in np.unique(queries).tolist():
            part = slice(ends[query], ends[query + 1])
            candidates = np.concatenate([self._similarity[query], values[part]])
            numbers = np.concatenate([self._rows[query], rows[part] + first])
            top = np.lexsort((numbers, -candidates))[: self._count]
            self._similarity[query], self._rows[query] = candidates[top], numbers[top]

    def nearest(self) -> Nearest:
        """The most similar first; of equals the one that comes first among the rows."""
        return Nearest(self._rows, np.clip(self._similarity, -1, 1))


class MeanRows:
    """Means of some proteins of a store as one array to be sliced, in the order of storage.

    Nothing is copied before it is sliced: a block is read from the segments' maps as it is needed,
    so a million proteins take 40 bytes each of memory and not 2,560.

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
        self._means, self.provenance = means, means.provenance
        self._segments, self._starts = segments[self.order], starts[self.order]
        self.digests = means.digests[rows[self.order]]
        """Digest of each row, shape=(N, 32), dtype=uint8."""
        self.shape = (len(rows), means.dim)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, block: slice | NDArray[np.int64]) -> NDArray[Any]:
        """Return rows `start` to `stop`, [n, d], not copied where they lie in one piece; or those
        of some numbers that rise.
        """
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
        in_one_piece = bool((np.diff(starts) == 1).all())
        if not in_one_piece:
            values = values[starts - first]
        if self._means.dtype != np.int8:
            return values
        scales = np.asarray(self._means.scales(segment)[first:last], np.float32)
        return (
            values.astype(np.float32)
            * (scales if in_one_piece else scales[starts - first])[:, None]
        )
