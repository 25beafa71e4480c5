"""Figures of studies: as wide as the screen on a page, one under the other in a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from sesstore.studies.figures import convergence_chart, interval_chart, quality_chart, size_chart

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
