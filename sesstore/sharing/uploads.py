"""Send segments to object storage as they are committed, and records; drop the local copies.

A segment's files go up under the segment's final, unique name, its ``zarr.json`` last, and then the
commit record that makes it exist for readers of a store. At most `_QUEUE_LENGTH` segments wait, so
the scratch folder stays a few segments small however much is embedded.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any

from ..progress import SILENT, Progress
from ..provenance import Provenance
from ..store import Store, layout
from ..store.segment_writer import (
    SEGMENT_BYTES,
    SEGMENT_SECONDS,
    PendingSegment,
    SegmentWriter,
    check_same_storage,
)
from . import share_paths
from .cleanup import Files, commit_checked
from .commits import commit, fold, published_index
from .fetch import Reader
from .limits import METADATA_BYTES
from .places import Target
from .publication import check_segment, publish_records, segment_entry, sums_of_segment
from .pull import fetch_task
from .share_index import EncoderEntry, Index
from .temporary_folders import scratch_folder

_AT_ONCE = 8
_QUEUE_LENGTH = 2
_FOLD_AFTER = 64
"""Commit records a writer adds before it takes all there are into the index."""


def claim_encoder(target: Target, provenance: Provenance) -> None:
    """Say once, in its ``zarr.json``, how an encoder's embeddings are stored there.

    Raises
    ------
    FingerprintMismatchError
        They are stored there in another type or width.
    """
    folder = layout.encoder_folder(provenance)
    groups: dict[str, dict[str, Any]] = {
        "": {"format": layout.FORMAT, "kind": "store"},
        f"{layout.EMBEDDINGS}/": {"kind": "embeddings"},
        f"{layout.EMBEDDINGS}/{folder}/": {"kind": "encoder", "provenance": provenance.to_json()},
    }
    for place, attributes in groups.items():
        # Only where there is none yet, and read back below: of two writers that claim at once the
        # first wins, and both are checked against what it wrote.
        target.create(f"{place}{layout.METADATA}", layout.group_metadata(attributes))
    path = f"{layout.EMBEDDINGS}/{folder}/{layout.METADATA}"
    raw = Reader(target).read_all(path, METADATA_BYTES)
    stored = layout.parse_group(raw, f"{target.url}/{path}")["provenance"]
    check_same_storage(Provenance.from_json(stored), provenance)


def send_segment(target: Target, folder: str, path: Path) -> None:
    """Send a segment of this machine and make it exist there.

    Parameters
    ----------
    target : Target
        Where to.
    folder : str
        Name of its encoder's folder.
    path : path
        The segment's folder here.

    Raises
    ------
    CorruptStoreError
        It is not as it was written.
    StoreError
        The target cannot be reached, or something did not arrive whole.
    """
    check_segment(path)
    entry = segment_entry(path)
    provenance = Provenance.from_json(layout.read_group(path / layout.METADATA)["provenance"])
    new = Index(encoders={folder: EncoderEntry(provenance, {path.name: entry})})
    with scratch_folder("sums") as sums_folder:
        sums = sums_folder / path.name
        sums.write_bytes(sums_of_segment(path))
        files = [
            (share_paths.segment_path(folder, path.name, file), path / file) for file in entry.files
        ]
        files.append((share_paths.sums_path(path.name), sums))
        commit_checked(
            target, files, lambda batch: _send(target, batch), lambda: commit(target, new)
        )


def _send(target: Target, files: Files) -> None:
    """Send files, those that say what the others are after them."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        # Metadata last: a plain Zarr reader never finds a segment whose arrays are not there.
        for last in (False, True):
            batch = [pair for pair in files if (pair[1].name == layout.METADATA) == last]
            list(pool.map(lambda pair: target.put(*pair), batch))


def send_records(store: Store, target: Target, *, progress: Progress = SILENT) -> Index:
    """Send the sequences, ids, tokens and tasks of a store that are new; return what is there then.

    Raises
    ------
    InputError
        There is an alphabet with other states, and then nothing is sent.
    """
    index, reader = published_index(target), Reader(target)
    with scratch_folder("send") as scratch:
        publication = publish_records(
            store,
            index,
            lambda sha: reader.footer(sha, index.bundles[sha]),
            scratch,
            progress=progress,
        )
        new = publication.index
        new.tasks = {name: task for name, task in new.tasks.items() if name not in index.tasks}
        if not new.bundles and not new.tasks:
            return index
        index.check(new)  # what does not fit the rest would hinder every reader
        paths = {share_paths.bundle_path(sha) for sha in new.bundles}
        paths |= {share_paths.task_path(task.sha256) for task in new.tasks.values()}
        files = [(path, file) for path, file in publication.files.items() if path in paths]
        commit_checked(
            target, files, lambda batch: _send(target, batch), lambda: commit(target, new), progress
        )
    return published_index(target)


def task_conflicts(store: Store, target: Target, index: Index) -> list[str]:
    """Say for which tasks of a store others of their names are published, which stay."""
    reader, conflicts = Reader(target), list[str]()
    for name in store.tasks():
        raw = (store.path / layout.TASKS / f"{name}.jsonl").read_bytes()
        if name not in index.tasks or index.tasks[name].sha256 == sha256(raw).hexdigest():
            continue
        # Other bytes may be the same rows, as another version writes them.
        if fetch_task(reader, index, name).data_digest != store.task(name).data_digest:
            conflicts.append(
                f"somebody else added another task '{name}' to {target.url} meanwhile, which "
                f"stays. Add yours to a store of its own"
            )
    return conflicts


class UploadingWriter(SegmentWriter):
    """A `SegmentWriter` whose segments go to a published store.

    `commit`, and leaving the ``with`` block, return when everything added is there for all readers.

    Parameters
    ----------
    target : Target
        Where to.
    folder, provenance, circumstances, segment_bytes, segment_seconds
        As for `SegmentWriter`; the folder is the scratch.
    """

    def __init__(
        self,
        target: Target,
        folder: Path,
        provenance: Provenance,
        circumstances: Mapping[str, Any],
        *,
        segment_bytes: int = SEGMENT_BYTES,
        segment_seconds: float = SEGMENT_SECONDS,
    ) -> None:
        super().__init__(
            folder,
            provenance,
            circumstances,
            segment_bytes=segment_bytes,
            segment_seconds=segment_seconds,
        )
        self._target = target
        self._pool = ThreadPoolExecutor(1, "sesstore-upload")
        self._room = threading.Semaphore(_QUEUE_LENGTH)
        self._sending: list[Future[None]] = []
        self._upload_count = 0  # by the sending thread alone: `committed` grows meanwhile

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            super().__exit__(kind, error, trace)
        finally:
            self._pool.shutdown()  # what was committed is sent, whatever ended the block
        if kind is None:
            self._raise_failed()

    def commit(self) -> str | None:
        """Make what is in hand a segment; when this returns all that was added is there."""
        name = self.roll()
        for future in self._sending:
            future.result()
        return name

    def _end(self, segment: PendingSegment) -> str:
        """Commit a segment here and hand it to the sending thread; waits while that is behind.

        Raises
        ------
        StoreError
            An earlier segment could not be sent. It stays in the scratch folder, as this one does.
        """
        name = super()._end(segment)
        self._raise_failed()
        # Blocks whoever adds while the line is slow, so the scratch folder stays small.
        self._room.acquire()
        future = self._pool.submit(self._send, self.folder / name)
        with self._turn:
            self._sending.append(future)
        return name

    def _raise_failed(self) -> None:
        with self._turn:
            complete = [future for future in self._sending if future.done()]
            for future in complete:
                future.result()
            self._sending = [future for future in self._sending if future not in complete]

    def _send(self, path: Path) -> None:
        try:
            send_segment(self._target, self.folder.name, path)
            shutil.rmtree(path, ignore_errors=True)
            self._upload_count += 1
            if self._upload_count % _FOLD_AFTER == 0:
                fold(self._target)
        finally:
            self._room.release()
