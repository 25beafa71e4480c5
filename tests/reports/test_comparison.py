from __future__ import annotations

from dataclasses import replace

import pytest

from sesstore.errors import InputError
from sesstore.reports.comparison import write_comparison
from sesstore.tasks import Problem

pytest.importorskip("altair")
pytest.importorskip("vl_convert")


def test_trainings_side_by_side(findings, compared, parsed) -> None:
    both, (page, *figures) = findings(name="run"), compared
    fetched, text = parsed(page.read_text())
    assert fetched == []
    assert "run (1)" in text
    assert "run (2)" in text
    low, high = both.intervals["accuracy"]
    spread = both.deviation("accuracy")
    assert f"{both.mean('accuracy'):.3f} ± {spread:.3f} ({low:.3f} to {high:.3f})" in text
    assert "structure tokens" in text
    assert "weight decay" not in text  # which does not differ
    assert len(figures) == 6


def test_different_tasks_are_not_compared(findings, tmp_path) -> None:
    one, other = findings(), findings(Problem.REGRESSION)
    task = {**other.run.task, "name": "another"}
    other = replace(other, runs=(replace(other.run, task=task),))
    with pytest.raises(InputError, match="different tasks"):
        write_comparison([one, other], tmp_path)
    assert list(tmp_path.iterdir()) == []
