"""How fast do stored embeddings become packed batches, against other ways of keeping them?

The same proteins (float16, real lengths of ``../shared/data/deeploc_binary`` where at hand) are
kept by sesstore, as one HDF5 dataset a protein, in LMDB, and as one Zarr array read by zarr-python
and by TensorStore; each fills the same batches in the same shuffled order. The floor is a copy of
as many bytes in memory, by one thread; sesstore takes several. "Float32" are the batches a CPU
trains on: decoded on the way, against a copy and a cast by torch. Rates are of stored bytes, the
best of some rounds, all ways in every round. "Cold" drops the files from the page cache first.
WebDataset and LitData stream shards in their own order and cannot be asked for a given batch, so
they are not among them.

::

    python -m benchmarks.streaming --json
    python -m benchmarks.streaming --proteins 60 --rounds 1     # a quick look
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import lmdb
import numpy as np
import torch
import zarr
from numpy.typing import NDArray

from benchmarks.epoch import fill, machine, real_lengths
from sesstore.store import Embeddings, Store
from sesstore.streaming.plan import plan_epoch, plan_in_order

DIM = 1280
BATCH = 8192
CHUNK = 1024

Read = Callable[[NDArray[np.int64], NDArray[Any]], None]
"""Fills a buffer [T, d] with the proteins of these numbers, back to back."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--proteins", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        table = measure(real_lengths(options.proteins), Path(folder), options.rounds)
    result = {"machine": machine(), "table": table, "ratios": ratios(table)}
    if options.json:
        print(json.dumps(result))
        return
    for name, value in table.items():
        print(f"{name:28} {value / 1e9:8.3f} GB/s")
    for name, value in result["ratios"].items():
        print(f"{name:28} {value:8.3f}")


def measure(lengths: list[int], folder: Path, rounds: int) -> dict[str, float]:
    """Bytes a second of each way."""
    chance = np.random.default_rng(1)
    base = chance.standard_normal((max(lengths), DIM)).astype(np.float16)
    values = [base[:length] for length in lengths]
    codes = [(np.zeros(n, np.uint8), np.zeros(n, np.uint8)) for n in lengths]
    task = fill(folder / "store", DIM, values, codes)
    view = Store.open(folder / "store").embeddings()
    rows = view.find(task.splits["train"].digests)
    sizes = np.array(lengths)
    segments, starts, _ = view.locate(rows)
    places = np.lexsort((starts, segments)).argsort()
    plans = {
        "shuffled": plan_epoch(sizes, BATCH, seed=1, epoch=1).batches,
        "block_shuffled": plan_epoch(sizes, BATCH, seed=1, epoch=1, places=places).batches,
        "sequential": tuple(
            np.argsort(places)[rows] for rows in plan_in_order(sizes, BATCH).batches
        ),
    }
    readers = rivals(folder, values)
    readers["sesstore"] = of_store(view, rows)
    best: dict[str, float] = {}

    def keep(
        name: str, read: Read, batches: tuple[NDArray[np.int64], ...], dtype: Any = np.float16
    ) -> None:
        best[name] = max(rate(read, batches, sizes, dtype), best.get(name, 0.0))

    def keep_warm(name: str, read: Read, order: str = "shuffled", dtype: Any = np.float16) -> None:
        rate(read, plans[order], sizes, dtype)  # maps again what the system has unmapped meanwhile
        keep(name, read, plans[order], dtype)

    files = [path for path in (folder / "store").rglob("*") if path.is_file()]
    for _ in range(rounds):
        keep_warm("memcpy", memcpy(values))
        for name, read in readers.items():
            keep_warm(f"{name} shuffled", read)
        for order in ("block_shuffled", "sequential"):
            keep_warm(f"sesstore {order}", readers["sesstore"], order)
        keep_warm("sesstore float32", readers["sesstore"], dtype=np.float32)
        keep_warm("cast float32", cast(memcpy(values)), dtype=np.float32)
    for _ in range(rounds):  # apart: what was dropped from the page cache is not warm again at once
        for order in ("shuffled", "block_shuffled"):
            forget(files)
            cold = of_store(Store.open(folder / "store").embeddings(), rows)
            keep(f"sesstore {order} cold", cold, plans[order])
    return best


def rate(
    read: Read, batches: tuple[NDArray[np.int64], ...], sizes: NDArray[np.int64], dtype: Any
) -> float:
    """Stored bytes a second of filling all batches."""
    buffer = np.empty((max(int(sizes[rows].sum()) for rows in batches), DIM), dtype)
    buffer.fill(0)
    began = time.perf_counter()
    for rows in batches:
        read(rows, buffer[: int(sizes[rows].sum())])
    return float(sizes.sum()) * DIM * 2 / (time.perf_counter() - began)


def of_store(view: Embeddings, rows: NDArray[np.int64]) -> Read:
    """Read by sesstore."""

    def read(numbers: NDArray[np.int64], out: NDArray[np.float16]) -> None:
        view.gather(rows[numbers], out)

    return read


def memcpy(values: list[NDArray[np.float16]]) -> Read:
    """Copy as many bytes from arrays in memory that are too large for the processor's caches."""
    all_rows = np.concatenate(values)
    ends = np.cumsum([len(rows) for rows in values])

    def read(numbers: NDArray[np.int64], out: NDArray[np.float16]) -> None:
        offset = 0
        for number in numbers:
            length = len(values[number])
            stop = int(ends[number])
            out[offset : offset + length] = all_rows[stop - length : stop]
            offset += length

    return read


def cast(source: Read) -> Read:
    """Read float16 into a buffer of its own, then cast."""
    half = np.empty((BATCH + 4096, DIM), np.float16)

    def read(numbers: NDArray[np.int64], out: NDArray[np.float32]) -> None:
        source(numbers, half[: len(out)])
        torch.from_numpy(out).copy_(torch.from_numpy(half[: len(out)]))

    return read


def rivals(folder: Path, values: list[NDArray[np.float16]]) -> dict[str, Read]:
    """Write the proteins in other formats, and how each is read."""
    return dict(
        [
            *_hdf5(folder / "all.h5", values),
            *_lmdb(folder / "all.lmdb", values),
            *_arrays(folder / "all.zarr", values),
        ]
    )


def _one_by_one(values: list[NDArray[np.float16]], rows_of: Callable[[int], Any]) -> Read:
    def read(numbers: NDArray[np.int64], out: NDArray[np.float16]) -> None:
        offset = 0
        for number in numbers.tolist():
            length = len(values[number])
            out[offset : offset + length] = rows_of(number)
            offset += length

    return read


def _hdf5(path: Path, values: list[NDArray[np.float16]]) -> Iterator[tuple[str, Read]]:
    with h5py.File(path, "w") as file:
        for number, rows in enumerate(values):
            file.create_dataset(str(number), data=rows)
    stored = h5py.File(path)

    def read(numbers: NDArray[np.int64], out: NDArray[np.float16]) -> None:
        offset = 0
        for number in numbers.tolist():
            length = len(values[number])
            stored[str(number)].read_direct(out, dest_sel=np.s_[offset : offset + length])
            offset += length

    yield "h5py", read


def _lmdb(path: Path, values: list[NDArray[np.float16]]) -> Iterator[tuple[str, Read]]:
    size = 2 * sum(rows.nbytes for rows in values) + (1 << 24)
    environment = lmdb.open(str(path), map_size=size, subdir=False)
    with environment.begin(write=True) as writing:
        for number, rows in enumerate(values):
            writing.put(str(number).encode(), rows.tobytes())
    reading = environment.begin(buffers=True)
    yield (
        "lmdb",
        _one_by_one(
            values,
            lambda number: np.frombuffer(reading.get(str(number).encode()), np.float16).reshape(
                -1, DIM
            ),
        ),
    )


def _arrays(path: Path, values: list[NDArray[np.float16]]) -> Iterator[tuple[str, Read]]:
    all_rows = np.concatenate(values)
    ends = np.cumsum([len(rows) for rows in values]).tolist()
    array = zarr.create_array(
        path, shape=all_rows.shape, chunks=(CHUNK, DIM), dtype=all_rows.dtype, compressors=None
    )
    array[:] = all_rows
    yield "zarr_python", _one_by_one(values, lambda n: array[ends[n] - len(values[n]) : ends[n]])
    try:
        import tensorstore
    except ImportError:
        return
    chunked = tensorstore.open(
        {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(path)}}
    ).result()
    yield (
        "tensorstore",
        _one_by_one(values, lambda n: chunked[ends[n] - len(values[n]) : ends[n]].read().result()),
    )


def forget(files: list[Path]) -> None:
    """Drop files from the page cache, as far as the system does so on request."""
    for path in files:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def ratios(table: dict[str, float]) -> dict[str, float]:
    """Ratios by the names the project quotes."""
    speed = table["sesstore shuffled"]
    by_rival = {
        f"shuffled_vs_{name}": speed / table[f"{name} shuffled"]
        for name in ("h5py", "lmdb", "zarr_python", "tensorstore")
        if f"{name} shuffled" in table
    }
    decoded = table["sesstore float32"] / table["cast float32"]
    return {"shuffled_vs_memcpy": speed / table["memcpy"], "float32_vs_cast": decoded, **by_rival}


if __name__ == "__main__":
    main()
