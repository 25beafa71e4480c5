"""A training straight from what ``sesstore serve`` hands out; a run that is served."""

from __future__ import annotations

import http.server
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from sesstore_cli import serve


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


@contextmanager
def serving(*words: object) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server in a process of its own; its address."""
    command = [sys.executable, "-m", "sesstore_cli.main", "serve", "--port", "0", "--json"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # A suite that was started in the background ignores Ctrl-C, and its children would, too.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen([*command, *map(str, words)], **pipes)
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        yield json.loads(line)["url"], process
    finally:
        process.kill()
        process.communicate()


def test_a_run_is_served_and_stops_with_a_job_running(cli, trained: Path) -> None:
    with serving("--run", trained, "--store", trained.parent / "store") as (url, process):
        page = urllib.request.urlopen(url, timeout=20).read().decode()
        assert "Predict deeploc_binary" in page
        many = "".join(f">p{i}\n{'ACDEFGHIKLMNPQRSTVWY' * 25}\n" for i in range(100))
        request = urllib.request.Request(f"{url}jobs", many.encode(), method="POST")
        job = json.loads(urllib.request.urlopen(request, timeout=20).read())
        while job["state"] == "queued":
            job = json.loads(urllib.request.urlopen(f"{url}jobs/{job['id']}", timeout=20).read())
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "Traceback" not in told


def test_what_a_server_of_a_run_needs(cli, trained: Path) -> None:
    for words, message in (
        (("nowhere",), "there is no"),
        ((trained, "--store", "nowhere"), "there is no store at 'nowhere'"),
        ((trained, "there"), "leave out --run or the stores"),
    ):
        said = cli("serve", "--run", *words)
        assert said.status == 2
        assert message in said.err
    for words, message in (
        (("--device", "cpu", "--proteins", "7"), "only with --run: --proteins, --device"),
        (("--run", trained, "--in", "nowhere.fasta", "--store", trained.parent / "store"),
         "nowhere.fasta"),
        (("--run", trained, "--in", "deeploc_binary", "--store", "absent"), "there is no store"),
        (("--run", trained, "--megabytes", "0"), "megabytes is 0"),
    ):  # fmt: skip
        refusal = cli("serve", *words)
        assert refusal.status == 2
        assert message in refusal.err


def test_where_a_server_is_reached_and_by_whom_is_said(
    cli, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections: list[int | None] = []

    def listen(_: object, listener: socket.socket, connections_: int | None = None, **kw) -> None:
        connections.append(kw.get("connections", connections_))
        listener.close()

    monkeypatch.setattr(serve, "_listen", listen)
    Path("tokens.txt").write_text("a-token-that-is-long-enough\n")
    everybody = ("--host", "0.0.0.0")
    for words, warned in (
        ((), False),
        (everybody, True),
        ((*everybody, "--tokens", "tokens.txt"), False),
    ):
        host = "0.0.0.0" if words else "localhost"
        for run, lines in (
            ((), r"catalogue: (http://{}:\d+)/\n  sesstore pull \1/store\n"),
            (
                ("--run", trained),
                r"page to predict: (http://{}:\d+)/\n.* '\1/jobs\?name=new.fasta'\n",
            ),
        ):
            said = cli("serve", "--port", "0", *words, *run)
            assert said.status == 0, said.err
            assert re.fullmatch(lines.format(re.escape(host)), said.out), said.out
            assert ("anybody who reaches 0.0.0.0" in said.err) is warned
    assert connections == [None, 64] * 3


def test_a_port_that_is_in_use_is_said(cli, trained: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen(1)
        port = other.getsockname()[1]
        said = cli("serve", "--host", "127.0.0.1", "--port", port)
    assert said.status == 2
    assert f"cannot listen at 127.0.0.1, port {port}" in said.err
    with serve._Endpoint("::1", 0, []).bind() as listener:
        assert listener.family == socket.AF_INET6
