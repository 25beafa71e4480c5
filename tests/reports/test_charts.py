"""Marks of charts stand at their values."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sesstore.reports import charts
from sesstore.reports.charts import IN_UNITS, NAMES, _line, curves, dots, scatter
from sesstore.tasks import Problem

from .conftest import rows_of


def test_dots_and_lines_stand_at_their_values(findings) -> None:
    found = findings()
    points = {row["metric"]: row for row in rows_of(dots([found]).to_dict())}
    for name, (low, high) in found.intervals.items():
        point = points[NAMES[name]]
        assert (point["value"], point["low"], point["high"]) == (found.mean(name), low, high)
    for what, expected in (("loss", [1, 1 / 2, 1 / 3]), ("monitor", [0.6, 0.7, 0.8])):
        values = rows_of(curves([found], what).to_dict())
        seed = [row for row in values if row["seed"].endswith("seed 0")]
        assert [row["value"] for row in seed] == pytest.approx(expected)
        assert [row["epoch"] for row in seed if row["kept"]] == [2]


def test_predicted_values_are_the_mean_over_seeds_against_true_ones(findings, monkeypatch) -> None:
    found = findings(Problem.REGRESSION)
    spec = scatter(found).to_dict()
    rows = [row for row in rows_of(spec) if row["true"] != row["predicted"]]
    truth = found.predicted[0].labels.numpy()
    mean = np.mean([run.scores.numpy() for run in found.predicted], axis=0)
    assert [row["true"] for row in rows] == truth.tolist()
    assert [row["predicted"] for row in rows] == pytest.approx(mean.tolist())
    ends = [row["true"] for row in rows_of(spec) if row["true"] == row["predicted"]]
    assert ends == [min(truth.min(), mean.min()), max(truth.max(), mean.max())]
    for points, drawn in ((40, 40), (39, 39)):
        monkeypatch.setattr(charts, "POINTS", points)
        kept = [r for r in rows_of(scatter(found).to_dict()) if r["true"] != r["predicted"]]
        assert len(kept) == drawn


def test_metrics_in_units_have_no_place_from_nought_to_one(findings) -> None:
    found = findings(Problem.REGRESSION)
    names = {row["metric"] for row in rows_of(dots([found]).to_dict())}
    shown = [name for name in found.values["test"] if name not in IN_UNITS]
    assert names == {NAMES[name] for name in shown}
    undefined = dict(found.intervals) | {shown[0]: (float("nan"), float("nan"))}
    rows = rows_of(dots([replace(found, intervals=undefined)]).to_dict())
    assert {row["metric"] for row in rows} == names - {NAMES[shown[0]]}


def test_a_line_is_of_a_seed_and_of_its_fold(findings) -> None:
    run = findings().runs[1]
    assert _line(run) == "seed 1"
    for path in ("x/fold-3", "x/fold-3/seed-1"):
        assert _line(replace(run, path=Path(path))) == "fold 3, seed 1"


@pytest.mark.parametrize(("epochs", "step"), [(12, 1), (13, 2), (24, 2), (25, 3)])
def test_a_dozen_ticks_at_most(findings, epochs: int, step: int) -> None:
    found = findings(seeds=1)
    history = [{"epoch": e, "loss": 1.0, "valid": {}} for e in range(1, epochs + 1)]
    spec = curves(
        [replace(found, runs=(replace(found.runs[0], history=history),))], "loss"
    ).to_dict()
    axis = spec["layer"][0]["encoding"]["x"]["axis"]
    assert axis["values"] == list(range(1, epochs + 1, step))
