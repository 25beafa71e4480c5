"""Embed with many workers on a Ray cluster: this machine's cores and GPUs, or a cluster's.

The dispatcher (this process) stores the proteins, cuts what is missing into work items and hands
them out; each worker writes its own segments, so embeddings never travel. What is committed is
known from the workers, and after a worker's death from the store, so only uncommitted proteins are
done again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...encoders import registry
from ...encoders.base import Encoder
from ...encoders.devices import choose_precision
from ...errors import ClusterError, InputError, StoppedError
from ...failures import list_failures
from ...progress import SILENT, Progress
from ...proteins import Protein
from ...provenance import circumstances
from ...store import Store
from ..embedding.embed import EmbedReport, layer_fingerprints, provenances_of
from ..embedding.missing_proteins import EmbedPlan, plan_embedding
from ..signals import stop_requests
from .connection import Cluster, connected, has_gpus, slots
from .dispatcher import Dispatcher
from .embed_worker import COMMIT_SECONDS, EmbedOrder, EmbedWorker
from .work_items import FOR_CPUS, FOR_GPUS, WorkItem, cut
from .work_queue import WorkQueue
from .worker_pool import WorkerPool

_DEADLY = (
    "workers died whenever they encoded it; most often memory is too small: give fewer --workers"
)


def embed_on_ray(
    store: Store,
    encoder: Encoder,
    make_encoder: Callable[[], Encoder],
    proteins: Iterable[Protein] | None = None,
    *,
    location: Path | str | None = None,
    dtype: str = "float16",
    plan: EmbedPlan | None = None,
    cluster: Cluster | None = None,
    gpus: bool | None = None,
    commit_seconds: float = COMMIT_SECONDS,
    progress: Progress = SILENT,
) -> EmbedReport:
    """Encode what is missing with many workers, which commit it to the store.

    Parameters
    ----------
    store, encoder, proteins, dtype, plan
        As in `embed.embed`. The encoder is asked what it is and what proteins cost; it encodes
        nothing here.
    make_encoder : callable
        Makes the same encoder in a worker, such as ``functools.partial(registry.load, "near")``.
    location : path or str, optional
        What workers open the store by: a folder that is there on every machine, or a URL; the
        store's own folder by default.
    cluster : Cluster, optional
        Where; this machine by default.
    gpus : bool, optional
        Whether each worker takes a GPU; where there are any, by default.
    commit_seconds : float
        How long what a worker has encoded may wait to be committed: what its death can cost.
    progress : Progress
        Told about residues as they are encoded, by all workers together.

    Returns
    -------
    EmbedReport
        ``failed`` maps ids to reasons; nothing is skipped without one.

    Raises
    ------
    MissingExtraError
        Ray is not installed.
    ClusterError
        There is no such cluster, or its workers die one after the other.
    StoppedError
        A signal came; all that was finished is in the store.
    StorageFullError
        No space left; all segments committed before stay.
    """
    start = time.perf_counter()
    plan = plan or plan_embedding(store, encoder, proteins, dtype=dtype)
    failed: dict[str, str] = {}
    if plan.todo:
        order = EmbedOrder(
            location=str(Path(store.path).resolve() if location is None else location),
            make_encoder=make_encoder,
            provenances=provenances_of(encoder, dtype),
            circumstances=circumstances("torch", "numpy", "zarr", "ray"),
            commit_seconds=commit_seconds,
        )
        with connected(cluster or Cluster()) as ray:
            failed = _Embedding(ray, store, encoder, plan, order).run(
                cluster or Cluster(), gpus, progress
            )
    return EmbedReport(
        encoder=encoder.full_name,
        fingerprint=encoder.fingerprint.short,
        proteins=plan.proteins,
        residues=plan.residues,
        encoded=len(plan.todo) - len(failed),
        already_stored=plan.already_stored,
        failed=failed,
        seconds=time.perf_counter() - start,
        layers=layer_fingerprints(encoder),
    )


def encoder_for_workers(
    ray: Any,
    plm: str,
    cluster: Cluster,
    *,
    device: str | None = None,
    precision: str | None = None,
    **options: Any,
) -> tuple[Encoder, Callable[[], Encoder], bool]:
    """Make an encoder as the workers of a cluster will run it: on GPUs where there are any.

    Parameters
    ----------
    ray : module
        Connected, see `connection.connected`.
    plm : str
        See `registry.load`.
    cluster : Cluster
        Its threads are each worker's.
    device : str, optional
        ``"cpu"`` or ``"cuda"``.
    precision : str, optional
        Of all workers; see `devices.choose_precision`.
    options
        ``weights``, ``long`` and ``layers`` of `registry.load`.

    Returns
    -------
    encoder : Encoder
        With the fingerprint that the workers' have; not to encode with.
    make_encoder : callable
        Makes it in a worker.
    gpus : bool
        Whether each takes a GPU.

    Raises
    ------
    InputError
        The device is another one.
    """
    if device not in (None, "cpu", "cuda"):
        raise InputError(
            f"on a cluster each worker takes the GPU it is given, so --device '{device}' cannot be "
            f"used. Give --device cuda or cpu, or leave it out"
        )
    gpus = device == "cuda" or (device is None and has_gpus(ray))
    spec = registry.spec(plm)
    precision = choose_precision(
        precision, torch.device("cuda" if gpus else "cpu"), spec.precisions
    )
    load = partial(registry.load, plm, precision=precision, **options)
    worker = partial(load, device="cuda" if gpus else "cpu", threads=cluster.threads)
    return load(device="cpu"), worker, gpus


class _Embedding:
    """One run, connected."""

    def __init__(
        self, ray: Any, store: Store, encoder: Encoder, plan: EmbedPlan, order: EmbedOrder
    ) -> None:
        self._ray, self._store, self._encoder = ray, store, encoder
        self._plan, self._order = plan, order

    def run(self, cluster: Cluster, gpus: bool | None, progress: Progress) -> dict[str, str]:
        """Do all work items; return the ids that failed, with reasons."""
        gpus = has_gpus(self._ray) if gpus is None else gpus
        count = slots(self._ray, cluster, gpus=gpus)
        if not count:
            raise ClusterError(
                f"the cluster has no {'GPU' if gpus else 'CPU'} to give to a worker. Add machines "
                f"to it, or say with --workers how many to wait for"
            )
        progress.note(
            f"{count} workers with {'a GPU' if gpus else f'{cluster.threads} CPU threads'} each"
        )
        limits = FOR_GPUS if gpus else FOR_CPUS
        queue = WorkQueue(cut(self._plan.todo, self._encoder.flops, count, limits))
        pool = WorkerPool(
            self._ray,
            EmbedWorker,
            self._order,
            {"num_gpus": 1} if gpus else {"num_cpus": cluster.threads},
            lambda: slots(self._ray, cluster, gpus=gpus),
        )
        name = f"embedding with {self._encoder.name}"
        with stop_requests() as stop, progress.stage(name, self._plan.residues, "residues") as bar:
            dispatcher = Dispatcher(pool, queue, _sequences, self._remaining, bar)
            dispatcher.run(stop)
        if not queue.all_settled:
            raise self._stopped(stop.signal)
        reasons = {k: why for outcome in dispatcher.results for k, why in outcome.failures.items()}
        reasons |= {p.digest: _DEADLY for p in queue.abandoned}
        failed: dict[str, str] = {}
        list_failures(failed, self._plan.todo, reasons)
        return failed

    def _remaining(self, work_item: WorkItem[Protein]) -> WorkItem[Protein] | None:
        """What of a work item is not in the store."""
        is_stored = self._stored(work_item.items)
        inputs = [p for p, stored in zip(work_item.items, is_stored, strict=True) if not stored]
        if len(inputs) == len(work_item.items):
            return work_item
        size = sum(map(len, inputs))
        cost = work_item.cost * size / work_item.size
        return WorkItem(inputs, size, cost, work_item.losses) if inputs else None

    def _stored(self, proteins: Iterable[Protein]) -> list[bool]:
        return list(self._under_every_layer([protein.digest for protein in proteins]))

    def _under_every_layer(self, digests: Iterable[bytes]) -> NDArray[np.bool_]:
        rows = list(digests)
        everywhere = np.ones(len(rows), bool)
        for fingerprint in self._encoder.fingerprints:
            everywhere &= self._store.has_embeddings(fingerprint, rows)
        return everywhere

    def _stopped(self, signal: str | None) -> StoppedError:
        todo = [row.tobytes() for row in self._plan.todo.digests]
        count = int(self._under_every_layer(todo).sum())
        return StoppedError(
            f"stopped by {signal}: {count:,} of {len(self._plan.todo):,} proteins are encoded "
            f"and committed. Run the same command again to go on from there"
        )


def _sequences(work_item: WorkItem[Protein]) -> list[object]:
    return [[protein.sequence for protein in work_item.items]]
