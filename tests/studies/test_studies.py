"""Every study on a few proteins: its rows, what it says, and what it writes."""

from __future__ import annotations

import json
from dataclasses import replace
from statistics import fmean

import pytest

from sesstore.errors import InputError
from sesstore.studies import (
    ablation,
    convergence,
    quality,
)
from sesstore.studies.study_record import RECORD
from sesstore.studies.study_settings import Place, StudySettings
from sesstore.training.runs import Run

from .conftest import check_files


def test_simple_models_stand_beside_the_best_arm(store, settings, out) -> None:
    report = ablation.run(store, replace(settings, seeds=1), Place(out, baselines=True))
    check_files(report, out)
    (beside,) = report.baselines
    best = max(report.rows, key=lambda row: row["valid"])
    assert beside["arm"] == best["arm"]
    assert beside["split"] == report.split
    assert beside["difference"] == pytest.approx(
        best["score"] - beside["metrics"][beside["best"]][report.split][report.monitor]
    )
    (said,) = [sentence for sentence in report.findings if "best simple model" in sentence]
    assert said.endswith(f"(of the best arm on valid, {best['arm']})")
    assert "small_splits" in {caution["what"] for caution in report.cautions}


def test_convergence_counts_epochs(store, settings, out) -> None:
    settings = replace(settings, fit=replace(settings.fit, patience=1, epochs=3))
    report = convergence.run(store, settings, Place(out))
    assert [row["arm"] for row in report.rows] == [
        "no structure",
        "with masked tokens",
        "with alphafold2",
        "with esmfold",
    ]
    assert report.rows[0]["speedup"] == 1.0
    assert all(len(row["curve"]) == 3 for row in report.rows)
    assert report.settings["fit"]["schedule"] == "constant"
    assert report.settings["fit"]["warmup"] == 0
    for row, name in zip(report.rows, ("no-structure", "with-masked-tokens", "with-alphafold2",
                                       "with-esmfold"), strict=True):  # fmt: skip
        runs = [Run.load(f.parent) for f in out.glob(f"*/{name}/seed-*/run.json")]
        assert [len(run.history) for run in runs] == [3, 3]  # whatever the patience was
        values = [fmean(run.history[n]["valid"]["accuracy"] for run in runs) for n in range(3)]
        assert [epoch for epoch, _ in row["curve"]] == [1, 2, 3]
        assert [value for _, value in row["curve"]] == pytest.approx(values)
    assert [(pair["one"], pair["other"]) for pair in report.comparisons] == [
        ("with masked tokens", "no structure"),
        *((f"with {source}", other) for source in settings.sources
          for other in ("no structure", "with masked tokens")),
    ]  # fmt: skip
    check_files(report, out)


def test_a_finished_study_goes_on_for_nothing(store, settings, out, monkeypatch) -> None:
    settings = replace(settings, sources=("alphafold2",), seeds=1)
    first = ablation.run(store, settings, Place(out))
    before = {file: file.stat().st_mtime_ns for file in out.rglob("run.json")}
    again = ablation.run(store, settings, Place(out, resume=True))
    assert again.rows == first.rows
    assert {file: file.stat().st_mtime_ns for file in out.rglob("run.json")} == before
    assert json.loads((out / RECORD).read_text())["rows"] == again.to_json()["rows"]


def test_no_structure_and_no_seeds_are_said(store, settings, out) -> None:
    with pytest.raises(InputError, match="at least one seed"):
        ablation.run(store, replace(settings, seeds=0), Place(out))
    with pytest.raises(InputError, match="only: alphafold2"):
        ablation.run(store, StudySettings("toy", "blosum62", ("pdb",)), Place(out))
    assert not out.exists()
    with pytest.raises(InputError, match="at test or train time, not 'never'"):
        quality.Degrading(when=("never",))
