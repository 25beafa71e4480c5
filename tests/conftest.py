"""Fixtures every test may use: the shared real data, where they are at hand; an S3 API server."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from sesstore.alphabets import ALPHABETS

settings.register_profile(
    "sesstore", deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile("sesstore")

# Every `sesstore train` would draw a dozen figures; the test of reports asks for them.
os.environ.setdefault("SESSTORE_REPORT", "0")

SHARED = Path(__file__).resolve().parents[2] / "shared"


def _shared(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"../shared/{name} is not at hand")
    return folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real labelled proteins with tokens."""
    return _shared("data")


@pytest.fixture(scope="session")
def shared_structures() -> Path:
    """Folder of real PDB and mmCIF files."""
    return _shared("structures")


@pytest.fixture(autouse=True)
def _declared_alphabets() -> Iterator[None]:
    """Alphabets are declared for as long as a process lives: those of a test are forgotten."""
    before = dict(ALPHABETS)
    yield
    ALPHABETS.clear()
    ALPHABETS.update(before)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_for(url: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(url, timeout=2).read()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(url)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """A moto server in a process of its own: the S3 API over HTTP."""
    pytest.importorskip("moto.server", reason="moto[server] is not installed")
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(f"http://127.0.0.1:{port}/moto-api/")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of a new bucket."""
    settings = {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    name = f"lab-{os.getpid()}-{time.monotonic_ns()}"
    request = urllib.request.Request(f"{s3_server}/{name}", method="PUT")
    urllib.request.urlopen(request).read()
    return f"s3://{name}/some/prefix"
