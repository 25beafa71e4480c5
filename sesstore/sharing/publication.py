"""What of a store is not published yet: entries for an index, and the files they need.

Segments and tasks are files already; records of the LMDB files become bundles. Whatever the index
has already (a record, a segment, or a segment's proteins in other segments, as after `compact`) is
left out, so publishing twice makes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CorruptStoreError
from ..progress import SILENT, Progress
from ..store import Store, layout
from ..store.access import system_errors
from ..store.atomic_files import unsealed
from ..store.encoder_lookup import stored_encoders
from ..store.partial_reads import Damaged, leaving_out
from ..store.segment_check import segment_problems
from ..store.segments import Segment
from . import share_paths
from .bundle_records import Record, id_records, protein_records, token_records
from .bundles import Footer, identity, write_bundles
from .share_index import EncoderEntry, FileEntry, Index, SegmentEntry, TaskEntry

Footers = Callable[[str], Footer]
Digests = Callable[[str, str], NDArray[np.uint8]]


@dataclass
class Publication:
    """What is new.

    Parameters
    ----------
    index : Index
        Entries of what is new only.
    files : dict of str to path
        Where each new file is, by the path it is published under.
    """

    index: Index = field(default_factory=Index)
    files: dict[str, Path] = field(default_factory=dict)

    def add(self, bundles: Publication) -> None:
        """Take in bundles."""
        self.index.bundles.update(bundles.index.bundles)
        self.files.update(bundles.files)


def publish_records(
    store: Store,
    index: Index,
    footers: Footers,
    folder: Path,
    *,
    progress: Progress = SILENT,
    damaged: Damaged | None = None,
) -> Publication:
    """Write bundles of the records an index lacks, and find its new tasks.

    Parameters
    ----------
    store : Store
        What to publish.
    index : Index
        What is published.
    footers : callable
        From the SHA-256 of a published bundle to its footer.
    folder : path
        Where the bundles are made.
    damaged : callable, optional
        Told about what is not what was written, and left out: a source, a task; an error without.

    Raises
    ------
    CorruptStoreError
        Something stored is not what was written; nothing of it is published.
    """
    publication = Publication()
    for kind, name in _kinds(store):
        with leaving_out(damaged):
            publication.add(_bundles(store, kind, name, (index, footers), folder, progress))
    publication.index.alphabets = store.alphabets()
    for name in store.tasks():
        with leaving_out(damaged):
            _add_task(publication, store, name, index)
    return publication


def _add_task(publication: Publication, store: Store, name: str, index: Index) -> None:
    path = store.path / layout.TASKS / f"{name}.jsonl"
    task, raw = store.task(name), path.read_bytes()
    rows = sum(map(len, task.splits.values()))
    entry = TaskEntry(sha256(raw).hexdigest(), len(raw), rows, str(task.problem))
    publication.index.tasks[name] = entry
    if index.tasks.get(name) != entry:
        publication.files[share_paths.task_path(entry.sha256)] = path


def _kinds(store: Store) -> list[tuple[str, str]]:
    return [("proteins", ""), ("ids", ""), *(("tokens", source) for source in store.sources())]


def _bundles(
    store: Store,
    kind: str,
    name: str,
    base: tuple[Index, Footers],
    folder: Path,
    progress: Progress,
) -> Publication:
    """Bundles of the records of one kind that an index lacks."""
    publication, identities = Publication(), set[bytes]()
    index, footers = base
    for sha, bundle in index.of_kind(kind):
        if bundle.name == name:
            identities |= footers(sha).identities()
    records, makers = _records(store, kind, name)
    with progress.stage(f"collecting {name or kind}", None, "records") as bar:
        new = _new_records(records, identities, bar.advance)
        for sha, bundle, path in write_bundles(folder, kind, name, new, makers):
            publication.index.bundles[sha] = bundle
            publication.files[share_paths.bundle_path(sha)] = path
    return publication


def _records(store: Store, kind: str, name: str) -> tuple[Iterable[Record], dict[str, Any]]:
    if kind == "proteins":
        return protein_records(store), {}
    if kind == "ids":
        return id_records(store), {}
    tokens = store.tokens(name)
    return token_records(tokens), tokens.provenance()


def _new_records(
    records: Iterable[Record], identities: set[bytes], advance: Callable[[], None]
) -> Iterator[Record]:
    for record in records:
        advance()
        if identity(record) not in identities:
            yield record


def new_segments(
    store: Store, index: Index, digests: Digests | None = None, *, damaged: Damaged | None = None
) -> Index:
    """Entries of the segments an index lacks.

    Parameters
    ----------
    store, index : Store, Index
        What to publish, and what is published.
    digests : callable, optional
        From (encoder's folder, published segment) to its digests; with it, segments whose proteins
        are all published in others are left out.
    damaged : callable, optional
        Told about segments that are not what was written, and left out; an error without.
    """
    additions = Index()
    for folder, provenance in stored_encoders(store.path, damaged):
        encoder = EncoderEntry(provenance)
        additions.encoders[folder.name] = encoder
        published = index.encoders.get(folder.name, EncoderEntry(provenance)).segments
        paths = layout.segment_folders(folder)
        published_digests = _published_digests(
            folder, published, {path.name for path in paths}, digests
        )
        for path in paths:
            if path.name in published:
                continue
            with leaving_out(damaged):
                entry = segment_entry(path)
                local_digests = {row.tobytes() for row in Segment(path).digests}
                # After `compact` the proteins of a new segment may all be published in older ones.
                if published_digests is None or not local_digests <= published_digests:
                    encoder.segments[path.name] = entry
    return additions


def _published_digests(
    folder: Path, published: dict[str, SegmentEntry], local: set[str], digests: Digests | None
) -> set[bytes] | None:
    """Digests in published segments; None if there is no need to know."""
    if digests is None or not published or local <= published.keys():
        return None
    stored: set[bytes] = set()
    for name in published:
        rows = Segment(folder / name).digests if name in local else digests(folder.name, name)
        stored.update(row.tobytes() for row in rows)
    return stored


def segment_entry(path: Path) -> SegmentEntry:
    """Entry of a segment, from its own list of checksums.

    Raises
    ------
    CorruptStoreError
        The list, or the segment's metadata, are not what was written.
    """
    segment = Segment(path)
    try:
        with system_errors(path):
            raw = (path / layout.CHECKSUMS).read_bytes()
        listed = unsealed(raw, path / layout.CHECKSUMS)["files"]
        files = {
            share_paths.segment_file(name): FileEntry(sums["bytes"], sums["sha256"])
            for name, sums in sorted(listed.items())
        }
        # The list of checksums cannot list itself.
        files[layout.CHECKSUMS] = FileEntry(len(raw), sha256(raw).hexdigest())
        counts = segment.attributes["proteins"], segment.attributes["residues"]
    except (FileNotFoundError, NotADirectoryError, KeyError, TypeError, AttributeError) as problem:
        raise _damaged(path, str(problem)) from None
    return SegmentEntry(*counts, files)


def check_segment(path: Path) -> None:
    """Read every byte of a segment before it is sent; raises `CorruptStoreError`."""
    for problem in segment_problems(path, None, quick=False):
        raise _damaged(path, problem)


def sums_of_segment(path: Path) -> bytes:
    """Half a SHA-256 of the rows of each protein (and of their scales), back to back."""
    segment, sums = Segment(path), []
    bounds = segment.offsets.tolist()
    for start, stop in pairwise(bounds):
        rows = np.ascontiguousarray(segment.values[start:stop])
        scales = None if segment.scales is None else segment.scales[start:stop].tobytes()
        sums.append(row_sum(rows.tobytes(), scales))
    return b"".join(sums)


def row_sum(values: bytes, scales: bytes | None) -> bytes:
    """Half a SHA-256 of one protein's rows."""
    return sha256(values + (scales or b"")).digest()[:16]


def _damaged(path: Path, problem: str) -> CorruptStoreError:
    return CorruptStoreError(
        f"segment {path}: {problem}. It is not sent. Run `sesstore repair` first"
    )
