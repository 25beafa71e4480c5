"""Where a published store lies: what all such places can do, and those that are folders.

Buckets are in `object_storage`, web servers in `web`.
"""

from __future__ import annotations

import fcntl
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ..durable_files import make_folder
from ..errors import InputError, NotStoredError
from ..store.access import system_errors
from ..store.atomic_files import replace_file
from ..store.manifest import entered
from . import share_paths
from .share_paths import refusal

PIECE = 4 << 20
CLOUDS = ("s3", "gs", "az")
WEB = ("http", "https")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:/")


@dataclass(frozen=True)
class FileInfo:
    """A file that was listed: its path, its size, and when it was written (seconds, UTC)."""

    path: str
    bytes: int
    modified: float


class Remote(Protocol):
    """A published store to read from."""

    url: str

    def stream(self, path: str, start: int = 0) -> Iterator[bytes]:
        """Yield a file's bytes from `start` on; raises `NotStoredError` if there is none."""

    def read(self, path: str, start: int, stop: int, size: int) -> bytes:
        """Return some bytes of a file of `size` bytes; raises `NotStoredError` if it is shorter."""

    def commits(self) -> list[str]:
        """Names of the commit records that lie there; none where nothing can be listed."""


class Target(Remote, Protocol):
    """A published store to write to."""

    def size(self, path: str) -> int | None:
        """Size of a file, None if there is none."""

    def put(self, path: str, file: Path) -> None:
        """Store a file under a path, whole or not at all."""

    def create(self, path: str, raw: bytes) -> bool:
        """Store a small file, whole or not at all; False if something is there (it stays)."""

    def listing(self, prefix: str) -> Iterator[FileInfo]:
        """Yield all files whose path starts with that of a folder."""

    def remove(self, paths: Iterable[str]) -> None:
        """Remove files; fine if one is gone already."""

    def version(self) -> tuple[bytes | None, Any]:
        """Return the index, None if there is none, and which version it is."""

    def replace_index(self, raw: bytes, version: Any) -> bool:
        """Replace that version of the index; False if somebody else replaced it meanwhile."""


def is_url(address: str) -> bool:
    """Whether some text is a URL rather than a folder."""
    return bool(_SCHEME.match(address)) and not address.startswith("file:/")


def check_address(url: str) -> str:
    """Return the scheme of a URL that sesstore can use.

    Raises
    ------
    InputError
        It has another scheme, or credentials in it.
    """
    scheme = url.split(":")[0]
    if scheme not in (*CLOUDS, *WEB):
        raise InputError(
            f"'{url}': {scheme}:// is not known. Name a folder, or a URL that starts "
            f"with s3://, gs://, az://, https:// or http://"
        )
    if "@" in url.split("/", 3)[2]:
        raise InputError(
            "no credentials in a URL, where everybody sees them. Put a token into a file and name "
            "it in SESSTORE_TOKEN_FILE"
        )
    return scheme


def as_folder(address: str) -> Path:
    """Folder of a path or a ``file://`` URL."""
    return Path(re.sub(r"^file:(?://)?", "", address))


class LocalFiles(ABC):
    """Reading of a published store whose files are on this machine."""

    url: str

    @abstractmethod
    def place(self, path: str) -> Path:
        """File of a path; raises `NotStoredError` or `CorruptStoreError` if there can be none."""

    def stream(self, path: str, start: int = 0) -> Iterator[bytes]:
        """Yield a file's bytes."""
        with self._open(path) as file:
            file.seek(start)
            while piece := file.read(PIECE):
                yield piece

    def read(self, path: str, start: int, stop: int, size: int) -> bytes:
        """Return some bytes of a file."""
        with self._open(path) as file:
            file.seek(start)
            data: bytes = file.read(stop - start)
        if len(data) != stop - start:
            raise NotStoredError(f"{self.url}/{path} has no bytes {start} to {stop}")
        return data

    @contextmanager
    def _open(self, path: str) -> Iterator[Any]:
        place = self.place(path)
        try:
            with system_errors(place), place.open("rb", buffering=0) as file:
                yield file
        except (FileNotFoundError, IsADirectoryError):
            raise NotStoredError(f"{self.url} has no {path}") from None


class FolderRemote(LocalFiles):
    """A published store in a folder.

    Parameters
    ----------
    folder : path
        Its folder. Links in it that lead elsewhere are not followed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.url = folder, str(folder)
        self._root = folder.resolve()

    def place(self, path: str) -> Path:
        """File of a path; raises `CorruptStoreError` if it lies elsewhere."""
        file = self.folder / path
        # `resolve` follows links, so a link that leads out of the store changes the path.
        if not share_paths.is_public(path) or file.resolve() != self._root / path:
            raise refusal(f"'{path}' leads out of {self.url}")
        return file

    def size(self, path: str) -> int | None:
        """Size of a file."""
        try:
            return self.place(path).stat().st_size
        except FileNotFoundError:
            return None

    def put(self, path: str, file: Path) -> None:
        """Copy a file to its place."""
        place = self.place(path)
        make_folder(place.parent)
        with system_errors(place):
            replace_file(place, file.read_bytes())

    def create(self, path: str, raw: bytes) -> bool:
        """Store a small file unless there is one."""
        place = self.place(path)
        if place.exists():
            return False
        make_folder(place.parent)
        replace_file(place, raw)
        return True

    def listing(self, prefix: str) -> Iterator[FileInfo]:
        """Yield the files in a folder."""
        for file in sorted((self.folder / prefix).rglob("*")):
            if file.is_file() and not file.is_symlink() and not file.name.startswith("."):
                path, stat = file.relative_to(self.folder).as_posix(), file.stat()
                yield FileInfo(path, stat.st_size, stat.st_mtime)

    def remove(self, paths: Iterable[str]) -> None:
        """Remove files."""
        for path in paths:
            self.place(path).unlink(missing_ok=True)

    def commits(self) -> list[str]:
        """Names of the commit records."""
        return [file.path.rsplit("/", 1)[1] for file in self.listing(share_paths.COMMITS)]

    def version(self) -> tuple[bytes | None, Any]:
        """Return the index and its version."""
        place = self.place(share_paths.INDEX)
        try:
            with system_errors(place):
                raw = place.read_bytes()
        except FileNotFoundError:
            return None, None
        return raw, raw

    def replace_index(self, raw: bytes, version: Any) -> bool:
        """Replace the index."""
        place = self.place(share_paths.INDEX)
        make_folder(place.parent)
        # The folder is locked, not the file: that is replaced, and its lock with it.
        handle = os.open(place.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if self.version()[1] != version:
                return False
            with entered(place):
                replace_file(place, raw)
        finally:
            os.close(handle)
        return True
