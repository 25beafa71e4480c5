"""Bundles: files of records that never change, named by their SHA-256, readable in ranges.

The records lie back to back; behind them the footer::

    "SESB0001"  uint64 records R  uint64 n  n bytes of JSON (what made tokens, by key)
    digests uint8 [R, 32]   keys uint64 [R]   ends int64 [R]   sums uint8 [R, 16]

``ends`` are where records end, ``sums`` the first half of their SHA-256: so whoever has the footer
can fetch some records only, and check each.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import StoreError
from ..provenance import canonical_json
from ..store.access import system_errors
from . import limits
from .bundle_records import Record, check_makers
from .ranges import Span, spans_of
from .share_index import BundleEntry
from .share_paths import refusal

CUT_BYTES = 256 << 20
"""A bundle ends with the record that brings it to this size."""

SUM_BYTES = 16
_MAGIC = b"SESB0001"
_HEAD = struct.Struct("<8sQQ")
_FOOTER_ROW_BYTES = 32 + 8 + 8 + SUM_BYTES


def sum_of(data: bytes | memoryview) -> bytes:
    """First half of the SHA-256 of a record."""
    return sha256(data).digest()[:SUM_BYTES]


@dataclass(frozen=True, eq=False)
class Footer:
    """What a bundle holds, and where.

    Parameters
    ----------
    digests : ndarray, shape=(R, 32), dtype=uint8
    keys : ndarray, shape=(R,), dtype=uint64
    ends : ndarray, shape=(R,), dtype=int64
    sums : ndarray, shape=(R, 16), dtype=uint8
    makers : dict
        What made tokens, by key.
    """

    digests: NDArray[np.uint8]
    keys: NDArray[np.uint64]
    ends: NDArray[np.int64]
    sums: NDArray[np.uint8]
    makers: dict[str, dict[str, Any]]

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Bytes of each record, shape=(R,)."""
        return np.diff(self.ends, prepend=0)

    def spans(self, rows: NDArray[np.int64]) -> list[Span]:
        """Ranges to be fetched for some records."""
        starts = np.concatenate([[0], self.ends[:-1]])
        return spans_of(starts, self.ends, rows)

    def records(self, span: Span, data: bytes) -> Iterator[Record]:
        """Records of a range that was fetched.

        Raises
        ------
        CorruptStoreError
            One is not what its sum says.
        """
        for row in span.rows.tolist():
            start = int(self.ends[row - 1]) if row else 0
            part = data[start - span.start : int(self.ends[row]) - span.start]
            if sum_of(part) != self.sums[row].tobytes():
                raise refusal("a record is not what its sum says")
            yield Record(self.digests[row].tobytes(), part, int(self.keys[row]))

    def identities(self) -> set[bytes]:
        """Digest and sum of every record: what is in the bundle, to be compared."""
        return {row.tobytes() for row in np.hstack([self.digests, self.sums])}


def identity(record: Record) -> bytes:
    """Digest and sum of a record."""
    return record.digest + sum_of(record.data)


def write_bundles(
    folder: Path, kind: str, name: str, records: Iterable[Record], makers: dict[str, Any]
) -> Iterator[tuple[str, BundleEntry, Path]]:
    """Write records into as many bundles as they take.

    Parameters
    ----------
    folder : path
        Where the files are made.
    kind, name : str
        See `BundleEntry`.
    records : iterable of Record
        In the order of digests.
    makers : dict
        What made tokens.

    Yields
    ------
    tuple of str, BundleEntry, path
        SHA-256, entry for the index, and the file.
    """
    remaining = iter(records)
    while (first := next(remaining, None)) is not None:
        temporary = folder / f".{kind}-{name}"
        with system_errors(temporary), temporary.open("wb") as file:
            total = sha256()
            digests, keys, ends, sums = [], [], [], []
            end = 0
            for record in _bundle_records(first, remaining):
                file.write(record.data)
                total.update(record.data)
                end += len(record.data)
                digests.append(record.digest)
                keys.append(record.key)
                ends.append(end)
                sums.append(sum_of(record.data))
            text = canonical_json(makers).encode()
            footer = b"".join(
                [
                    _HEAD.pack(_MAGIC, len(ends), len(text)),
                    text,
                    b"".join(digests),
                    np.asarray(keys, "<u8").tobytes(),
                    np.asarray(ends, "<i8").tobytes(),
                    b"".join(sums),
                ]
            )
            file.write(footer)
            total.update(footer)
        entry = BundleEntry(
            kind, name, end + len(footer), len(footer), len(ends), sha256(footer).hexdigest()
        )
        path = folder / total.hexdigest()
        temporary.rename(path)
        yield path.name, entry, path


def _bundle_records(first: Record, remaining: Iterator[Record]) -> Iterator[Record]:
    """Yield the records of one bundle: as many as it may hold, or until it is large."""
    size, record = 0, first
    for count in range(1, limits.BUNDLE_RECORDS + 1):
        if len(record.data) > limits.RECORD_BYTES:
            raise StoreError(
                f"what is stored of protein {record.digest.hex()[:12]} takes more than the "
                f"{limits.RECORD_BYTES:,} bytes that can be shared. Take fewer conformers"
            )
        yield record
        size += len(record.data)
        following = None
        if size < CUT_BYTES and count < limits.BUNDLE_RECORDS:
            following = next(remaining, None)
        if following is None:
            return
        record = following


def parse_footer(raw: bytes, entry: BundleEntry) -> Footer:
    """Check and read the footer of a bundle.

    Raises
    ------
    CorruptStoreError
        It is not what the index says, or not as it must be.
    """
    if sha256(raw).hexdigest() != entry.footer_sha256 or len(raw) != entry.footer:
        raise refusal("a bundle's footer is not what the index says")
    if len(raw) < _HEAD.size:
        raise refusal("a bundle's footer is cut")
    magic, count, text_bytes = _HEAD.unpack_from(raw)
    if (
        magic != _MAGIC
        or count != entry.records
        or len(raw) != _HEAD.size + text_bytes + count * _FOOTER_ROW_BYTES
    ):
        raise refusal("a bundle's footer is not as it must be")
    try:
        makers = check_makers(json.loads(raw[_HEAD.size : _HEAD.size + text_bytes]))
    except (ValueError, RecursionError, TypeError):
        raise refusal("a bundle's footer is not as it must be") from None
    place = _HEAD.size + text_bytes
    arrays = []
    for dtype, width in (("u1", 32), ("<u8", 1), ("<i8", 1), ("u1", SUM_BYTES)):
        size = np.dtype(dtype).itemsize * width * count
        arrays.append(np.frombuffer(raw[place : place + size], dtype).reshape(count, width))
        place += size
    digests, keys, ends, sums = arrays
    ends = ends[:, 0]
    # Compared, not subtracted: differences of numbers that lie could overflow.
    starts, body = np.concatenate([[0], ends[:-1]]), entry.bytes - entry.footer
    if (ends < starts).any() or (int(ends[-1]) if count else 0) != body:
        raise refusal("a bundle's records do not lie back to back")
    if (ends - starts > limits.RECORD_BYTES).any():
        raise refusal(f"a bundle has a record of over {limits.RECORD_BYTES:,} bytes")
    return Footer(digests, keys[:, 0], ends, sums, makers)
