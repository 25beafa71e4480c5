"""How long does an exact search take, and does the reliability of a transferred label tell truth?

Search: random means (float16, as a store has them) in a memory-mapped file, the nearest rows of
some queries by `neighbours.cosine.nearest`; seconds, and the peak of memory that is not the
mapping. Label transfer: labels of deeploc_binary's test proteins from its train split, by means of
NEAR, with accuracy in bins of equal size by reliability; skipped where the data are absent.

::

    python -m benchmarks.neighbours --json
    python -m benchmarks.neighbours --rows 20000 --no-transfer    # a quick look
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.epoch import machine
from benchmarks.small_sets import DATA
from sesstore.memory import available_cores
from sesstore.neighbours.cosine import nearest
from sesstore.neighbours.lookup import LabelledLookup

TASK = "deeploc_binary"
BINS = 5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=1280)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--threads", type=int, default=available_cores())
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--store", type=Path, help="A store with the task and means by NEAR.")
    parser.add_argument("--no-transfer", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        table = [search(Path(folder), options.rows, options.dim, options.queries, options.threads)]
        transferred: dict[str, Any] = {}
        if not options.no_transfer and (options.store or (options.data / TASK).is_dir()):
            transferred = transfer(options.store or Path(folder) / "store", options.data)
    ratios = {
        "search_seconds": table[0]["seconds"],
        "search_cpu_seconds": table[0]["cpu_seconds"],
        "search_anonymous_megabytes": table[0]["anonymous_megabytes"],
        **{k: v for k, v in transferred.items() if k != "bins"},
    }
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
    with Memory() as memory:
        began, cpu = time.perf_counter(), time.process_time()
        hits = nearest(vectors, [means], 10, threads=threads)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    exact = vectors[0] / np.linalg.norm(vectors[0])
    row = means[hits.rows[0, 0]].astype(np.float64)
    assert abs(row @ exact / np.linalg.norm(row) - hits.similarity[0, 0]) < 1e-4
    return {
        "rows": rows,
        "columns": dim,
        "queries": queries,
        "threads": threads,
        "seconds": seconds,
        "cpu_seconds": cpu,
        "mapped_megabytes": path.stat().st_size / 1e6,
        "anonymous_megabytes": memory.peak / 1e6,
    }


class Memory:
    """Peak of this process's anonymous memory, sampled while the block runs."""

    def __enter__(self) -> Memory:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self.peak = 0
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(0.01):
            text = Path("/proc/self/status").read_text("ascii", "replace")
            line = next(line for line in text.splitlines() if line.startswith("RssAnon"))
            self.peak = max(self.peak, 1024 * int(line.split()[1]))


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
