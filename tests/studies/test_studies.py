"""Every study on a few proteins: its rows, what it says, and what it writes."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest

from sesstore.errors import InputError
from sesstore.store import Store
from sesstore.studies import (
    ablation,
    convergence,
    cost,
    ensemble,
    quality,
    scaling,
    size,
)
from sesstore.studies.study_record import RECORD, TABLE, StudyReport
from sesstore.studies.study_settings import Place, StudySettings
from sesstore.training.checkpoint import load_adapter
from sesstore.training.runs import Run


def written(report: StudyReport, out: Path) -> None:
    """Check what every study leaves behind."""
    again = StudyReport.load(out)
    assert again.to_json() == report.to_json()
    with (out / TABLE).open() as file:
        assert len(list(csv.DictReader(file))) == len(report.rows) > 0
    columns, rows = report.table()
    assert all(len(row) == len(columns) for row in rows)
    if pytest.importorskip("altair"):
        page = (out / "study.html").read_text()
        assert report.question in page
        assert (out / "figure.png").read_bytes().startswith(b"\x89PNG")
        assert (out / "figure.svg").read_text().startswith("<svg")


def test_simple_models_stand_beside_the_best_arm(store, settings, out) -> None:
    report = ablation.run(store, replace(settings, seeds=1), Place(out, baselines=True))
    written(report, out)
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


def test_ablation_has_every_kind_of_every_source(store, settings, out) -> None:
    report = ablation.run(store, settings, Place(out))
    shown = {(row["source"], row["structure"]) for row in report.rows}
    controls = ("foldseek+dssp, masked", "foldseek+dssp, shuffled")
    kinds = ("foldseek", "dssp", "foldseek+dssp", *controls)
    assert shown == {
        (None, "none"),
        *((source, kind) for source in settings.sources for kind in kinds),
    }
    # Two against controls, three against none, two against parts, for each source; then sources.
    assert len(report.comparisons) == 15
    pairs = [(found["one"], found["other"]) for found in report.comparisons]
    for place, source in enumerate(settings.sources):
        others = (f"foldseek+dssp, {source}, masked", f"foldseek+dssp, {source}, shuffled", "none")
        for other, said in zip(others, report.findings[3 * place :], strict=False):
            assert said.startswith(f"foldseek+dssp, {source} ")
            assert f"{other} " in said.replace(":", " ")
            assert "95 % interval" in said
            assert (f"foldseek+dssp, {source}", other) in pairs
    for row in report.rows:
        assert row["low"] <= row["score"] <= row["high"]
        assert row["coverage"] == (None if row["structure"] == "none" else 1.0)
    runs = sorted(out.glob("*/*/seed-*/run.json"))
    assert len(runs) == len(report.rows) * 2
    assert {Run.load(file.parent).source for file in runs} == {
        None,
        *(
            f"{source}{view}"
            for source in settings.sources
            for view in ("", ", masked", ", shuffled")
        ),
    }
    written(report, out)


def test_a_control_is_not_the_best_arm(store, settings, out) -> None:
    settings = replace(settings, sources=("esmfold",), seeds=1)
    place = Place(out, baselines=True)
    report = ablation.run(store, settings, place, controls=("constant",))
    assert report.rows[-1]["structure"] == "foldseek+dssp, constant"
    (beside,) = report.baselines
    assert "constant" not in beside["arm"]
    with pytest.raises(InputError, match=r"no control is called 'random'.*shuffled"):
        ablation.run(store, settings, Place(out.parent / "b"), controls=("random",))
    assert not (out.parent / "b").exists()


def test_ablation_with_poolings_and_less_tokens(store: Store, settings, out) -> None:
    settings = replace(settings, sources=("esmfold",), seeds=1)
    report = ablation.run(store, settings, Place(out), poolings=("mean", "attention1d"))
    assert len(report.rows) == 12
    assert {row["pooling"] for row in report.rows} == {"mean", "attention1d"}
    assert len(report.comparisons) == 14
    assert report.rows[0]["std"] is None


def test_size_finds_the_smallest_that_is_good_enough(store, settings, out) -> None:
    report = size.run(store, settings, Place(out), heads=(1, 3), widths=(4, 12))
    assert [row["parameters"] for row in report.rows] == sorted(
        row["parameters"] for row in report.rows
    )
    assert any("3 heads do not divide width 4" in said for said in report.missing)
    assert report.findings[0].startswith("The smallest adapter within 0.5%")
    written(report, out)


def test_the_choice_of_a_size() -> None:
    rows = [
        {"arm": "small", "valid": 0.9945, "parameters": 10},
        {"arm": "middle", "valid": 0.996, "parameters": 20},
        {"arm": "large", "valid": 1.0, "parameters": 30},
    ]
    assert [row["arm"] for row in size.choose(rows, "accuracy")] == ["large", "middle"]
    assert [row["arm"] for row in size.choose(rows, "rmse")] == ["small", "small"]
    # Half a per cent of the score, not half a point; of an error, more of it.
    errors = [{**row, "valid": 50 * row["valid"]} for row in reversed(rows)]
    assert [row["arm"] for row in size.choose(errors, "rmse")] == ["small", "small"]
    for error, choice in ((50.2, "small"), (50.3, "middle")):  # a quarter of a point may lack
        errors = [
            {"arm": "small", "valid": error, "parameters": 10},
            {"arm": "middle", "valid": 50.1, "parameters": 20},
            {"arm": "large", "valid": 50.0, "parameters": 30},
        ]
        assert [row["arm"] for row in size.choose(errors, "rmse")] == ["large", choice]


def test_quality_degrades_step_by_step(store, settings, out) -> None:
    degrading = quality.Degrading(rates=(1.0,), plddt=(70,))
    report = quality.run(store, settings, Place(out), degrading=degrading)
    found = [(row["tokens"], row["when"], row["degree"]) for row in report.rows]
    assert found == [
        ("none", None, None),
        ("masked", None, None),
        ("alphafold2", None, None),
        ("esmfold", None, None),
        ("esmfold", "test", None),
        ("alphafold2", "test", None),
        ("noise", "test", 1.0),
        ("noise", "train", 1.0),
        ("plddt", "train", 70.0),
    ]
    assert any("--structures" in said for said in report.missing)
    ends = [said for said in report.findings if "help" in said]
    assert len(ends) == (2 if report.rows[2]["helps"] else 1)
    plddt = report.rows[-1]
    assert 0.2 < plddt["coverage"] < 0.7
    learned = [Run.load(file.parent) for file in out.glob("*noise*train/*/seed-*/run.json")]
    assert [run.source for run in learned] == ["alphafold2, noise 1"] * 2
    written(report, out)


def test_quality_says_what_it_lacks(store, settings, out) -> None:
    settings = replace(settings, sources=("esmfold",), seeds=1)
    report = quality.run(store, settings, Place(out), degrading=quality.Degrading(rates=()))
    assert [row["tokens"] for row in report.rows] == ["none", "masked", "esmfold"]
    assert any("no pLDDT" in said for said in report.missing)
    assert any("only esmfold" in said for said in report.missing)


def test_quality_shakes_the_structures_it_is_given(store, settings, out, shared_structures) -> None:
    settings = replace(settings, sources=("alphafold2",), seeds=1)
    degrading = quality.Degrading(rates=(), structures=(shared_structures / "1aki.pdb",))
    report = quality.run(store, settings, Place(out), degrading=degrading)
    assert any("none of the structures given is of a protein" in said for said in report.missing)


def test_ensemble_compares_one_conformer_with_all(store, settings, out) -> None:
    report = ensemble.run(store, replace(settings, sources=("md",)), Place(out))
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
    assert report.comparisons[0]["difference"] == report.comparisons[3]["difference"]
    assert "24 of 24 in test" in report.findings[0]
    sources = {Run.load(f.parent).source for f in out.glob("*/*/seed-0/run.json")}
    assert sources == {None, "md", "md, first conformer"}
    written(report, out)
    with pytest.raises(InputError, match=r"several conformers.*--trajectory"):
        ensemble.run(store, replace(settings, sources=("esmfold",)), Place(out.parent / "b"))
    assert not (out.parent / "b").exists()


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
    written(report, out)


def test_scaling_with_one_encoder_says_so(store, settings, out) -> None:
    report = scaling.run(
        store, replace(settings, seeds=1), Place(out), plms=("onehot",), widths=(8,)
    )
    assert any("one encoder only" in said for said in report.missing)


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
    written(report, out)


def test_cost_times_each_stage(store, settings, out, shared_structures) -> None:
    structures = (shared_structures / "1aki.pdb",)
    report = cost.run(store, settings, Place(out), structures=structures, sample=5)
    assert [row["stage"].split(",")[0] for row in report.rows] == [
        "tokenising structures",
        "embedding into the store",
        "the PLM's pass",
        "an epoch from the store",
        "an epoch from the store",
    ]
    assert "has paid for itself after" in report.findings[0]
    rates = {row["stage"]: row["rate"] for row in report.rows}
    lengths = {p.digest: len(p) for p in store.proteins()}
    residues = {
        name: sum(lengths[row.tobytes()] for row in split.digests)
        for name, split in store.task("toy").splits.items()
    }
    tokenised, embedded, loop, *epochs = report.rows
    assert tokenised["measured"] == 129
    for row in (tokenised, embedded):
        assert row["seconds"] == pytest.approx(sum(residues.values()) / row["rate"])
    assert embedded["measured"] == loop["measured"] < residues["train"]
    wanted = residues["train"] + residues["valid"]
    assert loop["seconds"] == pytest.approx(wanted / rates[loop["stage"]])
    for row in epochs:
        assert row["measured"] == 2 * residues["train"]
        assert row["seconds"] == pytest.approx(residues["train"] / row["rate"])
    written(report, out)


def test_when_a_cache_has_paid() -> None:
    assert cost.Passes(once=10, epoch=9, last=1, residues=1).pays_after() == 1
    assert cost.Passes(once=10.1, epoch=9, last=1, residues=1).pays_after() == 2
    assert cost.Passes(once=0.5, epoch=9, last=1, residues=1).pays_after() == 1


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
