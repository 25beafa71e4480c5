"""What do the driver and the store sustain, and what do two workers bring over one?

- *driver*: its bookkeeping alone (work items, queue, answers), for 1 to 64 workers that answer at
  once: nothing is encoded or written.
- *store*: the same with workers in threads that write real segments, the encoder costing nothing.
- *segments*: a store of very many small segments, written by one writer: listing it, opening it in
  a fresh process, compacting it, opening it again; and the index it would have in object storage.
- *workers*: ESM-2 with random weights on a Ray cluster of this machine, one thread a worker, with
  one worker and with two, against a plain run with one thread. Time counts from the first protein
  that is done, so that starting Ray and loading the encoder (reported apart) do not.

::

    python -m benchmarks.scaling --json                                # some minutes
    python -m benchmarks.scaling --proteins 20000 --segments 100 --embed 0     # a quick look
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sesstore.encoders import registry
from sesstore.encoders.randomweights import write_random_esm2
from sesstore.jobs.cluster.connection import Cluster, connected
from sesstore.jobs.cluster.dispatcher import Dispatcher
from sesstore.jobs.cluster.embed_worker import EmbedOrder
from sesstore.jobs.cluster.ray_embed import embed_on_ray
from sesstore.jobs.cluster.work_items import FOR_CPUS, WorkItem, cut
from sesstore.jobs.cluster.work_queue import WorkQueue
from sesstore.jobs.embedding.embed import embed, provenances_of
from sesstore.proteins import Protein
from sesstore.provenance import circumstances
from sesstore.residues import to_storage
from sesstore.sharing.publication import segment_entry
from sesstore.sharing.share_index import EncoderEntry, Index, parse_index
from sesstore.store import Store, layout
from sesstore.store.compaction import compact

from .simulated_pool import AnswerAtOnce, NoCostEncoder, SimulatedPool

_LETTERS = np.frombuffer(b"ACDEFGHIKLMNPQRSTVWY", np.uint8)
_CREWS = (1, 4, 16, 64)
_FRESH = (
    "import sys, time; from sesstore.store import Store; started = time.perf_counter();"
    "view = Store.open(sys.argv[1]).embeddings(); print(time.perf_counter() - started, len(view))"
)


def measure(proteins: int, segments: int, to_embed: int, folder: Path) -> dict[str, Any]:
    """Return machine, table and ratios of one run.

    Parameters
    ----------
    proteins : int
        Of the simulations; a twentieth of them is written.
    segments : int
        Of the store of very many.
    to_embed : int
        Proteins for the workers; 0 leaves them out.
    folder : path
        Where everything is written; removed by the caller.
    """
    sample = _proteins(proteins)
    table: dict[str, Any] = {"driver": [_driver(sample, count) for count in _CREWS]}
    subset = sample[: max(64, proteins // 20)]
    table["store"] = [_store(subset, count, folder / f"store{count}") for count in _CREWS]
    table["sequences"] = _sequences(subset, folder / "sequences")
    table["segments"] = _segments(segments, folder / "many")
    ratios = {
        "driver_proteins_per_s": min(row["proteins_per_s"] for row in table["driver"]),
        f"open_{_short(segments)}_segments_s": table["segments"]["open_s"],
        f"open_{_short(segments)}_segments_compacted_s": table["segments"]["open_compacted_s"],
    }
    if to_embed:
        table["workers"] = _workers(to_embed, folder / "workers")
        speed = {name: rates["residues_per_s"] for name, rates in table["workers"].items()}
        ratios["two_ray_workers_vs_one"] = speed["ray_2"] / speed["ray_1"]
        ratios["one_ray_worker_vs_plain"] = speed["ray_1"] / speed["plain"]
    machine = {"cores": os.cpu_count(), "platform": platform.platform(), "proteins": proteins}
    return {"machine": machine, "table": table, "ratios": ratios}


def _proteins(count: int) -> list[Protein]:
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(5.6, 0.6, count), 30, 1000).astype(int)
    return [
        Protein(f"P{i}", _LETTERS[rng.integers(0, 20, n)].tobytes().decode())
        for i, n in enumerate(lengths)
    ]


def _driver(proteins: list[Protein], workers: int) -> dict[str, float]:
    """The bookkeeping of a whole run, of which workers take no time."""
    began = time.perf_counter()
    work_items = cut(proteins, lambda length: length, workers, FOR_CPUS)
    pool = SimulatedPool([AnswerAtOnce() for _ in range(workers)], 0)
    _drive(pool, work_items)
    took = time.perf_counter() - began
    return {
        "workers": workers,
        "portions": len(work_items),
        "seconds": took,
        "proteins_per_s": len(proteins) / took,
    }


def _store(proteins: list[Protein], workers: int, folder: Path) -> dict[str, float]:
    """Workers in threads write segments as they are made, one a work item."""
    from sesstore.jobs.cluster.embed_worker import EmbedWorker

    store, encoder = Store.create(folder), NoCostEncoder()
    order = EmbedOrder(
        location=str(folder),
        make_encoder=NoCostEncoder,
        provenances=provenances_of(encoder, "float16"),
        circumstances=circumstances("numpy"),
    )
    pool = SimulatedPool([EmbedWorker(order) for _ in range(workers)], workers, eager=True)
    began = time.perf_counter()
    _drive(pool, cut(proteins, lambda length: length, workers, FOR_CPUS))
    took = time.perf_counter() - began
    view = store.embeddings()
    if len(view) != len(proteins):
        raise RuntimeError(f"{len(view)} of {len(proteins)} proteins were stored")
    return {
        "workers": workers,
        "segments": len(view.segments),
        "seconds": took,
        "proteins_per_s": len(proteins) / took,
        "commits_per_s": len(view.segments) / took,
    }


def _drive(pool: SimulatedPool, work_items: list[WorkItem[Protein]]) -> None:
    queue = WorkQueue(work_items)
    dispatcher: Dispatcher[Protein] = Dispatcher(
        pool, queue, _sequences_of, lambda work_item: work_item, _Clock()
    )  # type: ignore[arg-type]
    dispatcher.run(False)
    if not queue.all_settled:
        raise RuntimeError("the dispatcher ended before everything was done")


def _sequences_of(work_item: WorkItem[Protein]) -> list[object]:
    return [[protein.sequence for protein in work_item.items]]


def _sequences(proteins: list[Protein], folder: Path) -> dict[str, float]:
    store = Store.create(folder)
    began = time.perf_counter()
    store.add_proteins(proteins)
    took = time.perf_counter() - began
    overhead = (folder / layout.PROTEINS).stat().st_size - sum(map(len, proteins))
    return {"added_per_s": len(proteins) / took, "bytes_beside_letters": overhead / len(proteins)}


def _segments(count: int, folder: Path) -> dict[str, float]:
    """A store of very many small segments, and its index as it would be in object storage."""
    encoder, store = NoCostEncoder(), Store.create(folder)
    began = time.perf_counter()
    with store.writer(provenances_of(encoder, "float16")[0], circumstances("numpy")) as writer:
        for protein in _proteins(4 * count):
            for embedding in encoder.encode([protein]):
                writer.add(to_storage(embedding, "float16"))
            if len(writer.committed) < (int(protein.id[1:]) + 1) // 4:
                writer.commit()
    table: dict[str, float] = {"commits_per_s": count / (time.perf_counter() - began)}
    place = store.encoder_folder()
    table["list_s"], paths = _timed(lambda: layout.committed(place))
    table["open_s"] = _fresh(folder)
    entries = {path.name: segment_entry(path) for path in paths}
    index = Index(encoders={place.name: EncoderEntry(store.encoders()[0], entries)})
    raw = index.to_bytes()
    table["remote_index_bytes"] = len(raw)
    table["remote_index_parse_s"], _ = _timed(lambda: parse_index(raw, "index"))
    table["compact_s"], _ = _timed(lambda: compact(store))
    table["segments_compacted"] = len(layout.committed(place))
    table["open_compacted_s"] = _fresh(folder)
    return {"segments": len(paths), **table}


def _fresh(folder: Path) -> float:
    """Seconds to open all embeddings in a process that has opened nothing before; the best of 3."""
    command = [sys.executable, "-c", _FRESH, str(folder)]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(3)]
    return min(float(run.stdout.split()[0]) for run in runs)


def _timed(call: Any) -> tuple[float, Any]:
    began = time.perf_counter()
    result = call()
    return time.perf_counter() - began, result


def _workers(count: int, folder: Path) -> dict[str, dict[str, float]]:
    """ESM-2 of 6 layers, random weights: a plain run, one Ray worker, two."""
    folder.mkdir()
    weights = folder / "esm2_t6_8M_UR50D.pt"
    write_random_esm2(weights, layers=6, dim=320)
    load = partial(registry.load, "esm2_t6", weights=weights, device="cpu", threads=1)
    proteins, table = _proteins(count), {}
    clock = _Clock()
    embed(Store.create(folder / "plain"), load(), proteins, progress=clock)
    table["plain"] = clock.rates()
    for workers in (1, 2):
        cluster, clock = Cluster(workers=workers, threads=1), _Clock()
        store = Store.create(folder / f"ray{workers}")
        with connected(cluster):
            embed_on_ray(store, load(), load, proteins, cluster=cluster, progress=clock)
        table[f"ray_{workers}"] = clock.rates()
    return table


class _Clock:
    """A progress that notes when residues were done."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._marks: list[tuple[float, int]] = []

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str) -> Iterator[_Clock]:
        yield self

    def advance(self, amount: int = 1) -> None:
        self._marks.append((time.perf_counter(), amount))

    def show(self, **figures: str) -> None:
        pass

    def row(self, **figures: str) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def rates(self) -> dict[str, float]:
        """Residues a second between the first and the last report, and seconds before the first."""
        (first, _), (last, _) = self._marks[0], self._marks[-1]
        residues = sum(amount for _, amount in self._marks[1:])
        return {"residues_per_s": residues / (last - first), "start_s": first - self._began}


def _short(count: int) -> str:
    return f"{count // 1000}k" if count >= 1000 else str(count)


def main() -> None:
    """Run the benchmark and print what it found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--proteins", type=int, default=400_000)
    parser.add_argument("--segments", type=int, default=10_000)
    parser.add_argument("--embed", type=int, default=300, help="proteins for the workers")
    parser.add_argument("--folder", type=Path, help="where to write; a temporary one by default")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        report = measure(options.proteins, options.segments, options.embed, Path(folder))
    if options.json:
        print(json.dumps(report))
        return
    for name, rows in report["table"].items():
        for row in rows if isinstance(rows, list) else [rows]:
            print(name, row)
    for name, value in report["ratios"].items():
        print(f"{name:40} {value:,.2f}")


if __name__ == "__main__":
    main()
