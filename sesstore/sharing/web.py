"""A published store on a web server: ``http://`` and ``https://``, read only.

No listing is needed, and servers without range requests do, slowly: a file is then fetched whole,
into an unnamed temporary file that is gone however the process ends. A bearer token comes from the
file that ``SESSTORE_TOKEN_FILE`` names; it is sent in clear to this machine only, unless
``SESSTORE_TOKEN_IN_CLEAR=1`` says that the network between is trusted.

The server is not trusted: never more is read than was asked for, nothing is decompressed, and the
token does not follow a redirection to another host. A server that is busy is asked again when it
says (``Retry-After``), at most `_RETRIES` times in a row.
"""

from __future__ import annotations

import os
import shutil
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

from ..errors import (
    InputError,
    MissingExtraError,
    MissingFileError,
    NotStoredError,
    StorageFullError,
    StoreError,
)
from ..store.access import system_errors
from .places import check_address
from .share_paths import refusal

if TYPE_CHECKING:
    import httpx

TOKEN_FILE = "SESSTORE_TOKEN_FILE"  # noqa: S105 - the name of a variable
TOKEN_IN_CLEAR = "SESSTORE_TOKEN_IN_CLEAR"  # noqa: S105

_RETRIES = 5
_FIRST_WAIT = 0.2
_LONGEST_WAIT = 300.0
_BUSY = {408, 429, 500, 502, 503, 504}
_LOCAL = ("localhost", "127.0.0.1", "::1")


class _RangesUnknownError(Exception):
    """The server sends a whole file instead of a range."""


class WebRemote:
    """A published store on a web server.

    Parameters
    ----------
    url : str
        Without credentials in it.

    Raises
    ------
    InputError
        There are credentials in the URL, or a token would be sent in clear.
    MissingExtraError
        httpx is not installed.
    """

    def __init__(self, url: str) -> None:
        check_address(url)
        self.url = url.rstrip("/")
        self._client = _connect(self.url)
        self._ranges = True
        self._copies: dict[str, IO[bytes]] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close connections and temporary files."""
        self._client.close()
        for file in self._copies.values():
            file.close()

    def stream(self, path: str, start: int = 0) -> Iterator[bytes]:
        """Yield a file's bytes."""
        yield from self._pieces(path, start, None)

    def read(self, path: str, start: int, stop: int, size: int) -> bytes:
        """Return some bytes of a file of `size` bytes."""
        if stop <= start:
            return b""
        if self._ranges:
            try:
                return self._all_of(self._range(path, start, stop), path, start, stop)
            except _RangesUnknownError:
                self._ranges = False
        handle = self._local_copy(path, size).fileno()
        return self._all_of(os.pread(handle, stop - start, start), path, start, stop)

    def commits(self) -> list[str]:
        """No commit records: nothing can be listed over HTTP."""
        return []

    def _pieces(self, path: str, start: int, stop: int | None) -> Iterator[bytes]:
        """Yield bytes from `start` on; goes on where a connection broke off."""
        import httpx

        failures = 0
        while stop is None or start < stop:
            extent = f"bytes={start}-{'' if stop is None else stop - 1}"
            try:
                with self._answer(path, extent if start or stop is not None else None) as answer:
                    unranged = answer.status_code == 200
                    if unranged and stop is not None:
                        raise _RangesUnknownError
                    skip = start if unranged else 0
                    for piece in answer.iter_raw():
                        part, skip = piece[skip:], max(0, skip - len(piece))
                        if part:
                            start, failures = start + len(part), 0
                            yield part
                return
            except httpx.TransportError as problem:
                failures += 1
                if failures > _RETRIES:
                    raise self._unusable(path, str(problem) or type(problem).__name__) from None
                time.sleep(_backoff(failures))

    def _range(self, path: str, start: int, stop: int) -> bytes:
        parts, size = [], 0
        for piece in self._pieces(path, start, stop):
            parts.append(piece)
            size += len(piece)
            if size > stop - start:
                raise refusal(f"more of {path} came than was asked for")
        return b"".join(parts)

    def _all_of(self, data: bytes, path: str, start: int, stop: int) -> bytes:
        if len(data) != stop - start:
            raise NotStoredError(f"{self.url}/{path} has no bytes {start} to {stop}")
        return data

    def _local_copy(self, path: str, size: int) -> IO[bytes]:
        """Whole file in an unnamed temporary one, fetched once; never more than `size` bytes."""
        with self._lock:
            if path not in self._copies:
                self._copies[path] = self._fetch(path, size)
            return self._copies[path]

    def _fetch(self, path: str, size: int) -> IO[bytes]:
        folder = Path(tempfile.gettempdir())
        if size > shutil.disk_usage(folder).free:
            raise StorageFullError(
                f"{self.url} knows no range requests, so all {size:,} bytes of {path} would come "
                f"to {folder}, which has less free. Set TMPDIR to a folder with more"
            )
        file = tempfile.TemporaryFile()  # noqa: SIM115 - stays open while this remote is used
        try:
            length = 0
            for piece in self.stream(path):
                length += len(piece)
                if length > size:
                    raise refusal(f"{path} is larger than the index says")
                with system_errors(folder):
                    file.write(piece)
            with system_errors(folder):
                file.flush()
        except BaseException:
            file.close()
            raise
        return file

    @contextmanager
    def _answer(self, path: str, extent: str | None) -> Iterator[httpx.Response]:
        """Open an answer with the bytes of a file, all or a range of them."""
        import httpx

        headers = {"range": extent} if extent else {}
        for attempt in range(1, _RETRIES + 2):
            request = self._client.build_request("GET", f"{self.url}/{path}", headers=headers)
            wait = _backoff(attempt)
            try:
                answer = self._client.send(request, stream=True)
            except (httpx.TransportError, httpx.TooManyRedirects, httpx.InvalidURL) as problem:
                last: Exception = self._unusable(path, str(problem) or type(problem).__name__)
            else:
                if answer.status_code in (200, 206):
                    try:
                        yield answer
                    finally:
                        answer.close()
                    return
                answer.close()
                last = self._error_for(path, answer.status_code)
                if answer.status_code not in _BUSY:
                    raise last
                wait = _retry_after(answer) or wait
            if attempt > _RETRIES or wait > _LONGEST_WAIT:
                raise last from None
            time.sleep(wait)

    def _error_for(self, path: str, status: int) -> Exception:
        if status in (404, 410, 416):
            return NotStoredError(f"{self.url} has no {path}")
        if status in (401, 403):
            return InputError(
                f"{self.url} does not let you in. Name a file with your token in {TOKEN_FILE}"
            )
        return self._unusable(path, f"the server answers {status}")

    def _unusable(self, path: str, why: str) -> StoreError:
        return StoreError(
            f"{self.url}/{path} cannot be used: {why[:300]}. Check the address and try again; what "
            f"arrived already is kept"
        )


def _connect(url: str) -> httpx.Client:
    try:
        import httpx
    except ImportError:
        raise MissingExtraError("sharing over http://", "share") from None
    headers = {"accept-encoding": "identity", "user-agent": "sesstore"}
    if token := bearer_token():
        _check_private(url)
        headers["authorization"] = f"Bearer {token}"
    return httpx.Client(
        headers=headers,
        verify=_certificates(),
        timeout=httpx.Timeout(60, connect=10),
        limits=httpx.Limits(max_connections=64),
        follow_redirects=True,
        max_redirects=5,
    )


@cache
def _certificates() -> ssl.SSLContext:
    """Trusted certificates, read once: that takes longer than a request."""
    import httpx

    return httpx.create_ssl_context()


def _check_private(url: str) -> None:
    """Raise unless a token sent there can be read by nobody on the way."""
    parts = urlsplit(url)
    if parts.scheme == "https" or parts.hostname in _LOCAL or os.environ.get(TOKEN_IN_CLEAR) == "1":
        return
    raise InputError(
        f"the token that {TOKEN_FILE} names is not sent to {url}: over http:// everybody on the "
        f"way can read it. Use https://, or set {TOKEN_IN_CLEAR}=1 if you trust the network"
    )


def _retry_after(answer: httpx.Response) -> float | None:
    """Seconds a busy server asks to wait; None if it does not say."""
    text, date = answer.headers.get("retry-after", "").strip(), answer.headers.get("date")
    if text.isdecimal():
        return float(text[:9])
    try:
        present = parsedate_to_datetime(date) if date else datetime.now(UTC)
        return max(0.0, (parsedate_to_datetime(text) - present).total_seconds())
    except (ValueError, TypeError):
        return None


def _backoff(attempt: int) -> float:
    return float(min(15.0, _FIRST_WAIT * 2 ** (attempt - 1)))


def bearer_token() -> str | None:
    """Token for HTTP from the file `TOKEN_FILE` names, if it names one."""
    name = os.environ.get(TOKEN_FILE)
    if not name:
        return None
    path = Path(name)
    if not path.is_file():
        raise MissingFileError(
            f"there is no file '{path}', which {TOKEN_FILE} names. Put the token into it, or unset "
            f"{TOKEN_FILE} where none is needed"
        )
    words = path.read_text(encoding="utf-8", errors="replace").split()
    if not words or not all(33 <= ord(c) < 127 for c in words[0]):
        raise InputError(f"'{path}' holds no token. Write it on the first line")
    return words[0]
