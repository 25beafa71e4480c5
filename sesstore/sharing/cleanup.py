"""Removing objects beside writers: who cleans up says so first, and who commits looks.

A cleanup leaves a *mark* (``share/cleanup/<name>``), then reads what is named, then removes what
is not. Whoever commits does so first, waits until no mark is there, and then looks whether all it
named is there, and sends again what is not. However the two interleave, either the cleanup sees
the commit or the committer sees the mark; nothing depends on ages or on clocks that agree.

A mark is renewed before every batch of removals. One that was not for `LEASE` seconds, by the
clock of whoever waits, belongs to a cleanup that died, and is removed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from ..errors import StoreError
from ..progress import SILENT, Progress
from ..store import layout
from .remote import FolderRemote, Listed, Target

MARKS = "share/cleanup"
LEASE = 120.0
_POLL = 0.5
_AT_ONCE = 8
_ATTEMPTS = 5

Files = list[tuple[str, Path]]
"""Where files are published, and where they are."""

_T = TypeVar("_T")


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
            raise StoreError(f"{self._target.url} does not list what was just written to it")
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
    sightings: dict[Listed, float] = {}
    while marks := list(target.listing(MARKS)):
        if not sightings:
            progress.note(f"waiting for a cleanup of {target.url} that is running")
        moment = time.monotonic()
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
