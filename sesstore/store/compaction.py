"""Merge small segments and drop duplicates; remove leftovers.

`compact` writes the merged segment first and removes the old ones after it is committed: a crash in
between leaves duplicates, which are harmless, and the next run drops them. Sources are checked
against their checksums before they are merged, so damage is never given a fresh checksum. One
compaction at a time (a lock file says so); readers and writers go on meanwhile.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from ..batches import batches_within
from ..durable_files import fsync
from ..errors import CorruptStoreError, StoreError
from ..progress import SILENT, Progress
from ..provenance import Fingerprint, circumstances
from ..residues import Embedding
from ..strays import is_stray_path
from . import layout
from .access import system_errors
from .embeddings import Embeddings
from .manifest import strike
from .presence import uncommitted
from .segment_check import foreign_files, segment_problems
from .segment_writer import SegmentWriter
from .store import Store
from .write_locks import hold

TARGET_BYTES = 2 << 30


@dataclass
class CompactReport:
    """What `compact` did.

    Parameters
    ----------
    segments_before, segments_after : int
        Number of segments, over all encoders.
    duplicates : int
        Embeddings that stood a second time and were dropped.
    bytes_freed : int
        Difference of the sizes of what was removed and what was written.
    set_aside : list of str
        Files of others that lay in segments which were merged, where they are now in the store.
    """

    segments_before: int = 0
    segments_after: int = 0
    duplicates: int = 0
    bytes_freed: int = 0
    set_aside: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        return asdict(self)


def compact(
    store: Store,
    encoder: Fingerprint | str | None = None,
    *,
    target_bytes: int = TARGET_BYTES,
    progress: Progress = SILENT,
) -> CompactReport:
    """Merge small segments into larger ones and drop duplicates.

    Parameters
    ----------
    store : Store
        The store.
    encoder : Fingerprint or str, optional
        One encoder; all of them by default.
    target_bytes : int
        Segments smaller than half of this are merged, up to this size.
    progress : Progress
        Told about segments as they are merged.

    Raises
    ------
    CorruptStoreError
        A segment is not what was written; nothing was removed.
    StoreError
        Another compaction is running.
    StorageFullError
        No space for a merged segment; the old ones are still there.
    """
    if encoder is None:
        fingerprints = [provenance.fingerprint for provenance in store.encoders()]
    else:
        fingerprints = [store.embeddings(encoder).provenance.fingerprint]
    report = CompactReport()
    for fingerprint in fingerprints:
        with _alone(store.encoder_folder(fingerprint)):
            _compact_one(store.embeddings(fingerprint), target_bytes, report, progress)
    return report


def _compact_one(
    view: Embeddings, target_bytes: int, report: CompactReport, progress: Progress
) -> None:
    rows_of = _kept_rows(view)
    duplicates = [
        len(s.digests) - len(rows) for s, rows in zip(view.segments, rows_of, strict=True)
    ]
    report.segments_before += len(view.segments)
    report.segments_after += len(view.segments)
    groups = list(_groups(view, rows_of, duplicates, target_bytes))
    with progress.stage("compacting", sum(map(len, groups)), "segments") as bar:
        for group in groups:
            old_bytes = sum(_bytes_of(view.segments[i].path) for i in group)
            # Committed before the sources go: a crash in between leaves duplicates, never a gap.
            merged = _merge(view, rows_of, group)
            for i in group:
                report.set_aside += _remove(view.segments[i].path)
            new_bytes = _bytes_of(merged) if merged else 0
            report.segments_after += (merged is not None) - len(group)
            report.duplicates += sum(duplicates[i] for i in group)
            report.bytes_freed += old_bytes - new_bytes
            bar.advance(len(group))


def _kept_rows(view: Embeddings) -> list[np.ndarray[Any, np.dtype[np.int64]]]:
    """Rows of the view that each segment holds; duplicates are in none."""
    arrays, _, _ = view.locate(np.arange(len(view)))
    return [np.flatnonzero(arrays == i) for i in range(len(view.segments))]


def _groups(
    view: Embeddings,
    rows_of: list[np.ndarray[Any, np.dtype[np.int64]]],
    duplicates: list[int],
    target_bytes: int,
) -> Iterator[list[int]]:
    """Segments to be written together: small ones, and those with duplicates."""
    row_bytes = view.dim * view.dtype.itemsize
    sizes = [int(view.lengths[rows].sum()) * row_bytes for rows in rows_of]
    places = [i for i, size in enumerate(sizes) if size < target_bytes / 2 or duplicates[i]]
    for group in batches_within(places, target_bytes, sizes.__getitem__, max(len(places), 1)):
        if len(group) > 1 or duplicates[group[0]]:  # one that is sound stays as it is
            yield group


def _merge(
    view: Embeddings, rows_of: list[np.ndarray[Any, np.dtype[np.int64]]], group: list[int]
) -> Path | None:
    """Write the kept rows of some segments as one; None if there are none."""
    for i in group:
        for problem in segment_problems(view.segments[i].path, view.provenance, quick=False):
            raise CorruptStoreError(
                f"segment {view.segments[i].path}: {problem}. Run `sesstore repair`, then compact"
            )
    origin = {
        **circumstances("zarr"),
        "compacted": [
            {"segment": view.segments[i].id, **view.segments[i].attributes["circumstances"]}
            for i in group
        ],
    }
    everything = 1 << 62
    # It takes the first one's place in the order of names, so that of a protein that other segments
    # hold, too, the same embedding counts as before.
    writer = SegmentWriter(
        view.folder,
        view.provenance,
        origin,
        segment_bytes=everything,
        segment_seconds=float("inf"),
        place=view.segments[group[0]].id,
    )
    with writer:
        for i in group:
            for row in rows_of[i].tolist():
                scales = view.row_scales(row) if view.dtype == np.int8 else None
                writer.add(Embedding(view.digests[row].tobytes(), view.raw(row), scales))
    return view.folder / writer.committed[0] if writer.committed else None


def _remove(path: Path) -> list[str]:
    """Take a segment out of sight in one step, then delete it, but for what others put there."""
    foreign = [name for name in foreign_files(path) if not is_stray_path(PurePath(name))]
    with system_errors(path):  # first, for what goes out of sight is removed by the next `gc`
        moved = [_rescue(path.parents[2], path / name, f"{path.name}/{name}") for name in foreign]
    # The entry goes first: one whose segment is gone would be reported as a loss.
    strike(path)
    trash = path.with_name(f".gone-{path.name}-{secrets.token_hex(4)}")
    with system_errors(path), suppress(FileNotFoundError):
        os.rename(path, trash)
        fsync(path.parent)
    shutil.rmtree(trash, ignore_errors=True)
    return moved


def _rescue(root: Path, file: Path, name: str) -> str:
    place = root / layout.SET_ASIDE / name
    place.parent.mkdir(parents=True, exist_ok=True)
    os.rename(file, place)
    return str(place.relative_to(root))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    lock = folder / layout.COMPACTION_LOCK
    with system_errors(lock):
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(
                f"another compaction of {folder.name} is running. Wait until it is done"
            ) from None
        yield
    finally:
        os.close(handle)


@dataclass
class GcReport:
    """What `gc` removed.

    Parameters
    ----------
    removed : list of str
        Paths inside the store.
    bytes : int
        Their size.
    """

    removed: list[str] = field(default_factory=list)
    bytes: int = 0

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        return asdict(self)


def gc(
    store: Store, *, older_than: float = 3600.0, set_aside: bool = False, dry_run: bool = False
) -> GcReport:
    """Remove what killed writers left, and on request what `repair` set aside.

    Parameters
    ----------
    store : Store
        The store.
    older_than : float
        Leave alone what changed within this many seconds; a living writer on this machine is left
        alone in any case.
    set_aside : bool
        Also delete ``set-aside/``.
    dry_run : bool
        Only say what would be removed.

    Returns
    -------
    GcReport
    """
    report = GcReport()
    for path in uncommitted(store.path):
        with _gc_lock(path) as is_free:
            if is_free and _age(path) >= older_than:
                _collect(store, path, report, dry_run=dry_run)
    if set_aside and (store.path / layout.SET_ASIDE).is_dir():
        _collect(store, store.path / layout.SET_ASIDE, report, dry_run=dry_run)
    return report


def _collect(store: Store, path: Path, report: GcReport, *, dry_run: bool) -> None:
    size = _bytes_of(path)
    if not dry_run:
        with system_errors(path), suppress(FileNotFoundError):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    report.removed.append(str(path.relative_to(store.path)))
    report.bytes += size


@contextmanager
def _gc_lock(path: Path) -> Iterator[bool]:
    """Hold what is unfinished while it is removed; False if a living process here has it."""
    if path.is_symlink():
        yield True
        return
    with system_errors(path):
        handle = hold(path)
    try:
        yield handle is not None
    finally:
        if handle is not None:
            os.close(handle)


def _age(path: Path) -> float:
    """Seconds since anything in a folder changed, or a file."""
    try:
        stamps = [path.lstat().st_mtime]
        if path.is_dir() and not path.is_symlink():
            stamps += [inner.lstat().st_mtime for inner in path.rglob("*")]
    except FileNotFoundError:
        return -1.0
    return time.time() - max(stamps)


def _bytes_of(path: Path) -> int:
    """Size of a file, or of all in a folder; what goes meanwhile counts nothing."""
    total = 0
    for place in [path, *path.rglob("*")] if path.is_dir() and not path.is_symlink() else [path]:
        with suppress(FileNotFoundError):
            status = place.lstat()
            total += 0 if stat.S_ISDIR(status.st_mode) else status.st_size
    return total
