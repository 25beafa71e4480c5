"""What does an epoch cost, against the ways people train today?

One epoch of the same adapter (foldseek and dssp, 8 heads) on the same proteins: (a) with the PLM in
the loop, padded; (b) from HDF5 held in memory as float32, padded; (c) sesstore from disk; (d)
sesstore with everything in memory; (e) what the matrix-multiply peak would allow. Lengths are those
of ``../shared/data/deeploc_binary`` where at hand; values are random, which costs the same. (a) is
measured on some batches. Every way runs in every round and its best round counts; a time is given
for a million residues. On a GPU (a) and (b) run in bf16, too, and the peak is of half precision.

::

    python -m benchmarks.epoch --json
    python -m benchmarks.epoch --device cuda --proteins 1000 --models t33     # on a GPU
    python -m benchmarks.epoch --models t12 --proteins 40 --plm-batches 1     # a quick look
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.clock import wall
from benchmarks.peak import matmul_peak
from benchmarks.rivals import (
    PaddedTraining,
    cached_epoch,
    padded_batches,
    plm,
    plm_step,
    read_hdf5,
    write_hdf5,
)
from sesstore.adapter.adapter_config import AdapterConfig
from sesstore.adapter.workers import workers
from sesstore.provenance import Fingerprint, Provenance
from sesstore.residues import Embedding, StructureTokens
from sesstore.store import Store
from sesstore.streaming.loader import Loader
from sesstore.tasks import Problem, Split, Task
from sesstore.training.arithmetic import reproducible
from sesstore.training.fit_config import FitConfig
from sesstore.training.learner import Learner
from sesstore.training.stream import Stream

MODELS = {"t12": (480, 12), "t30": (640, 30), "t33": (1280, 33)}
ALPHABETS = ("foldseek", "dssp")
CPU = torch.device("cpu")
LONG = FitConfig(lr=5e-4, epochs=7, patience=7, batch_tokens=8192)
"""How large training sets are trained on."""
_DATA = Path(__file__).resolve().parents[2] / "shared/data/deeploc_binary/alphafold2/train.jsonl"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default="t12,t30,t33")
    parser.add_argument("--proteins", type=int, default=200, help="a random sample of them")
    parser.add_argument("--plm-batches", type=int, default=2, help="for (a)")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    lengths = real_lengths(options.proteins)
    table: list[dict[str, Any]] = []
    for name in options.models.split(","):
        with tempfile.TemporaryDirectory() as folder:
            device = torch.device(options.device)
            bench = Bench(name, lengths, Path(folder), options.plm_batches, device)
            table.append(bench.row(options.rounds))
    result = {"machine": machine(), "table": table, "ratios": ratios(table)}
    if options.json:
        print(json.dumps(result))
        return
    for row in table:
        print("  ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{v}" for k, v in row.items()))
    for name, value in result["ratios"].items():
        print(f"{name}: {value:.3f}")


def real_lengths(count: int, seed: int = 0) -> list[int]:
    """Lengths of a random sample of real proteins (of a like distribution, if not at hand)."""
    chance = np.random.default_rng(seed)
    if _DATA.is_file():
        with _DATA.open() as file:
            lengths = [len(json.loads(line)["aa_seq"]) for line in file]
    else:
        lengths = chance.lognormal(6.05, 0.6, 1728).clip(40, 2600).astype(int).tolist()
    return [int(n) for n in chance.permutation(lengths)[:count]]


@dataclass
class Bench:
    """One model's store, file and trainings.

    Parameters
    ----------
    name : str
        Of `MODELS`.
    lengths : list of int
        Residues of each protein.
    folder : path
        Scratch.
    plm_batches : int
        How many batches (a) is measured on; 0 leaves it out.
    device : torch.device
        Where all of them train.
    """

    name: str
    lengths: list[int]
    folder: Path
    plm_batches: int
    device: torch.device = CPU

    def __post_init__(self) -> None:
        self.dim, self.layers = MODELS[self.name]
        chance = np.random.default_rng(1)
        base = chance.standard_normal((max(self.lengths), self.dim)).astype(np.float16)
        values = [base[:length] for length in self.lengths]
        codes = [
            (chance.integers(0, 20, n).astype(np.uint8), chance.integers(0, 8, n).astype(np.uint8))
            for n in self.lengths
        ]
        self.task = fill(self.folder / "store", self.dim, values, codes)
        write_hdf5(self.folder / "all.h5", values)
        labels = torch.tensor(self.task.splits["train"].labels)
        self.padded = PaddedTraining(self.dim, codes, labels, self.device)
        self.residues = sum(self.lengths)
        self.wait_share = 0.0

    def row(self, rounds: int) -> dict[str, Any]:
        """Seconds for a million residues of each way, best of all rounds."""
        learner = Learner(self.task, AdapterConfig(self.dim, 2), LONG, self.device)
        flops = learner.adapter.training_flops(self.lengths)
        cached_values = read_hdf5(self.folder / "all.h5")
        streams = {residency: self._stream(residency) for residency in ("disk", "ram")}
        model = plm(self.dim, self.layers).to(self.device) if self.plm_batches else None
        best: dict[str, float] = {}

        def keep(name: str, residues: int, work: Callable[[], object]) -> None:
            seconds = wall(work, self.device) / residues
            best[name] = min(seconds, best.get(name, seconds))

        self._sesstore_epoch(learner, streams["disk"])  # warm: page cache, allocator, kernels
        for _ in range(rounds):
            peak = flops / matmul_peak(self.device) / self.residues
            best["matmul_peak"] = min(peak, best.get("matmul_peak", peak))
            for residency, stream in streams.items():
                keep(
                    f"sesstore_{residency}",
                    self.residues,
                    partial(self._sesstore_epoch, learner, stream),
                )
            for name, dtype in self._types.items():
                keep(
                    f"padded_cache{name}",
                    self.residues,
                    partial(self._cached, cached_values, dtype),
                )
                if model is not None:
                    batches = list(padded_batches(self.lengths))[: self.plm_batches]
                    residues = sum(self.lengths[i] for batch in batches for i in batch)
                    work = partial(self._with_plm, model.to(dtype), batches, dtype)
                    keep(f"plm_in_loop{name}", residues, work)
        seconds = {f"{name}_s": value * 1e6 for name, value in best.items()}
        return {"model": self.name, "dim": self.dim, **seconds, "wait_share": self.wait_share}

    @property
    def _types(self) -> dict[str, torch.dtype]:
        """Arithmetic of the rivals, by what is added to their names."""
        half = {"_bf16": torch.bfloat16} if self.device.type == "cuda" else {}
        return {"": torch.float32, **half}

    def _stream(self, residency: str) -> Stream:
        store = Store.open(self.folder / "store")
        inputs = store.embeddings(), store.tokens("made"), replace(LONG, residency=residency)
        return Stream(self.task, *inputs, ALPHABETS, self.device)

    def _sesstore_epoch(self, learner: Learner, stream: Stream) -> None:
        plan = stream.plan(1)
        loader, began = Loader(stream.data["train"], plan.batches, self.device), time.perf_counter()
        with reproducible(self.device), workers(self.device) as pool:
            for number, batch in enumerate(loader):
                learner.step(batch, 1, number, len(plan.batches), pool)
        if stream.residency == "disk":
            self.wait_share = loader.wait_seconds / (time.perf_counter() - began)

    def _cached(self, cached_values: list[torch.Tensor], dtype: torch.dtype) -> None:
        with self.padded.computing_in(dtype):
            cached_epoch(self.padded, cached_values)

    def _with_plm(
        self, model: torch.nn.Module, batches: list[list[int]], dtype: torch.dtype
    ) -> None:
        with self.padded.computing_in(dtype):
            for batch in batches:
                plm_step(model, self.padded, batch, self.lengths)


def fill(path: Path, dim: int, values: list[np.ndarray], codes: list[Any]) -> Task:
    """Write a store, and return a task over all its proteins."""
    store = Store.create(path)
    digests = [sha256(str(i).encode()).digest() for i in range(len(values))]
    provenance = Provenance(Fingerprint("benchmark", "0" * 64, 0, "none", "none", "fp32"), dim)
    with store.writer(provenance, {}) as writer:
        for digest, residues in zip(digests, values, strict=True):
            writer.add(Embedding(digest, residues))
    store.add_tokens(
        [
            StructureTokens(digest, "made", dict(zip(ALPHABETS, pair, strict=True)))
            for digest, pair in zip(digests, codes, strict=True)
        ],
        {},
    )
    rows = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32)
    split = Split(tuple(map(str, range(len(rows)))), rows, [i % 2 for i in range(len(rows))])
    metrics = ("accuracy",)
    return Task(
        "benchmark", Problem.SINGLE_LABEL, ("a", "b"), {"train": split}, metrics, "accuracy"
    )


def machine() -> dict[str, Any]:
    """What it ran on."""
    return {
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "torch": torch.__version__,
        "platform": platform.platform(),
    }


def _processor() -> str:
    """Its name and vectors, as Linux and torch have them."""
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text().splitlines() if listing.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    vectors = torch.backends.cpu.get_cpu_capability()
    return f"{names[0] if names else platform.processor()}, {vectors}"


def ratios(table: list[dict[str, Any]]) -> dict[str, float]:
    """Ratios by the names the project quotes."""
    by_name = {}
    for row in table:
        name, seconds = row["model"], row["sesstore_disk_s"]
        for rival in ("plm_in_loop", "plm_in_loop_bf16", "padded_cache", "padded_cache_bf16"):
            if f"{rival}_s" in row:
                by_name[f"epoch_{name}_vs_{rival}"] = row[f"{rival}_s"] / seconds
        by_name[f"epoch_{name}_share_of_matmul_peak"] = row["matmul_peak_s"] / seconds
    by_name["disk_vs_ram"] = float(
        np.mean([r["sesstore_disk_s"] / r["sesstore_ram_s"] for r in table])
    )
    return by_name


if __name__ == "__main__":
    main()
