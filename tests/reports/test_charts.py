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


def test_each_training_has_lines_and_dots_of_its_own(findings) -> None:
    """Of a cross-validation the lines are of its folds, the dots of the run."""
    one, other = findings(name="one"), findings(name="other", seeds=1, alphabets=())
    history = [{"epoch": e, "loss": 9.0 - e, "valid": {"accuracy": 0.25}, "best": e == 1}
               for e in (1, 2)]  # fmt: skip
    fold = replace(other.run, path=Path("x/fold-2"), history=history)
    other = replace(other, learning=(fold,), values={"test": {"accuracy": (0.125,)}},
                    intervals={**other.intervals, "accuracy": (0.0, 0.5)})  # fmt: skip
    spec = curves([one, other], "loss").to_dict()
    rows = rows_of(spec)
    assert [(r["seed"], r["epoch"], r["value"]) for r in rows if r["run"] == "other"] == [
        ("other, fold 2, seed 0", 1, 8.0), ("other, fold 2, seed 0", 2, 7.0),
    ]  # fmt: skip
    assert {r["seed"] for r in rows if r["run"] == "one"} == {"one, seed 0", "one, seed 1"}
    assert spec["layer"][0]["encoding"]["y"]["title"] == "training loss"
    assert spec["layer"][0]["encoding"]["color"]["field"] == "run"
    monitor = curves([one], "monitor").to_dict()["layer"][0]["encoding"]
    assert monitor["y"]["title"] == "accuracy on valid"
    assert "color" not in monitor
    spec = dots([replace(one, values={"test": {"accuracy": (0.5, 0.75)}}), other]).to_dict()
    points = {row["run"]: (row["value"], row["low"], row["high"]) for row in rows_of(spec)}
    assert points == {"one": (0.625, *one.intervals["accuracy"]), "other": (0.125, 0.0, 0.5)}
    (title,) = {layer["encoding"]["x"].get("title") for layer in spec["layer"]} - {None}
    assert title == "test, 95 % interval"
