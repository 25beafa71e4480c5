"""Push a store: into a folder (which becomes a store too) or to S3, GCS, Azure.

Files first, several at once; the index, which makes them exist, last and only if nobody replaced
it meanwhile. So an interrupted push leaves nothing half there, and goes on where it stopped: files
that lie there already with the right size are not sent again, but looked for once more when the
index names them (see `cleanup`).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import StoreError
from ..progress import SILENT, Progress, Stage
from ..store import Store, layout
from . import share_paths
from .cleanup import Files, commit_checked
from .commits import published_index
from .fetch import Reader
from .object_storage import BucketRemote
from .places import FolderRemote, Target, as_folder, is_url
from .publication import check_segment, new_segments, publish_records, sums_of_segment
from .pull import pull
from .share_index import Index
from .temporary_folders import scratch_folder

_AT_ONCE = 8
_ATTEMPTS = 10


@dataclass
class PushReport:
    """What a push did.

    Parameters
    ----------
    to : str
        Where.
    bytes, files : int
        What was sent.
    segments, bundles, tasks : int
        How many were new there.
    conflicts : list of str
        Tasks that are different there, and stay as they are there.
    """

    to: str
    bytes: int = 0
    files: int = 0
    segments: int = 0
    bundles: int = 0
    tasks: int = 0
    conflicts: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        return asdict(self)


def push(store: Store, address: str, *, progress: Progress = SILENT) -> PushReport:
    """Bring to `address` everything a store has and it has not.

    Parameters
    ----------
    store : Store
        The store.
    address : str
        A folder, or a URL (``s3://``, ``gs://``, ``az://``).
    progress : Progress
        Told about bytes.

    Returns
    -------
    PushReport

    Raises
    ------
    InputError
        That place cannot be written to.
    CorruptStoreError
        Something is not what was written: here, or there.
    FingerprintMismatchError
        An encoder is stored there in another type or width.
    """
    if is_url(address):
        return publish(store, BucketRemote(address), progress=progress)
    folder = as_folder(address)
    if folder.resolve() == store.path.resolve():
        return publish(store, FolderRemote(folder), progress=progress)
    destination = Store.create(folder)
    report = pull(destination, str(store.path), progress=progress)
    outcome = publish(destination, FolderRemote(folder), progress=progress)
    if report.anything:
        outcome.bytes += report.bytes
    outcome.conflicts = [*outcome.conflicts, *report.conflicts]
    return outcome


def publish(store: Store, target: Target, *, progress: Progress = SILENT) -> PushReport:
    """Send what a published store lacks, and name it in its index."""
    reader, report = Reader(target), PushReport(target.url)
    target.version()  # raises before any work where nothing can be written
    index = published_index(target)
    _drop_absent_segments(index, target)
    with scratch_folder("push") as folder:
        records = publish_records(
            store,
            index,
            lambda sha: reader.footer(sha, index.bundles[sha]),
            folder,
            progress=progress,
        )
        new = new_segments(store, index, lambda folder, name: reader.digests(index, folder, name))
        new.bundles, new.tasks = records.index.bundles, records.index.tasks
        new.alphabets = records.index.alphabets
        index.check(new)
        files = [*records.files.items(), *_segment_files(store, new, folder)]
        files += _group_files(store, new)

        def send(batch: Files) -> None:
            size = sum(path.stat().st_size for _, path in batch)
            with progress.stage("pushing", size, "bytes") as bar:
                _send(target, batch, bar, report)

        report.conflicts = commit_checked(
            target, files, send, lambda: _commit(target, new), progress
        )
    report.segments = sum(len(e.segments) for e in new.encoders.values())
    report.bundles = len(new.bundles)
    report.tasks = len(new.tasks.keys() - index.tasks.keys())
    return report


def _drop_absent_segments(index: Index, target: Target) -> None:
    """Forget segments that a folder's own `compact` merged into others."""
    if isinstance(target, FolderRemote):
        for folder, encoder in index.encoders.items():
            for name in list(encoder.segments):
                if not (target.folder / layout.EMBEDDINGS / folder / name).is_dir():
                    del encoder.segments[name]


def _segment_files(store: Store, new: Index, sums_folder: Path) -> Files:
    files: Files = []
    for folder, encoder in new.encoders.items():
        for name, entry in encoder.segments.items():
            path = store.path / layout.EMBEDDINGS / folder / name
            check_segment(path)
            sums = sums_folder / f"{name}.sums"
            sums.write_bytes(sums_of_segment(path))
            files.append((share_paths.sums_path(name), sums))
            files += [(share_paths.segment_path(folder, name, f), path / f) for f in entry.files]
    return files


def _group_files(store: Store, new: Index) -> Files:
    """Metadata of the groups, so that any Zarr reader finds its way."""
    folders = ["", layout.EMBEDDINGS, *(f"{layout.EMBEDDINGS}/{f}" for f in new.encoders)]
    paths = [f"{folder}/{layout.METADATA}".lstrip("/") for folder in folders]
    return [(path, store.path / path) for path in paths]


def _send(target: Target, files: Files, bar: Stage, report: PushReport) -> None:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        transfers = pool.map(lambda pair: target.put(*pair), files)
        for (_, file), _ in zip(files, transfers, strict=True):
            size = file.stat().st_size
            report.bytes += size
            report.files += 1
            bar.advance(size)


def _commit(target: Target, new: Index) -> list[str]:
    """Add to the index what is new, again if somebody else was faster."""
    for _ in range(_ATTEMPTS):
        # Read anew in each attempt: whoever was faster has replaced it.
        raw, version = target.version()
        index = published_index(target)
        _drop_absent_segments(index, target)
        conflicts = index.add(new)
        raw_index = index.to_bytes()
        if raw_index == raw or target.replace_index(raw_index, version):
            return conflicts
    raise StoreError(
        f"others keep pushing to {target.url}. Everything was sent; push again to name it there"
    )
