"""A segment while it is being written, under its dot-name.

Rows go straight to the open shard's file; `commit` writes the rest, fsyncs every file and folder,
and renames. The (never contended) ``flock`` on the folder only tells `gc` a live writer from a dead
one.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FingerprintMismatchError, InputError
from ..files import fsync, write_file
from ..proteins import DIGEST_BYTES
from ..provenance import Provenance
from ..residues import STORAGE_TYPES, Embedding
from . import layout
from .files import sealed
from .manifest import entered
from .scratch import new_folder
from .shards import ShardWriter, checksums_of


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
        took = {"seconds": round(self.age, 3)}  # from the first embedding on
        metadata = layout.group_metadata({**self._attributes, **counts, **took})
        write_file(self.path / layout.METADATA, metadata)
        files[layout.METADATA] = checksums_of(metadata)
        write_file(self.path / layout.CHECKSUMS, sealed({"files": files}))
        fsync(self.path)
        with entered(self._final, **counts):
            os.rename(self.path, self._final)
            fsync(self._final.parent)
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
