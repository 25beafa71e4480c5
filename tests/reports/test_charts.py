"""Marks of charts stand at their values."""

from __future__ import annotations

import pytest

from sesstore.reports.charts import NAMES, curves, dots

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
