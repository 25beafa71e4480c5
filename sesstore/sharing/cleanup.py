"""Removing objects beside writers: who cleans up says so first, and who commits looks.

A cleanup leaves a *mark* (``share/cleanup/<name>``), then reads what is named, then removes what
is not. Whoever commits does so first, waits until no mark is there, and then looks whether all it
named is there, and sends again what is not. However the two interleave, either the cleanup sees
the commit or the committer sees the mark; nothing depends on ages or on clocks that agree.

A mark is renewed before every batch of removals. One that was not for `LEASE` seconds, by the
clock of whoever waits, belongs to a cleanup that died, and is removed.

`remote_gc` removes what killed writers left: files that neither index nor commit record names. They
are invisible to readers and only take room. A writer that is at work has such files too, for as
long as it takes to send one segment, so what is younger than a day is left alone by default: by the
server's clock, as this machine's may be wrong. Writers that commit meanwhile are not harmed
whatever the age; they only send again what was removed. Parts of uploads that never ended are no
files and cannot be listed here: give the bucket a rule that ends incomplete multipart uploads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from ..batches import batches
from ..errors import NotStoredError, StoreError
from ..progress import SILENT, Progress
from ..store import layout
from ..store.compaction import GcReport
from . import share_paths
from .commits import published_index
from .object_storage import BucketRemote
from .places import FileInfo, FolderRemote, Target
from .share_index import Index

MARKS = "share/cleanup"
LEASE = 120.0
_POLL = 0.5
_AT_ONCE = 8
_ATTEMPTS = 5

Files = list[tuple[str, Path]]
"""Where files are published, and where they are."""
_T = TypeVar("_T")

DAY = 86400.0
SET_ASIDE = "share/set-aside"
_REMOVED_AT_ONCE = 1000
_FOLDERS = (layout.EMBEDDINGS, "share")


class Mark:
    """The mark of a cleanup, for as long as a ``with`` block takes.

    Parameters
    ----------
    target : Target
        What is cleaned up.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self.server_time = 0.0
        """When it was written, by the server's clock."""

    def __enter__(self) -> Mark:
        self._path = self._write()
        marks = [mark for mark in self._target.listing(MARKS) if mark.path == self._path]
        if not marks:
            raise StoreError(
                f"{self._target.url} does not list what was just written to it, so "
                f"nothing can be removed safely. Use storage whose listings are up to date"
            )
        self.server_time = marks[0].modified
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._target.remove([self._path])

    def renew(self) -> None:
        """Say that the cleanup is alive; raises `StoreError` if others may think it is not."""
        if time.monotonic() - self._renewal > LEASE / 2:
            raise StoreError(
                f"{self._target.url} answers too slowly to remove anything safely. Nothing more "
                f"was removed; run the command again"
            )
        old, self._path = self._path, self._write()  # never a moment without one
        self._target.remove([old])

    def _write(self) -> str:
        self._renewal = time.monotonic()
        path = f"{MARKS}/{layout.new_segment_id()}"
        self._target.create(path, b"cleaning up\n")
        return path


def wait_for_cleanups(target: Target, progress: Progress = SILENT) -> None:
    """Return once nobody is cleaning up."""
    sightings: dict[FileInfo, float] = {}
    while marks := list(target.listing(MARKS)):
        if not sightings:
            progress.note(f"waiting for a cleanup of {target.url} that is running")
        moment = time.monotonic()
        # Ages by this machine's clock, from the first sighting: no two clocks have to agree.
        ages = {mark: moment - sightings.setdefault(mark, moment) for mark in marks}
        target.remove(mark.path for mark, age in ages.items() if age > LEASE)
        time.sleep(_POLL)


def commit_checked(
    target: Target,
    files: Files,
    send: Callable[[Files], None],
    commit: Callable[[], _T],
    progress: Progress = SILENT,
) -> _T:
    """Commit, with everything that it names there before and after.

    Parameters
    ----------
    target : Target
        Where to.
    files : list of (str, path)
        All that will be named.
    send : callable
        Sends some of them.
    commit : callable
        Makes them exist for readers.

    Raises
    ------
    StoreError
        What is sent does not stay.
    """
    send(missing_files(target, files))
    result = commit()
    # Looked for once more after the commit: a cleanup that read the index before it may have
    # removed files that the commit names.
    for _ in range(_ATTEMPTS):
        wait_for_cleanups(target, progress)
        absent = missing_files(target, files)
        if not absent:
            return result
        progress.note(f"sending {len(absent):,} files again, which were removed meanwhile")
        send(absent)
    raise StoreError(
        f"what is sent to {target.url} does not stay there. See what else removes objects from it, "
        f"and push again"
    )


def missing_files(target: Target, files: Iterable[tuple[str, Path]]) -> Files:
    """Files that do not lie there, or have another size; of groups' metadata any size will do."""
    listed = [(path, file) for path, file in files if not _is_same(target, path, file)]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        sizes = list(pool.map(lambda pair: target.size(pair[0]), listed))
    return [
        (path, file)
        for (path, file), size in zip(listed, sizes, strict=True)
        if size is None or (size != file.stat().st_size and not _is_group(path))
    ]


def _is_same(target: Target, path: str, file: Path) -> bool:
    return isinstance(target, FolderRemote) and target.folder.resolve() / path == file.resolve()


def _is_group(path: str) -> bool:
    return path.endswith(layout.METADATA) and path.count("/") < 3


def remote_gc(
    url: str, *, older_than: float = DAY, set_aside: bool = False, dry_run: bool = False
) -> GcReport:
    """Remove what killed writers left in a published store.

    Parameters
    ----------
    url : str
        URL of the store.
    older_than : float
        Leave alone what was written within this many seconds: longer than sending a segment takes.
    set_aside : bool
        Remove also what `repair` set aside.
    dry_run : bool
        Only say what would be removed.

    Returns
    -------
    GcReport

    Raises
    ------
    NotStoredError
        There is no published store.
    InputError
        It can only be read.
    """
    target = BucketRemote(url)
    # Listed first: whatever is committed after that is in the index that is read then.
    listed = [file for folder in _FOLDERS for file in target.listing(folder)]
    if not any(share_paths.is_public(file.path) for file in listed):
        raise _no_shared_store(url)
    with Mark(target) as mark:
        index = published_index(target)
        if not index.encoders and not index.bundles and not index.tasks:
            raise _no_shared_store(url)
        keep, latest = named_files(index), mark.server_time - older_than
        old = [file for file in listed if file.modified <= latest]
        lost = [file for file in old if _is_ours(file.path) and file.path not in keep]
        if set_aside:
            lost += [file for file in old if file.path.startswith(f"{SET_ASIDE}/")]
        if not dry_run:
            for batch in batches((file.path for file in lost), _REMOVED_AT_ONCE):
                mark.renew()
                target.remove(batch)
    return GcReport([file.path for file in lost], sum(file.bytes for file in lost))


def _no_shared_store(url: str) -> NotStoredError:
    return NotStoredError(
        f"{url} is no shared store, so nothing in it is removed. Name the URL that a store was "
        f"pushed to"
    )


def _is_ours(path: str) -> bool:
    """Whether it is a file of a segment, a bundle, a task or sums: not a group's, nor a record."""
    group = path.count("/") < 3 and path.startswith(layout.EMBEDDINGS)
    return share_paths.is_public(path) and not group and not path.startswith(share_paths.COMMITS)


def named_files(index: Index) -> set[str]:
    """Paths of all files an index names."""
    paths = {share_paths.INDEX}
    paths |= {share_paths.bundle_path(sha) for sha in index.bundles}
    paths |= {share_paths.task_path(task.sha256) for task in index.tasks.values()}
    for folder, encoder in index.encoders.items():
        for name, segment in encoder.segments.items():
            paths.add(share_paths.sums_path(name))
            paths |= {share_paths.segment_path(folder, name, file) for file in segment.files}
    return paths
