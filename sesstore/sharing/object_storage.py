"""A published store in object storage, which obstore reaches.

``s3://``, ``gs://`` and ``az://`` take their credentials from the environment as the clouds' own
tools do.

What is relied on: a put is whole or not there; an object is read back and listed once its put has
returned (S3 since 2020, GCS, Azure, MinIO and Ceph all promise that). Where a listing lags behind,
readers see an older state of the store for that long, never a half one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from ..batches import batches
from ..errors import InputError, MissingExtraError, NotStoredError, StoreError
from . import share_paths
from .places import PIECE, WEB, FileInfo, check_address
from .share_paths import refusal

_LISTED_AT_ONCE = 1000


class BucketRemote:
    """A published store that obstore reaches.

    Parameters
    ----------
    url : str
        Without credentials in it.

    Raises
    ------
    InputError
        The URL is none we can read.
    MissingExtraError
        obstore is not installed.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        scheme = check_address(url)
        if scheme in WEB:
            raise InputError(f"{url} can only be read. Write to a folder, s3:// or gs:// instead")
        self._store = _connect(self.url)

    def stream(self, path: str, start: int = 0) -> Iterator[bytes]:
        """Yield a file's bytes."""
        import obstore

        with self._translate_errors(path):
            options: Any = {"range": {"offset": start}} if start else {}
            with self._explain_range(path, start):
                answer = obstore.get(self._store, path, options=options)
            for piece in answer.stream(PIECE):
                yield bytes(piece)

    def read(self, path: str, start: int, stop: int, size: int) -> bytes:
        """Return some bytes of a file; never more than that, whatever the server sends."""
        import obstore

        del size
        if stop <= start:
            return b""
        parts, length = [], 0
        with self._translate_errors(path):
            options: Any = {"range": (start, stop)}
            with self._explain_range(path, start):
                answer = obstore.get(self._store, path, options=options)
            for piece in answer.stream(PIECE):
                parts.append(bytes(piece))
                length += len(piece)
                if length > stop - start:
                    raise refusal(f"more of {path} came than was asked for")
        if length != stop - start:
            raise NotStoredError(f"{self.url}/{path} has no bytes {start} to {stop}")
        return b"".join(parts)

    def size(self, path: str) -> int | None:
        """Size of a file."""
        import obstore

        with self._translate_errors(path):
            try:
                return int(obstore.head(self._store, path)["size"])
            except (obstore.exceptions.NotFoundError, FileNotFoundError):
                return None

    def put(self, path: str, file: Path) -> None:
        """Store a file under a path."""
        import obstore

        with self._translate_errors(path), file.open("rb") as content:
            obstore.put(self._store, path, content)
        if self.size(path) != file.stat().st_size:
            raise StoreError(f"{self.url}/{path} did not arrive whole. Run the command again")

    def create(self, path: str, raw: bytes) -> bool:
        """Store a small object unless there is one; without that promise where it is not known."""
        import obstore

        with self._translate_errors(path):
            try:
                obstore.put(self._store, path, raw, mode="create", use_multipart=False)
            except obstore.exceptions.NotSupportedError:
                obstore.put(self._store, path, raw, use_multipart=False)
            except _conflict_errors():
                return False
        return True

    def listing(self, prefix: str) -> Iterator[FileInfo]:
        """Yield the objects under a prefix, a thousand a request."""
        import obstore

        with self._translate_errors(prefix):
            for batch in obstore.list(self._store, prefix, chunk_size=_LISTED_AT_ONCE):
                for entry in batch:
                    yield FileInfo(entry["path"], entry["size"], entry["last_modified"].timestamp())

    def remove(self, paths: Iterable[str]) -> None:
        """Remove objects."""
        import obstore

        with self._translate_errors("objects"):
            for batch in batches(paths, _LISTED_AT_ONCE):
                obstore.delete(self._store, batch)

    def move(self, path: str, to: str) -> None:
        """Give an object another path; fine if it is gone."""
        import obstore

        with self._translate_errors(path):
            try:
                obstore.copy(self._store, path, to)
            except (obstore.exceptions.NotFoundError, FileNotFoundError):
                return
            obstore.delete(self._store, [path])

    def commits(self) -> list[str]:
        """Names of the commit records."""
        return [entry.path.rsplit("/", 1)[1] for entry in self.listing(share_paths.COMMITS)]

    def version(self) -> tuple[bytes | None, Any]:
        """Return the index and its version."""
        import obstore

        with self._translate_errors(share_paths.INDEX):
            try:
                answer = obstore.get(self._store, share_paths.INDEX)
            except (obstore.exceptions.NotFoundError, FileNotFoundError):
                return None, None
            identity = {key: answer.meta.get(key) for key in ("e_tag", "version")}
            return bytes(answer.bytes()), {key: value for key, value in identity.items() if value}

    def replace_index(self, raw: bytes, version: Any) -> bool:
        """Replace the index, if it is still that version."""
        import obstore

        with self._translate_errors(share_paths.INDEX):
            try:
                # The server decides who was first: the put holds only for that version.
                mode: Any = "create" if version is None else version
                obstore.put(self._store, share_paths.INDEX, raw, mode=mode, use_multipart=False)
            except _conflict_errors():
                return False
        return True

    @contextmanager
    def _explain_range(self, path: str, start: int) -> Iterator[None]:
        """Say that an object is shorter where a server refuses a range that begins beyond it."""
        import obstore

        try:
            yield
        except obstore.exceptions.BaseError:
            size = self.size(path) if start else None
            if size is None or start < size:
                raise
            raise NotStoredError(
                f"{self.url}/{path} has {size} bytes and none at {start}"
            ) from None

    @contextmanager
    def _translate_errors(self, path: str) -> Iterator[None]:
        """Turn obstore's errors into ours."""
        import obstore

        problems = obstore.exceptions
        try:
            yield
        except (problems.NotFoundError, FileNotFoundError):
            raise NotStoredError(f"{self.url} has no {path}") from None
        except (problems.UnauthenticatedError, problems.PermissionDeniedError, PermissionError):
            raise InputError(
                f"{self.url} does not let you in. Give the cloud's credentials in the environment"
            ) from None
        except problems.BaseError as problem:
            if "NoSuchBucket" in str(problem):
                raise InputError(
                    f"{self.url}: there is no such bucket. Make it, or check the name"
                ) from None
            message = str(problem).splitlines()[0].rsplit(" - ", 1)[-1][:300]
            raise StoreError(
                f"{self.url}/{path} cannot be used: {message}. Check the address and try again; "
                f"what arrived already is kept"
            ) from None


def _conflict_errors() -> tuple[type[Exception], ...]:
    """Return the errors of a put that found something there it did not expect."""
    import obstore

    problems = obstore.exceptions
    return problems.PreconditionError, problems.AlreadyExistsError, FileExistsError


def _connect(url: str) -> Any:
    try:
        import obstore
    except ImportError:
        raise MissingExtraError("sharing through object storage", "share") from None
    client: dict[str, Any] = {
        "connect_timeout": timedelta(seconds=10),
        "read_timeout": timedelta(seconds=60),
        "timeout": timedelta(hours=12),
        "allow_http": os.environ.get("AWS_ALLOW_HTTP") == "true",
    }
    retry: Any = {"max_retries": 4, "retry_timeout": timedelta(seconds=60)}
    try:
        connect: Any = obstore.store.from_url
        return connect(url, client_options=client, retry_config=retry)
    except (obstore.exceptions.BaseError, ValueError) as problem:
        message = str(problem).splitlines()[0][:300]
        raise InputError(
            f"'{url}' cannot be used: {message}. Write it as s3://BUCKET/PREFIX (or gs://, "
            f"az://), and see the cloud's settings in the environment"
        ) from None
