"""A server that answers as the Hugging Face hub does, for data sets of small files."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "1d7007d3a2c1f0b4e5a6978877665544332211ff"

Repositories = Mapping[str, Mapping[str, bytes]]
"""Files of each data set, by name."""


@contextmanager
def serve(repositories: Repositories) -> Iterator[tuple[str, list[str]]]:
    """Serve data sets on localhost; yields the endpoint and the paths that were asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def _answer(self, *, body: bool) -> None:
            path = unquote(urlsplit(self.path).path)
            asked.append(f"{self.command} {path}")
            for name, files in repositories.items():
                if path == f"/api/datasets/{name}/revision/main":
                    siblings = [{"rfilename": file} for file in files]
                    facts = {"id": name, "sha": COMMIT, "siblings": siblings}
                    return self._send(200, json.dumps(facts).encode(), body, {})
                if path.startswith(f"/api/datasets/{name}/tree/{COMMIT}"):
                    entries = [_entry(file, content) for file, content in files.items()]
                    return self._send(200, json.dumps(entries).encode(), body, {})
                for file, content in files.items():
                    if path == f"/datasets/{name}/resolve/{COMMIT}/{file}":
                        tag = {"ETag": f'"{_oid(content)}"', "X-Repo-Commit": COMMIT}
                        return self._send(200, content, body, tag)
            missing = {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}
            return self._send(404, b'{"error": "Repository not found"}', body, missing)

        def _send(self, status: int, content: bytes, body: bool, extra: dict[str, str]) -> None:
            self.send_response(status)
            for key, value in {"Content-Length": str(len(content)), **extra}.items():
                self.send_header(key, value)
            self.end_headers()
            if body:
                self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _entry(file: str, content: bytes) -> dict[str, object]:
    return {"type": "file", "path": file, "size": len(content), "oid": _oid(content)}


def _oid(content: bytes) -> str:
    return sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
