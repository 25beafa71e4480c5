"""Which column of a study's table each figure draws along which axis and in which colour."""

from __future__ import annotations

from pathlib import Path

import pytest

from sesstore.studies.figures import (
    convergence_chart,
    cost_chart,
    interval_chart,
    layers_chart,
    quality_chart,
)
from sesstore.studies.study_record import StudyReport

from ..encodings import fields, layers
from .conftest import report

pytest.importorskip("altair")


@pytest.fixture
def made(tmp_path: Path) -> StudyReport:
    return report(tmp_path)


def test_scores_lie_on_their_intervals(made: StudyReport) -> None:
    for colour, extra in ((None, {}), ("tokens", {"color": "colour"})):
        rule, point = layers(interval_chart(made, colour))
        assert fields(rule) == {"x": "low", "x2": "high", "y": "arm", **extra}
        assert fields(point) == {"x": "score", "y": "arm", **extra}
        assert rule["encoding"]["x"]["title"] == "test accuracy"
    _, panel = quality_chart(made)
    rule, line, level, text = layers(panel)
    assert fields(rule) == {"x": "degree", "y": "low", "y2": "high", "color": "when"}
    assert fields(line) == {"x": "degree", "y": "score", "color": "when"}
    assert fields(level) == {"y": "plain"}
    assert fields(text) == {"y": "plain", "text": "said"}


def test_epochs_go_across(made: StudyReport) -> None:
    line, level = layers(convergence_chart(made))
    assert fields(line) == {"x": "epoch", "y": "score", "color": "adapter"}
    assert line["encoding"]["y"]["title"] == "valid accuracy"
    assert fields(level) == {"y": "best"}
    made.rows = [{"stage": "a", "seconds": 3.0}]
    (bars,) = layers(cost_chart(made))
    assert fields(bars) == {"x": "seconds", "y": "stage"}
    made.rows[0] |= {key: {"store": 1.0, "loop": 2.0} for key in ("start", "epoch")}
    (line,) = layers(cost_chart(made))
    assert fields(line) == {"x": "epoch", "y": "seconds", "color": "way"}


def test_layers_go_across_and_splits_are_told_apart(made: StudyReport) -> None:
    base = {"low": 0.1, "high": 0.9, "model": "linear probe"}
    made.rows = [{**base, "layer": 3, "score": 0.5, "valid": 0.25}]
    rule, line = layers(layers_chart(made))
    assert fields(rule) == {"x": "layer", "y": "low", "y2": "high", "color": "kind"}
    assert fields(line) == {"x": "layer", "y": "score", "color": "kind", "strokeDash": "split"}
    assert line["encoding"]["strokeDash"]["sort"] == ["test", "valid"]
