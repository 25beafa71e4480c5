"""Web servers that lie about sizes, or send without end."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from sesstore.errors import CorruptStoreError, StoreError
from sesstore.sharing import limits
from sesstore.sharing.pull import pull
from sesstore.sharing.pull_context import Selection
from sesstore.sharing.web import WebRemote


@pytest.mark.parametrize(("kind", "share"), [("tasks", 1), ("bundles", 1), ("sums", 1)])
def test_a_file_without_end(forgery, serve, kind, share):
    """Not more is read than the index says, whatever part of the store it is."""
    ranges = kind == "sums"

    def answer(request) -> None:
        if f"/share/{kind}/" in request.path:
            request.forever()
        request.file(ranges=ranges)

    server = serve(answer, forgery.path)
    chosen = Selection(ids=("s0p3", "s0p60"), plms=("enc",)) if kind == "sums" else None
    assert "larger than" in forgery.refused(chosen, server.url)
    assert server.sent < 40 << 20


def test_values_without_end(forgery, tmp_path, serve):
    server = serve(lambda r: r.forever() if "/values/c" in r.path else r.file(), forgery.path)
    assert "not what the index says" in forgery.refused(Selection(plms=("enc",)), server.url)
    size = sum(f.stat().st_size for f in (tmp_path / "mine").rglob("*") if f.is_file())
    assert size < 10 << 20
    assert server.sent < 40 << 20


def test_a_range_answered_without_end(serve):
    """More than the range that was asked for is not waited for."""
    server = serve(lambda request: request.forever(206, Content_Range="bytes 5-9/100"))
    with pytest.raises(CorruptStoreError, match="more of x came"):
        WebRemote(server.url).read("x", 5, 10, 100)
    assert server.sent < 40 << 20


def test_an_index_without_end(serve, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "INDEX_BYTES", 1 << 20)
    server = serve(lambda request: request.forever())
    with pytest.raises(CorruptStoreError, match="larger than it may be"):
        pull(tmp_path / "mine", server.url)
    assert not (tmp_path / "mine").exists()


def test_nothing_is_decompressed(serve):
    """A kilobyte could become gigabytes."""
    bomb = gzip.compress(bytes(1 << 22))

    def answer(request) -> None:
        request.head(200, len(bomb), Content_Encoding="gzip")
        request.body(bomb)

    server = serve(answer)
    assert b"".join(WebRemote(server.url).stream("x")) == bomb
    assert server.asked[0][2]["accept-encoding"] == "identity"


def test_more_than_the_disk_has_is_not_begun(serve):
    server = serve(lambda request: request.forever())
    with pytest.raises(StoreError, match="TMPDIR"):
        WebRemote(server.url).read("x", 0, 10, 1 << 60)
    assert server.sent < 40 << 20


CHILD = """
import sys
from pathlib import Path
from sesstore.sharing.pull import pull
pull(Path(sys.argv[1]), sys.argv[2])
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_by_a_pull_that_is_killed(forgery, tmp_path, serve, number):
    """While a bundle comes from a server without ranges, into a temporary file."""
    begun = threading.Event()

    def answer(request) -> None:
        if "/share/bundles/" in request.path:
            request.head(200, 25013)
            request.body(bytes(1000))
            begun.set()
            time.sleep(60)
        request.file(ranges=False)

    server = serve(answer, forgery.path)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path / "mine"), server.url],
        env={**os.environ, "TMPDIR": str(scratch)},
    )
    assert begun.wait(60)
    child.send_signal(number)
    assert child.wait(60) == -number
    assert not list(scratch.rglob("*"))
