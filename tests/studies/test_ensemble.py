"""The study of several conformers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sesstore.errors import InputError
from sesstore.studies import (
    ensemble,
)
from sesstore.studies.study import Study
from sesstore.studies.study_settings import Place
from sesstore.training.intervals import Predicted
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


def test_rows_with_several_conformers_are_compared_by_themselves(
    store, settings, out, monkeypatch
) -> None:
    """The same rows of both arms, with the labels and proteins they are of."""
    rows = torch.arange(24)
    labels = torch.where(rows % 2 == 0, 40.0, 60.0)
    predicted = {
        "one conformer": Predicted(labels + rows, labels, rows),
        "all conformers": Predicted(labels + 1.0, labels, rows),
    }
    monkeypatch.setattr(ensemble, "load_predictions", lambda name, split: predicted[name])
    settings = replace(settings, task="heat", sources=("md",))
    study = Study("ensemble", "?", store, settings, Place(out), {})
    several = np.arange(24) % 2 == 1
    runs = {name: [name] * 2 for name in predicted}
    ensemble._compare_rows(study, runs, several)
    (comparison,) = study._comparisons
    assert comparison.one.startswith("all conformers")
    odd = np.arange(1, 24, 2.0)
    assert comparison.difference == pytest.approx(1 - np.sqrt((odd**2).mean()))
    ensemble._compare_rows(study, runs, np.arange(24) < ensemble.FEWEST - 1)
    assert len(study._comparisons) == 1
    assert study.report.missing[-1].startswith("only 9 rows of test have several conformers")


def test_conformers_are_those_of_each_protein(store) -> None:
    digests = store.task("toy").splits["test"].digests
    for source, count in (("md", 3), ("esmfold", 1)):
        tokens = store.tokens(source)
        assert ensemble.conformers(tokens, digests[:2]).tolist() == [count] * 2
        assert ensemble.conformers(tokens, np.zeros((1, 32), np.uint8)).tolist() == [0]


def test_the_first_source_with_conformers_of_train_is_used(store, settings) -> None:
    def source(*names: str) -> str:
        return ensemble._source(store, replace(settings, sources=names))

    assert source() == source("esmfold", "md") == source("md", "alphafold2") == "md"
    with pytest.raises(InputError, match="no protein of 'toy' has tokens of several conformers"):
        source("alphafold2", "esmfold")
