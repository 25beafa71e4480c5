"""Figures of studies: as wide as the screen on a page, one under the other in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sesstore.progress import SILENT
from sesstore.studies.figures import convergence_chart, interval_chart, quality_chart, size_chart
from sesstore.studies.page import write_page
from sesstore.studies.study_record import StudyReport

pytest.importorskip("altair")
pytest.importorskip("vl_convert")


def report(folder: Path) -> StudyReport:
    rows: list[dict[str, Any]] = [
        {
            "arm": arm, "tokens": kind, "when": when, "degree": degree, "score": score,
            "low": score - 0.1, "high": score + 0.1, "std": None, "parameters": 10, "heads": 2,
            "curve": [[1, 0.1], [2, 0.2]],
        }
        for arm, kind, when, degree, score in (
            ("no structure", "none", None, None, 0.5), ("pdb", "pdb", None, None, 0.7),
            ("pdb, noise 0.5", "noise", "test", 0.5, 0.6),
        )
    ]  # fmt: skip
    settings = {"seeds": 1, "fit": {"lr": 1e-3, "schedule": "cosine", "epochs": 1}}
    settings["fit"]["batch_tokens"] = 100
    task = {"name": "toy", "problem": "single_label", "citation": ""}
    return StudyReport(
        "quality", "toy", "Why?", str(folder), "enc", "accuracy", "test", rows=rows,
        settings=settings, provenance={"task": task, "encoders": {}, "command": "sesstore study"},
    )  # fmt: skip


def test_no_figure_has_a_width_of_its_own(tmp_path: Path) -> None:
    made = report(tmp_path)
    drawn = [interval_chart(made), size_chart(made), convergence_chart(made), *quality_chart(made)]
    assert len(drawn) == 5
    for chart in drawn:
        spec = chart.to_dict()
        assert "width" not in spec
        assert isinstance(spec["height"], int)


def test_parts_are_charts_of_a_page_and_one_figure_of_a_file(tmp_path: Path) -> None:
    made = report(tmp_path)
    write_page(made, quality_chart, SILENT)
    page = (tmp_path / "study.html").read_text()
    assert page.count('class="chart"') == 2
    assert page.count('"width": "container"') == 2
    assert (tmp_path / "figure.svg").read_text().startswith("<svg")
