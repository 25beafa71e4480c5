"""What does each storage type cost: bytes, closeness to float32, and quality downstream?

The bundled demonstration's chains are encoded once (NEAR, or any encoder whose weights are at hand)
and stored as float32, float16 and int8 with a scale a residue; adapters with the same seeds then
learn burial from each store.

::

    python -m benchmarks.storage_types --json
    python -m benchmarks.storage_types --seeds 1 --epochs 2     # a quick look
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.epoch import machine
from sesstore.encoders import registry
from sesstore.jobs.demo import SOURCE, burial_task, demo_files
from sesstore.jobs.embedding.embed import embed
from sesstore.jobs.inputs import Inputs
from sesstore.jobs.tokenizing.tokenize import tokenize
from sesstore.jobs.training.train import train
from sesstore.store import Store
from sesstore.training.fit_config import FitConfig

TYPES = ("float32", "float16", "int8")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plm", default="near")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        table = measure(Path(folder), options.plm, options.seeds, options.epochs)
    result = {"machine": machine(), "table": table, "ratios": ratios(table)}
    if options.json:
        print(json.dumps(result))
        return
    for row in table:
        print("  ".join(f"{k} {v:.6g}" if isinstance(v, float) else f"{v}" for k, v in row.items()))
    for name, value in result["ratios"].items():
        print(f"{name}: {value:.6f}")


def measure(folder: Path, plm: str, seeds: int, epochs: int) -> list[dict[str, Any]]:
    """One row a storage type."""
    encoder = registry.load(plm)
    config = FitConfig(epochs=epochs, patience=epochs, batch_tokens=1024)
    table: list[dict[str, Any]] = []
    exact: dict[bytes, np.ndarray[Any, Any]] = {}
    source = Store.create(folder / "tokens")
    tokenize(source, [path for path, _ in demo_files().values()], SOURCE)
    source.add_task(burial_task())
    for dtype in TYPES:
        shutil.copytree(source.path, folder / dtype)
        store = Store.open(folder / dtype)
        embed(store, encoder, dtype=dtype)
        view = store.embeddings()
        proteins = list(store.proteins())
        values = {p.digest: np.asarray(view.get(p.digest), np.float64) for p in proteins}
        exact = exact or values
        cosines = np.concatenate([cosine(exact[d], values[d]) for d in values])
        inputs = Inputs(store.task("burial"), view, store.tokens(SOURCE))
        report = train(inputs, {}, config, seeds=seeds, out=folder / f"{dtype}-run")
        residues = sum(map(len, proteins))
        table.append(
            {
                "dtype": dtype,
                "bytes_per_residue": _bytes(store.path / "embeddings") / residues,
                "cosine_mean": float(cosines.mean()),
                "cosine_min": float(cosines.min()),
                "test_auroc": report.metrics["test"]["auroc"],
                "test_auroc_std": report.std["test"]["auroc"] if report.std else 0.0,
            }
        )
    return table


def cosine(values: np.ndarray[Any, Any], reference: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Cosine of each residue's two rows."""
    norms = np.linalg.norm(values, axis=1) * np.linalg.norm(reference, axis=1)
    similarity: np.ndarray[Any, Any] = (values * reference).sum(1) / np.maximum(norms, 1e-30)
    return similarity


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def ratios(table: list[dict[str, Any]]) -> dict[str, float]:
    """Against float32: bytes, and what the downstream metric loses."""
    by = {row["dtype"]: row for row in table}
    by_name = {}
    for dtype in TYPES[1:]:
        row, float_row = by[dtype], by["float32"]
        by_name[f"{dtype}_bytes_vs_float32"] = (
            row["bytes_per_residue"] / float_row["bytes_per_residue"]
        )
        by_name[f"{dtype}_cosine_min"] = row["cosine_min"]
        by_name[f"{dtype}_auroc_change"] = row["test_auroc"] - float_row["test_auroc"]
    spread = statistics.fmean(row["test_auroc_std"] for row in table)
    return {**by_name, "auroc_deviation_over_seeds": spread}


if __name__ == "__main__":
    main()
