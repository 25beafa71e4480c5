"""What is embedded of what is asked for, over all runs, partitions and machines; never loads torch.

The store itself says it: whatever runs now, crashed, or ran on another machine, a protein counts
when a committed segment has it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...proteins import Protein
from ...provenance import Layer, Provenance
from ...store import Embeddings, Store, layout
from ...store.segments import Segment
from .partition import partition_of

_WINDOW_SECONDS = 1800.0
"""Commits of so long before the last one tell the rate."""


@dataclass(frozen=True)
class PartialSegment:
    """A segment that is being written, or was when its writer died.

    Parameters
    ----------
    path : str
        Its folder.
    bytes : int
    idle_seconds : float
        Since something was written to it.
    """

    path: str
    bytes: int
    idle_seconds: float


@dataclass(frozen=True)
class PartitionStatus:
    """How far one partition is: proteins and residues, and those of them that are stored."""

    partition: int
    proteins: int
    done: int
    residues: int
    residues_done: int


@dataclass(frozen=True)
class EncoderStatus:
    """How far one encoder is.

    Parameters
    ----------
    encoder, fingerprint : str
    layer : int or str
    proteins, residues : int
        Asked for.
    done, residues_done : int
        Stored.
    segments, duplicates : int
        Segments of the encoder, and embeddings in them that stand there a second time.
    last_commit : str or None
        When the latest segment was committed (ISO 8601, UTC).
    residues_per_s : float or None
        Committed by all writers in the half hour before that.
    unfinished : list of PartialSegment
    partitions : list of PartitionStatus
        Where partitions were asked for.
    """

    encoder: str
    fingerprint: str
    layer: Layer
    proteins: int
    residues: int
    done: int
    residues_done: int
    segments: int
    duplicates: int
    last_commit: str | None
    residues_per_s: float | None
    unfinished: list[PartialSegment]
    partitions: list[PartitionStatus]

    @property
    def seconds_left(self) -> float | None:
        """What remains takes at that rate; None where there is none."""
        if not self.residues_per_s:
            return None
        return (self.residues - self.residues_done) / self.residues_per_s

    def to_json(self) -> dict[str, Any]:
        """As plain values, what remains among them."""
        return {
            **asdict(self),
            "remaining": self.proteins - self.done,
            "residues_remaining": self.residues - self.residues_done,
            "seconds_left": self.seconds_left,
        }


def status(
    store: Store,
    encoders: Iterable[Provenance],
    proteins: Iterable[Protein] | None = None,
    *,
    partitions: int | None = None,
) -> list[EncoderStatus]:
    """Say how far encoders are.

    Parameters
    ----------
    store : Store
    encoders : iterable of Provenance
        Of `Store.encoders`.
    proteins : iterable of Protein, optional
        What is asked for; every protein the store knows by default.
    partitions : int, optional
        Say it for each of so many partitions, too.
    """
    requested, partitions_of = partition_of(
        store.proteins() if proteins is None else proteins, partitions or 1
    )
    digests = b"".join(protein.digest for protein in requested)
    rows = np.frombuffer(digests, np.uint8).reshape(-1, 32)
    lengths = np.array([len(protein) for protein in requested], np.int64)
    statuses = []
    for provenance in encoders:
        view = store.embeddings(provenance.fingerprint)
        is_stored = view.find(rows) >= 0
        statuses.append(
            _status(
                view,
                lengths,
                is_stored,
                _by_partition(partitions_of, lengths, is_stored, partitions),
            )
        )
    return statuses


def _status(
    view: Embeddings,
    lengths: NDArray[np.int64],
    is_stored: NDArray[np.bool_],
    partitions: list[PartitionStatus],
) -> EncoderStatus:
    fingerprint = view.provenance.fingerprint
    commit_times = np.array([_commit_time(segment) for segment in view.segments])
    last_commit = commit_times.max() if len(commit_times) else None
    return EncoderStatus(
        encoder=fingerprint.title,
        fingerprint=fingerprint.short,
        layer=fingerprint.layer,
        proteins=len(lengths),
        residues=int(lengths.sum()),
        done=int(is_stored.sum()),
        residues_done=int(lengths[is_stored].sum()),
        segments=len(view.segments),
        duplicates=sum(len(s.digests) for s in view.segments) - len(view),
        last_commit=last_commit
        and datetime.fromtimestamp(last_commit, UTC).isoformat(timespec="seconds"),
        residues_per_s=_rate(view, commit_times),
        unfinished=_partial_segments(view.folder),
        partitions=partitions,
    )


def _by_partition(
    partitions_of: NDArray[np.int64],
    lengths: NDArray[np.int64],
    is_stored: NDArray[np.bool_],
    count: int | None,
) -> list[PartitionStatus]:
    if count is None:
        return []
    columns = [np.ones_like(lengths), is_stored, lengths, lengths * is_stored]
    sums = [
        np.bincount(partitions_of, column, count + 1).astype(int).tolist() for column in columns
    ]
    return [PartitionStatus(i, *(column[i] for column in sums)) for i in range(1, count + 1)]


def _rate(view: Embeddings, commit_times: NDArray[np.float64]) -> float | None:
    """Residues a second in the latest segments, from when the first of them was begun."""
    recent = np.flatnonzero(commit_times >= commit_times.max(initial=0) - _WINDOW_SECONDS)
    if not len(recent):
        return None
    segments = [view.segments[place] for place in recent]
    start_times = filter(None, (_start_time(segment.id) for segment in segments))
    start = min(start_times, default=commit_times[recent].min())
    residues = sum(int(segment.offsets[-1]) for segment in segments)
    return float(residues / max(commit_times.max() - start, 1e-3))


def _commit_time(segment: Segment) -> float:
    """When a segment was committed; if compaction has removed it since, when it was begun."""
    try:
        return (segment.path / layout.METADATA).stat().st_mtime
    except FileNotFoundError:
        return _start_time(segment.id)


def _start_time(segment: str) -> float:
    """When a segment was begun, from its id; 0 where that is none of ours."""
    try:
        stamp = datetime.strptime(segment.split("-")[0], "%Y%m%dT%H%M%S%f")
    except ValueError:
        return 0.0
    return stamp.replace(tzinfo=UTC).timestamp()


def _partial_segments(folder: Path) -> list[PartialSegment]:
    """Segments of an encoder that are not committed; those that are by now left out."""
    segments = []
    for path in sorted(folder.glob(".[0-9]*-*")):
        with suppress(FileNotFoundError):
            segments.append(_partial_segment(path))
    return segments


def _partial_segment(folder: Path) -> PartialSegment:
    last_write, size = folder.stat().st_mtime, 0
    for parent, _, files in os.walk(folder):
        for name in files:
            with suppress(FileNotFoundError):
                file = os.stat(os.path.join(parent, name))
                last_write, size = max(last_write, file.st_mtime), size + file.st_size
    return PartialSegment(str(folder), size, max(time.time() - last_write, 0.0))
