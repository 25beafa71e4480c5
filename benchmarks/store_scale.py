"""How does a store behave with a million proteins?

Writes a store of short proteins (real digests, random values, tokens), then measures opening
it, looking digests up, verifying its structure, and gathering batches in random order,
against a plain copy in memory.

::

    python -m benchmarks.store_scale --json
    python -m benchmarks.store_scale --proteins 20000      # a quick look
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from sesstore.proteins import Protein
from sesstore.provenance import Fingerprint, Provenance
from sesstore.residues import Embedding, StructureTokens
from sesstore.store import Store
from sesstore.store.integrity import verify

_DIM = 32
_LETTERS = np.frombuffer(b"ACDEFGHIKLMNPQRSTVWY", np.uint8)
_FINGERPRINT = Fingerprint("benchmark", "0" * 64, 0, "none", "none", "fp32")
_GATHER_DIM = 1280
_FRESH = (
    "import sys, time; from sesstore.store import Store; started = time.perf_counter();"
    "view = Store.open(sys.argv[1]).embeddings(); print(time.perf_counter() - started, len(view))"
)


def measure(proteins: int, folder: Path) -> dict[str, Any]:
    """Return machine, table and ratios of one run.

    Parameters
    ----------
    proteins : int
        How many proteins the store holds.
    folder : path
        Where it is written; removed by the caller.
    """
    start = time.perf_counter()
    digests = _write(folder / "store", proteins)
    table: dict[str, float] = {"write_s": time.perf_counter() - start}
    process = subprocess.run(
        [sys.executable, "-c", _FRESH, str(folder / "store")],
        capture_output=True,
        text=True,
        check=True,
    )
    table["open_s"] = float(process.stdout.split()[0])
    store = Store.open(folder / "store")
    view = store.embeddings()
    rng = np.random.default_rng(1)
    queries = digests[rng.integers(0, len(digests), 10_000)]
    table["lookup_10k_ms"] = 1e3 * _best(lambda: view.find(queries))
    table["lookup_one_us"] = 1e6 * _best(lambda: view.find(queries[:1]))
    table["get_one_us"] = 1e6 * _best(lambda: view.get(queries[0].tobytes()))
    table["verify_quick_s"] = _best(lambda: verify(store.path, quick=True), times=1)
    table["verify_full_s"] = _best(lambda: verify(store.path), times=1)
    table |= _gather(folder / "wide", min(1000, proteins // 50))
    ratios = {
        f"open_{_short(proteins)}_s": table["open_s"],
        f"verify_quick_{_short(proteins)}_s": table["verify_quick_s"],
        "lookup_10k_ms": table["lookup_10k_ms"],
        "gather_vs_memcpy": table["gather_gb_s"] / table["memcpy_gb_s"],
    }
    machine = {"cores": os.cpu_count(), "platform": platform.platform(), "proteins": proteins}
    return {"machine": machine, "table": table, "ratios": ratios}


def _write(path: Path, count: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Write proteins of 5 to 14 residues with embeddings and tokens; return their digests."""
    rng = np.random.default_rng(0)
    store = Store.create(path)
    values = rng.standard_normal((4096, _DIM)).astype(np.float16)
    digests = []
    provenance = Provenance(_FINGERPRINT, _DIM)
    with store.writer(provenance, {}, segment_bytes=64 << 20) as writer:
        for start in range(0, count, 10_000):
            batch = _proteins(rng, start, min(10_000, count - start))
            store.add_proteins(batch)
            store.add_tokens(map(_tokens, batch), {})
            for protein in batch:
                first = int(rng.integers(0, len(values) - len(protein)))
                rows = values[first : first + len(protein)]
                writer.add(Embedding(protein.digest, rows))
                digests.append(protein.digest)
    return np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32)


def _proteins(rng: np.random.Generator, start: int, count: int) -> list[Protein]:
    letters = rng.integers(0, 20, (count, 14))
    lengths = rng.integers(9, 15, count)
    return [
        Protein(f"P{start + i}", _LETTERS[letters[i, : lengths[i]]].tobytes().decode())
        for i in range(count)
    ]


def _tokens(protein: Protein) -> StructureTokens:
    codes = np.frombuffer(sha256(protein.digest).digest(), np.uint8)[: len(protein)] % 20
    return StructureTokens(protein.digest, "benchmark", {"foldseek": codes}, None, "benchmark")


def _gather(path: Path, count: int) -> dict[str, float]:
    """Warm gather in random order from up to 0.8 GB of wide embeddings, and memcpy beside it."""
    rng = np.random.default_rng(2)
    store = Store.create(path)
    values = rng.standard_normal((600, _GATHER_DIM)).astype(np.float16)
    residues, start = 0, time.perf_counter()
    with store.writer(Provenance(_FINGERPRINT, _GATHER_DIM), {}) as writer:
        for number in range(count):
            length = int(rng.integers(50, 600))
            digest = sha256(str(number).encode()).digest()
            writer.add(Embedding(digest, values[:length]))
            residues += length
    size = residues * _GATHER_DIM * 2
    seconds = time.perf_counter() - start
    view = store.embeddings()
    order = rng.permutation(len(view))
    batches = np.array_split(order, -(-len(order) // 32))
    buffer = np.empty((32 * 600, _GATHER_DIM), np.float16)

    def once() -> None:
        for rows in batches:
            view.gather(rows, buffer[: int(view.lengths[rows].sum())])

    source = np.ones_like(buffer)
    copies = max(1, size // source.nbytes)

    def copy() -> None:
        for _ in range(copies):
            buffer[...] = source

    return {
        "write_gb_s": size / seconds / 1e9,
        "gather_gb_s": size / _best(once) / 1e9,
        "memcpy_gb_s": copies * source.nbytes / _best(copy) / 1e9,
    }


def _best(work: Callable[[], object], times: int = 5) -> float:
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _short(count: int) -> str:
    return f"{count // 1_000_000}m" if count % 1_000_000 == 0 else f"{count // 1000}k"


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--proteins", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder by default")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="sesstore-scale-", dir=options.folder))
    try:
        report = measure(options.proteins, folder)
    finally:
        shutil.rmtree(folder)
    if options.json:
        print(json.dumps(report))
        return
    for name, value in report["table"].items():
        print(f"{name:18} {value:10.3f}")


if __name__ == "__main__":
    main()
