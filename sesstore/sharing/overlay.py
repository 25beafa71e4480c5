"""Open a published store, or a living one as if it were: what `merge`, `pull` and `serve` read.

Segments are handed out from where they are; bundles, tasks and the index are made in a folder
beside (the store itself is not touched), sums of a segment when somebody asks for them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from ..errors import MissingFileError, NotStoredError
from ..progress import SILENT, Progress
from ..store import Store, layout
from ..store.access import is_there, system_errors
from ..store.lmdb_pages import check_structure
from . import share_paths
from .bundles import Footer, parse_footer
from .object_storage import BucketRemote
from .places import WEB, FolderRemote, LocalFiles, Remote, as_folder, check_address, is_url
from .publication import check_segment, new_segments, publish_records, sums_of_segment
from .share_index import Index
from .temporary_folders import make_scratch, remove_scratch
from .web import WebRemote


class Overlay(LocalFiles):
    """A store of this machine, to be read as a published one. Close it after use.

    Parameters
    ----------
    store : Store
        The store.
    progress : Progress
        Told how its records are collected.
    damaged : callable, optional
        Told about each part that is not what was written, and left out; an error without it.
    """

    def __init__(
        self,
        store: Store,
        *,
        progress: Progress = SILENT,
        damaged: Callable[[str], None] | None = None,
    ) -> None:
        self.store, self.url = store, str(store.path)
        self._folder = make_scratch("share")
        self._progress, self._damaged = progress, damaged
        self._lock = threading.Lock()
        self._sum_locks: dict[str, threading.Lock] = {}
        self._remote = FolderRemote(store.path)
        self._index = Index()
        self._files: dict[str, Path] = {}
        self.state: object = None
        """Changes whenever something was added to the store."""

    def __enter__(self) -> Overlay:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove what was made."""
        remove_scratch(self._folder)

    def refresh(self) -> None:
        """Publish what was added to the store since; all of it anew if what was made is gone."""
        with self._lock:
            state = _state(self.store.path)
            intact = all(path.exists() for path in self._files.values())
            if state == self.state and intact:
                return
            if not intact:  # temporary folders are cleaned in time
                self._index, self._files = Index(), {}
                self._folder.mkdir(parents=True, exist_ok=True)
            publication = publish_records(
                self.store,
                self._index,
                self._footer,
                self._folder,
                progress=self._progress,
                damaged=self._damaged,
            )
            # Bundles of before stay: who began to pull with the older index still reads them.
            index = Index(bundles={**self._index.bundles, **publication.index.bundles})
            index.tasks, index.alphabets = publication.index.tasks, publication.index.alphabets
            index.encoders = new_segments(self.store, Index(), damaged=self._damaged).encoders
            place = self._folder / "index.json"
            with system_errors(place):
                place.write_bytes(index.to_bytes())
            self._files = {**self._files, **publication.files, share_paths.INDEX: place}
            self._index, self.state = index, state

    def place(self, path: str) -> Path:
        """File of a path; sums are made when they are asked for.

        Raises
        ------
        NotStoredError
            There is none.
        CorruptStoreError
            The path is none a published store has, or a segment is not what was written.
        """
        if path == share_paths.INDEX or not self._files.get(path, self.store.path).exists():
            self.refresh()
        if path in self._files:
            return self._files[path]
        if path.startswith("share/sums/"):
            return self._sums(share_paths.segment_id(path.rsplit("/", 1)[1]))
        if path.startswith("share/"):
            raise NotStoredError(f"{self.url} has no {path}")
        file = self._remote.place(path)
        if not file.is_file():
            raise NotStoredError(f"{self.url} has no {path}")
        return file

    def commits(self) -> list[str]:
        """No commit records: the index has all."""
        return []

    def _sums(self, segment: str) -> Path:
        place = self._folder / f"{segment}.sums"
        with self._lock:
            lock = self._sum_locks.setdefault(segment, threading.Lock())
        with lock:  # of this segment alone: reading it takes long
            if not place.exists():
                folders = list((self.store.path / layout.EMBEDDINGS).glob(f"*/{segment}"))
                if len(folders) != 1 or folders[0].is_symlink():
                    raise NotStoredError(f"{self.url} has no segment {segment}")
                check_segment(folders[0])
                self._folder.mkdir(parents=True, exist_ok=True)
                with system_errors(place):
                    place.write_bytes(sums_of_segment(folders[0]))
        return place

    def _footer(self, sha: str) -> Footer:
        entry = self._index.bundles[sha]
        raw = self._files[share_paths.bundle_path(sha)].read_bytes()[-entry.footer :]
        return parse_footer(raw, entry)


def _state(root: Path) -> dict[str, Any]:
    """What changes when something is added to a store."""
    files = [root / layout.PROTEINS]
    for name in (layout.TOKENS, layout.TASKS, layout.ALPHABETS):
        files += layout.committed(root / name, folders=False)
    stamps = {
        str(f): (f.stat().st_mtime_ns, f.stat().st_size)
        for f in files
        if f.exists() and not f.name.endswith("-lock")
    }
    folders = layout.encoder_folders(root)
    return {**stamps, "segments": [[p.name for p in layout.segment_folders(f)] for f in folders]}


@contextmanager
def open_place(address: str, *, progress: Progress = SILENT) -> Iterator[Remote]:
    """Open a published store, or a living one as if it were published.

    Raises
    ------
    InputError
        There is nothing like that there.
    """
    if is_url(address):
        if check_address(address) in WEB:
            with closing(WebRemote(address)) as remote:
                yield remote
        else:
            yield BucketRemote(address)
        return
    folder = as_folder(address)
    with system_errors(folder):
        shared = (folder / share_paths.INDEX).is_file()
        living = (folder / layout.PROTEINS).exists()
        neither = not shared and not (folder / layout.METADATA).is_file()
    if neither:
        raise MissingFileError(
            f"there is no store at '{folder}'. Name the folder of one, or a URL (s3://, gs://, "
            f"https://)"
        )
    if living or not shared:
        _check_databases(folder)
        with Overlay(Store.open(folder), progress=progress) as overlay:
            yield overlay
    else:
        yield FolderRemote(folder)


def _check_databases(folder: Path) -> None:
    """Walk the pages of somebody's databases before LMDB, which trusts them, maps them."""
    for path in (folder / layout.PROTEINS, *layout.documents(folder / layout.TOKENS, ".lmdb")):
        if is_there(path):
            check_structure(path)
