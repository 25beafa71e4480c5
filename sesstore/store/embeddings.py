"""All embeddings of one encoder as one read-only view over its committed segments.

Proteins are numbered over the segments in order of their names; of a digest that stands in several
segments the first counts. Values are mapped, not read: `get` is zero-copy, and `gather`, the hot
path of streaming, is one compiled call a batch. A segment that cannot be mapped (compressed or
sharded by another tool) is read through zarr-python: slower, same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CorruptStoreError, InputError, NotStoredError
from ..provenance import Provenance
from . import layout, mapping, row_gather
from .digest_index import DigestIndex, as_rows
from .segments import Segment

_ATTEMPTS = 20
_SCALE_BYTES = 2
_MAP_AT_ONCE = 256
"""Up to so many segments are mapped when a view is opened. More are mapped when they are first
read, and those that compaction has removed by then are read where it put their proteins."""


class Embeddings:
    """Embeddings of all proteins under one encoder, as committed when the view was opened.

    Parameters
    ----------
    folder : path
        The encoder's folder.
    provenance : Provenance
        Its provenance.
    """

    def __init__(self, folder: Path, provenance: Provenance) -> None:
        self.folder, self.provenance = folder, provenance
        self.segments = _open_segments(folder)
        counts = [len(segment.digests) for segment in self.segments]
        digests = _stacked([s.digests for s in self.segments], (0, 32), np.uint8)
        self._segment_of = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
        self._starts = _stacked([s.offsets[:-1] for s in self.segments], (0,), np.int64)
        self.lengths = _stacked([np.diff(s.offsets) for s in self.segments], (0,), np.int64)
        """Residues of each protein, shape=(P,), dtype=int64."""
        self._index = DigestIndex(digests)
        first = self._index.firsts()
        if not first.all():
            digests, self.lengths = digests[first], self.lengths[first]
            self._segment_of, self._starts = self._segment_of[first], self._starts[first]
            self._index = DigestIndex(digests)
        self.digests = digests
        """Digest of each protein, shape=(P, 32), dtype=uint8."""

    @property
    def dim(self) -> int:
        """Width d of one residue's embedding."""
        return self.provenance.dim

    @property
    def dtype(self) -> np.dtype[Any]:
        """Storage type."""
        return np.dtype(self.provenance.dtype)

    def __len__(self) -> int:
        return len(self.digests)

    def __contains__(self, digest: bytes) -> bool:
        return bool(self.find(as_rows([digest]))[0] >= 0)

    def find(self, digests: NDArray[np.uint8] | Sequence[bytes]) -> NDArray[np.int64]:
        """Return the row of each digest in this view, -1 where it is not stored.

        Parameters
        ----------
        digests : ndarray, shape=(B, 32), dtype=uint8

        Returns
        -------
        ndarray, shape=(B,), dtype=int64
        """
        return self._index.find(as_rows(digests))

    def get(self, digest: bytes) -> NDArray[Any]:
        """Embedding of one protein.

        Returns
        -------
        ndarray, shape=(L, d)
            A read-only view of the file for float16 and float32 where it is mapped; int8 is decoded
            to float32.

        Raises
        ------
        NotStoredError
            It is not stored under this encoder.
        """
        row = int(self.find(as_rows([digest]))[0])
        if row < 0:
            raise NotStoredError(
                f"no embedding of protein {digest.hex()[:12]} by "
                f"{self.provenance.fingerprint.encoder} is stored. Make it with `sesstore embed`"
            )
        values = self.raw(row)
        if self.dtype != np.int8:
            return values
        return values.astype(np.float32) * self.row_scales(row).astype(np.float32)[:, None]

    def raw(self, row: int) -> NDArray[Any]:
        """Values of one protein as stored, shape=(L, d); not copied where mapped."""
        start = int(self._starts[row])
        stop = start + int(self.lengths[row])
        values: NDArray[Any] = self.values(int(self._segment_of[row]))[start:stop]
        return values

    def row_scales(self, row: int) -> NDArray[np.float16]:
        """Scales of one protein's residues, shape=(L,), for int8 values."""
        start = int(self._starts[row])
        scales: NDArray[np.float16] = self.scales(int(self._segment_of[row]))[
            start : start + int(self.lengths[row])
        ]
        return scales

    def locate(
        self, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
        """Return where proteins lie: array number, first residue, one past the last.

        Parameters
        ----------
        rows : ndarray, shape=(B,), dtype=int64

        Returns
        -------
        tuple of three ndarrays, shape=(B,)
            ``values(array)[start:stop]`` are the residues.
        """
        starts = self._starts[rows]
        return self._segment_of[rows], starts, starts + self.lengths[rows]

    def values(self, array: int) -> Any:
        """Return all values of segment number `array`, [N, d], to be sliced by rows.

        A mapped ndarray, a zarr array, or what stands in for a segment that was compacted away.
        """
        segment = self.segments[array]
        try:
            return segment.values
        except CorruptStoreError:
            if segment.path.exists():
                raise
        return MovedRows(segment, self._reopened.find, self._reopened.raw)

    def scales(self, array: int) -> Any:
        """Return the scale of each residue of segment number `array`, [N], to be sliced."""
        segment = self.segments[array]
        if self.dtype != np.int8:
            raise InputError(
                f"{self.provenance.dtype} values have no scales. Read them with `values` alone"
            )
        with suppress(CorruptStoreError):
            if segment.scales is not None:
                return segment.scales
        if segment.path.exists():
            raise CorruptStoreError(
                f"the scales of segment {segment.path} cannot be read. Run `sesstore verify`, then "
                f"`sesstore repair`"
            )
        return MovedRows(segment, self._reopened.find, self._reopened.row_scales)

    @cached_property
    def _reopened(self) -> Embeddings:
        """The same encoder's embeddings as they lie now that a segment of this view is gone."""
        return Embeddings(self.folder, self.provenance)

    def gather(
        self,
        rows: NDArray[np.int64],
        out: NDArray[Any],
        scales: NDArray[np.float16] | None = None,
    ) -> None:
        """Copy the residues of some proteins back to back.

        Parameters
        ----------
        rows : ndarray, shape=(B,), dtype=int64
            Rows of this view, in any order.
        out : ndarray, shape=(T, d), dtype=float16 | float32
            T is the sum of the lengths. int8 is decoded, unless `out` is int8 itself.
        scales : ndarray, shape=(T,), dtype=float16, optional
            Takes the scales, where int8 values are copied as they are.

        Raises
        ------
        InputError
            `out` has not the shape it must have.
        """
        total = int(self.lengths[rows].sum())
        if out.shape != (total, self.dim):
            raise InputError(
                f"gather needs a buffer [{total}, {self.dim}], got {out.shape}. Allocate that shape"
            )
        decode = self.dtype == np.int8 and out.dtype != np.int8
        if row_gather.takes(self.dtype, out) and (addresses := self._addresses(rows)) is not None:
            counts = self.lengths[rows]
            row_gather.gather(addresses[0], counts, self.dtype, out, addresses[1])
            if scales is not None and not decode:
                row_gather.gather(addresses[1], counts, scales.dtype, scales[:, None])
            return
        position = 0
        for array, start, stop in zip(*(a.tolist() for a in self.locate(rows)), strict=True):
            into = out[position : position + stop - start]
            values = self.values(array)[start:stop]
            if decode:
                factor = self.scales(array)[start:stop][:, None].astype(out.dtype)
                np.multiply(values, factor, out=into, casting="unsafe")
            else:
                into[...] = values
                if scales is not None:
                    scales[position : position + stop - start] = self.scales(array)[start:stop]
            position += stop - start

    def _addresses(
        self, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
        """Where the residues of some proteins, and their scales, begin in memory.

        None if some are not mapped as they are stored.
        """
        segments, starts, _ = self.locate(rows)
        for number in np.unique(segments[self._origins[segments, 0] < 0]).tolist():
            self._origins[number] = self._origin(number)
        origins = self._origins[segments]
        if not origins.all():
            return None
        return (
            origins[:, 0] + starts * (self.dim * self.dtype.itemsize),
            origins[:, 1] + starts * _SCALE_BYTES,
        )

    @cached_property
    def _origins(self) -> NDArray[np.int64]:
        """Where values and scales of each segment begin in memory: 0 if not there, -1 unknown."""
        return np.full((len(self.segments), 2), -1, np.int64)

    def _origin(self, number: int) -> tuple[int, int]:
        # The segments keep what is at these addresses for as long as this view is there.
        values = row_gather.address(self.values(number), self.dtype)
        if self.dtype != np.int8:
            return values, values
        return values, row_gather.address(self.scales(number), np.dtype(np.float16))

    def __getstate__(self) -> dict[str, Any]:
        # Addresses are those of this process.
        return {key: value for key, value in self.__dict__.items() if key != "_origins"}

    def prefetch(self, rows: NDArray[np.int64]) -> None:
        """Ask the system to read the residues of some proteins ahead, without waiting."""
        for array, start, stop in zip(*(a.tolist() for a in self.locate(rows)), strict=True):
            values = self.values(array)
            if isinstance(values, np.ndarray):
                mapping.prefetch(values[start:stop])


def _open_segments(folder: Path) -> list[Segment]:
    """Committed segments; looks again if some are compacted away while they are being opened."""
    for attempt in range(_ATTEMPTS):
        segments = [Segment(path) for path in layout.segment_folders(folder)]
        try:
            for segment in segments:
                segment.offsets  # noqa: B018 - reads digests and offsets
                if len(segments) <= _MAP_AT_ONCE:
                    segment.values  # noqa: B018
        except CorruptStoreError:
            if attempt == _ATTEMPTS - 1 or all(s.path.exists() for s in segments):
                raise
        else:
            return segments
    return []


def _stacked(parts: Iterable[NDArray[Any]], empty: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    arrays = list(parts)
    return np.concatenate(arrays) if arrays else np.empty(empty, dtype)


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
