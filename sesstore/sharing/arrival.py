"""Segments that arrive: whole, or some proteins of them by range reads.

Whole ones are written under a dot-name, hashed as they come, checked as `verify` checks, and then
renamed. An interrupted one is gone on with: what arrived of a file is hashed again and the rest
fetched. Parts become a segment of this store, each protein checked by its own sum.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import CorruptStoreError, StoreError
from ..files import fsync
from ..provenance import Provenance
from ..residues import Embedding, is_finite
from ..store import Store, layout
from ..store.access import system_errors
from ..store.manifest import entered
from ..store.scratch import hold
from ..store.segmentcheck import segment_problems
from ..store.segments import Segment
from ..store.unfinished import check_same_storage
from . import names
from .index import FileEntry, SegmentEntry
from .publish import row_sum
from .reading import Reader
from .remote import PIECE
from .spans import in_flight, spans_of

Lengths = Callable[[list[bytes]], list[int]]
_T = TypeVar("_T")


def make_encoder_folder(store: Store, provenance: Provenance) -> Path:
    """Return an encoder's folder, made if need be; raises if it is stored in another type."""
    folder = store.path / layout.EMBEDDINGS / layout.encoder_folder(provenance)
    layout.make_group(folder, {"kind": "encoder", "provenance": provenance.to_json()})
    known = layout.read_group(folder / layout.METADATA)["provenance"]
    check_same_storage(Provenance.from_json(known), provenance)
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
            problem = problem or _length_problem(Segment(folder), lengths)
            if problem:
                raise names.refused(f"segment {final.name}: {problem}")
        except CorruptStoreError:  # of what a sender who lies sent, nothing stays
            shutil.rmtree(folder, ignore_errors=True)
            raise
        for place in {(folder / file).parent for file in entry.files}:
            fsync(place)
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


def _length_problem(segment: Segment, lengths: Lengths) -> str | None:
    known = np.asarray(lengths([row.tobytes() for row in segment.digests]))
    wrong = (known >= 0) & (known != np.diff(segment.offsets))
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
    total, done = sha256(), 0
    with os.fdopen(_open_unlinked(place), "r+b") as file:
        while piece := file.read(PIECE):
            total.update(piece)
            done += len(piece)
        if done > entry.bytes or (done == entry.bytes and total.hexdigest() != entry.sha256):
            file.truncate(0)
            file.seek(0)
            total, done = sha256(), 0
        advance(done)
        moved = 0
        if done < entry.bytes:
            for piece in reader.stream(path, done):
                done += len(piece)
                moved += len(piece)
                if done > entry.bytes:
                    break
                file.write(piece)
                total.update(piece)
                advance(len(piece))
        reader.bytes += moved
        file.flush()
        if done == entry.bytes and total.hexdigest() == entry.sha256:
            os.fsync(file.fileno())
            return moved
        if done >= entry.bytes:
            file.truncate(0)
    raise names.refused(f"{path} is not what the index says ({done:,} of {entry.bytes:,} bytes)")


@dataclass(frozen=True, eq=False)
class PartialSegment:
    """Some proteins of a segment that lies elsewhere.

    Parameters
    ----------
    path : str
        The segment's path there.
    name : str
        Its name.
    provenance : Provenance
        Its encoder.
    circumstances : dict
        What it says made it.
    digests, offsets : ndarray
        As in the segment.
    rows : ndarray, shape=(n,), dtype=int64
        Which proteins to take.
    shard_rows : int
        Rows of one of its files.
    files : mapping of str to FileEntry
        Its files.
    """

    path: str
    name: str
    provenance: Provenance
    circumstances: dict[str, object]
    digests: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    rows: NDArray[np.int64]
    shard_rows: int
    files: Mapping[str, FileEntry]

    @property
    def row_bytes(self) -> int:
        """Bytes of one residue's values."""
        return self.provenance.dim * np.dtype(self.provenance.dtype).itemsize

    def fetch(
        self, reader: Reader, pool: Executor, advance: Callable[[int], None]
    ) -> Iterator[Embedding]:
        """Yield its proteins, a few ranges being fetched at once.

        Raises
        ------
        CorruptStoreError
            A protein is not what its sum says, or holds values that are not finite.
        """
        sums = reader.whole(names.sums_path(self.name), 16 * len(self.digests))
        if len(sums) != 16 * len(self.digests):
            raise names.refused(f"the sums of segment {self.name} are not as many as its proteins")
        bounds = self.offsets * self.row_bytes
        spans = spans_of(bounds[:-1], bounds[1:], self.rows)
        for batch in in_flight(spans):
            fetched = pool.map(lambda s: self._values(reader, s.start, s.stop), batch)
            for span, (values, scales) in zip(batch, fetched, strict=True):
                advance(len(values))
                for row in span.rows.tolist():
                    yield self._embedding(row, span.start, values, scales, sums)

    def _embedding(
        self, row: int, start: int, values: bytes, scales: bytes, sums: bytes
    ) -> Embedding:
        first, last = int(self.offsets[row]), int(self.offsets[row + 1])
        raw = values[first * self.row_bytes - start : last * self.row_bytes - start]
        skipped = start // self.row_bytes
        scale = scales[2 * (first - skipped) : 2 * (last - skipped)] or None
        if row_sum(raw, scale) != sums[16 * row : 16 * row + 16]:
            raise names.refused(f"a protein of segment {self.name} is not what its sum says")
        array = np.frombuffer(raw, np.dtype(self.provenance.dtype).newbyteorder("<"))
        array = array.reshape(-1, self.provenance.dim)
        scaled = None if scale is None else np.frombuffer(scale, "<f2")
        checked = array if scaled is None else scaled
        if not is_finite(checked):
            raise names.refused(f"segment {self.name} holds values that are not finite")
        return Embedding(self.digests[row].tobytes(), array, scaled)

    def _values(self, reader: Reader, start: int, stop: int) -> tuple[bytes, bytes]:
        """Bytes `start` to `stop` of all its values, which lie in several files; and the scales."""
        shard = self.shard_rows * self.row_bytes
        parts, place = [], start
        while place < stop:
            number = place // shard
            end = min(stop, (number + 1) * shard)
            file, first = f"values/c.{number}.0", number * shard
            parts.append(self._read(reader, file, place - first, end - first))
            place = end
        scales = b""
        if self.provenance.dtype == "int8":
            first, last = start // self.row_bytes, stop // self.row_bytes
            scales = self._read(reader, "scales/c.0", 2 * first, 2 * last)
        return b"".join(parts), scales

    def _read(self, reader: Reader, file: str, start: int, stop: int) -> bytes:
        if file not in self.files:
            raise names.refused(f"segment {self.name} has fewer files than its metadata say")
        return reader.read(f"{self.path}/{file}", start, stop, self.files[file].bytes)


def shard_rows_of(raw: bytes, residues: int, provenance: Provenance) -> int:
    """Rows of one file of values, from their metadata; raises unless we would have written them."""
    try:
        metadata = layout.parse(raw)
        rows = metadata["chunk_grid"]["configuration"]["chunk_shape"][0]
        chunk = metadata["codecs"][0]["configuration"]["chunk_shape"][0]
        shape = (residues, provenance.dim)
        sound = type(rows) is int and type(chunk) is int and 0 < chunk <= rows < 1 << 48
        sound = sound and layout.sharded_metadata(shape, provenance.dtype, rows, chunk) == raw
    except (ValueError, KeyError, TypeError, IndexError, RecursionError, CorruptStoreError):
        sound = False
    if not sound:
        raise names.refused("the metadata of a segment's values are not as sesstore writes them")
    return int(rows)
