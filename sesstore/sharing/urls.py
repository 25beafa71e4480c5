"""A published store that obstore reaches by a URL.

``s3://``, ``gs://`` and ``az://`` take their credentials from the environment as the clouds' own
tools do. ``http(s)://`` can only be read, needs no listing, and does without range requests
(slowly) where a server does not know them; a bearer token for it comes from the file that
``SESSTORE_TOKEN_FILE`` names.

What is relied on: a put is whole or not there; an object is read back and listed once its put has
returned (S3 since 2020, GCS, Azure, MinIO and Ceph all promise that). Where a listing lags behind,
readers see an older state of the store for that long, never a half one.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from ..errors import (
    InputError,
    MissingExtraError,
    MissingFileError,
    NotStoredError,
    StoreError,
)
from ..store.files import saying_when_full
from . import names
from .remote import PIECE, Listed
from .taking import in_batches

TOKEN_FILE = "SESSTORE_TOKEN_FILE"  # noqa: S105 - the name of a variable
_SCHEMES = ("s3", "gs", "az", "http", "https")
_LISTED_AT_ONCE = 1000


class UrlRemote:
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
        self.scheme = url.split(":")[0]
        if self.scheme not in _SCHEMES:
            raise InputError(
                f"'{url}': {self.scheme}:// is not known. Known are a folder, s3://, gs://, az://, "
                f"https:// and http://"
            )
        if "@" in url.split("/")[2]:
            raise InputError(
                "no credentials in a URL, where everybody sees them. Put a token into a file and "
                f"name it in {TOKEN_FILE}"
            )
        self._store = _connected(self.url, self.scheme)
        self._ranges = True
        self._whole: dict[str, Path] = {}
        self._lock = threading.Lock()
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def stream(self, path: str, start: int = 0) -> Iterator[bytes]:
        """Yield a file's bytes."""
        import obstore

        with self._explained(path):
            if start and not self._ranges:
                yield from self._after(path, start)
                return
            options: Any = {"range": {"offset": start}} if start else {}
            try:
                got = obstore.get(self._store, path, options=options)
            except obstore.exceptions.NotSupportedError:
                self._ranges = False
                yield from self._after(path, start)
                return
            for piece in got.stream(min_chunk_size=PIECE):
                yield bytes(piece)

    def read(self, path: str, start: int, stop: int) -> bytes:
        """Return some bytes of a file."""
        import obstore

        if stop <= start:
            return b""
        with self._explained(path):
            if self._ranges:
                try:
                    data = bytes(obstore.get_range(self._store, path, start=start, end=stop))
                    return self._all_of(data, path, start, stop)
                except obstore.exceptions.NotSupportedError:
                    self._ranges = False
            with self._fetched(path).open("rb") as file:
                file.seek(start)
                return self._all_of(file.read(stop - start), path, start, stop)

    def size(self, path: str) -> int | None:
        """Size of a file."""
        import obstore

        with self._explained(path):
            try:
                return int(obstore.head(self._store, path)["size"])
            except (obstore.exceptions.NotFoundError, FileNotFoundError):
                return None

    def put(self, path: str, file: Path) -> None:
        """Store a file under a path."""
        import obstore

        self._writable()
        with self._explained(path), file.open("rb") as content:
            obstore.put(self._store, path, content)
        if self.size(path) != file.stat().st_size:
            raise StoreError(f"{self.url}/{path} did not arrive whole. Run the command again")

    def create(self, path: str, raw: bytes) -> bool:
        """Store a small object unless there is one; without that promise where it is not known."""
        import obstore

        self._writable()
        with self._explained(path):
            try:
                obstore.put(self._store, path, raw, mode="create", use_multipart=False)
            except obstore.exceptions.NotSupportedError:
                obstore.put(self._store, path, raw, use_multipart=False)
            except _changed():
                return False
        return True

    def listing(self, prefix: str) -> Iterator[Listed]:
        """Yield the objects under a prefix, a thousand a request."""
        import obstore

        with self._explained(prefix):
            for batch in obstore.list(self._store, prefix, chunk_size=_LISTED_AT_ONCE):
                for one in batch:
                    yield Listed(one["path"], one["size"], one["last_modified"].timestamp())

    def remove(self, paths: Iterable[str]) -> None:
        """Remove objects."""
        import obstore

        self._writable()
        with self._explained("objects"):
            for batch in in_batches(paths, _LISTED_AT_ONCE):
                obstore.delete(self._store, batch)

    def commits(self) -> list[str]:
        """Names of the commit records; over HTTP none, as nothing can be listed there."""
        if self.scheme in ("http", "https"):
            return []
        return [one.path.rsplit("/", 1)[1] for one in self.listing(names.COMMITS)]

    def version(self) -> tuple[bytes | None, Any]:
        """Return the index and its version."""
        import obstore

        self._writable()
        with self._explained(names.INDEX):
            try:
                got = obstore.get(self._store, names.INDEX)
            except (obstore.exceptions.NotFoundError, FileNotFoundError):
                return None, None
            seen = {key: got.meta.get(key) for key in ("e_tag", "version")}
            return bytes(got.bytes()), {key: value for key, value in seen.items() if value}

    def replace_index(self, raw: bytes, version: Any) -> bool:
        """Replace the index, if it is still that version."""
        import obstore

        with self._explained(names.INDEX):
            try:
                mode: Any = "create" if version is None else version
                obstore.put(self._store, names.INDEX, raw, mode=mode, use_multipart=False)
            except _changed():
                return False
        return True

    def _writable(self) -> None:
        if self.scheme in ("http", "https"):
            raise InputError(
                f"{self.url} can only be read. Push to a folder, s3:// or gs:// instead"
            )

    def _all_of(self, data: bytes, path: str, start: int, stop: int) -> bytes:
        if len(data) != stop - start:
            raise NotStoredError(f"{self.url}/{path} has no bytes {start} to {stop}")
        return data

    def _after(self, path: str, start: int) -> Iterator[bytes]:
        """Yield a whole file but for its first bytes, from a server without ranges."""
        skip = start
        for piece in self.stream(path):
            if skip < len(piece):
                yield piece[skip:]
            skip = max(0, skip - len(piece))

    def _fetched(self, path: str) -> Path:
        """Whole file in a temporary folder, fetched once: for servers without range requests."""
        with self._lock:
            if self._folder is None:
                self._folder = tempfile.TemporaryDirectory(prefix="sesstore-")
            if path not in self._whole:
                place = Path(self._folder.name) / str(len(self._whole))
                with saying_when_full(place), place.open("wb") as file:
                    for piece in self.stream(path):
                        file.write(piece)
                self._whole[path] = place
        return self._whole[path]

    @contextmanager
    def _explained(self, path: str) -> Iterator[None]:
        """Turn obstore's errors into ours."""
        import obstore

        problems = obstore.exceptions
        try:
            yield
        except (problems.NotFoundError, FileNotFoundError):
            raise NotStoredError(f"{self.url} has no {path}") from None
        except (problems.UnauthenticatedError, problems.PermissionDeniedError, PermissionError):
            raise InputError(
                f"{self.url} does not let you in. Name a file with your token in {TOKEN_FILE} "
                f"(http), or give the cloud's credentials in the environment"
            ) from None
        except problems.BaseError as problem:
            if "NoSuchBucket" in str(problem):
                raise InputError(
                    f"{self.url}: there is no such bucket. Make it, or check the name"
                ) from None
            said = str(problem).splitlines()[0].rsplit(" - ", 1)[-1][:300]
            raise StoreError(
                f"{self.url}/{path} cannot be used: {said}. Check the address and try again; what "
                f"arrived already is kept"
            ) from None


def _changed() -> tuple[type[Exception], ...]:
    """Return the errors of a put that found something there it did not expect."""
    import obstore

    problems = obstore.exceptions
    return problems.PreconditionError, problems.AlreadyExistsError, FileExistsError


def _connected(url: str, scheme: str) -> Any:
    try:
        import obstore
    except ImportError:
        raise MissingExtraError(f"sharing over {scheme}://", "share") from None
    client: dict[str, Any] = {
        "connect_timeout": timedelta(seconds=10),
        "read_timeout": timedelta(seconds=60),
        "timeout": timedelta(hours=12),
        "allow_http": scheme == "http" or os.environ.get("AWS_ALLOW_HTTP") == "true",
    }
    if scheme in ("http", "https") and (token := bearer_token()):
        client["default_headers"] = {"authorization": f"Bearer {token}"}
    retry: Any = {"max_retries": 4, "retry_timeout": timedelta(seconds=60)}
    try:
        connect: Any = obstore.store.from_url
        return connect(url, client_options=client, retry_config=retry)
    except (obstore.exceptions.BaseError, ValueError) as problem:
        said = str(problem).splitlines()[0][:300]
        raise InputError(f"'{url}' cannot be used: {said}") from None


def bearer_token() -> str | None:
    """Token for HTTP from the file `TOKEN_FILE` names, if it names one."""
    name = os.environ.get(TOKEN_FILE)
    if not name:
        return None
    path = Path(name)
    if not path.is_file():
        raise MissingFileError(f"there is no file '{path}', which {TOKEN_FILE} names")
    words = path.read_text(encoding="utf-8", errors="replace").split()
    if not words or not all(33 <= ord(c) < 127 for c in words[0]):
        raise InputError(f"'{path}' holds no token. Write it on the first line")
    return words[0]
