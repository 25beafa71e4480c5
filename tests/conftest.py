"""Fixtures every test may use: the shared real data, where they are at hand; an S3 API server;
other people; a matrix unit."""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from sesstore.alphabets import ALPHABETS

from .modules import load_module

settings.register_profile(
    "sesstore", deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.register_profile("thorough", settings.get_profile("sesstore"), max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "sesstore"))

# Every `sesstore train` would draw a dozen figures; the test of reports asks for them.
os.environ.setdefault("SESSTORE_REPORT", "0")
os.environ.setdefault("SESSTORE_BASELINES", "0")

_GZIP, _TIME = b"\x1f\x8b\x08", slice(4, 8)
"""First bytes of a gzip file, and where it says when it was written (RFC 1952)."""


def pytest_make_parametrize_id(val: object, argname: str) -> None:
    """Refuse parameters that differ from process to process: workers would have other tests."""
    if isinstance(val, bytes) and val.startswith(_GZIP) and any(val[_TIME]):
        raise pytest.UsageError(
            f"parameter {argname} says when it was packed. Use gzip.compress(..., mtime=0)"
        )


@pytest.fixture(autouse=True)
def standard_input() -> Iterator[None]:
    """Notice who closes or replaces standard input: what breaks is a test long after."""
    before = os.fstat(0)
    yield
    assert os.path.samestat(before, os.fstat(0)), "the test changed standard input"


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


@pytest.fixture(scope="session")
def shared_cases() -> Path:
    """Folder of files that failed once."""
    return _shared("cases")


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
    script = Path(__file__).with_name("s3_server.py")
    command = [sys.executable, str(script), "-H", "127.0.0.1", "-p", str(port)]
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


_MAY_READ = "-all,+dac_read_search"


@dataclass(frozen=True)
class Person:
    """Somebody else on this machine, who shares a group with others.

    May read everything, as a Python environment in root's home must be read, and write only what
    the permission bits allow.

    Parameters
    ----------
    uid, gid, umask : int
    """

    uid: int
    gid: int = 54_000
    umask: int = 0o002

    def start(self, *command: str, **options: Any) -> subprocess.Popen[str]:
        """Start a program as this person."""
        become = ["setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups"]
        become += [f"--{name}={_MAY_READ}" for name in ("inh-caps", "ambient-caps", "bounding-set")]
        environment = {**os.environ, "HOME": "/nonexistent", "SESSTORE_CACHE": "/nonexistent"}
        options = {"env": environment, "umask": self.umask, "text": True, "cwd": "/", **options}
        return subprocess.Popen([*become, *command], **options)

    def run(self, *command: str) -> tuple[int, str]:
        """Run a program as this person; its exit status, and what it wrote."""
        both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        with self.start(*command, **both) as process:
            text = process.communicate(timeout=120)[0]
        return process.returncode, text


@pytest.fixture(scope="session")
def people() -> tuple[Person, Person]:
    """Two people of one group, neither of them root."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("acting as other people needs root and setpriv")
    first, second = Person(54_001), Person(54_002)
    if first.run(sys.executable, "-c", "import sesstore")[0] != 0:
        pytest.skip("other people cannot read this Python environment")
    return first, second


@pytest.fixture
def lab(people: tuple[Person, Person]) -> Iterator[Path]:
    """A folder that the group shares: setgid, and everybody may pass through it."""
    folder = Path(tempfile.mkdtemp(prefix="sesstore-lab-", dir="/tmp"))
    os.chown(folder, people[0].uid, people[0].gid)
    folder.chmod(0o2775)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few MiB in memory, where mounting one is allowed."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill_up(folder: Path) -> None:
    """Leave no space: remove ``ballast`` for half a MiB, ``more`` for the rest."""
    (folder / "ballast").write_bytes(b"\0" * (1 << 19))
    with (folder / "more").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\0" * 4096)


@pytest.fixture(scope="session")
def emulation(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The kernel of products on matrix units, its instructions emulated: compiled now."""
    compiler = shlex.split(os.environ.get("CXX") or sysconfig.get_config_var("CXX") or "c++")
    include = Path(sysconfig.get_paths()["include"])
    if shutil.which(compiler[0]) is None or not (include / "Python.h").is_file():
        pytest.skip("no C++ compiler, or no headers of Python, to build the emulation with")
    source = Path(__file__).resolve().parents[1] / "sesstore/products/amx.cpp"
    target = tmp_path_factory.mktemp("emulation") / "_amx.abi3.so"
    subprocess.run(
        [
            *compiler, "-O2", "-std=c++17", "-fPIC", "-shared",
            "-DEMULATED", "-DPy_LIMITED_API=0x030B0000",
            f"-I{include}", str(source), "-o", str(target),
        ],
        check=True,
    )  # fmt: skip
    return load_module("_amx", target)


@pytest.fixture
def emulated(emulation: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A processor with a matrix unit: everything multiplies by the emulation."""
    from sesstore.products import affine, amx

    monkeypatch.setattr(amx, "kernel", lambda: emulation)
    affine._weights.clear()
    yield emulation
    affine._weights.clear()
