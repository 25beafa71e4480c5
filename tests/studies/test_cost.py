"""The study of what each stage costs."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from sesstore.studies import (
    cost,
)
from sesstore.studies.study_settings import Place

from .conftest import check_files


def test_cost_times_each_stage(store, settings, out, shared_structures) -> None:
    structures = (shared_structures / "1aki.pdb",)
    report = cost.run(store, settings, Place(out), structures=structures, sample=5)
    assert [row["stage"].split(",")[0] for row in report.rows] == [
        "tokenising structures",
        "embedding into the store",
        "the PLM's pass",
        "an epoch from the store",
        "an epoch from the store",
    ]
    assert "has paid for itself after" in report.findings[0]
    rates = {row["stage"]: row["rate"] for row in report.rows}
    lengths = {p.digest: len(p) for p in store.proteins()}
    residues = {
        name: sum(lengths[row.tobytes()] for row in split.digests)
        for name, split in store.task("toy").splits.items()
    }
    tokenised, embedded, loop, *epochs = report.rows
    assert tokenised["measured"] == 129
    for row in (tokenised, embedded):
        assert row["seconds"] == pytest.approx(sum(residues.values()) / row["rate"])
    assert embedded["measured"] == loop["measured"] < residues["train"]
    wanted = residues["train"] + residues["valid"]
    assert loop["seconds"] == pytest.approx(wanted / rates[loop["stage"]])
    for row in epochs:
        assert row["measured"] == 2 * residues["train"]
        assert row["seconds"] == pytest.approx(residues["train"] / row["rate"])
    check_files(report, out)


def test_when_a_cache_has_paid() -> None:
    assert cost.Passes(once=10, epoch=9, last=1, residues=1).pays_after() == 1
    assert cost.Passes(once=10.1, epoch=9, last=1, residues=1).pays_after() == 2
    assert cost.Passes(once=0.5, epoch=9, last=1, residues=1).pays_after() == 1


def test_what_a_loop_costs_counts_every_seed() -> None:
    findings: list[str] = []
    settings = SimpleNamespace(seeds=3, fit=SimpleNamespace(pace=SimpleNamespace(epochs=4)))
    study = SimpleNamespace(
        report=SimpleNamespace(rows=[{}]), find=findings.append, settings=settings
    )
    cost._say(study, cost.Passes(once=100, epoch=50, last=10, residues=1), 2.0)
    assert "124 s with the store, 654 s with the PLM in the loop, 5.3 times" in findings[1]
    assert findings[0] == (
        "The cache has paid for itself after 2 epochs: encoding and writing takes 100.0 s once, "
        "the PLM in the loop 50.0 s every epoch (measured on 1 residues)"
    )
    assert study.report.rows == [
        {"epoch": {"store": 2.0, "loop": 52.0}, "start": {"store": 100, "loop": 10}}
    ]
