"""A store of few proteins whose class shows in their DSSP, under two encoders and three sources.

Task ``toy`` is about the class; ``heat`` about a value that goes with it, by a monitor of which
less is better and which is not the first metric.
"""

from __future__ import annotations

import csv
import shutil
import statistics
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sesstore.encoders import registry
from sesstore.encoders.randomweights import write_random_esm2
from sesstore.jobs.embedding.embed import embed
from sesstore.proteins import Protein
from sesstore.provenance import circumstances
from sesstore.residues import StructureTokens
from sesstore.store import Store
from sesstore.studies import study as study_module
from sesstore.studies.arms import file_name
from sesstore.studies.study_record import TABLE, StudyReport
from sesstore.studies.study_settings import StudySettings
from sesstore.tasks import Problem, Split, Task
from sesstore.training import intervals
from sesstore.training.fit_config import FitConfig
from sesstore.training.runs import Run

BOUNDS = {"train": (0, 32), "valid": (32, 48), "test": (48, 72)}


FIT = FitConfig(epochs=2, batch_tokens=512, lr=5e-3, device="cpu")


ADAPTER = {"heads": 2, "width": 8, "head": "paper"}
"""Without the linear term, which few rows do not improve on: all arms would be the same."""


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw fewer resamples than studies do; all else is as it is."""
    monkeypatch.setattr(intervals, "DRAWS", 40)
    monkeypatch.setattr(study_module, "compare", partial(study_module.compare, draws=60))


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    rng = np.random.default_rng(11)
    letters = list("ACDEFGHIKLMNPQRSTVWY")
    count = BOUNDS["test"][1]
    proteins = [
        Protein(f"p{i}", "".join(rng.choice(letters, int(rng.integers(6, 20)))))
        for i in range(count)
    ]
    made = Store.create(tmp_path_factory.mktemp("studies") / "store")
    made.add_proteins(proteins)
    for name in ("blosum62", "onehot"):
        embed(made, registry.load(name))
    for source, models in (("alphafold2", 1), ("esmfold", 1), ("md", 3)):
        made.add_tokens(
            [_tokens(p, i % 2, source, models, rng) for i, p in enumerate(proteins)],
            circumstances(),
        )
    splits = {}
    for name, (start, stop) in BOUNDS.items():
        rows = proteins[start:stop]
        digests = np.frombuffer(b"".join(p.digest for p in rows), np.uint8).reshape(-1, 32)
        splits[name] = Split(
            tuple(p.id for p in rows), digests, [i % 2 for i in range(start, stop)]
        )
    made.add_task(
        Task("toy", Problem.SINGLE_LABEL, ("a", "b"), splits, ("accuracy", "auroc"), "accuracy")
    )
    values = {
        name: replace(split, labels=[40.0 + 20 * kind for kind in split.labels])
        for name, split in splits.items()
    }
    metrics = ("spearman", "rmse")
    made.add_task(Task("heat", Problem.REGRESSION, ("value",), values, metrics, "rmse"))
    return made


def _tokens(
    protein: Protein, kind: int, source: str, models: int, rng: np.random.Generator
) -> StructureTokens:
    shape = (models, len(protein))
    codes = {
        "foldseek": rng.integers(0, 20, shape).astype(np.uint8),
        "dssp": np.where(rng.random(shape) < 0.8, kind, 7).astype(np.uint8),
    }
    plddt = rng.integers(30, 100, len(protein)).astype(np.uint8)
    return StructureTokens(protein.digest, source, codes, plddt if source == "alphafold2" else None)


@pytest.fixture
def settings() -> StudySettings:
    return StudySettings("toy", "blosum62", ("alphafold2", "esmfold"), 2, ADAPTER, FIT)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "study"


def check_files(report: StudyReport, out: Path) -> None:
    """Check what every study leaves behind, and that its numbers are those of its runs."""
    again = StudyReport.load(out)
    assert again.to_json() == report.to_json()
    with (out / TABLE).open() as file:
        table = list(csv.DictReader(file))
    assert len(table) == len(report.rows) > 0
    for row, shown in zip(report.rows, table, strict=True):
        for name in {"arm", "score", "std", "low", "high", "valid", "seeds"} & row.keys():
            assert shown[name] == ("" if row[name] is None else str(row[name])), name
        if "score" in row:
            _check_row(report, row, out)
    scores = {row.get("arm"): row.get("score") for row in report.rows}
    for pair in report.comparisons:
        if None not in (scores.get(pair["one"]), scores.get(pair["other"])):
            difference = scores[pair["one"]] - scores[pair["other"]]
            assert pair["difference"] == pytest.approx(difference, abs=1e-6)
    columns, rows = report.table()
    assert all(len(row) == len(columns) for row in rows)
    if pytest.importorskip("altair"):
        page = (out / "study.html").read_text()
        assert report.question in page
        assert (out / "figure.png").read_bytes().startswith(b"\x89PNG")
        assert (out / "figure.svg").read_text().startswith("<svg")


def _check_row(report: StudyReport, row: dict[str, Any], out: Path) -> None:
    """Check a row against the records of its arm's runs; some rows are measured otherwise."""
    assert row["low"] <= row["high"]
    files = sorted(out.glob(f"*/{file_name(row['arm'])}/seed-*/run.json"))
    runs = [Run.load(file.parent) for file in files]
    if not runs:
        return
    first, seeds = report.settings["fit"]["seed"], report.settings["seeds"]
    assert sorted(run.config["fit"]["seed"] for run in runs) == list(range(first, first + seeds))
    assert row["seeds"] == seeds
    values = [run.metrics[report.split][report.monitor] for run in runs]
    assert row["score"] == pytest.approx(statistics.fmean(values))
    assert row["std"] == (pytest.approx(statistics.stdev(values)) if seeds > 1 else None)
    on_valid = [run.metrics["valid"][report.monitor] for run in runs]
    assert row["valid"] == pytest.approx(statistics.fmean(on_valid))
    assert row["best_epoch"] == statistics.fmean(run.best_epoch for run in runs)
    for run in runs:
        assert run.task["name"] == report.task
        for name in ("lr", "batch_tokens", "epochs", "weight_decay", "device"):
            assert run.config["fit"][name] == report.settings["fit"][name]
        structure = "+".join(run.config["adapter"]["alphabets"]) or "none"
        if report.study == "ablation":
            assert row["structure"].partition(",")[0] == structure
        if row.get("source"):
            assert str(run.source).partition(",")[0] == row["source"]


def report(folder: Path) -> StudyReport:
    rows: list[dict[str, Any]] = [
        {
            "arm": arm, "tokens": kind, "when": when, "degree": degree, "score": score,
            "low": score - 0.1, "high": score + 0.1, "std": None, "parameters": 10, "heads": 2,
            "curve": [[1, 0.1], [2, 0.2]],
        }
        for arm, kind, when, degree, score in (
            ("no structure", "none", None, None, 0.5), ("pdb", "pdb", None, None, 0.7),
            ("pdb, noise 0.5", "noise", "test", 0.5, 0.6),
        )
    ]  # fmt: skip
    settings = {"seeds": 1, "fit": {"lr": 1e-3, "schedule": "cosine", "epochs": 1}}
    settings["fit"]["batch_tokens"] = 100
    task = {"name": "toy", "problem": "single_label", "citation": ""}
    return StudyReport(
        "quality", "toy", "Why?", str(folder), "enc", "accuracy", "test", rows=rows,
        settings=settings, provenance={"task": task, "encoders": {}, "command": "sesstore study"},
    )  # fmt: skip


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "esm2_t6_8M_UR50D.pt"
    write_random_esm2(path, layers=6, dim=320)
    return path


@pytest.fixture
def own(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: Path) -> Store:
    """A store of the test's own, with the encoder's weights at hand."""
    monkeypatch.setenv("SESSTORE_WEIGHTS", str(weights))
    shutil.copytree(store.path, tmp_path / "own")
    return Store.open(tmp_path / "own")
