"""The study of several conformers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sesstore.errors import InputError
from sesstore.studies import (
    ensemble,
)
from sesstore.studies.study_settings import Place
from sesstore.training.runs import Run

from .conftest import check_files


def test_ensemble_compares_one_conformer_with_all(store, settings, out) -> None:
    # A task of values: two arms never have quite the same error.
    report = ensemble.run(store, replace(settings, task="heat", sources=("md",)), Place(out))
    assert [row["conformers"] for row in report.rows] == ["none", "one conformer", "all conformers"]
    pairs = [(found["one"], found["other"]) for found in report.comparisons]
    note = "(rows with several)"
    assert pairs == [
        ("all conformers", "one conformer"),
        ("one conformer", "none"),
        ("all conformers", "none"),
        (f"all conformers {note}", f"one conformer {note}"),
    ]
    # Here all rows have several, so both comparisons are of the same.
    assert report.comparisons[0]["difference"] == report.comparisons[3]["difference"] != 0
    assert "24 of 24 in test" in report.findings[0]
    sources = {Run.load(f.parent).source for f in out.glob("*/*/seed-0/run.json")}
    assert sources == {None, "md", "md, first conformer"}
    check_files(report, out)
    with pytest.raises(InputError, match=r"several conformers.*--trajectory"):
        ensemble.run(store, replace(settings, sources=("esmfold",)), Place(out.parent / "b"))
    assert not (out.parent / "b").exists()
