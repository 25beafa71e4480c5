"""Write a sharded Zarr v3 array as its rows come, and map it back.

A shard is its rows, in order and back to back, then the shard index (offset and size of each inner
chunk, uint64) and the CRC-32C of the index: Zarr's ``sharding_indexed`` codec with uncompressed
inner chunks. Only the open shard's file is touched and nothing is kept in memory. Zarr-python and
tensorstore read the result; what is not laid out like this is read through zarr-python.
"""

from __future__ import annotations

import mmap
import os
import struct
from hashlib import sha256
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from ..durable_files import write_all, write_file
from . import layout, mapping

_MISSING = np.uint64(2**64 - 1)
_ZEROS = bytes(1 << 20)


class Checksums:
    """CRC-32C and SHA-256 of a file as it is written."""

    def __init__(self) -> None:
        self.bytes = 0
        self._crc = 0
        self._sha = sha256()

    def update(self, data: NDArray[np.uint8]) -> None:
        """Take in some bytes, shape=(n,)."""
        self.bytes += data.size
        self._crc = google_crc32c.extend(self._crc, data)
        self._sha.update(data.data)

    def to_json(self) -> dict[str, Any]:
        """Size and both sums, as they stand in ``checksums.json``."""
        return {"bytes": self.bytes, "crc32c": f"{self._crc:08x}", "sha256": self._sha.hexdigest()}


class ShardWriter:
    """Writes one [N, d] array into a folder, N being known at the end only.

    Parameters
    ----------
    folder : path
        Folder of the array; must not exist.
    dtype : str
        Type of the values.
    dim : int
        d.
    """

    def __init__(self, folder: Path, dtype: str, dim: int) -> None:
        folder.mkdir()
        self.folder, self.dtype, self.dim = folder, dtype, dim
        self.rows = 0
        self.checksums: dict[str, dict[str, Any]] = {}
        self._row_bytes = dim * np.dtype(dtype).itemsize
        self._shard_rows = layout.shard_rows(dim, np.dtype(dtype).itemsize)
        self._handle: int | None = None
        self._sums = Checksums()

    @property
    def bytes(self) -> int:
        """Bytes of values taken so far."""
        return self.rows * self._row_bytes

    def append(self, values: NDArray[Any]) -> None:
        """Write some rows, shape=(n, d), of this array's type."""
        raw = np.ascontiguousarray(values, np.dtype(self.dtype).newbyteorder("<"))
        flat = raw.reshape(-1).view(np.uint8)
        start = 0
        while start < len(raw):
            in_shard = self.rows % self._shard_rows
            if in_shard == 0:
                self._next_shard()
            take = min(len(raw) - start, self._shard_rows - in_shard)
            self._write(flat[start * self._row_bytes : (start + take) * self._row_bytes])
            start += take
            self.rows += take

    def finish(self) -> None:
        """Write the last index and the metadata; everything is fsynced but the folder."""
        chunk_rows = min(layout.CHUNK_ROWS, self.rows)
        shard_rows = self._shard_rows
        if self.rows <= shard_rows:
            shard_rows = -(-self.rows // chunk_rows) * chunk_rows
        self._close_shard(shard_rows, chunk_rows)
        shape = (self.rows, self.dim)
        metadata = layout.sharded_metadata(shape, self.dtype, shard_rows, chunk_rows)
        write_file(self.folder / layout.METADATA, metadata)
        self.checksums[layout.METADATA] = checksums_of(metadata)

    def abort(self) -> None:
        """Close what is open."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _next_shard(self) -> None:
        if self._handle is not None:
            self._close_shard(self._shard_rows, layout.CHUNK_ROWS)
        path = self.folder / f"c.{self.rows // self._shard_rows}.0"
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        self._sums = Checksums()

    def _close_shard(self, shard_rows: int, chunk_rows: int) -> None:
        chunk_bytes = chunk_rows * self._row_bytes
        chunks = -(-self._sums.bytes // chunk_bytes)
        # Inner chunks have one size: the last is filled up with zeros, which no offset leads to.
        missing = chunks * chunk_bytes - self._sums.bytes
        for start in range(0, missing, len(_ZEROS)):
            self._write(np.frombuffer(_ZEROS, np.uint8, min(len(_ZEROS), missing - start)))
        self._write(np.frombuffer(_index(shard_rows // chunk_rows, chunks, chunk_bytes), np.uint8))
        assert self._handle is not None
        os.fsync(self._handle)
        self.abort()
        name = f"c.{(self.rows - 1) // self._shard_rows}.0"
        self.checksums[name] = self._sums.to_json()

    def _write(self, raw: NDArray[np.uint8]) -> None:
        assert self._handle is not None
        write_all(self._handle, raw.data)
        self._sums.update(raw)


def checksums_of(data: bytes) -> dict[str, Any]:
    """Size and sums of a small file."""
    sums = Checksums()
    sums.update(np.frombuffer(data, np.uint8))
    return sums.to_json()


def _index(slots: int, chunks: int, chunk_bytes: int) -> bytes:
    index = np.full((slots, 2), _MISSING, "<u8")
    index[:chunks, 0] = np.arange(chunks, dtype=np.uint64) * np.uint64(chunk_bytes)
    index[:chunks, 1] = chunk_bytes
    raw = index.tobytes()
    return raw + struct.pack("<I", google_crc32c.value(raw))


def open_rows(folder: Path) -> Any:
    """Open an [N, d] or [N] array: mapped if its bytes lie in order, else through zarr-python.

    Parameters
    ----------
    folder : path
        Folder of a Zarr v3 array.

    Returns
    -------
    ndarray or zarr.Array
        Slices by rows either way; only an ndarray is zero-copy.

    Raises
    ------
    OSError, ValueError, KeyError
        This is no Zarr v3 array, or a file of it is missing.
    """
    metadata = layout.parse((folder / layout.METADATA).read_bytes())
    plan = _mappable(folder, metadata)
    if plan is None:
        import zarr

        return zarr.open_array(folder, mode="r")
    paths, sizes = plan
    shape = metadata["shape"]
    if not shape[0]:
        return np.empty(shape, metadata["data_type"])
    dim = shape[1] if len(shape) == 2 else 1
    rows = mapping.map_files(paths, sizes, metadata["data_type"], dim)
    return rows if len(shape) == 2 else rows[:, 0]


def _mappable(folder: Path, metadata: dict[str, Any]) -> tuple[list[Path], list[int]] | None:
    """Files and how many bytes of each hold rows, in order; None if they do not lie like that."""
    shape, chunk = metadata["shape"], metadata["chunk_grid"]["configuration"]["chunk_shape"]
    encoding = metadata["chunk_key_encoding"]
    separator = encoding.get("configuration", {}).get("separator", "/")
    if encoding["name"] != "default" or chunk[1:] != shape[1:] or not 1 <= len(shape) <= 2:
        return None
    row_bytes = int(np.prod(shape[1:], dtype=np.int64)) * np.dtype(metadata["data_type"]).itemsize
    tail = separator + "0" if len(shape) == 2 else ""
    paths, sizes = [], []
    for number in range(-(-shape[0] // chunk[0])):
        rows = min(chunk[0], shape[0] - number * chunk[0])
        path = folder / f"c{separator}{number}{tail}"
        if not path.is_file() or not _in_order(path, metadata["codecs"], chunk[0], row_bytes, rows):
            return None
        paths.append(path)
        sizes.append(rows * row_bytes)
    if any(size % mmap.PAGESIZE for size in sizes[:-1]):
        return None
    return paths, sizes


def _in_order(path: Path, codecs: list[Any], slots: int, row_bytes: int, rows: int) -> bool:
    """Whether the first rows of a chunk file are its first bytes."""
    if is_plain(codecs):
        return path.stat().st_size == slots * row_bytes
    if [codec["name"] for codec in codecs] != ["sharding_indexed"]:
        return False
    settings = codecs[0]["configuration"]
    index_codecs = [codec["name"] for codec in settings["index_codecs"]]
    if (
        not is_plain(settings["codecs"])
        or settings.get("index_location", "end") != "end"
        or index_codecs != ["bytes", "crc32c"]
        or not is_plain(settings["index_codecs"][:1])
    ):
        return False
    inner = settings["chunk_shape"][0]
    chunks, chunk_bytes = -(-rows // inner), inner * row_bytes
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        index_bytes = slots // inner * 16
        if size < chunks * chunk_bytes + index_bytes + 4:
            return False
        file.seek(size - index_bytes - 4)
        raw = file.read()
    return raw == _index(slots // inner, chunks, chunk_bytes)


def is_plain(codecs: list[Any]) -> bool:
    """Whether some Zarr codecs leave little-endian bytes as they are."""
    if [codec["name"] for codec in codecs] != ["bytes"]:
        return False
    return bool(codecs[0].get("configuration", {}).get("endian", "little") == "little")
