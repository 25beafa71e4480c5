"""Figures of studies: as wide as the screen on a page, one under the other in a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from sesstore.studies.figures import (
    convergence_chart,
    interval_chart,
    quality_chart,
    scaling_chart,
    size_chart,
)

from .conftest import report

pytest.importorskip("altair")


pytest.importorskip("vl_convert")


def test_no_figure_has_a_width_of_its_own(tmp_path: Path) -> None:
    made = report(tmp_path)
    drawn = [interval_chart(made), size_chart(made), convergence_chart(made), *quality_chart(made)]
    assert len(drawn) == 5
    for chart in drawn:
        spec = chart.to_dict()
        assert "width" not in spec
        assert isinstance(spec["height"], int)


def test_what_is_drawn_against_what(tmp_path: Path) -> None:
    made = report(tmp_path)
    made.rows[0]["score"] = float("nan")
    for chart, across, colour in (
        (size_chart, "parameters", "heads"), (scaling_chart, "seconds_per_epoch", "encoder"),
    ):  # fmt: skip
        spec = chart(made).to_dict()
        rules, points = spec["layer"]
        for layer in (rules, points):
            assert layer["encoding"]["x"]["field"] == across
            assert layer["encoding"]["color"]["field"] == colour
        assert (rules["encoding"]["y"]["field"], rules["encoding"]["y2"]["field"]) == (
            "low",
            "high",
        )
        assert points["encoding"]["y"]["field"] == "score"
        assert points["encoding"]["y"]["title"] == "test accuracy"
        (rows,) = [values for values in (spec.get("data"), rules.get("data")) if values]
        assert [row["score"] for row in rows["values"]] == [None, 0.7, 0.6]
        assert not any("curve" in row for row in rows["values"])


def test_each_way_of_degrading_has_a_panel_in_its_unit(tmp_path: Path) -> None:
    made = report(tmp_path)
    noise = made.rows.pop()
    assert len(quality_chart(made)) == 1
    ways = (("noise", "test"), ("noise", "train"), ("coordinates", "test"), ("plddt", "train"))
    made.rows += [{**noise, "tokens": kind, "when": when, "degree": 2.0} for kind, when in ways]
    upper, *panels = (chart.to_dict() for chart in quality_chart(made))
    assert "height" in upper
    titles = [panel["layer"][0]["encoding"]["x"]["title"] for panel in panels]
    assert titles == [
        "noise: share of tokens replaced", "coordinates: Angstrom", "plddt: threshold",
    ]  # fmt: skip
    drawn = []
    for panel in panels:
        layers = [panel, *panel["layer"]]
        rows = next(
            values for layer in layers
            if (values := layer.get("data", {}).get("values")) and "degree" in values[0]
        )  # fmt: skip
        drawn.append([(row["when"], row["degree"], row["score"]) for row in rows])
    assert drawn == [
        [("test", 2.0, 0.6), ("train", 2.0, 0.6), ("test", 0, 0.7), ("train", 0, 0.7)],
        [("test", 2.0, 0.6)], [("train", 2.0, 0.6)],
    ]  # fmt: skip
