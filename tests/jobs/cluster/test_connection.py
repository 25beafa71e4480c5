"""Where there is no Ray, or no cluster."""

from __future__ import annotations

import importlib.util
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sesstore.errors import ClusterError, MissingExtraError
from sesstore.jobs.cluster import connection
from sesstore.jobs.cluster.connection import Cluster, connected, has_gpus, slots


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"sesstore\[cluster\]"), connected(Cluster()):
        pass


def test_a_cluster_that_is_not_there_is_said_at_once() -> None:
    if importlib.util.find_spec("ray") is None:
        pytest.skip("ray is not installed")
    code = (
        "from sesstore.jobs.cluster.connection import Cluster, connected\n"
        "try: connected(Cluster('127.0.0.1:1')).__enter__()\n"
        "except RuntimeError as problem: print(type(problem).__name__, problem)"
    )  # by itself: Ray, once imported for a cluster elsewhere, would start no private one
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert re.match(r"ClusterError there is no Ray cluster .* '127\.0\.0\.1:1'", done.stdout)


class Package:
    """What is asked of the package ray, which starts after some failures."""

    exceptions = SimpleNamespace(RayError=KeyError)

    def __init__(self, failures: int = 0, *, running: bool = False, **resources: float) -> None:
        self.failures, self.running, self.resources = failures, running, resources
        self.starts: list[dict[str, Any]] = []
        self.ends = 0

    def is_initialized(self) -> bool:
        return self.running

    def init(self, **how: Any) -> None:
        self.starts.append(how)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as Ray does
        if len(self.starts) <= self.failures:
            raise RuntimeError("the parts did not meet.\nMore of it")

    def shutdown(self) -> None:
        self.ends += 1

    def cluster_resources(self) -> dict[str, float]:
        return self.resources


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch):
    """Let a package stand in for Ray, and say how it was imported."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    alone: list[bool] = []

    def use(package: Package) -> list[bool]:
        def imported(*, alone: bool) -> Package:
            heard.append(alone)
            return package

        heard = alone
        monkeypatch.setattr(connection, "import_ray", imported)
        return heard

    return use


@pytest.mark.parametrize(
    ("cluster", "gpus", "resources", "count"),
    [
        (Cluster(threads=4), False, {"CPU": 11.0, "GPU": 3.0}, 2),
        (Cluster(threads=4), True, {"CPU": 11.0, "GPU": 3.0}, 3),
        (Cluster(), False, {"CPU": 5.0}, 5),
        (Cluster(), True, {"CPU": 5.0}, 0),
        (Cluster(workers=7, threads=4), False, {"CPU": 5.0}, 7),
    ],
)
def test_a_worker_takes_a_gpu_or_its_threads(cluster, gpus, resources, count) -> None:
    package = Package(**resources)
    assert slots(package, cluster, gpus=gpus) == count
    assert has_gpus(package) is ("GPU" in resources)


@pytest.mark.parametrize("failures", [0, 1])
def test_this_machine_is_started_for_its_workers_and_left_as_it_was(use, failures: int) -> None:
    package, handler = Package(failures), signal.getsignal(signal.SIGTERM)
    alone = use(package)
    with connected(Cluster(workers=3, threads=2)) as ray:
        assert ray is package
        assert len(package.starts) == 1 + failures
        how = package.starts[-1]
        assert (how["address"], how["num_cpus"], how["log_to_driver"]) == ("local", 6, False)
        assert Path(how["_temp_dir"]).is_dir()
        assert signal.getsignal(signal.SIGTERM) == handler
        assert package.ends == failures
    assert (package.ends, alone) == (failures + 1, [True])
    assert not Path(how["_temp_dir"]).exists()


@pytest.mark.parametrize("threads", [1, 3])
def test_without_a_number_of_workers_all_cores_are_shared(use, monkeypatch, threads: int) -> None:
    monkeypatch.setattr(connection, "available_cores", lambda: 7)
    package = Package()
    use(package)
    with connected(Cluster(threads=threads)):
        assert package.starts[0]["num_cpus"] == 7


def test_what_does_not_start_twice_is_an_error_and_leaves_nothing(use) -> None:
    package = Package(2)
    use(package)
    with (
        pytest.raises(ClusterError, match=r"on this machine: the parts did not meet\. Run without"),
        connected(Cluster()),
    ):
        pass
    assert len(package.starts) == 2
    assert not Path(package.starts[0]["_temp_dir"]).exists()


def test_a_running_cluster_is_joined_and_a_connection_is_left(use, monkeypatch) -> None:
    package = Package()
    alone = use(package)
    with connected(Cluster("auto")):
        assert [how["address"] for how in package.starts] == ["auto"]
        assert "num_cpus" not in package.starts[0]
    assert package.ends == 1
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(ClusterError, match=r"at '127\.0\.0\.1:1'"), connected(Cluster()):
        pass
    with connected(Cluster("auto")):  # what is named goes before the environment
        assert package.starts[-1]["address"] == "auto"
    assert alone == [False, False, False]
    package = Package(running=True)
    use(package)
    with connected(Cluster()) as ray:
        assert ray is package
    assert (package.starts, package.ends) == ([], 0)


def test_a_cluster_of_this_machine_has_a_token_of_its_own(monkeypatch) -> None:
    monkeypatch.setattr(connection, "import_module", lambda name: name)
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    tokens = set()
    for _ in range(2):
        settings: dict[str, str] = {}
        monkeypatch.setattr(connection, "os", SimpleNamespace(environ=settings))
        assert connection.import_ray(alone=True) == "ray"
        assert settings.items() >= connection._ALONE.items()
        tokens.add(settings["RAY_AUTH_TOKEN"])
    assert {len(token) for token in tokens} == {64}
    assert len(tokens) == 2
    # One that was imported goes on with the token it has; one elsewhere has its own.
    for alone, imported in ((True, True), (False, False)):
        settings = {next(iter(connection._SETTINGS)): "of the user"}
        monkeypatch.setattr(connection, "os", SimpleNamespace(environ=settings))
        if imported:
            monkeypatch.setitem(sys.modules, "ray", SimpleNamespace())
        connection.import_ray(alone=alone)
        assert settings == {**connection._SETTINGS, **settings}
        assert "of the user" in settings.values()
        assert not settings.keys() & {"RAY_AUTH_TOKEN", *connection._ALONE}


@pytest.mark.parametrize(("letters", "elsewhere"), [(0, False), (1, True)])
def test_a_folder_for_sockets_has_a_short_name(
    tmp_path: Path, monkeypatch, letters: int, elsewhere: bool
) -> None:
    monkeypatch.setattr(connection, "_LONGEST_FOLDER", len(str(tmp_path)))
    usual = tmp_path if not letters else Path(f"{tmp_path}x")
    usual.mkdir(exist_ok=True)
    monkeypatch.setattr(connection.tempfile, "tempdir", str(usual))
    first, second = Path(connection._folder()), Path(connection._folder())
    for folder in (first, second):
        assert folder.parent == (Path("/tmp") if elsewhere else usual)
        folder.rmdir()
    assert first != second
