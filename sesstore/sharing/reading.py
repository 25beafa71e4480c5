"""Read a published store: index and commit records, footers, records, every one checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import FingerprintMismatchError, NotStoredError
from ..store.access import system_errors
from . import limits, names
from .bundles import Footer, parse_footer
from .index import BundleEntry, Index, parse_index
from .records import Record
from .remote import Remote
from .spans import in_flight

_RECORDS_AT_ONCE = 16


class Reader:
    """A published store, and how much was fetched from it.

    Parameters
    ----------
    remote : Remote
        Where it lies.
    """

    def __init__(self, remote: Remote) -> None:
        self.remote = remote
        self.bytes = 0
        self._footers: dict[str, Footer] = {}

    def index(self) -> Index:
        """Fetch the index, and take in the commit records (see `commits` for why in that order).

        Raises
        ------
        NotStoredError
            There is none: nothing was published there.
        CorruptStoreError
            It is not as it must be.
        """
        records = self._commits()
        try:
            raw = self.whole(names.INDEX, limits.INDEX_BYTES)
            index = parse_index(raw, self._place(names.INDEX))
        except NotStoredError:
            if not records:
                raise NotStoredError(
                    f"{self.remote.url} is no shared store (there is no {names.INDEX}). Push one "
                    f"there with `sesstore push`, or check the address"
                ) from None
            index = Index()
        for place, record in records.items():
            try:
                index.add(record)
            except FingerprintMismatchError as problem:
                raise names.refused(f"{place} does not fit the rest: {problem}") from None
        return index

    def _commits(self) -> dict[str, Index]:
        """Commit records by where they lie, in the order of their names."""
        paths = [names.commit_path(name) for name in sorted(self.remote.commits())]
        records: dict[str, Index] = {}
        size = 0
        with ThreadPoolExecutor(_RECORDS_AT_ONCE) as pool:
            for some in _batches(paths, _RECORDS_AT_ONCE):
                for path, raw in zip(some, pool.map(self._if_there, some), strict=True):
                    if raw is not None:
                        size += len(raw)
                        records[self._place(path)] = parse_index(raw, self._place(path))
                    if size > limits.INDEX_BYTES:
                        raise names.refused(f"{self.remote.url} has too many commit records")
        return records

    def _if_there(self, path: str) -> bytes | None:
        """Fetch a commit record; None if it was taken into the index meanwhile."""
        try:
            return self.whole(path, limits.COMMIT_BYTES)
        except NotStoredError:
            return None

    def _place(self, path: str) -> str:
        return f"{self.remote.url}/{path}"

    def whole(self, path: str, most: int, sha: str | None = None) -> bytes:
        """Fetch a small file, of at most `most` bytes and with that SHA-256."""
        parts, done = [], 0
        with self._explained(path):
            for piece in self.remote.stream(path):
                done += len(piece)
                if done > most:
                    raise names.refused(f"{path} is larger than it may be")
                parts.append(piece)
        self.bytes += done
        raw = b"".join(parts)
        if sha is not None and sha256(raw).hexdigest() != sha:
            raise names.refused(f"{path} is not what the index says")
        return raw

    def save(self, path: str, place: Path, size: int, sha: str) -> None:
        """Fetch a file of that size and SHA-256 into a file of this machine."""
        total, done = sha256(), 0
        with self._explained(path), system_errors(place), place.open("wb") as file:
            for piece in self.remote.stream(path):
                done += len(piece)
                if done > size:
                    raise names.refused(f"{path} is larger than it may be")
                total.update(piece)
                file.write(piece)
        self.bytes += done
        if total.hexdigest() != sha:
            raise names.refused(f"{path} is not what the index says")

    def read(self, path: str, start: int, stop: int, size: int) -> bytes:
        """Fetch some bytes of a file that has `size`."""
        with self._explained(path):
            data = self.remote.read(path, start, stop, size)
        self.bytes += len(data)
        return data

    def stream(self, path: str, start: int = 0) -> Iterator[bytes]:
        """Yield a file's bytes from `start` on; the caller counts them."""
        with self._explained(path):
            yield from self.remote.stream(path, start)

    @contextmanager
    def _explained(self, path: str) -> Iterator[None]:
        """Say what it means if a file is not there that an index names."""
        try:
            yield
        except NotStoredError:
            if path == names.INDEX or path.startswith(f"{names.COMMITS}/"):
                raise
            raise NotStoredError(
                f"{self.remote.url} names {path}, which is not there, or not whole: it was removed "
                f"meanwhile, or is lost. Run the same command again; if that does not help, who "
                f"shares it can repair it (in object storage with `sesstore repair --store URL`)"
            ) from None

    def footer(self, sha: str, entry: BundleEntry) -> Footer:
        """Fetch the footer of a bundle, once."""
        if sha not in self._footers:
            start = entry.bytes - entry.footer
            raw = self.read(names.bundle_path(sha), start, entry.bytes, entry.bytes)
            self._footers[sha] = parse_footer(raw, entry)
        return self._footers[sha]

    def records(
        self, sha: str, entry: BundleEntry, rows: NDArray[np.int64], pool: Executor
    ) -> Iterator[list[Record]]:
        """Fetch some records of a bundle, a range after the other, several ranges at once."""
        footer, path = self.footer(sha, entry), names.bundle_path(sha)
        for batch in in_flight(footer.spans(rows)):
            fetched = pool.map(lambda s: self.read(path, s.start, s.stop, entry.bytes), batch)
            for span, data in zip(batch, fetched, strict=True):
                yield list(footer.records(span, data))

    def digests(self, index: Index, folder: str, segment: str) -> NDArray[np.uint8]:
        """Fetch the digests of a segment, shape=(P, 32)."""
        raw = self.small(index, folder, segment, "digests/c.0.0")
        return np.frombuffer(raw, np.uint8).reshape(-1, 32)

    def small(self, index: Index, folder: str, segment: str, file: str) -> bytes:
        """Fetch a small file of a segment, checked."""
        entry = index.encoders[folder].segments[segment].files[file]
        return self.whole(names.segment_path(folder, segment, file), entry.bytes, entry.sha256)


def rows_of(footer: Footer, digests: set[bytes]) -> NDArray[np.int64]:
    """Records of a bundle that are about some proteins."""
    hits = [i for i, row in enumerate(footer.digests) if row.tobytes() in digests]
    return np.asarray(hits, np.int64)


def rows_by_key(footer: Footer, keys: Iterable[int]) -> NDArray[np.int64]:
    """Records of a bundle that are found by some ids' numbers."""
    wanted = np.asarray(sorted(keys), np.uint64)
    return np.flatnonzero(np.isin(footer.keys, wanted)).astype(np.int64)


def _batches(items: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
