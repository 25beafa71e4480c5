"""Where there is no Ray, or no cluster."""

from __future__ import annotations

import sys

import pytest

from sesstore.errors import ClusterError, MissingExtraError
from sesstore.jobs.engines.cluster import Cluster, connected


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"sesstore\[cluster\]"), connected(Cluster()):
        pass


def test_a_cluster_that_is_not_there_is_said_at_once() -> None:
    pytest.importorskip("ray", reason="ray is not installed")
    with (
        pytest.raises(ClusterError, match=r"no Ray cluster .* '127\.0\.0\.1:1'"),
        connected(Cluster("127.0.0.1:1")),
    ):
        pass
