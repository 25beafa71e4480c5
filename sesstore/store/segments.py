"""Segments: immutable groups with the embeddings of some proteins under one encoder.

This reads committed segments, which never change; `segment_writer` makes them. Digests and offsets
are read and checked when a view is opened, values are mapped and not read.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from ..errors import CorruptStoreError
from ..proteins import DIGEST_BYTES
from . import layout
from .access import is_refusal, refusal
from .shards import is_plain, open_rows


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
