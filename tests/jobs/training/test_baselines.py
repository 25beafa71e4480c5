"""A training beside simple models: whose rows, which split, which way is better."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sesstore.jobs.training.baselines import measure_baselines
from sesstore.reports.gather import gather
from sesstore.tasks import Problem
from sesstore.training.baseline_report import BaselineReport
from sesstore.training.evaluate import load_predictions
from sesstore.training.intervals import resample

from ..conftest import Seeded


@pytest.fixture(scope="module")
def report(seeded: Seeded) -> BaselineReport:
    return measure_baselines(seeded.store, seeded.report.run)


def test_test_is_reported_and_valid_chooses(seeded: Seeded, report: BaselineReport) -> None:
    assert (report.split, report.monitor) == ("test", "mcc")
    assert set(report.metrics["linear"]["test"]) == {"accuracy", "mcc", "auroc"}
    on_valid = {name: metrics["valid"]["mcc"] for name, metrics in report.metrics.items()}
    assert on_valid[report.best] == max(on_valid.values())
    assert report.difference == pytest.approx(
        np.mean([run.metrics["test"]["mcc"] for run in seeded.runs])
        - report.metrics[report.best]["test"]["mcc"]
    )
    for name, (low, high) in report.intervals.items():
        assert low <= report.metrics[name]["test"]["mcc"] <= high
        assert report.seconds[name] >= 0


def test_the_interval_is_of_paired_draws(seeded: Seeded, report: BaselineReport) -> None:
    """An adapter against itself differs by nothing; against others, by less than unpaired."""
    adapter = [load_predictions(run, "test") for run in seeded.runs]
    draws = resample(["mcc"], Problem.SINGLE_LABEL, adapter)["mcc"]
    low, high = np.quantile(draws, [0.025, 0.975])
    wide = (high - low) + (report.intervals[report.best][1] - report.intervals[report.best][0])
    assert report.low < report.difference < report.high
    assert report.high - report.low < wide


def test_it_stays_in_the_folder(seeded: Seeded, report: BaselineReport) -> None:
    record = json.loads((Path(seeded.report.run) / "baselines.json").read_text())
    assert record["best"] == report.best
    assert record["metrics"] == report.metrics
    read = gather(Path(seeded.report.run), None).baselines
    assert read is not None
    assert read.sentence == report.sentence


@pytest.mark.parametrize(
    ("monitor", "low", "high", "words"),
    [
        ("mcc", 0.1, 0.3, "is better"),
        ("mcc", -0.3, -0.1, "is worse"),
        ("rmse", 0.1, 0.3, "is worse"),
        ("rmse", -0.3, -0.1, "is better"),
        ("rmse", -0.3, 0.1, "not told apart"),
    ],
)
def test_the_sentence_knows_which_way_is_better(
    report: BaselineReport, monitor: str, low: float, high: float, words: str
) -> None:
    changed = replace(report, monitor=monitor, low=low, high=high, difference=(low + high) / 2)
    assert words in changed.sentence
    assert f"{low:+.4f} to {high:+.4f}" in changed.sentence
