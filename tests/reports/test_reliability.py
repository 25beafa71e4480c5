"""The page says of certainty what was measured on test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sesstore.reports import reliability
from sesstore.tasks import Problem
from sesstore.training.calibration import reliability as binned
from sesstore.training.calibration import tempered, top_class
from sesstore.training.certainty import certainty_of, mean_prediction, score_certainty
from sesstore.training.evaluate import save_predictions
from sesstore.training.runs import FOLDS

from .conftest import rows_of

pytest.importorskip("altair")

TASK = Problem.SINGLE_LABEL


def saved(material, folder: Path, *splits: str):
    """The material, with predictions in the folders of its runs; valid is test turned round."""
    runs = []
    for place, (run, predicted) in enumerate(zip(material.runs, material.predicted, strict=True)):
        runs.append(replace(run, path=folder / str(place)))
        runs[-1].path.mkdir()
        for split in splits:
            turned = replace(predicted, scores=predicted.scores.flip(0).contiguous())
            save_predictions(runs[-1], split, predicted if split == "test" else turned)
    return replace(material, runs=tuple(runs))


@pytest.mark.parametrize("problem", [Problem.SINGLE_LABEL, Problem.REGRESSION])
def test_each_number_is_in_its_row(problem, findings, tmp_path: Path) -> None:
    material = saved(findings(problem), tmp_path, "valid", "test")
    section = reliability.certainty_section(material)
    certainty = certainty_of(material.runs)
    score = score_certainty(certainty, mean_prediction(material.runs, "test"))
    values = {row[0]: row[1] for row in section.rows}
    if problem.is_regression:
        assert values == {
            "intervals that hold the truth": score.coverage, "width of them": score.size,
        }  # fmt: skip
        assert section.chart is None
    else:
        assert values == {
            "ECE as predicted": score.ece_before, "ECE calibrated": score.ece_after,
            "sets that hold the truth": score.coverage, "classes of them": score.size,
        }  # fmt: skip
        assert f"{certainty.temperature:.2f}" in section.rows[1][2]
        assert section.chart is not None
    assert "on 40 rows of test" in section.text


def test_bins_hold_every_row_before_and_after(findings, tmp_path: Path) -> None:
    material = saved(findings(), tmp_path, "valid", "test")
    spec = reliability.certainty_section(material).chart.to_dict()
    rows = rows_of(spec)
    kinds = list(dict.fromkeys(row["kind"] for row in rows if "kind" in row))
    certainty = certainty_of(material.runs)
    predicted = mean_prediction(material.runs, "test")
    scores = (predicted.scores, tempered(predicted.scores, certainty.temperature, TASK))
    for kind, probabilities in zip(kinds, scores, strict=True):
        bins = binned(*top_class(probabilities, predicted.labels, TASK))
        shown = {row["confidence"]: row for row in rows if row.get("kind") == kind}
        assert [(b.confidence, b.accuracy, b.count) for b in bins] == [
            (row["confidence"], row["accuracy"], row["rows"]) for row in shown.values()
        ]


def test_there_is_none_without_predictions_on_both(findings, tmp_path: Path) -> None:
    for splits in (("test",), ("valid",)):
        (tmp_path / splits[0]).mkdir()
        assert (
            reliability.certainty_section(saved(findings(), tmp_path / splits[0], *splits)) is None
        )
    material = saved(findings(), tmp_path, "valid", "test")
    for split in ("valid", FOLDS):
        assert reliability.certainty_section(replace(material, split=split)) is None
