from __future__ import annotations

import base64
import http.client
import json
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import uvicorn
from starlette.testclient import TestClient

from sesstore.errors import (
    CorruptStoreError,
    InputError,
    MissingFileError,
    NotStoredError,
    StoreAccessError,
    StoreError,
    UnknownNameError,
)
from sesstore.sharing import share_paths
from sesstore.sharing.pull import pull
from sesstore.sharing.pull_context import Selection
from sesstore.sharing.serve import server
from sesstore.sharing.serve.guard import read_tokens
from sesstore.sharing.serve.server import StoreServer, application, names_of
from sesstore.store import Store
from sesstore.store.diff import compare_stores
from sesstore.store.integrity import verify

from ...devtools import QUIET, installed_chromium

TOKEN = "a-token-that-is-long-enough"


@pytest.fixture
def serve():
    """Serve stores with uvicorn in a thread; returns host:port."""
    stopping = []

    def start(*stores: Store, tokens: tuple[str, ...] = ()) -> str:
        served = StoreServer(stores)
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.bind(("127.0.0.1", 0))
        listener.listen(256)
        config = uvicorn.Config(application(served, tokens), log_level="error", lifespan="off")
        running = uvicorn.Server(config)
        running.install_signal_handlers = lambda: None
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not running.started:
            time.sleep(0.01)
        stopping.append((running, thread, served))
        return f"127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for running, thread, served in stopping:
        running.should_exit = running.force_exit = True
        thread.join(10)
        served.__exit__()


def get(address: str, path: str, method: str = "GET", **headers: str):
    """Answer to a request whose path is sent exactly as it is."""
    connection = http.client.HTTPConnection(address, timeout=30)
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def test_what_is_pulled_is_what_is_served(shared, tmp_path, serve):
    address = serve(shared)
    for where in (f"http://{address}/shared", f"http://{address}"):
        mine = Store.create(tmp_path / f"mine{len(where)}")
        pull(mine, where)
        assert verify(mine.path).ok
        assert compare_stores(shared, mine).same
    part = Store.create(tmp_path / "part")
    pull(part, f"http://{address}/shared", Selection(tasks=("toy",), plms=("int",)))
    assert len(part.embeddings()) == 20
    with pytest.raises(NotStoredError, match="no shared store"):
        pull(tmp_path / "new", f"http://{address}/other")


def test_what_is_added_is_served(shared, kit, tmp_path, serve):
    address = serve(shared)
    mine = Store.create(tmp_path / "mine")
    pull(mine, f"http://{address}/shared")
    new = kit.proteins(3, seed=9)
    shown = json.loads(get(address, "/catalogue.json")[1])["shared"]
    assert (shown["proteins"], len(shown["tasks"])) == (200, 1)
    shared.add_proteins(new)
    assert json.loads(get(address, "/catalogue.json")[1])["shared"]["proteins"] == 203
    shared.add_tokens([kit.tokens(p) for p in new], {})
    report = pull(mine, f"http://{address}/shared")
    assert (report.proteins, report.tokens, report.embeddings) == (3, 3, 0)
    shared.add_task(kit.task(new, "later"))
    assert pull(mine, f"http://{address}/shared").tasks == ["later"]
    for path, life, kind in (
        (share_paths.INDEX, "no-cache", "application/json"),
        ("zarr.json", "max-age=31536000, immutable", "application/json"),
    ):
        answer, _ = get(address, f"/shared/{path}")
        assert answer.headers["cache-control"] == life
        assert answer.headers["content-type"] == kind


def test_ranges(shared, serve):
    address = serve(shared)
    values = next(shared.path.glob("embeddings/*/*/values/c.0.0"))
    path = f"/shared/{values.relative_to(shared.path)}"
    raw = values.read_bytes()
    answer, body = get(address, path)
    assert (answer.status, body) == (200, raw)
    assert "immutable" in answer.headers["cache-control"]
    answer, body = get(address, path, range="bytes=5-8")
    assert (answer.status, body) == (206, raw[5:9])
    answer, body = get(address, path, range=f"bytes={len(raw) - 3}-{len(raw) + 100}")
    assert (answer.status, body) == (206, raw[-3:])
    for beyond in (f"bytes={len(raw)}-", f"bytes={10**30}-{10**31}", "bytes=9-2"):
        answer, body = get(address, path, range=beyond)
        assert answer.status in (400, 416)
        assert len(body) < 200
    answer, body = get(address, path, method="HEAD")
    assert (int(answer.headers["content-length"]), body) == (len(raw), b"")


@pytest.mark.parametrize(
    "path",
    [
        "/shared/proteins.lmdb",
        "/shared/tokens/alphafold2.lmdb",
        "/shared/../shared/zarr.json/../../etc/passwd",
        "/shared/share/../../../etc/passwd",
        "/shared/%2e%2e/%2e%2e/etc/passwd",
        "/shared/share/bundles/..%2f..%2f..%2fetc%2fpasswd",
        "/shared//etc/passwd",
        "/shared/embeddings/../proteins.lmdb",
        "/shared/embeddings/.hidden/zarr.json",
        "/shared/share/sums/20260101T000000000000-0000000000000000",
        "/shared/share/bundles/" + "0" * 64,
        "/shared/README.md",
        "/shared/\x7f",
        "/%00/zarr.json",
        "//shared/zarr.json",
        "/nobody/share/index.json",
        "/shared/map?task=../../x",
    ],
)
def test_nothing_else_is_handed_out(shared, serve, path):
    answer, body = get(serve(shared), path.replace("\x7f", "%7f"))
    assert answer.status == 404
    assert b"root:" not in body
    assert str(shared.path).encode() not in body


def test_links_in_a_store_are_not_followed(shared, serve, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    segment = next(shared.path.glob("embeddings/*/2*"))
    (segment / "values" / "c.9.0").symlink_to(secret)
    address = serve(shared)
    path = f"/shared/{(segment / 'values' / 'c.9.0').relative_to(shared.path)}"
    answer, body = get(address, path)
    assert answer.status in (404, 500)
    assert b"secret" not in body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_it_can_only_be_read(shared, serve, method):
    answer, _ = get(serve(shared), "/shared/share/index.json", method=method)
    assert answer.status == 405


def test_tokens(shared, serve, tmp_path, monkeypatch):
    address = serve(shared, tokens=("another-token-of-some-length", TOKEN))
    for headers in (
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": f"Bearer {TOKEN}x"},
        {"authorization": TOKEN},
        {"authorization": "Basic !!!"},
        {"authorization": "Bearer " + "x" * 5000},
    ):
        answer, _ = get(address, "/shared/share/index.json", **headers)
        assert answer.status == 401
        assert "Basic" in answer.headers["www-authenticate"]
    basic = base64.b64encode(f"me:{TOKEN}".encode()).decode()
    other = "Bearer another-token-of-some-length"
    for value in (f"Bearer {TOKEN}", f"bearer {TOKEN}", f"Basic {basic}", other):
        assert get(address, "/", authorization=value)[0].status == 200
    with pytest.raises(InputError, match="SESSTORE_TOKEN_FILE"):
        pull(tmp_path / "mine", f"http://{address}/shared")
    (tmp_path / "token").write_text(TOKEN + "\n")
    monkeypatch.setenv("SESSTORE_TOKEN_FILE", str(tmp_path / "token"))
    assert pull(tmp_path / "mine", f"http://{address}/shared").proteins == 200


def test_files_of_tokens(tmp_path):
    path = tmp_path / "tokens"
    with pytest.raises(MissingFileError):
        read_tokens(path)
    for wrong in ("", "# none\n", "short\n", "with space in the middle of it\n", "ä" * 20):
        path.write_text(wrong)
        with pytest.raises(InputError):
            read_tokens(path)
    path.write_text(f"# lab\n{TOKEN}\n\n")
    assert read_tokens(path) == [TOKEN]


def test_fifty_pulls_at_once(shared, tmp_path, serve):
    address = serve(shared)

    def one(number: int) -> int:
        path = tmp_path / f"mine{number}"
        chosen = Selection(ids=(f"s0p{number}", "s0p7"), plms=("enc",))
        pull(path, f"http://{address}/shared", chosen)
        store = Store.open(path)
        expected = shared.embeddings("enc")
        view = store.embeddings()
        assert all(
            np.array_equal(view.get(d.tobytes()), expected.get(d.tobytes())) for d in view.digests
        )
        return store.count_proteins()

    with ThreadPoolExecutor(50) as pool:  # more than there are threads of the server
        counts = list(pool.map(one, range(50)))
    assert sum(counts) == 99


def test_a_slow_client_hinders_nobody(shared, tmp_path, serve):
    address = serve(shared)
    host, port = address.split(":")
    slow = []
    for _ in range(60):  # more than there are threads
        one = socket.create_connection((host, int(port)))
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        one.sendall(b"GET /shared/share/index.json HTTP/1.1\r\nHost: x\r\n")  # and never ends
        slow.append(one)
    started = time.monotonic()
    pull(tmp_path / "mine", f"http://{address}/shared")
    assert time.monotonic() - started < 30
    for one in slow:
        one.close()


def test_in_a_browser(shared, serve, tmp_path):
    """The script runs under the page's policy: a linked search and a linked map are drawn."""
    browser, address = installed_chromium(), serve(shared)

    def dom(fragment: str) -> str:
        command = [browser, *QUIET, f"--user-data-dir={tmp_path / 'profile'}"]
        command += ["--virtual-time-budget=20000", "--dump-dom", f"http://{address}/#{fragment}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        return done.stdout

    found = dom("shared/q/s0p0")
    assert '<div class="hit"><strong>s0p0</strong>' in found
    assert "embedded by enc, int" in found
    drawn = dom("shared/task/toy")
    assert drawn.count("<circle") == 20
    assert "all 20 proteins" in drawn


@pytest.mark.parametrize("extra", [(), ("--tokens", "tokens.txt")])
def test_from_the_command_line(shared, tmp_path, extra):
    (tmp_path / "tokens.txt").write_text(TOKEN)
    command = [sys.executable, "-m", "sesstore_cli.main", "serve", "--store", str(shared.path)]
    command += ["--port", "0", "--json", *extra]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    try:
        said = json.loads(process.stdout.readline())
        request = urllib.request.Request(said["stores"][0] + "/share/index.json")
        if extra:
            with pytest.raises(urllib.error.HTTPError, match="401"):
                urllib.request.urlopen(request, timeout=20)
            request.add_header("Authorization", f"Bearer {TOKEN}")
        assert b"sesstore_share" in urllib.request.urlopen(request, timeout=20).read()
    finally:
        process.terminate()
        process.wait(20)
    assert "Traceback" not in process.stderr.read()


def test_served_is_found_by_the_name_of_its_folder(tmp_path, kit):
    stores = [kit.fill(tmp_path / name / "st", kit.proteins(11), ()) for name in ("a", "b")]
    with StoreServer(stores) as served:
        assert list(served.stores) == ["st", "st-2"]
        folders = [Path(o._folder) for o in served.stores.values()]
    assert not any(folder.exists() for folder in folders)


@pytest.mark.parametrize(
    ("folder", "name"),
    [("my.store_1-a", "my.store_1-a"), (".-x", "x"), ("c d", "c-d"), ("é!", "store"), ("à1", "1")],
)
def test_names_in_addresses(folder, name):
    assert names_of(Path("/nowhere") / folder) == name


@pytest.mark.parametrize(
    ("problem", "status", "said"),
    [
        (StoreAccessError("/home/me/store: no permission"), 503, "cannot be read at the moment"),
        (CorruptStoreError("/home/me/store is damaged"), 500, "is not as it should be"),
        (StoreError("/home/me/store is odd"), 500, "is not as it should be"),
        (NotStoredError("no such protein"), 404, "no such protein"),
        (UnknownNameError("task", "tyo", ["toy"]), 404, "Did you mean 'toy'?"),
        (MissingFileError("no such store"), 404, "no such store"),
        (InputError("ask for something"), 400, "ask for something"),
    ],
)
def test_errors_have_their_status_and_tell_nothing_of_this_machine(
    shared, monkeypatch, problem, status, said
):
    def fails(*_: object) -> None:
        raise problem

    monkeypatch.setattr(server, "search", fails)
    with StoreServer([shared]) as served:
        answer = TestClient(application(served)).get("/shared/search?q=x")
    assert answer.status_code == status
    assert said in answer.json()["error"]
    assert "/home/me" not in answer.text


def test_every_answer_says_how_browsers_are_to_take_it(shared):
    with StoreServer([shared]) as served:
        client = TestClient(application(served, (TOKEN,)))
        known = {"authorization": f"Bearer {TOKEN}"}
        answers = [
            client.get("/catalogue.json", headers=known),
            client.get("/catalogue.json"),
            client.post("/catalogue.json", headers=known),
            client.get("/shared/nothing", headers=known),
        ]
    assert [answer.status_code for answer in answers] == [200, 401, 405, 404]
    assert answers[2].text == "this server can only be read\n"
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"


def test_results_are_remembered_until_there_are_too_many(shared, monkeypatch):
    monkeypatch.setattr(server, "_MOST_REMEMBERED", 2)
    work: list[int] = []
    with StoreServer([shared]) as served:
        overlay = served.overlay("shared")
        for _ in range(2):
            for question in range(3):
                served.cached(overlay, question, lambda q=question: work.append(q) or q)
        assert work == [0, 1, 2]
        for question in range(3, 20):
            assert served.cached(overlay, question, lambda q=question: q) == question
        assert len(served._results) <= 3
