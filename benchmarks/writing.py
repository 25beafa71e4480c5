"""How fast do embeddings get into a store, against a plain write of the same bytes?

Arrays [L, d] of real lengths (``../shared/data/deeploc_binary`` where at hand) go through
`BackgroundWriter` as `sesstore embed` hands them over: cast, checked, summed, written, committed.
They come as float32 (a CPU's) or float16 (a GPU's), are stored as float16 or int8, into a RAM disk
and onto a disk, through as many threads as the writer starts by itself and through one. "plain" is
``write`` and ``fsync`` of as many bytes. All ways run in every round; the best round counts.

::

    python -m benchmarks.writing --json
    python -m benchmarks.writing --proteins 20 --passes 1 --rounds 1     # a quick look
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.clock import wall
from benchmarks.epoch import CPU, machine, real_lengths
from sesstore.durable_files import write_all
from sesstore.jobs.embedding.background_writer import BackgroundWriter
from sesstore.provenance import Fingerprint, Provenance
from sesstore.residues import Embedding
from sesstore.store import Store

DIM = 1280
RAM_DISK = Path("/dev/shm")
KINDS = (("float32", "float16"), ("float16", "float16"), ("float32", "int8"))
"""Types that arrive, and that are stored."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--proteins", type=int, default=200)
    parser.add_argument("--passes", type=int, default=8, help="how often each is stored")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--disk", type=Path, default=None, help="a folder on the disk to measure")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    places = {"disk": options.disk or Path(tempfile.gettempdir())}
    if os.access(RAM_DISK, os.W_OK):
        places = {"ram_disk": RAM_DISK, **places}
    table = measure(real_lengths(options.proteins), places, options.passes, options.rounds)
    result = {"machine": machine(), "table": table, "ratios": ratios(table)}
    if options.json:
        print(json.dumps(result))
        return
    for name, value in table.items():
        print(f"{name:42} {value / 1e9:8.3f} GB/s")
    for name, value in result["ratios"].items():
        print(f"{name:42} {value:8.3f}")


def measure(
    lengths: list[int], places: dict[str, Path], passes: int, rounds: int, dim: int = DIM
) -> dict[str, float]:
    """Stored bytes a second of each way.

    Parameters
    ----------
    lengths : list of int
        Residues of each protein.
    places : dict of str to path
        Folders to write into, by the name of what they lie on.
    passes : int
        How often each array is stored, every time as another protein.
    rounds : int
        The best counts.
    dim : int
        d.
    """
    chance = np.random.default_rng(1)
    wide = [chance.standard_normal((n, dim), np.float32) for n in lengths]
    arrays = {"float32": wide, "float16": [values.astype(np.float16) for values in wide]}
    best: dict[str, float] = {}

    def keep(name: str, size: int, work: Callable[[Path], object], place: Path) -> None:
        with tempfile.TemporaryDirectory(dir=place) as folder:
            rate = size / wall(lambda: work(Path(folder)), CPU)
        best[name] = max(rate, best.get(name, 0.0))

    for _ in range(rounds):
        for target, place in places.items():
            size = sum(values.nbytes for values in arrays["float16"]) * passes
            keep(f"{target} plain", size, partial(plain, arrays["float16"], passes), place)
            for source, dtype in KINDS:
                size = sum(lengths) * dim * np.dtype(dtype).itemsize * passes
                for threads, name in ((None, ""), (1, ", one thread")):
                    work = partial(store_all, arrays[source], passes, dtype, threads)
                    keep(f"{target} {source} to {dtype}{name}", size, work, place)
    return best


def plain(arrays: list[NDArray[Any]], passes: int, folder: Path) -> None:
    """Write all bytes to one file."""
    handle = os.open(folder / "bytes", os.O_WRONLY | os.O_CREAT, 0o666)
    try:
        for _ in range(passes):
            for values in arrays:
                write_all(handle, values.reshape(-1).view(np.uint8).data)
        os.fsync(handle)
    finally:
        os.close(handle)


def store_all(
    arrays: list[NDArray[Any]], passes: int, dtype: str, threads: int | None, folder: Path
) -> None:
    """Write all arrays into a new store."""
    store = Store.create(folder / "store")
    fingerprint = Fingerprint("benchmark", "0" * 64, 0, "none", "none", "fp32")
    provenance = Provenance(fingerprint, arrays[0].shape[1], dtype)
    with (
        store.writer(provenance, {}) as writer,
        BackgroundWriter(writer, dtype, threads=threads) as background,
    ):
        for turn in range(passes):
            for number, values in enumerate(arrays):
                digest = sha256(f"{turn} {number}".encode()).digest()
                background.write(Embedding(digest, values))


def ratios(table: dict[str, float]) -> dict[str, float]:
    """Ratios by the names the project quotes; ``write_gb_s`` is into a RAM disk if there is one."""
    target = "ram_disk" if "ram_disk plain" in table else "disk"
    wide, one_thread = f"{target} float32 to float16", ", one thread"
    by_name = {
        "write_gb_s": table[wide] / 1e9,
        "write_float16_gb_s": table[f"{target} float16 to float16"] / 1e9,
        "write_int8_gb_s": table[f"{target} float32 to int8"] / 1e9,
        "write_one_thread_gb_s": table[wide + one_thread] / 1e9,
        "write_threads_vs_one": table[wide] / table[wide + one_thread],
    }
    for place in ("ram_disk", "disk"):
        if f"{place} plain" in table:
            stored = table[f"{place} float32 to float16"]
            by_name[f"write_{place}_vs_plain"] = stored / table[f"{place} plain"]
    return by_name


if __name__ == "__main__":
    main()
