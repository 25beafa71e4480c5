"""The study of encoders and widths."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean
from types import SimpleNamespace

import numpy as np
import pytest

from sesstore.errors import InputError
from sesstore.studies import (
    scaling,
)
from sesstore.studies.study import Study
from sesstore.studies.study_settings import Place
from sesstore.training.checkpoint import load_adapter
from sesstore.training.runs import Run

from .conftest import check_files


def test_scaling_goes_over_the_encoders_of_the_store(store, settings, out) -> None:
    settings = replace(settings, plm=None, seeds=2)
    report = scaling.run(store, settings, Place(out), widths=(8,))
    shown = {(row["encoder"], row["width"], row["projected"]) for row in report.rows}
    assert {(e, w) for e, w, projected in shown if projected} == {("BLOSUM62", 8), ("onehot", 8)}
    residues = sum(len(p) for p in store.proteins())
    assert {row["bytes"] for row in report.rows} == {
        residues * row["dim"] * 2 for row in report.rows
    }
    assert set(report.encoder) == {"BLOSUM62", "onehot"}
    for row in report.rows:
        (folder,) = (f for f in out.glob(f"{row['encoder']}*") if row["arm"].split()[1] in f.name
                     and f"width-{row['width']}" in f.name)  # fmt: skip
        runs = [Run.load(file.parent) for file in folder.glob("*/seed-*/run.json")]
        stream = fmean(run.timings["seconds_per_epoch"] for run in runs)
        assert row["seconds_per_epoch"] == pytest.approx(stream / 2)
        weights = load_adapter(runs[0]).parameters()
        assert row["parameters"] == sum(weight.numel() for weight in weights)
    check_files(report, out)


def test_scaling_with_one_encoder_says_so(store, settings, out) -> None:
    report = scaling.run(
        store, replace(settings, seeds=1), Place(out), plms=("onehot",), widths=(8,)
    )
    assert any("one encoder only" in said for said in report.missing)


@pytest.mark.parametrize(("lower", "best"), [(False, "high"), (True, "low")])
def test_the_best_and_the_fastest_are_said(lower: bool, best: str) -> None:
    rows = [
        {"arm": "low", "valid": 0.25, "score": 0.125, "seconds_per_epoch": 3.0},
        {"arm": "high", "valid": 0.75, "score": 0.5, "seconds_per_epoch": 2.0},
        {"arm": "quick", "valid": 0.5, "score": 0.375, "seconds_per_epoch": 1.0},
    ]
    said: list[str] = []
    report = SimpleNamespace(rows=rows, split="test")
    scaling._say_best(SimpleNamespace(report=report, lower_is_better=lower, find=said.append))
    row = next(row for row in rows if row["arm"] == best)
    assert said == [
        f"Best on valid: {best} (test {row['score']:.4f}, {row['seconds_per_epoch']:.2f} s an "
        f"epoch); fastest: quick (0.3750, 1.00 s an epoch)"
    ]
    report.rows = []
    with pytest.raises(InputError, match="no width fits"):
        scaling._say_best(SimpleNamespace(report=report))


def test_encoders_that_lack_rows_are_left_out_and_named(store, settings, out) -> None:
    study = Study("scaling", "?", store, settings, Place(out), {})
    first, second = store.residue_encoders()
    whole = study.store.embeddings(second.fingerprint)
    digests = np.concatenate([split.digests for split in study.task.splits.values()])
    found = whole.find(digests).copy()
    found[[3, 70]] = -1
    lacking = SimpleNamespace(find=lambda _: found)
    views = {first.fingerprint: store.embeddings(first.fingerprint), second.fingerprint: lacking}
    study.store = SimpleNamespace(
        residue_encoders=lambda: [first, second], embeddings=views.__getitem__
    )
    study.stored = lambda provenance, source: (provenance, source)
    assert scaling._embedded(study, "md") == [(first, "md")]
    (sentence,) = study.report.missing
    name = second.fingerprint.encoder
    assert sentence.startswith(f"{name} lacks 2 of the task's rows and was left out")
    assert f"`sesstore embed toy --plm {name}`" in sentence
    study.store.residue_encoders = lambda: [second]
    with pytest.raises(InputError, match="no encoder has embedded 'toy'"):
        scaling._embedded(study, "md")


def test_a_width_that_heads_do_not_divide_is_left_out(store, settings, out) -> None:
    settings = replace(settings, adapter={**settings.adapter, "heads": 3})
    study = Study("scaling", "?", store, settings, Place(out), {})
    inputs = study.inputs("alphafold2")
    arm = scaling._arm(inputs, study, ("dssp",), 12)
    assert arm is not None
    assert arm.factors == {"encoder": "BLOSUM62", "width": 12, "projected": True}
    assert (arm.adapter["width"], arm.adapter["alphabets"]) == (12, ("dssp",))
    assert scaling._arm(inputs, study, ("dssp",), 6) is not None  # rotary pairs: twice the heads
    assert scaling._arm(inputs, study, ("dssp",), 9) is None
    assert study.report.missing == ["3 heads do not divide width 9 of BLOSUM62: left out"]
    assert scaling._arm(inputs, study, (), 9) is not None  # without tokens there are no heads
    whole = scaling._arm(inputs, study, (), None)
    assert whole is not None
    assert whole.factors["width"] == inputs.embeddings.dim
    assert (whole.factors["projected"], whole.adapter["width"]) == (False, None)
    assert whole.name.endswith(f"width {inputs.embeddings.dim} (no projection)")
