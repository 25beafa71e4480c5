"""Web servers that are busy, break off, or know no ranges."""

from __future__ import annotations

import time
from email.utils import formatdate
from itertools import pairwise

import pytest

from sesstore.errors import NotStoredError, StoreError
from sesstore.sharing import web
from sesstore.sharing.pull import pull
from sesstore.sharing.pull_context import Selection
from sesstore.sharing.web import WebRemote
from sesstore.store import Store
from sesstore.store.diff import compare_stores
from sesstore.store.integrity import verify


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("how", ["seconds", "date"])
def test_a_busy_server_is_asked_again_when_it_says(published, tmp_path, serve, status, how):
    refusals = []

    def answer(request) -> None:
        if "/share/tasks/" in request.path and len(refusals) < 2:
            refusals.append(time.monotonic())
            after = "1" if how == "seconds" else formatdate(time.time() + 1.9, usegmt=True)
            request.head(status, 0, Retry_After=after)
            return
        request.file()

    server = serve(answer, published)
    pull(tmp_path / "mine", server.url, Selection(tasks=("toy",), plms=(), sources=()))
    assert Store.open(tmp_path / "mine").tasks() == ["toy"]
    times = [when for when, path, _ in server.asked if "/share/tasks/" in path]
    assert len(times) == 3
    assert all(later - when >= 0.85 for when, later in pairwise(times))


@pytest.mark.parametrize("after", ["never", "", "-5", "1e9", "Mon, 99 Foo 2026 00:00:00 GMT"])
def test_a_retry_after_that_says_nothing(serve, after):
    """Tried again a few times, at times of our own."""
    server = serve(lambda request: request.head(503, 0, Retry_After=after))
    with pytest.raises(StoreError, match="the server answers 503"):
        WebRemote(server.url).read("x", 0, 1, 1)
    assert len(server.asked) == web._RETRIES + 1


def test_a_server_that_wants_to_be_left_alone_for_hours(serve):
    server = serve(lambda request: request.head(503, 0, Retry_After="7200"))
    with pytest.raises(StoreError, match="503"):
        WebRemote(server.url).read("x", 0, 1, 1)
    assert len(server.asked) == 1


def test_connections_that_break_off(published, tmp_path, serve):
    """Each answer ends after some kilobytes; the next goes on there."""
    server = serve(lambda request: request.file(most=20_000), published)
    pull(tmp_path / "mine", server.url, Selection(plms=("enc",)))
    assert verify(tmp_path / "mine").ok
    assert len(Store.open(tmp_path / "mine").embeddings()) == 200


def test_a_connection_that_always_breaks_off(serve, tmp_path):
    def answer(request) -> None:
        request.head(200, 1000)
        request.close_connection = True

    server = serve(answer)
    with pytest.raises(StoreError, match="cannot be used"):
        b"".join(WebRemote(server.url).stream("x"))
    assert len(server.asked) <= 2 * (web._RETRIES + 1)


def test_nobody_listens(tmp_path):
    with pytest.raises(StoreError, match="Check the address"):
        pull(tmp_path / "mine", "http://127.0.0.1:9")


def test_without_ranges_parts_come_too(published, shared, tmp_path, serve):
    server = serve(lambda request: request.file(ranges=False), published)
    pull(tmp_path / "mine", server.url)
    assert compare_stores(shared, Store.open(tmp_path / "mine")).same
    remote = WebRemote(server.url)
    whole = (published / "share/index.json").read_bytes()
    for start, stop in ((0, 5), (7, 100), (len(whole) - 3, len(whole))):
        assert remote.read("share/index.json", start, stop, len(whole)) == whole[start:stop]
    assert b"".join(remote.stream("share/index.json", 10)) == whole[10:]
    with pytest.raises(NotStoredError, match="has no bytes"):
        remote.read("share/index.json", 0, len(whole) + 1, len(whole) + 1)
    remote.close()


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_gone(serve, status):
    server = serve(lambda request: request.head(status, 0))
    with pytest.raises(NotStoredError):
        WebRemote(server.url).read("x", 0, 1, 1)
    assert len(server.asked) == 1
