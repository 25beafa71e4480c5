"""Write segments: under a dot-name, every file and folder fsynced, then renamed.

So a segment is there as a whole or not at all. Rows go straight to the open shard's file, and
memory stays small however large the segment. Any number of writers work side by side: the (never
contended) ``flock`` on a pending folder only tells `gc` a live writer from a dead one.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..durable_files import fsync, write_file
from ..errors import FingerprintMismatchError, InputError
from ..proteins import DIGEST_BYTES
from ..provenance import Provenance
from ..residues import STORAGE_TYPES, Embedding
from . import layout
from .access import system_errors
from .atomic_files import sealed
from .manifest import entered
from .shards import ShardWriter, checksums_of
from .write_locks import new_folder

SEGMENT_BYTES = 512 << 20
SEGMENT_SECONDS = 60.0


def check_same_storage(stored: Provenance, incoming: Provenance) -> None:
    """Raise unless embeddings of `incoming` may stand beside those of `stored`.

    Raises
    ------
    InputError
        The type is none embeddings can be stored in.
    FingerprintMismatchError
        They are of another encoder, type or width; says in what they differ.
    """
    if incoming.dtype not in STORAGE_TYPES:
        raise InputError(
            f"storage type '{incoming.dtype}' is none of {', '.join(STORAGE_TYPES)}. Choose one of "
            f"them with --dtype"
        )
    stored.fingerprint.check_same(incoming.fingerprint)
    if (stored.dtype, stored.dim) != (incoming.dtype, incoming.dim):
        raise FingerprintMismatchError(
            f"the store has embeddings by {stored.fingerprint.encoder} as {stored.dtype} with "
            f"{stored.dim} columns, these are {incoming.dtype} with {incoming.dim}. Add them as "
            f"{stored.dtype}, or use another store"
        )


class PendingSegment:
    """A segment under its dot-name."""

    def __init__(
        self, final: Path, provenance: Provenance, circumstances: Mapping[str, Any]
    ) -> None:
        self.path, self._final = final.with_name(f".{final.name}"), final
        self._start_time = time.monotonic()
        self._attributes = {
            "kind": "segment",
            "provenance": provenance.to_json(),
            "circumstances": dict(circumstances),
        }
        self._lock = new_folder(self.path)
        self._scales: ShardWriter | None = None
        self.digests: list[bytes] = []
        self._lengths: list[int] = []
        try:
            self.values = ShardWriter(self.path / "values", provenance.dtype, provenance.dim)
        except BaseException:
            self._remove()
            raise
        self._scale_parts: list[NDArray[np.float16]] = []

    @property
    def name(self) -> str:
        """The id it will have."""
        return self._final.name

    @property
    def age(self) -> float:
        """Seconds since the segment was begun."""
        return time.monotonic() - self._start_time

    def append(self, embedding: Embedding) -> None:
        """Write one embedding."""
        self.values.append(embedding.values)
        if embedding.scales is not None:
            self._scale_parts.append(embedding.scales.astype("<f2"))
        self.digests.append(embedding.digest)
        self._lengths.append(len(embedding))

    def commit(self) -> str:
        """Write the rest, make it durable, give it its name."""
        # The order is what makes a crash harmless. All files are on disk first, the checksums last
        # among them; then the folders that hold their names; only then the name readers look for.
        self.values.finish()
        files = {f"values/{name}": sums for name, sums in self.values.checksums.items()}
        offsets = np.zeros(len(self._lengths) + 1, "<i8")
        np.cumsum(self._lengths, out=offsets[1:])
        digests = np.frombuffer(b"".join(self.digests), np.uint8).reshape(-1, DIGEST_BYTES)
        self._write_array("offsets", offsets, files)
        self._write_array("digests", digests, files)
        if self._scale_parts:
            self._write_array("scales", np.concatenate(self._scale_parts), files)
        fsync(self.values.folder)
        counts = {"proteins": len(digests), "residues": int(offsets[-1])}
        duration = {"seconds": round(self.age, 3)}  # from the first embedding on
        metadata = layout.group_metadata({**self._attributes, **counts, **duration})
        write_file(self.path / layout.METADATA, metadata)
        files[layout.METADATA] = checksums_of(metadata)
        write_file(self.path / layout.CHECKSUMS, sealed({"files": files}))
        fsync(self.path)
        # The entry is written before the rename and counts once the segment is there, so a loss is
        # noticed from the first moment; a writer killed in between leaves an entry nobody counts.
        with entered(self._final, **counts):
            # Never onto another segment: the name holds 64 random bits of its own.
            os.rename(self.path, self._final)
            fsync(self._final.parent)
        # Held until the segment has its name: `gc` takes an unlocked dot-name for a dead writer's.
        self._let_go()
        return self._final.name

    def abort(self) -> None:
        """Remove the unfinished folder."""
        self.values.abort()
        self._remove()

    def _remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        self._let_go()

    def _let_go(self) -> None:
        """Close the lock, once: its number may be another file's by now."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _write_array(
        self, name: str, values: NDArray[Any], files: dict[str, dict[str, Any]]
    ) -> None:
        folder = self.path / name
        folder.mkdir()
        metadata = layout.array_metadata(values.shape, values.dtype.name)
        chunk = "c" + ".0" * values.ndim
        for file, data in ((layout.METADATA, metadata), (chunk, values.tobytes())):
            write_file(folder / file, data)
            files[f"{name}/{file}"] = checksums_of(data)
        fsync(folder)


class SegmentWriter:
    """Adds embeddings to a store, one segment after the other.

    Leaving the ``with`` block commits the pending segments; by an exception it drops only those.
    Several threads may call `add` at a time: each writes into a segment that no other has
    meanwhile, so as many are pending as threads were busy at once. The other methods are for one
    thread while no other is in `add`.

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
            # Entered before it is written, or a second thread would write the same protein; `_drop`
            # takes it out again if the write fails.
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
        """Commit the pending segments; the last one's id, or None if there was none.

        When this returns, all that was added is there for every reader.

        Raises
        ------
        StorageFullError
            No space left; the pending segments are gone, all committed before stay.
        """
        return self.roll()

    def roll(self) -> str | None:
        """Commit without waiting until others see it (on disk they do at once)."""
        name = None
        try:
            # By name, which begins with the time: of a protein stored twice the first name counts.
            for segment in sorted(self._open, key=lambda segment: segment.name):
                self._open.remove(segment)
                name = self._end(segment)
        except BaseException:
            self.abort()
            raise
        return name

    def abort(self) -> None:
        """Drop the pending segments."""
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
