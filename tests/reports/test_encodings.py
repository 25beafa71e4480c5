"""Which column of its rows each chart draws along which axis, in which colour and as which line."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sesstore.reports.charts import curves, dots, scatter
from sesstore.reports.classes import class_bars, confusion_chart
from sesstore.reports.error_groups import by_length, error_chart
from sesstore.reports.reliability import reliability_chart
from sesstore.reports.residues import ROW, letters_chart, line_chart
from sesstore.reports.thresholds import precision_recall_chart, protein_centric_chart, roc_chart
from sesstore.tasks import Problem
from sesstore.training.certainty import Certainty
from sesstore.training.intervals import Predicted

from ..encodings import domains, fields, layers, told
from .conftest import rows_of

pytest.importorskip("altair")


def test_lines_of_learning_are_of_runs_and_seeds(findings) -> None:
    for trainings in ([findings()], [findings(name="a"), findings(name="b")]):
        colour = {"color": "run"} if len(trainings) > 1 else {}
        for figure in ("loss", "monitor"):
            line, ring = layers(curves(trainings, figure))
            for layer in (line, ring):
                assert fields(layer) == {"x": "epoch", "y": "value", "detail": "seed", **colour}
                assert told(layer) == ["seed", "epoch", "value"]
            assert ring["transform"] == [{"filter": "datum.kept"}]
            assert "transform" not in line


def test_dots_lie_on_their_intervals(findings) -> None:
    rule, dot = layers(dots([findings()]))
    assert fields(rule) == {"y": "metric", "x": "low", "x2": "high"}
    assert fields(dot) == {"y": "metric", "x": "value"}
    assert told(dot) == told(rule) == ["metric", "value", "low", "high"]
    rule, dot = layers(dots([findings(name="a"), findings(name="b")]))
    apart = {"y": "metric", "yOffset": "run", "color": "run"}
    assert fields(rule) == {**apart, "x": "low", "x2": "high"}
    assert fields(dot) == {**apart, "x": "value"}
    assert told(dot) == ["run", "metric", "value", "low", "high"]


def test_true_values_go_across_and_both_axes_are_alike(findings) -> None:
    found = findings(Problem.REGRESSION)
    equal, points = layers(scatter(found))
    assert fields(equal) == fields(points) == {"x": "true", "y": "predicted"}
    across, up = domains(points)
    values = [row[name] for row in rows_of(scatter(found).to_dict()) for name in row]
    assert across == up == [min(values), max(values)]
    titles = [points["encoding"][axis]["title"] for axis in ("x", "y")]
    assert titles == ["true Tm (degrees C)", "predicted"]


def test_predicted_classes_go_across(findings) -> None:
    cells, weak, strong = layers(confusion_chart(findings()))
    for layer in (cells, weak, strong):
        axes = {name: fields(layer)[name] for name in ("x", "y")}
        assert axes == {"x": "predicted", "y": "true"}
        assert told(layer) == ["true", "predicted", "count", "share"]
    assert fields(cells)["color"] == "share"
    assert cells["encoding"]["color"]["scale"]["domain"] == [0, 1]
    assert [fields(layer)["text"] for layer in (weak, strong)] == ["count", "count"]
    bar, marks = layers(class_bars(findings()))
    assert fields(bar) == {"x": "F1", "y": "class"}
    assert bar["encoding"]["x"]["scale"]["domain"] == [0, 1]
    assert fields(marks) == {"x": "value", "y": "class", "shape": "of"}
    assert told(marks) == ["class", "of", "value"]


def test_errors_have_their_intervals(findings) -> None:
    found = findings()
    bar, rule = layers(error_chart(found, by_length(found)))
    assert fields(bar) == {"x": "error", "y": "name"}
    assert fields(rule) == {"x": "low", "x2": "high", "y": "name"}
    assert bar["encoding"]["x"]["title"] == "share wrong"
    assert told(bar) == ["name", "error", "low", "high"]


@pytest.mark.parametrize(
    ("chart", "x", "y"),
    [
        (roc_chart, "false positive rate", "true positive rate"),
        (precision_recall_chart, "recall", "precision"),
    ],
)
def test_curves_run_over_the_unit_square(findings, chart, x: str, y: str) -> None:
    *chance, line = layers(chart(findings()))
    assert fields(line) == {"x": x, "y": y, "order": "order", "detail": "line", "color": "class"}
    assert domains(line) == [[0, 1], [0, 1]]
    assert told(line) == ["class", x, y]
    assert [line["encoding"][axis]["title"] for axis in ("x", "y")] == [x, y]
    assert [fields(layer) for layer in chance] == ([{"x": x, "y": y}] if chart is roc_chart else [])


def test_each_seed_has_a_protein_centric_line_and_the_first_a_label(findings) -> None:
    chart = protein_centric_chart(findings(Problem.MULTI_LABEL))
    line, ring, label = layers(chart)
    axes = {"x": "recall", "y": "precision"}
    assert fields(line) == {**axes, "order": "threshold", "detail": "seed"}
    assert domains(line) == [[0, 1], [0, 1]]
    assert fields(ring) == fields(label) == axes
    assert told(line) == told(ring) == ["recall", "precision", "threshold", "F1"]
    rings, labels = (rows_of(layer) for layer in (ring, label))
    assert [row["seed"] for row in rings] == ["0", "1"]
    assert labels == rings[:1]


def test_residues_stand_in_a_row_and_letters_in_rows_of_sixty(findings) -> None:
    (track,) = findings().tracks
    (bars,) = layers(line_chart(track, "attention", True))
    assert fields(bars) == {"x": "from", "x2": "to", "y": "value", "color": "structure"}
    assert bars["encoding"]["x"]["scale"]["domain"] == [0, 74]
    assert told(bars) == ["residue", "letter", "value", "structure"]
    assert bars["encoding"]["color"]["sort"] == ["helix", "strand", "other", "masked"]
    cells, text, names = layers(letters_chart(track, "attention", True))
    assert fields(cells) == {"x": "x", "y": "y", "color": "value"}
    assert fields(text) == fields(names) == {"x": "x", "y": "y", "text": "letter"}
    for layer in (cells, text, names):
        across, down = domains(layer)
        assert across == [-1, ROW]
        assert down[0] > down[1] == -0.5  # the first row is the highest
    lines = 1 + len(track.tokens)
    assert cells["transform"] == [{"filter": f"datum.y % {lines + 1} == 0"}]  # sequence alone
    assert letters_chart(track, "a", True).to_dict()["width"] == 12 * ROW


def test_how_often_a_prediction_is_right_goes_up() -> None:
    rng = np.random.default_rng(3)
    scores = torch.from_numpy(rng.dirichlet((1, 1, 1), 60))
    predicted = Predicted(scores, torch.from_numpy(rng.integers(0, 3, 60)), torch.arange(60))
    certainty = Certainty(Problem.SINGLE_LABEL, 1, 1.5, None, None)
    equal, line, points = layers(reliability_chart(certainty, predicted))
    assert fields(equal) == {"x": "confidence", "y": "accuracy"}
    colour = {"x": "confidence", "y": "accuracy", "color": "kind"}
    assert fields(line) == colour
    assert fields(points) == {**colour, "size": "rows"}
    assert domains(points) == [[0, 1], [0, 1]]
    assert told(points) == ["kind", "rows", "confidence", "accuracy"]
