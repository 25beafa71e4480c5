"""Where there is no Ray, or no cluster."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys

import pytest

from sesstore.errors import MissingExtraError
from sesstore.jobs.cluster.connection import Cluster, connected


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
