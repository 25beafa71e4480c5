"""How long does a search take, and does the reliability of a transferred label tell truth?

Search: random means (float16, as a store has them) in a memory-mapped file, the nearest rows of
some queries by `neighbours.cosine.nearest`; seconds, and the peak of memory that is not the
mapping. Approximate search (``--approximate ROWS``, once or more): means made up like those of
families of proteins, 20 of each around a centre, which all lie in 32 directions beside a large
common part; recall at 10 against the exact search, seconds to build an index and to search both
ways, bytes of the file, and memory; with ``--structureless`` random means instead, which have no
neighbours worth the name: the worst there is. Label transfer: labels of deeploc_binary's test
proteins from its train split, by means of NEAR, with accuracy in bins of equal size by
reliability; skipped where the data are absent.

::

    python -m benchmarks.neighbours --json
    python -m benchmarks.neighbours --rows 20000 --no-transfer    # a quick look
    python -m benchmarks.neighbours --rows 0 --no-transfer --approximate 100000 --dim 320
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.epoch import machine
from benchmarks.memory import anonymous_bytes
from benchmarks.small_sets import DATA
from sesstore.memory import available_cores
from sesstore.neighbours.approximate import approximate_index
from sesstore.neighbours.cosine import nearest
from sesstore.neighbours.lookup import LabelledLookup
from sesstore.provenance import Fingerprint, Provenance

TASK = "deeploc_binary"
BINS = 5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="0 leaves this out.")
    parser.add_argument("--approximate", type=int, action="append", default=[], metavar="ROWS")
    parser.add_argument("--structureless", action="store_true")
    parser.add_argument("--dim", type=int, default=1280)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--threads", type=int, default=available_cores())
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--store", type=Path, help="A store with the task and means by NEAR.")
    parser.add_argument("--no-transfer", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        table: list[dict[str, Any]] = []
        if options.rows:
            table.append(
                search(Path(folder), options.rows, options.dim, options.queries, options.threads)
            )
        for rows in options.approximate:
            like = random_means if options.structureless else family_means
            table.append(approximate(Path(folder), like(rows, options.dim), options.queries))
        transferred: dict[str, Any] = {}
        if not options.no_transfer and (options.store or (options.data / TASK).is_dir()):
            transferred = transfer(options.store or Path(folder) / "store", options.data)
    ratios = {k: v for k, v in transferred.items() if k != "bins"}
    if options.rows:
        for figure in ("seconds", "cpu_seconds", "anonymous_megabytes"):
            ratios[f"search_{figure}"] = table[0][figure]
    if options.approximate:
        ratios["recall_at_10"] = table[-1]["recall_at_10"]
        ratios["approximate_speedup"] = table[-1]["exact_cpu_ms"] / table[-1]["approximate_cpu_ms"]
    report = {
        "machine": machine(),
        "table": [*table, *transferred.get("bins", [])],
        "ratios": ratios,
    }
    if options.json:
        print(json.dumps(report))
        return
    for row in report["table"]:
        print(
            "  ".join(
                f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()
            )
        )
    if not transferred and not options.no_transfer:
        print(f"label transfer skipped: there is no {options.data / TASK}")
    for name, value in ratios.items():
        print(f"{name}: {value:.4f}")


def search(folder: Path, rows: int, dim: int, queries: int, threads: int) -> dict[str, Any]:
    """Search random means once, after a pass that brings the file into the cache."""
    rng = np.random.default_rng(0)
    path, block = folder / "means", 20_000
    with open(path, "wb") as file:
        pattern = rng.normal(size=(block, dim)).astype(np.float16)
        for start in range(0, rows, block):  # rolled, so that no two blocks are the same
            file.write(np.roll(pattern[: min(block, rows - start)], start // block, 1).tobytes())
    means = np.memmap(path, np.float16, "r", shape=(rows, dim))
    vectors = rng.normal(size=(queries, dim)).astype(np.float32)
    for start in range(0, rows, block):
        means[start : start + block].max()
    with Memory() as memory, Clock() as clock:
        hits = nearest(vectors, [means], 10, threads=threads)
    exact = vectors[0] / np.linalg.norm(vectors[0])
    row = means[hits.rows[0, 0]].astype(np.float64)
    assert abs(row @ exact / np.linalg.norm(row) - hits.similarity[0, 0]) < 1e-4
    return {
        "rows": rows,
        "columns": dim,
        "queries": queries,
        "threads": threads,
        "seconds": clock.seconds,
        "cpu_seconds": clock.cpu,
        "mapped_megabytes": path.stat().st_size / 1e6,
        "anonymous_megabytes": memory.peak / 1e6,
    }


def random_means(rows: int, dim: int) -> NDArray[np.float16]:
    """Means without any structure, [N, d]."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(rows, dim)).astype(np.float16)


def family_means(
    rows: int, dim: int, members: int = 20, directions: int = 32
) -> NDArray[np.float16]:
    """Means of families of proteins, [N, d], in random order."""
    rng = np.random.default_rng(0)
    axes = rng.normal(size=(directions, dim)).astype(np.float32) / np.sqrt(directions)
    common = 3 * rng.normal(size=dim).astype(np.float32)
    means = np.empty((rows, dim), np.float16)
    order = rng.permutation(rows)
    for start in range(0, rows, 1000 * members):
        places = order[start : start + 1000 * members]
        centres = rng.normal(size=(1000, directions)).astype(np.float32) @ axes
        noise = 0.3 * rng.normal(size=(len(places), dim)).astype(np.float32)
        means[places] = common + np.repeat(centres, members, 0)[: len(places)] + noise
    return means


class StoredMeans:
    """Means in a mapped file, as `neighbours.cosine.MeanRows` gives those of a store."""

    def __init__(self, path: Path, means: NDArray[np.float16]) -> None:
        np.save(path, means)
        self._values = np.load(path, mmap_mode="r")
        self.shape = means.shape
        encoder = Fingerprint("random", "0" * 64, 0, "esm1b", "whole", "fp32")
        self.provenance = Provenance(encoder.of_means, means.shape[1])
        self.digests = np.random.default_rng(2).integers(0, 256, (len(means), 32), np.uint8)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, block: Any) -> Any:
        return self._values[block]


def approximate(folder: Path, means: NDArray[np.float16], queries: int) -> dict[str, Any]:
    """Search means by an index and exactly, for rows of theirs that noise was added to."""
    rng = np.random.default_rng(1)
    chosen = rng.choice(len(means), queries, replace=False)
    noise = 0.1 * means[chosen].std(1, keepdims=True, dtype=np.float32)
    vectors = means[chosen].astype(np.float32) + noise * rng.normal(size=(queries, means.shape[1]))
    rows = StoredMeans(folder / "means.npy", means)
    os.environ["SESSTORE_CACHE"] = str(folder / "cache")
    with Memory() as building, Clock() as build:
        approximate_index(rows)
    with Memory() as searching:
        index = approximate_index(rows)
        index.nearest(vectors, 10)
        with Clock() as by_index:
            found = index.nearest(vectors, 10)
    with Clock() as by_all:
        exact = nearest(vectors, [rows], 10)
    (file,) = (folder / "cache" / "neighbours").iterdir()
    row = {
        "rows": len(means),
        "columns": means.shape[1],
        "queries": queries,
        "recall_at_10": float(
            np.mean([len(set(a) & set(b)) for a, b in zip(exact.rows, found.rows, strict=True)])
            / exact.rows.shape[1]
        ),
        "build_seconds": build.seconds,
        "build_cpu_seconds": build.cpu,
        "exact_ms": 1e3 * by_all.seconds / queries,
        "exact_cpu_ms": 1e3 * by_all.cpu / queries,
        "approximate_ms": 1e3 * by_index.seconds / queries,
        "approximate_cpu_ms": 1e3 * by_index.cpu / queries,
        "file_megabytes": file.stat().st_size / 1e6,
        "build_anonymous_megabytes": building.growth / 1e6,
        "search_anonymous_megabytes": searching.growth / 1e6,
    }
    file.unlink()
    return row


class Clock:
    """Seconds of a block, and those of all its threads on processors."""

    def __enter__(self) -> Clock:
        self._began = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds, self.cpu = (
            now() - began
            for now, began in zip((time.perf_counter, time.process_time), self._began, strict=True)
        )


class Memory:
    """Peak of this process's anonymous memory, sampled while the block runs, and its growth."""

    def __enter__(self) -> Memory:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self.peak = self._start = anonymous_bytes()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.peak = max(self.peak, anonymous_bytes())
        self.growth = self.peak - self._start

    def _sample(self) -> None:
        while not self._stop.wait(0.01):
            self.peak = max(self.peak, anonymous_bytes())


def transfer(path: Path, data: Path) -> dict[str, Any]:
    """Accuracy of transferred labels on test, by reliability and by what valid says of it."""
    from sesstore.encoders import registry
    from sesstore.jobs.add import add, load
    from sesstore.jobs.embedding.embed import embed
    from sesstore.jobs.embedding.means import means_of
    from sesstore.store import Store

    store = Store.open(path, create=True)
    if TASK not in store.tasks():
        add(store, load(TASK, data=data / TASK / "alphafold2", source="alphafold2"))
    encoder = means_of(store, "near", lambda: registry.load("near"))
    embed(store, encoder, store.proteins())
    lookup = LabelledLookup(store.embeddings(encoder.fingerprint), store.task(TASK))
    reliability, right = lookup.evaluate(store.task(TASK).split("test"))
    assert lookup.calibration is not None
    worth = np.array([lookup.calibration(value) for value in reliability])
    bins = [
        {
            "reliability_from": float(reliability[part].min()),
            "reliability_to": float(reliability[part].max()),
            "proteins": len(part),
            "accuracy": float(right[part].mean()),
            "expected_from_valid": float(worth[part].mean()),
        }
        for part in np.array_split(np.argsort(reliability, kind="stable"), BINS)
    ]
    accuracies = [row["accuracy"] for row in bins]
    return {
        "bins": bins,
        "neighbours": lookup.neighbours,
        "accuracy": float(right.mean()),
        "rises_in_every_bin": float(all(np.diff(accuracies) >= 0)),
        "worst_gap_to_expected": max(
            abs(row["accuracy"] - row["expected_from_valid"]) for row in bins
        ),
    }


if __name__ == "__main__":
    main()
