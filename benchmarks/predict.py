"""How fast does a run predict, and does its memory grow with the number of proteins?

A small adapter is trained once; then N and 4 N random proteins are predicted from a FASTA file into
a table, nothing stored, each in a process of its own whose peak memory the system tells. Besides
the whole peak, which is mostly torch, what stands above the memory before the first protein.

::

    python -m benchmarks.predict --json
    python -m benchmarks.predict --plm near --proteins 2000
    python -m benchmarks.predict --proteins 50 --length 20       # a quick look
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.epoch import machine
from sesstore.adapter.adapter_config import AdapterConfig
from sesstore.encoders import registry
from sesstore.jobs.embedding.embed import embed
from sesstore.jobs.predicting.predict import PredictOptions, prediction, write_predictions
from sesstore.jobs.predicting.prediction_inputs import InputSpec
from sesstore.proteins import Protein
from sesstore.store import Store
from sesstore.tasks import Problem, Split, Task
from sesstore.training.fit import fit
from sesstore.training.fit_config import FitConfig

LETTERS = list("ACDEFGHIKLMNPQRSTVWY")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plm", default="onehot")
    parser.add_argument("--proteins", type=int, default=20_000, help="N")
    parser.add_argument("--length", type=int, default=120, help="residues, on average")
    parser.add_argument("--out", default="jsonl", choices=["csv", "jsonl", "parquet"])
    parser.add_argument("--child", nargs=3, metavar=("RUN", "FASTA", "OUT"))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.child:
        print(json.dumps(predict(*map(Path, options.child))))
        return
    with tempfile.TemporaryDirectory() as folder:
        table = measure(Path(folder), options.plm, options.proteins, options.length, options.out)
    result = {"machine": machine(), "table": table, "ratios": ratios(table)}
    if options.json:
        print(json.dumps(result))
        return
    for row in table:
        print(
            "  ".join(
                f"{k} {v:.6g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()
            )
        )
    for name, value in result["ratios"].items():
        print(f"{name}: {value:.3f}")


def measure(
    folder: Path, plm: str, proteins: int, length: int, suffix: str
) -> list[dict[str, Any]]:
    """One row for N proteins, one for 4 N."""
    train(folder, plm)
    table = []
    for count in (proteins, 4 * proteins):
        fasta = write_fasta(folder / f"{count}.fasta", count, length)
        paths = [folder / "run", fasta, folder / f"{count}.{suffix}"]
        command = [sys.executable, "-m", "benchmarks.predict", "--child", *map(str, paths)]
        process = subprocess.run(command, capture_output=True, text=True, check=True)
        table.append({"plm": plm, **json.loads(process.stdout)})
    return table


def predict(run: Path, fasta: Path, out: Path) -> dict[str, Any]:
    """Predict in this process, and say how long it took and how much memory it had at most."""
    with prediction(run, InputSpec([str(fasta)]), options=PredictOptions(keep=False)) as predicted:
        start_megabytes = peak_megabytes()
        began = time.perf_counter()
        report = write_predictions(predicted, out)
        seconds = time.perf_counter() - began
    return {
        "proteins": report.proteins,
        "seconds": seconds,
        "proteins_per_second": report.proteins / seconds,
        "peak_megabytes": peak_megabytes(),
        "megabytes_before": start_megabytes,
    }


def peak_megabytes() -> float:
    """Most memory this process has had, in MB.

    Linux's own count: what `getrusage` tells of a process begins with that of its parent.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        return int(fields["VmHWM"].split()[0]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def train(folder: Path, plm: str) -> None:
    """A run of one epoch on a few random proteins: what it learned does not matter here."""
    rng = np.random.default_rng(0)
    proteins = [Protein(f"t{i}", "".join(rng.choice(LETTERS, 40))) for i in range(32)]
    store, encoder = Store.create(folder / "store"), registry.load(plm)
    embed(store, encoder, proteins)
    splits = {}
    for name, part in {"train": proteins[:24], "valid": proteins[24:]}.items():
        digests = np.frombuffer(b"".join(p.digest for p in part), np.uint8).reshape(-1, 32)
        splits[name] = Split(tuple(p.id for p in part), digests, [0, 1] * (len(part) // 2))
    task = Task("toy", Problem.SINGLE_LABEL, ("no", "yes"), splits, ("accuracy",), "accuracy")
    shape = AdapterConfig(encoder.dim, 2, (), heads=2, width=32)
    fit(task, store.embeddings(), None, shape, FitConfig(epochs=1), folder / "run")


def write_fasta(path: Path, count: int, length: int) -> Path:
    """Random proteins of half to one and a half times that length."""
    rng = np.random.default_rng(1)
    letters = np.array(LETTERS)
    with path.open("w") as file:
        for i in range(count):
            residues = letters[rng.integers(0, 20, int(rng.integers(length // 2, 3 * length // 2)))]
            file.write(f">p{i}\n{''.join(residues)}\n")
    return path


def ratios(table: list[dict[str, Any]]) -> dict[str, float]:
    """How memory at 4 N compares with memory at N, and what a protein adds."""
    small, large = table
    extra_proteins = large["proteins"] - small["proteins"]
    return {
        "predict_peak_memory_4n_vs_n": large["peak_megabytes"] / small["peak_megabytes"],
        "predict_bytes_a_further_protein": (large["peak_megabytes"] - small["peak_megabytes"])
        * 1e6
        / extra_proteins,
        "predict_proteins_per_second": large["proteins_per_second"],
    }


if __name__ == "__main__":
    main()
