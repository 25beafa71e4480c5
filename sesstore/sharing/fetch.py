"""Fetch from a published store: index and commit records, bundles, segments, every byte checked.

Whole segments are written under a dot-name, hashed as they come, checked as `verify` checks, and
then renamed. An interrupted one is gone on with: what arrived of a file is hashed again and the
rest fetched. Some proteins of a segment are fetched by `pull_segments`.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..batches import batches
from ..durable_files import fsync
from ..errors import (
    CorruptStoreError,
    FingerprintMismatchError,
    InputError,
    NotStoredError,
    StoreError,
)
from ..provenance import Provenance
from ..store import Store, layout
from ..store.access import system_errors
from ..store.manifest import entered
from ..store.segment_check import segment_problems
from ..store.segment_writer import check_same_storage
from ..store.segments import Segment
from ..store.write_locks import hold
from . import limits, share_paths
from .bundle_records import Record
from .bundles import Footer, parse_footer
from .places import PIECE, Remote
from .ranges import in_flight
from .share_index import BundleEntry, FileEntry, Index, SegmentEntry, parse_index
from .share_paths import refusal

_RECORDS_AT_ONCE = 16
Lengths = Callable[[list[bytes]], list[int]]
_T = TypeVar("_T")


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
            raw = self.read_all(share_paths.INDEX, limits.INDEX_BYTES)
            index = parse_index(raw, self._place(share_paths.INDEX))
        except NotStoredError:
            if not records:
                raise NotStoredError(
                    f"{self.remote.url} is no shared store (there is no {share_paths.INDEX}). "
                    f"Push one there with `sesstore push`, or check the address"
                ) from None
            index = Index()
        for place, record in records.items():
            try:
                index.add(record)
            except (FingerprintMismatchError, InputError) as problem:
                raise refusal(f"{place} does not fit the rest: {problem}") from None
        return index

    def _commits(self) -> dict[str, Index]:
        """Commit records by where they lie, in the order of their names."""
        paths = [share_paths.commit_path(name) for name in sorted(self.remote.commits())]
        records: dict[str, Index] = {}
        size = 0
        with ThreadPoolExecutor(_RECORDS_AT_ONCE) as pool:
            for batch in batches(paths, _RECORDS_AT_ONCE):
                for path, raw in zip(batch, pool.map(self._read_commit, batch), strict=True):
                    if raw is not None:
                        size += len(raw)
                        records[self._place(path)] = parse_index(raw, self._place(path))
                    if size > limits.INDEX_BYTES:
                        raise refusal(f"{self.remote.url} has too many commit records")
        return records

    def _read_commit(self, path: str) -> bytes | None:
        """Fetch a commit record; None if it was taken into the index meanwhile."""
        try:
            return self.read_all(path, limits.COMMIT_BYTES)
        except NotStoredError:
            return None

    def _place(self, path: str) -> str:
        return f"{self.remote.url}/{path}"

    def read_all(self, path: str, limit: int, sha: str | None = None) -> bytes:
        """Fetch a small file, of at most `limit` bytes and with that SHA-256."""
        parts, length = [], 0
        with self._explain_absence(path):
            for piece in self.remote.stream(path):
                length += len(piece)
                # Counted while it comes: a sender may send without end.
                if length > limit:
                    raise refusal(f"{path} is larger than it may be")
                parts.append(piece)
        self.bytes += length
        raw = b"".join(parts)
        if sha is not None and sha256(raw).hexdigest() != sha:
            raise refusal(f"{path} is not what the index says")
        return raw

    def save(self, path: str, place: Path, size: int, sha: str) -> None:
        """Fetch a file of that size and SHA-256 into a file of this machine."""
        total, length = sha256(), 0
        with self._explain_absence(path), system_errors(place), place.open("wb") as file:
            for piece in self.remote.stream(path):
                length += len(piece)
                if length > size:
                    raise refusal(f"{path} is larger than it may be")
                total.update(piece)
                file.write(piece)
        self.bytes += length
        if total.hexdigest() != sha:
            raise refusal(f"{path} is not what the index says")

    def read(self, path: str, start: int, stop: int, size: int) -> bytes:
        """Fetch some bytes of a file that has `size`."""
        with self._explain_absence(path):
            data = self.remote.read(path, start, stop, size)
        self.bytes += len(data)
        return data

    def stream(self, path: str, start: int = 0) -> Iterator[bytes]:
        """Yield a file's bytes from `start` on; the caller counts them."""
        with self._explain_absence(path):
            yield from self.remote.stream(path, start)

    @contextmanager
    def _explain_absence(self, path: str) -> Iterator[None]:
        """Say what it means if a file is not there that an index names."""
        try:
            yield
        except NotStoredError:
            if path == share_paths.INDEX or path.startswith(f"{share_paths.COMMITS}/"):
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
            raw = self.read(share_paths.bundle_path(sha), start, entry.bytes, entry.bytes)
            self._footers[sha] = parse_footer(raw, entry)
        return self._footers[sha]

    def records(
        self, sha: str, entry: BundleEntry, rows: NDArray[np.int64], pool: Executor
    ) -> Iterator[list[Record]]:
        """Fetch some records of a bundle, a range after the other, several ranges at once."""
        footer, path = self.footer(sha, entry), share_paths.bundle_path(sha)
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
        return self.read_all(
            share_paths.segment_path(folder, segment, file), entry.bytes, entry.sha256
        )


def rows_of(footer: Footer, digests: set[bytes]) -> NDArray[np.int64]:
    """Records of a bundle that are about some proteins."""
    hits = [i for i, row in enumerate(footer.digests) if row.tobytes() in digests]
    return np.asarray(hits, np.int64)


def rows_by_key(footer: Footer, keys: Iterable[int]) -> NDArray[np.int64]:
    """Records of a bundle that are found by some ids' numbers."""
    key_array = np.asarray(sorted(keys), np.uint64)
    return np.flatnonzero(np.isin(footer.keys, key_array)).astype(np.int64)


def make_encoder_folder(store: Store, provenance: Provenance) -> Path:
    """Return an encoder's folder, made if need be; raises if it is stored in another type."""
    folder = store.path / layout.EMBEDDINGS / layout.encoder_folder(provenance)
    layout.make_group(folder, {"kind": "encoder", "provenance": provenance.to_json()})
    stored_provenance = layout.read_group(folder / layout.METADATA)["provenance"]
    check_same_storage(Provenance.from_json(stored_provenance), provenance)
    return folder


def fetch_segment(
    reader: Reader,
    path: str,
    entry: SegmentEntry,
    final: Path,
    provenance: Provenance,
    *,
    lengths: Lengths,
    pool: Executor,
    advance: Callable[[int], None],
) -> int:
    """Fetch a whole segment; return how many bytes came over the wire.

    Parameters
    ----------
    reader : Reader
        Where from.
    path : str
        The segment's path there.
    entry : SegmentEntry
        Its files.
    final : path
        Its place here.
    provenance : Provenance
        Its encoder.
    lengths : callable
        From digests to the lengths of their sequences, -1 where not known.
    pool : Executor
        Fetches several files at once.
    advance : callable
        Told about bytes.

    Raises
    ------
    CorruptStoreError
        What arrived is not what was listed, or no sound segment; it is not there afterwards.
    StorageFullError
        No space left; what arrived stays for the next attempt.
    """
    with _unfinished(final) as folder, system_errors(final):
        if final.exists():  # another pull fetched it while this one waited
            shutil.rmtree(folder)
            advance(entry.bytes)
            return 0
        for file in entry.files:
            (folder / file).parent.mkdir(exist_ok=True)
        fetched = [
            pool.submit(_fetch_file, reader, f"{path}/{file}", sums, folder / file, advance)
            for file, sums in entry.files.items()
        ]
        try:
            moved = sum(_results(fetched))
            problem = next(segment_problems(folder, provenance, quick=False), None)
            problem = problem or _length_problem(Segment(folder), provenance, lengths)
            if problem:
                raise refusal(f"segment {final.name}: {problem}")
        except CorruptStoreError:  # of what a sender who lies sent, nothing stays
            shutil.rmtree(folder, ignore_errors=True)
            raise
        # The names of the files have to last before the segment has one, else a power cut could
        # leave a segment that lacks some.
        for place in {(folder / file).parent for file in entry.files}:
            fsync(place)
        # The entry in the store's manifest goes with the rename: see `store.manifest`.
        with entered(final, proteins=entry.proteins, residues=entry.residues):
            os.rename(folder, final)
            fsync(final.parent)
    return moved


def _results(futures: list[Future[_T]]) -> list[_T]:
    """Results of all; none is running any more when one raises, so that the folder can be left."""
    try:
        return [future.result() for future in futures]
    finally:
        for future in futures:
            future.cancel()
        wait(futures)


def _length_problem(segment: Segment, provenance: Provenance, lengths: Lengths) -> str | None:
    sequence_lengths = np.asarray(lengths([row.tobytes() for row in segment.digests]))
    sequence_lengths = provenance.fingerprint.rows(sequence_lengths)
    wrong = (sequence_lengths >= 0) & (sequence_lengths != np.diff(segment.offsets))
    return "an embedding has another length than its sequence" if wrong.any() else None


@contextmanager
def _unfinished(final: Path) -> Iterator[Path]:
    """Yield a folder under a dot-name, the one an interrupted fetch left if there is one.

    Waits while another pull has it: that is less than fetching the same segment twice.
    """
    place = final.with_name(f".pull-{final.name}")
    while True:
        with suppress(FileExistsError):  # exist_ok looks again, when it may be gone
            os.mkdir(place)
        handle = hold(place, wait=True)
        if handle is None:  # it got its final name, or was removed, just now
            continue
        try:
            yield place
            return
        finally:
            os.close(handle)


def _open_unlinked(place: Path) -> int:
    """Open a file of an unfinished segment to go on with it; a link as file or folder is refused.

    The segment's own folder is known to be none: its lock was taken through it.
    """
    flags = os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        folder = os.open(place.parent, flags | os.O_RDONLY | os.O_DIRECTORY)
        try:
            return os.open(place.name, flags | os.O_RDWR | os.O_CREAT, 0o666, dir_fd=folder)
        finally:
            os.close(folder)
    except OSError as problem:
        if problem.errno not in (errno.ELOOP, errno.ENOTDIR):
            raise
        raise StoreError(
            f"'{place}' leads elsewhere by a link, and would be written over there. Remove "
            f"'{place.parent}' and pull again"
        ) from None


def _fetch_file(
    reader: Reader, path: str, entry: FileEntry, place: Path, advance: Callable[[int], None]
) -> int:
    """Fetch the rest of a file; raises unless it is what was listed."""
    total, position = sha256(), 0
    with os.fdopen(_open_unlinked(place), "r+b") as file:
        # What an interrupted fetch left is hashed again, not trusted.
        while piece := file.read(PIECE):
            total.update(piece)
            position += len(piece)
        # Longer than listed, or complete and wrong: nothing of it can be gone on with.
        if position > entry.bytes or (
            position == entry.bytes and total.hexdigest() != entry.sha256
        ):
            file.truncate(0)
            file.seek(0)
            total, position = sha256(), 0
        advance(position)
        moved = 0
        if position < entry.bytes:
            for piece in reader.stream(path, position):
                position += len(piece)
                moved += len(piece)
                if position > entry.bytes:
                    break
                file.write(piece)
                total.update(piece)
                advance(len(piece))
        reader.bytes += moved
        file.flush()
        if position == entry.bytes and total.hexdigest() == entry.sha256:
            os.fsync(file.fileno())
            return moved
        if position >= entry.bytes:
            file.truncate(0)
    raise refusal(f"{path} is not what the index says ({position:,} of {entry.bytes:,} bytes)")
