"""What is made of each answer of a web server, and how long is waited: no network."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from sesstore.errors import (
    CorruptStoreError,
    InputError,
    MissingFileError,
    NotStoredError,
    StorageFullError,
    StoreError,
)
from sesstore.sharing import web
from sesstore.sharing.web import WebRemote, bearer_token

RAW = bytes(range(100))


@pytest.fixture
def waits(monkeypatch) -> list[float]:
    """Seconds that were waited, without waiting."""
    seconds: list[float] = []
    monkeypatch.setattr(web.time, "sleep", seconds.append)
    monkeypatch.setattr(web, "_FIRST_WAIT", 0.2)
    return seconds


def remote_of(answer: Callable[[httpx.Request], httpx.Response]) -> WebRemote:
    """A remote whose requests never leave this process."""
    remote = WebRemote("http://h/s/")
    remote._client.close()
    remote._client = httpx.Client(transport=httpx.MockTransport(answer), follow_redirects=True)
    return remote


class Pieces(httpx.SyncByteStream):
    """A body in pieces, which may break off."""

    def __init__(self, raw: bytes, size: int = 7, most: int | None = None) -> None:
        self.raw, self.size, self.most = raw, size, most

    def __iter__(self):
        end = len(self.raw) if self.most is None else min(self.most, len(self.raw))
        for place in range(0, end, self.size):
            yield self.raw[place : min(place + self.size, end)]
        if end < len(self.raw):
            raise httpx.ReadError("broken off")


def extent(request: httpx.Request) -> tuple[int, int] | None:
    text = request.headers.get("range")
    if text is None:
        return None
    first, last = text.removeprefix("bytes=").split("-")
    return int(first), int(last) + 1 if last else len(RAW)


def by_ranges(request: httpx.Request, most: int | None = None) -> httpx.Response:
    wanted = extent(request)
    if wanted is None:
        return httpx.Response(200, stream=Pieces(RAW, most=most))
    return httpx.Response(206, stream=Pieces(RAW[wanted[0] : wanted[1]], most=most))


def test_what_is_asked_for_and_how():
    requests: list[tuple[str, str | None]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append((str(request.url), request.headers.get("range")))
        return by_ranges(request)

    remote = remote_of(answer)
    assert remote.url == "http://h/s"
    assert b"".join(remote.stream("a/b")) == RAW
    assert b"".join(remote.stream("a/b", 30)) == RAW[30:]
    assert remote.read("a/b", 10, 21, 100) == RAW[10:21]
    assert remote.read("a/b", 10, 10, 100) == b""
    ranges = [None, "bytes=30-", "bytes=10-20"]
    assert requests == [("http://h/s/a/b", text) for text in ranges]
    assert remote.commits() == []


def test_what_breaks_off_is_gone_on_with_where_it_was(waits):
    """As long as something new comes, however often it breaks off."""
    remote = remote_of(lambda request: by_ranges(request, most=9))
    assert b"".join(remote.stream("x")) == RAW
    assert b"".join(remote.stream("x", 3)) == RAW[3:]
    assert remote.read("x", 5, 50, 100) == RAW[5:50]
    assert set(waits) == {0.2}


def test_a_server_without_ranges_that_breaks_off(waits):
    """What came already is passed over."""
    lengths = iter([20, 50, None])
    remote = remote_of(lambda _: httpx.Response(200, stream=Pieces(RAW, 7, next(lengths))))
    assert b"".join(remote.stream("x")) == RAW


def test_waits_double_and_end(waits):
    remote = remote_of(lambda request: by_ranges(request, most=0))
    with pytest.raises(StoreError, match="http://h/s/x cannot be used: broken off"):
        list(remote.stream("x"))
    assert waits == [0.2, 0.4, 0.8, 1.6, 3.2]
    assert [web._backoff(n) for n in (7, 8, 30)] == [12.8, 15.0, 15.0]


def test_a_server_that_cannot_be_reached_is_asked_six_times(waits):
    requests = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(1)
        raise httpx.ConnectError("nobody listens")

    with pytest.raises(StoreError, match="http://h/s/x cannot be used: nobody listens"):
        remote_of(answer).read("x", 0, 1, 1)
    # The wait of a request and that of the reading around it are one and the same.
    assert len(requests) == len(waits) + 1 == 6
    with pytest.raises(StoreError, match="x cannot be used: ConnectError"):
        remote_of(lambda _: (_ for _ in ()).throw(httpx.ConnectError(""))).read("x", 0, 1, 1)


@pytest.mark.parametrize(
    ("status", "error", "said", "count"),
    [
        (404, NotStoredError, "http://h/s has no x", 1),
        (410, NotStoredError, "http://h/s has no x", 1),
        (416, NotStoredError, "http://h/s has no x", 1),
        (401, InputError, "does not let you in. Name a file with your token", 1),
        (403, InputError, "does not let you in. Name a file with your token", 1),
        (400, StoreError, "x cannot be used: the server answers 400", 1),
        (304, StoreError, "the server answers 304", 1),
        *((n, StoreError, f"answers {n}", 6) for n in (408, 429, 500, 502, 503, 504)),
    ],
)  # fmt: skip
def test_each_status_is_an_error_of_its_own(waits, status, error, said, count):
    requests = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(1)
        return httpx.Response(status)

    with pytest.raises(error, match=said) as problem:
        remote_of(answer).read("x", 0, 1, 1)
    assert type(problem.value) is error
    assert len(requests) == count
    assert len(waits) == count - 1


DATE = "Fri, 27 Nov 2026 07:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": " 17 "}, 17.0),
        ({"retry-after": "Fri, 27 Nov 2026 07:01:30 GMT", "date": DATE}, 90.0),
        ({"retry-after": "Fri, 27 Nov 2026 06:59:00 GMT", "date": DATE}, 0.0),
        ({"retry-after": "soon", "date": DATE}, None),
        ({"retry-after": "1.5"}, None),
        ({"date": DATE}, None),
        ({}, None),
    ],
)
def test_how_long_a_server_asks_to_wait(headers, seconds):
    assert web._retry_after(httpx.Response(503, headers=headers)) == seconds


@pytest.mark.parametrize(("after", "count"), [("300", 6), ("301", 1)])
def test_as_long_as_a_server_says_but_not_for_ever(waits, after, count):
    requests = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(1)
        return httpx.Response(503, headers={"retry-after": after})

    with pytest.raises(StoreError, match="the server answers 503"):
        remote_of(answer).read("x", 0, 1, 1)
    assert len(requests) == count
    assert waits == [300.0] * (count - 1)


def test_a_server_without_ranges_is_asked_once_for_each_file(monkeypatch):
    requests = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append((request.url.path, request.headers.get("range")))
        return httpx.Response(200, stream=Pieces(RAW))

    remote = remote_of(answer)
    assert remote.read("x", 10, 20, 100) == RAW[10:20]
    assert remote.read("x", 90, 100, 100) == RAW[90:]
    assert remote.read("y", 0, 5, 100) == RAW[:5]
    assert requests == [("/s/x", "bytes=10-19"), ("/s/x", None), ("/s/y", None)]
    with pytest.raises(NotStoredError, match="http://h/s/x has no bytes 99 to 101"):
        remote.read("x", 99, 101, 101)
    files = list(remote._copies.values())
    remote.close()
    assert all(file.closed for file in files)
    assert len(files) == 2
    with pytest.raises(CorruptStoreError, match="z is larger than the index says"):
        remote_of(answer).read("z", 0, 5, 99)
    monkeypatch.setattr(web.shutil, "disk_usage", lambda _: web.shutil._ntuple_diskusage(9, 0, 99))
    with pytest.raises(StorageFullError, match="all 100 bytes of z would come to"):
        remote_of(answer).read("z", 0, 5, 100)


@pytest.mark.parametrize("size", [9, 11])
def test_a_range_of_another_length_than_asked(size):
    remote = remote_of(lambda _: httpx.Response(206, stream=Pieces(RAW[:size], 4)))
    if size == 11:
        with pytest.raises(CorruptStoreError, match="more of x came than was asked for"):
            remote.read("x", 0, 10, 100)
    else:
        # Asked again for the rest, which is no range any more: nothing is made of what came.
        with pytest.raises((NotStoredError, CorruptStoreError)):
            remote.read("x", 0, 10, 100)


def test_files_of_tokens(tmp_path, monkeypatch):
    monkeypatch.delenv("SESSTORE_TOKEN_FILE", raising=False)
    assert bearer_token() is None
    monkeypatch.setenv("SESSTORE_TOKEN_FILE", str(tmp_path / "token"))
    with pytest.raises(MissingFileError, match="there is no file"):
        bearer_token()
    for text in ("", " \n", "tök\n", "a\x7fb"):
        (tmp_path / "token").write_text(text)
        with pytest.raises(InputError, match="holds no token"):
            bearer_token()
    (tmp_path / "token").write_text("  the!token~ and a remark\n")
    assert bearer_token() == "the!token~"
    remote = WebRemote("https://lab.org/x")
    assert remote._client.headers["authorization"] == "Bearer the!token~"
    assert remote._client.headers["accept-encoding"] == "identity"
    assert remote._client.timeout == httpx.Timeout(60, connect=10)
    assert (remote._client.follow_redirects, remote._client.max_redirects) == (True, 5)
    remote.close()
    assert remote._client.is_closed
    for text in ("", "0", "true"):  # no "1"
        monkeypatch.setenv("SESSTORE_TOKEN_IN_CLEAR", text)
        with pytest.raises(InputError, match="is not sent to http"):
            WebRemote("http://lab.org/x")
