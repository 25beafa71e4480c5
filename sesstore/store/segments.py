"""Segments: immutable groups with the embeddings of some proteins under one encoder.

Written under a dot-name, every file and folder fsynced, then renamed: a segment is there as a whole
or not at all. Rows go straight to disk, so memory stays small however large the segment. Any number
of writers work side by side without a lock.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from ..errors import CorruptStoreError, InputError
from ..proteins import DIGEST_BYTES
from ..provenance import Provenance
from ..residues import Embedding
from . import layout
from .access import is_refusal, refusal, system_errors
from .shards import is_plain, open_rows
from .unfinished import PendingSegment, check_same_storage

SEGMENT_BYTES = 512 << 20
SEGMENT_SECONDS = 60.0


class SegmentWriter:
    """Adds embeddings to a store, one segment after the other.

    Leaving the ``with`` block commits what is in hand; by an exception it drops only that. Several
    threads may call `add` at a time: each writes into a segment that no other has meanwhile, so
    there are as many in hand as threads were busy at once. The other methods are for one thread
    while no other is in `add`.

    Parameters
    ----------
    folder : path
        The encoder's folder.
    provenance : Provenance
        What makes the embeddings.
    circumstances : mapping
        When, by which command, with which versions.
    segment_bytes, segment_seconds : int, float
        A segment is committed once its values reach this size, or when it is older than this: what
        an interruption can lose.
    place : str, optional
        Id of a segment whose place in the order of segments the new ones take.
    """

    def __init__(
        self,
        folder: Path,
        provenance: Provenance,
        circumstances: Mapping[str, Any],
        *,
        segment_bytes: int = SEGMENT_BYTES,
        segment_seconds: float = SEGMENT_SECONDS,
        place: str | None = None,
    ) -> None:
        self._place = place
        self.folder, self.provenance = folder, provenance
        self.committed: list[str] = []
        self._circumstances = dict(circumstances)
        self._limits = segment_bytes, segment_seconds
        self._turn = threading.Lock()
        self._open: list[PendingSegment] = []  # that no thread has; the last is the next taken
        self._digests: set[bytes] = set()

    def __enter__(self) -> SegmentWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.commit()
        else:
            self.abort()

    def add(self, embedding: Embedding) -> None:
        """Take one embedding, already in the storage type; one this writer has seen is left out.

        Raises
        ------
        InputError
            Its width or type is not this encoder's.
        StorageFullError
            No space left; the segment it was for is gone, all committed before stay.
        """
        values = embedding.values
        if values.shape[1] != self.provenance.dim or values.dtype != self.provenance.dtype:
            raise InputError(
                f"embedding is {values.dtype} [{values.shape[0]}, {values.shape[1]}], this encoder "
                f"is stored as {self.provenance.dtype} with {self.provenance.dim} columns. Bring "
                f"it into that type with `to_storage`"
            )
        with self._turn:
            if embedding.digest in self._digests:
                return
            self._digests.add(embedding.digest)
            segment = self._open.pop() if self._open else None
        try:
            with system_errors(self.folder):
                segment = segment or self._begin()
                segment.append(embedding)
        except BaseException:
            self._drop(segment, embedding.digest)
            raise
        for due in self._put_back(segment):
            self._end(due)

    def commit(self) -> str | None:
        """Make what is in hand segments; the last one's id, or None if there was nothing.

        When this returns, all that was added is there for every reader.

        Raises
        ------
        StorageFullError
            No space left; what was in hand is gone, all committed before stay.
        """
        return self.roll()

    def roll(self) -> str | None:
        """End what is in hand without waiting until others see it (on disk they do at once)."""
        name = None
        try:
            for segment in sorted(self._open, key=lambda segment: segment.name):
                self._open.remove(segment)
                name = self._end(segment)
        except BaseException:
            self.abort()
            raise
        return name

    def abort(self) -> None:
        """Drop what is in hand."""
        while self._open:
            self._drop(self._open.pop())

    def _begin(self) -> PendingSegment:
        self._make_folder()
        name = layout.new_segment_id(self._place)
        return PendingSegment(self.folder / name, self.provenance, self._circumstances)

    def _make_folder(self) -> None:
        """Make the encoder's folder with the first embedding; if it is there, it must be ours."""
        attributes = {"kind": "encoder", "provenance": self.provenance.to_json()}
        layout.make_group(self.folder, attributes)
        stored = layout.read_group(self.folder / layout.METADATA)["provenance"]
        check_same_storage(Provenance.from_json(stored), self.provenance)

    def _put_back(self, segment: PendingSegment) -> list[PendingSegment]:
        """Give back a segment; return those that are large or old enough, which are taken out."""
        size, seconds = self._limits
        with self._turn:
            self._open.append(segment)
            due = [s for s in self._open if s.values.bytes >= size or s.age >= seconds]
            self._open = [s for s in self._open if s not in due]
        return due

    def _end(self, segment: PendingSegment) -> str:
        """Commit a segment that was taken out; it is dropped if that fails."""
        try:
            with system_errors(self.folder):
                name = segment.commit()
        except BaseException:
            self._drop(segment)
            raise
        self.committed.append(name)
        return name

    def _drop(self, segment: PendingSegment | None, *digests: bytes) -> None:
        """Remove a segment that was taken out; its proteins, and others, may be added again."""
        with self._turn:
            self._digests.difference_update(digests, segment.digests if segment else ())
        if segment is not None:
            segment.abort()


@dataclass(frozen=True)
class Segment:
    """A committed segment; its arrays are opened when they are first asked for.

    Parameters
    ----------
    path : path
        Its folder.
    """

    path: Path

    @property
    def id(self) -> str:
        """Its name."""
        return self.path.name

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """Provenance, circumstances and counts."""
        with _read_errors(self.path):
            return layout.read_group(self.path / layout.METADATA)

    @cached_property
    def digests(self) -> NDArray[np.uint8]:
        """Digest of each protein, shape=(P, 32)."""
        if self._as_written is not None:
            self._check_sum("digests/c.0.0", self._as_written[0])
            return self._as_written[0]
        with _read_errors(self.path):
            return read_array(self.path / "digests").reshape(-1, DIGEST_BYTES)

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """Protein i has the rows ``offsets[i]`` to ``offsets[i + 1]``, shape=(P + 1,)."""
        if self._as_written is not None:
            self._check_sum("offsets/c.0", self._as_written[1])
            return self._as_written[1]
        with _read_errors(self.path):
            offsets: NDArray[np.int64] = read_array(self.path / "offsets")
        if len(offsets) != len(self.digests) + 1:
            raise CorruptStoreError(
                f"{self.path}: offsets and digests do not belong together. Run `sesstore verify`, "
                f"then `sesstore repair`"
            )
        return offsets

    @cached_property
    def _as_written(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]] | None:
        """Digests and offsets if they lie there as this package writes them, else None.

        Sizes that fit together and offsets that grow from zero tell that as well as the metadata
        would, which take most of the time of opening thousands of segments.
        """
        try:
            digests = np.frombuffer(_content(f"{self.path}/digests/c.0.0"), np.uint8)
            offsets = np.frombuffer(_content(f"{self.path}/offsets/c.0"), "<i8")
        except (OSError, ValueError) as problem:
            if is_refusal(problem):
                raise refusal(self.path, problem) from problem
            return None
        sizes_fit = len(digests) == DIGEST_BYTES * (len(offsets) - 1)
        if not sizes_fit or offsets[0] != 0 or (offsets[1:] <= offsets[:-1]).any():
            return None
        return digests.reshape(-1, DIGEST_BYTES), offsets

    @cached_property
    def _sums(self) -> dict[str, Any]:
        """Listed sums of its files; none where the list is broken, which `verify` finds."""
        try:
            files = layout.parse(_content(f"{self.path}/{layout.CHECKSUMS}"))["files"]
        except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
            files = {}
        return dict(files) if isinstance(files, dict) else {}

    def _check_sum(self, name: str, values: NDArray[Any]) -> None:
        """Raise unless a small array is what was written: a wrong offset gives wrong rows."""
        entry = self._sums.get(name)
        listed = entry.get("crc32c") if isinstance(entry, dict) else None
        if listed is not None and listed != f"{google_crc32c.value(values.tobytes()):08x}":
            raise CorruptStoreError(
                f"segment {self.path}: {name} is not what was written. Run `sesstore verify`, "
                f"then `sesstore repair`"
            )

    @cached_property
    def values(self) -> Any:
        """Embeddings, [N, d]: a mapped ndarray where possible, else a zarr array."""
        with _read_errors(self.path):
            return open_rows(self.path / "values")

    @cached_property
    def scales(self) -> NDArray[np.float16] | None:
        """Scale of each residue, shape=(N,), for int8 values."""
        with _read_errors(self.path):
            if self.attributes["provenance"]["dtype"] != "int8":
                return None
            return read_array(self.path / "scales")


class _read_errors:  # noqa: N801 - reads as a statement
    """Turn what a broken segment raises into `CorruptStoreError`; what the system refuses not."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is not None and is_refusal(error):
            raise refusal(self._path, error) from error
        if isinstance(error, OSError | ValueError | KeyError | TypeError | IndexError):
            raise CorruptStoreError(
                f"segment {self._path} cannot be read ({error}). Run `sesstore verify`, then "
                f"`sesstore repair`"
            ) from error


def _content(path: str) -> bytes:
    """Bytes of a small file."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(handle, os.fstat(handle).st_size)
    finally:
        os.close(handle)


def read_array(folder: Path) -> NDArray[Any]:
    """Read a whole small array; through zarr-python if it is not one plain chunk."""
    metadata = layout.parse((folder / layout.METADATA).read_bytes())
    shape = metadata["shape"]
    separator = metadata["chunk_key_encoding"].get("configuration", {}).get("separator", "/")
    one_chunk = metadata["chunk_grid"]["configuration"]["chunk_shape"] == shape
    if one_chunk and is_plain(metadata["codecs"]) and all(shape):
        raw = (folder / ("c" + (separator + "0") * len(shape))).read_bytes()
        dtype = np.dtype(metadata["data_type"]).newbyteorder("<")
        return np.frombuffer(raw, dtype).reshape(shape)
    import zarr

    return np.asarray(zarr.open_array(folder, mode="r")[...])
