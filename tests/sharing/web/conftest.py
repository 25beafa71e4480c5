"""A web server on localhost that answers as a test says."""

from __future__ import annotations

import http.server
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sesstore.sharing import web


class Server(http.server.ThreadingHTTPServer):
    """Answers as `answer` says, and remembers what it was asked and how much it sent."""

    daemon_threads = True

    def __init__(self, answer: Callable[[Handler], None], root: Path | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer, self.root = answer, root
        self.asked: list[tuple[float, str, dict[str, str]]] = []
        self.sent = 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: object) -> None:
        """A client that had enough is what is tested."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append((time.monotonic(), self.path, headers))
        self.server.answer(self)

    def head(self, status: int, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def body(self, data: bytes) -> None:
        self.wfile.write(data)
        self.server.sent += len(data)

    def forever(self, status: int = 200, **headers: str) -> None:
        """Zeros until the client has enough."""
        self.close_connection = True
        self.head(status, 1 << 45, **headers)
        while True:
            self.body(bytes(1 << 16))

    @property
    def range(self) -> tuple[int, int | None] | None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        return (int(asked[1]), int(asked[2]) + 1 if asked[2] else None) if asked else None

    def file(self, *, ranges: bool = True, most: int | None = None) -> None:
        """A file of the root, cut off after some bytes."""
        assert self.server.root is not None
        path = self.server.root / self.path.lstrip("/")
        if not path.is_file():
            self.head(404, 0)
            return
        raw, status, headers = path.read_bytes(), 200, {}
        if ranges and self.range:
            start, stop = self.range[0], min(self.range[1] or len(raw), len(raw))
            headers["Content_Range"] = f"bytes {start}-{stop - 1}/{len(raw)}"
            raw, status = raw[start:stop], 206
        self.head(status, len(raw), **headers)
        self.body(raw[:most])
        if most is not None and most < len(raw):
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers = []

    def start(answer: Callable[[Handler], None], root: Path | None = None) -> Server:
        servers.append(Server(answer, root))
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    monkeypatch.setattr(web, "_FIRST_WAIT", 0.001)
