"""Does memory grow with the data?

Each case runs in a process of its own, which watches its anonymous memory (``RssAnon`` of Linux:
what is not page cache) and reports the most it held.

- *embed*: so many proteins, and four times as many, encoded into a store (a random ESM-2 t6).
- *plan*: so many proteins of a FASTA file, and four times as many, made known to a store and
  planned: what of each is kept while a run lasts.
- *long*: one protein of 1,000 residues, and one of 35,000, titin's length.
- *train*: an epoch from disk over a small store, and over one four times as large.

::

    python -m benchmarks.memory --json
    # a quick look
    python -m benchmarks.memory --proteins 10 --planned 1000 --megabytes 2 --longest 3000
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.epoch import machine
from sesstore.adapter.adapter_config import AdapterConfig
from sesstore.encoders import registry
from sesstore.encoders.randomweights import write_random_esm2
from sesstore.jobs.embedding.embed import embed
from sesstore.jobs.embedding.missing_proteins import plan_embedding
from sesstore.jobs.proteinfiles import checked_proteins
from sesstore.proteins import Protein
from sesstore.provenance import Fingerprint, Provenance
from sesstore.residues import Embedding, StructureTokens
from sesstore.store import Store
from sesstore.tasks import Problem, Split, Task
from sesstore.training.fit import fit
from sesstore.training.fit_config import FitConfig

DIM, LENGTH = 640, 400
"""Of the store that is trained on."""
_LETTERS = "ACDEFGHIKLMNPQRSTVWY"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--proteins", type=int, default=150, help="to embed, and four times as many"
    )
    parser.add_argument("--planned", type=int, default=50_000, help="and four times as many")
    parser.add_argument("--longest", type=int, default=35_000)
    parser.add_argument("--megabytes", type=int, default=1000, help="of the smaller store")
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--case", nargs=3, metavar=("NAME", "SIZE", "FOLDER"), help=argparse.SUPPRESS
    )
    options = parser.parse_args()
    if options.case:
        name, size, folder = options.case
        CASES[name](int(size), Path(folder))
        return
    table = measure(options.proteins, options.planned, options.longest, options.megabytes)
    result = {"machine": machine(), "table": table, "ratios": ratios(table)}
    if options.json:
        print(json.dumps(result))
        return
    for row in table:
        print(f"{row['case']:6} {row['size']:>8,} {row['unit']:10} {row['anonymous_mb']:8.0f} MB")
    for key, value in result["ratios"].items():
        print(f"{key}: {value:.2f}")


def measure(proteins: int, planned: int, longest: int, megabytes: int) -> list[dict[str, Any]]:
    """One row a case."""
    cases = [("embed", proteins, "proteins"), ("embed", 4 * proteins, "proteins")]
    cases += [("plan", planned, "proteins"), ("plan", 4 * planned, "proteins")]
    cases += [("long", 1000, "residues"), ("long", longest, "residues")]
    cases += [("train", megabytes, "MB"), ("train", 4 * megabytes, "MB")]
    table = []
    for name, size, unit in cases:
        with tempfile.TemporaryDirectory() as folder:
            if name in PREPARED:
                _run(PREPARED[name], size, folder)
            peak = _run(name, size, folder)
        table.append({"case": name, "size": size, "unit": unit, "anonymous_mb": peak})
    return table


def ratios(table: list[dict[str, Any]]) -> dict[str, float]:
    """What the larger case holds, against the smaller one."""
    by_name = {}
    for name in ("embed", "plan", "long", "train"):
        small, large = (row["anonymous_mb"] for row in table if row["case"] == name)
        by_name[f"{name}_memory_large_vs_small"] = large / small
    by_name["train_anonymous_gb"] = (
        max(r["anonymous_mb"] for r in table if r["case"] == "train") / 1e3
    )
    small, large = (row for row in table if row["case"] == "plan")
    grown = (large["anonymous_mb"] - small["anonymous_mb"]) * 1e6
    by_name["plan_bytes_a_protein"] = grown / (large["size"] - small["size"])
    return by_name


def _run(name: str, size: int, folder: str) -> float:
    """Most anonymous memory of a case, in MB."""
    command = [sys.executable, "-m", "benchmarks.memory", "--case", name, str(size), folder]
    process = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return float(process.stdout) if process.stdout.strip() else 0.0


@contextmanager
def _watched() -> Iterator[None]:
    """Print the most anonymous memory of this process, in MB, at the end."""
    peak, over = anonymous_bytes(), threading.Event()  # a case may end before the watcher looks

    def watch() -> None:
        nonlocal peak
        while not over.wait(0.01):
            peak = max(peak, anonymous_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
    print(peak / 1024 / 1e3)  # thousands of the kB that Linux counts


def anonymous_bytes() -> int:
    """Memory of this process that is not page cache."""
    status = Path("/proc/self/status").read_text("utf-8")
    line = next(line for line in status.splitlines() if line.startswith("RssAnon"))
    return 1024 * int(line.split()[1])


def _encode(lengths: list[int], folder: Path) -> None:
    spec = registry.spec("esm2_t6")
    write_random_esm2(folder / spec.files[0], layers=spec.layers, dim=spec.dim)
    chance = np.random.default_rng(0)
    proteins = [
        Protein(str(i), "".join(chance.choice(list(_LETTERS), n))) for i, n in enumerate(lengths)
    ]
    encoder = registry.load(spec.name, weights=folder / spec.files[0], device="cpu")
    with _watched():
        embed(Store.create(folder / "store"), encoder, proteins)


def embed_case(count: int, folder: Path) -> None:
    """Embed proteins of lengths as they are in nature."""
    lengths = np.exp(np.random.default_rng(1).normal(5.8, 0.6, count)).clip(40, 1022)
    _encode(lengths.astype(int).tolist(), folder)


def write_case(count: int, folder: Path) -> None:
    """Write a FASTA file of proteins of 300 residues."""
    chance = np.random.default_rng(2)
    letters = np.frombuffer(_LETTERS.encode(), np.uint8)
    with (folder / "all.fasta").open("wb") as file:
        for number in range(count):
            file.write(b">protein-%d\n%b\n" % (number, letters[chance.integers(0, 20, 300)]))


def plan_case(_: int, folder: Path) -> None:
    """Make the proteins of a file known, and work out which lack an embedding."""
    store, encoder = Store.create(folder / "store"), registry.load("onehot")
    with _watched():
        plan = plan_embedding(store, encoder, checked_proteins(store, [str(folder / "all.fasta")]))
        for chunk in plan.todo.chunks():
            del chunk


def long_case(length: int, folder: Path) -> None:
    """Embed one protein."""
    _encode([length], folder)


def fill_case(megabytes: int, folder: Path) -> None:
    """Write a store of so many MB."""
    store, chance = Store.create(folder / "store"), np.random.default_rng(0)
    base = chance.standard_normal((2 * LENGTH, DIM)).astype(np.float16)
    provenance = Provenance(Fingerprint("benchmark", "0" * 64, 0, "none", "none", "fp32"), DIM)
    digests = _digests(megabytes)
    with store.writer(provenance, {}) as writer:
        for i, digest in enumerate(digests):
            writer.add(Embedding(digest, base[i % LENGTH : i % LENGTH + LENGTH]))
    codes = chance.integers(0, 20, LENGTH).astype(np.uint8)
    store.add_tokens([StructureTokens(d, "made", {"foldseek": codes}) for d in digests], {})


def train_case(megabytes: int, folder: Path) -> None:
    """Train for an epoch from disk."""
    store, digests = Store.open(folder / "store"), _digests(megabytes)
    rows = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32)
    tenth = max(len(rows) // 10, 1)
    parts = {"train": rows[tenth:], "valid": rows[:tenth]}
    splits = {
        name: Split(tuple(map(str, range(len(part)))), part, [i % 2 for i in range(len(part))])
        for name, part in parts.items()
    }
    task = Task("made", Problem.SINGLE_LABEL, ("a", "b"), splits, ("accuracy",), "accuracy")
    shape = AdapterConfig(DIM, 2, ("foldseek",), heads=2, width=16)
    config = FitConfig(epochs=1, residency="disk", device="cpu")
    with _watched():
        fit(task, store.embeddings(), store.tokens("made"), shape, config, folder / "run")


def _digests(megabytes: int) -> list[bytes]:
    return [
        sha256(str(i).encode()).digest()
        for i in range(max(megabytes * 10**6 // (LENGTH * DIM * 2), 4))
    ]


PREPARED = {"train": "fill", "plan": "write"}
"""What is written first, in a process of its own."""

CASES: dict[str, Callable[[int, Path], None]] = {
    "embed": embed_case,
    "write": write_case,
    "plan": plan_case,
    "long": long_case,
    "fill": fill_case,
    "train": train_case,
}


if __name__ == "__main__":
    main()
