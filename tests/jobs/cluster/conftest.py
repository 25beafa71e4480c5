"""One Ray cluster for the tests of a file, which ends with them: it costs even while it idles."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import psutil
import pytest

from sesstore.jobs.cluster.connection import Cluster, connected


@pytest.fixture(scope="module")
def ray() -> Iterator[object]:
    """The package, connected to a cluster of two workers that leaves no process behind."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("ray is not installed")
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    with connected(Cluster(workers=2)) as module:
        yield module
    left = [p for p in psutil.Process().children(recursive=True) if p.pid not in before]
    psutil.wait_procs(left, timeout=10)
    assert not [p for p in left if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
