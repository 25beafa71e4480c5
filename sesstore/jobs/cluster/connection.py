"""Get hold of a Ray cluster, quietly: one of this machine's own for the while, or a running one.

Ray is imported here and nowhere else, on first use. What was started is shut down and its files are
removed; nothing of Ray's own goes to the terminal.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ...errors import ClusterError, MissingExtraError
from ...memory import available_cores

_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # Ray would say on the driver's standard output what happens to workers; the driver says it.
    "RAY_DEDUP_LOGS_SKIP_REGEX": "^",
    "RAY_SCHEDULER_EVENTS": "0",
    # Otherwise workers get next to nothing of cores that others use, too.
    "RAY_worker_niceness": "0",
}
_ALONE = {
    # What Ray asks on machines with a firewall that asks the user: listen on the loopback only.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "token",
}
_OBJECT_STORE_BYTES = 100 << 20
"""Ray's least is 75 MiB. Work items and their results fit into calls; embeddings never travel."""

_CONNECT_SECONDS = 10.0

_LONGEST_FOLDER = 40
"""Ray's sockets have names of at most 107 bytes, below the folder it is given."""


@dataclass(frozen=True)
class Cluster:
    """Where workers run, and how many.

    Parameters
    ----------
    address : str, optional
        Of a running cluster, as ``ray.init`` takes it (``auto``, ``host:6379``); without one, and
        without ``RAY_ADDRESS``, this machine alone is used.
    workers : int, optional
        How many; by default one a GPU, or one a `threads` CPUs, of all that the cluster has at any
        time.
    threads : int
        CPU threads of a worker.
    """

    address: str | None = None
    workers: int | None = None
    threads: int = 1


def import_ray(*, alone: bool) -> Any:
    """Return the package ray.

    Parameters
    ----------
    alone : bool
        For a cluster on this machine: it listens on the loopback alone, and to those who have its
        token. Ray reads that when it is first imported.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    if alone and "ray" not in sys.modules:
        os.environ.update(_ALONE, RAY_AUTH_TOKEN=secrets.token_hex(32))
    try:
        return import_module("ray")
    except ImportError:
        raise MissingExtraError("the Ray engine", "cluster") from None


@contextmanager
def connected(cluster: Cluster) -> Iterator[Any]:
    """Connect to a cluster for the while; a connection that exists already is used and left.

    Yields
    ------
    module
        The package ray, connected.

    Raises
    ------
    MissingExtraError
        Ray is not installed.
    ClusterError
        There is no cluster at the address, or none could be started.
    """
    address = cluster.address or os.environ.get("RAY_ADDRESS")
    ray = import_ray(alone=not address)
    if ray.is_initialized():
        yield ray
        return
    folder = None if address else _folder()
    try:
        with _preserved_signal_handlers():
            if folder is None:
                _connect(ray, str(address))
            else:
                _start(ray, cluster, folder)
        yield ray
    finally:
        ray.shutdown()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def slots(ray: Any, cluster: Cluster, *, gpus: bool) -> int:
    """How many workers there should be now."""
    if cluster.workers is not None:
        return cluster.workers
    resources = ray.cluster_resources()
    return int(resources.get("GPU", 0) if gpus else resources.get("CPU", 0) // cluster.threads)


def has_gpus(ray: Any) -> bool:
    """Whether the cluster has GPUs."""
    return bool(ray.cluster_resources().get("GPU", 0) >= 1)


def _start(ray: Any, cluster: Cluster, folder: str) -> None:
    cpus = (cluster.workers or 0) * cluster.threads or available_cores()
    for last in (False, True):
        try:
            ray.init(
                address="local",
                num_cpus=cpus,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.CRITICAL,
                object_store_memory=_OBJECT_STORE_BYTES,
                _temp_dir=folder,
            )
        # Ray raises this very class where its parts have not found each other in half a minute, as
        # on a busy machine; files are read by then, and the second start is quick.
        except Exception as problem:
            ray.shutdown()
            if last:
                raise ClusterError(
                    f"Ray could not be started on this machine: {_first_line(problem)}. Run "
                    f"without --engine ray, or name a running cluster with --address"
                ) from None
        else:
            return


def _connect(ray: Any, address: str) -> None:
    try:
        _check_reachable(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL)
    except (ray.exceptions.RayError, OSError, RuntimeError, ValueError) as problem:
        raise ClusterError(
            f"there is no Ray cluster to be used at '{address}': {_first_line(problem)}. Start one "
            f"with `ray start --head`, or leave --address out to use this machine"
        ) from None


def _check_reachable(address: str) -> None:
    """Raise `OSError` where nobody listens; Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()


def _first_line(problem: Exception) -> str:
    return str(problem).strip().splitlines()[0].rstrip(".") if str(problem).strip() else "no reason"


def _folder() -> str:
    """A folder for Ray's files that is this run's own: others' runs cannot be in the way."""
    usual = tempfile.gettempdir()
    short = usual if len(usual) <= _LONGEST_FOLDER else "/tmp"  # noqa: S108 - mkdtemp makes it safe
    return tempfile.mkdtemp(prefix="sesstore-ray-", dir=short)


@contextmanager
def _preserved_signal_handlers() -> Iterator[None]:
    """Undo what Ray does to signal handlers."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
