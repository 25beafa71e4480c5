"""A training straight from what ``sesstore serve`` hands out."""

from __future__ import annotations

import http.server
import threading
from functools import partial
from pathlib import Path


def test_training_straight_from_a_server(cli, trained: Path) -> None:
    """The store is somewhere else; what the task needs comes along."""
    handler = partial(Quiet, directory=str(Path("there").absolute()))
    assert cli("push", "there").status == 0
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        where = f"http://127.0.0.1:{server.server_port}"
        words = ("--store", where, "--json")
        said = cli("train", "deeploc_binary", "--epochs", "1", "--heads", "2", *words)
        assert said.status == 0, said.err
        assert "bytes pulled into" in said.err
        again = cli("evaluate", said.json["run"], *words)
        assert again.status == 0, again.err
        assert "pulled" not in again.err
        assert cli("train", "deeploc", *words).status == 2
    finally:
        server.shutdown()
        server.server_close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Python's file server, silent."""

    def log_message(self, *_: object) -> None:
        pass
