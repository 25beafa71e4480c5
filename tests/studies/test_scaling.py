"""The study of encoders and widths."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean
from types import SimpleNamespace

import pytest

from sesstore.errors import InputError
from sesstore.studies import (
    scaling,
)
from sesstore.studies.study_settings import Place
from sesstore.training.checkpoint import load_adapter
from sesstore.training.runs import Run

from .conftest import check_files


def test_scaling_goes_over_the_encoders_of_the_store(store, settings, out) -> None:
    settings = replace(settings, plm=None, seeds=2)
    report = scaling.run(store, settings, Place(out), widths=(8,))
    shown = {(row["encoder"], row["width"], row["projected"]) for row in report.rows}
    assert {(e, w) for e, w, projected in shown if projected} == {("BLOSUM62", 8), ("onehot", 8)}
    residues = sum(len(p) for p in store.proteins())
    assert {row["bytes"] for row in report.rows} == {
        residues * row["dim"] * 2 for row in report.rows
    }
    assert set(report.encoder) == {"BLOSUM62", "onehot"}
    for row in report.rows:
        (folder,) = (f for f in out.glob(f"{row['encoder']}*") if row["arm"].split()[1] in f.name
                     and f"width-{row['width']}" in f.name)  # fmt: skip
        runs = [Run.load(file.parent) for file in folder.glob("*/seed-*/run.json")]
        stream = fmean(run.timings["seconds_per_epoch"] for run in runs)
        assert row["seconds_per_epoch"] == pytest.approx(stream / 2)
        weights = load_adapter(runs[0]).parameters()
        assert row["parameters"] == sum(weight.numel() for weight in weights)
    check_files(report, out)


def test_scaling_with_one_encoder_says_so(store, settings, out) -> None:
    report = scaling.run(
        store, replace(settings, seeds=1), Place(out), plms=("onehot",), widths=(8,)
    )
    assert any("one encoder only" in said for said in report.missing)


@pytest.mark.parametrize(("lower", "best"), [(False, "high"), (True, "low")])
def test_the_best_and_the_fastest_are_said(lower: bool, best: str) -> None:
    rows = [
        {"arm": "low", "valid": 0.25, "score": 0.125, "seconds_per_epoch": 3.0},
        {"arm": "high", "valid": 0.75, "score": 0.5, "seconds_per_epoch": 2.0},
        {"arm": "quick", "valid": 0.5, "score": 0.375, "seconds_per_epoch": 1.0},
    ]
    said: list[str] = []
    report = SimpleNamespace(rows=rows, split="test")
    scaling._say_best(SimpleNamespace(report=report, lower_is_better=lower, find=said.append))
    row = next(row for row in rows if row["arm"] == best)
    assert said == [
        f"Best on valid: {best} (test {row['score']:.4f}, {row['seconds_per_epoch']:.2f} s an "
        f"epoch); fastest: quick (0.3750, 1.00 s an epoch)"
    ]
    report.rows = []
    with pytest.raises(InputError, match="no width fits"):
        scaling._say_best(SimpleNamespace(report=report))
