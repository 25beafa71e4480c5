"""The study of how good structures must be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sesstore.jobs.inputs import task_proteins
from sesstore.studies import quality
from sesstore.studies.jitter import HeldTokens
from sesstore.studies.study import Study
from sesstore.studies.study_settings import Place
from sesstore.studies.token_views import agreement
from sesstore.training.runs import Run

from .conftest import check_files


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
    digests = [p.digest for p in task_proteins(store, store.task("toy"))]
    counts = agreement(store.tokens("alphafold2"), store.tokens("esmfold"), digests)
    equal, residues = counts["foldseek"]
    sentence = next(said for said in report.findings if "same letter" in said)
    assert f"foldseek on {equal / residues:.1%} of {residues:,} residues" in sentence
    assert residues == sum(len(store.protein(digest)) for digest in digests)
    plddt = report.rows[-1]
    assert 0.2 < plddt["coverage"] < 0.7
    learned = [Run.load(file.parent) for file in out.glob("*noise*train/*/seed-*/run.json")]
    assert [run.source for run in learned] == ["alphafold2, noise 1"] * 2
    check_files(report, out)


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


def test_coordinates_are_shaken_by_each_degree_and_what_is_absent_is_told(
    store, settings, out, monkeypatch
) -> None:
    """Without noise first, which shows what tokenising anew alone does."""
    degrading = quality.Degrading(structures=(Path("x"),), angstrom=(0.5, 2.0))
    study = Study("quality", "?", store, settings, Place(out), {})
    work = quality._Quality(study, degrading, names=["alphafold2"])
    asked, degraded = [], []

    def shake(paths, proteins, source, angstrom, *, progress):
        asked.append((paths, {p.digest for p in proteins}, source, angstrom))
        rows = dict.fromkeys(list(asked[-1][1])[:5])
        return HeldTokens(f"{angstrom}", rows), ["bad.pdb: broken", "worse.pdb: broken"]

    monkeypatch.setattr(quality, "shaken_tokens", shake)
    monkeypatch.setattr(work, "_degraded", lambda *told: degraded.append(told))
    work.coordinates()
    proteins = {p.digest for p in task_proteins(store, study.task)}
    assert asked == [(degrading.structures, proteins, "alphafold2", a) for a in (0.0, 0.5, 2.0)]
    assert [(kind, degree, tokens.source) for kind, degree, tokens in degraded] == [
        ("coordinates", a, f"{a}") for a in (0.0, 0.5, 2.0)
    ]
    assert study.report.missing == [
        "2 structures could not be used; the first: bad.pdb: broken",
        f"the structures given are of 5 of {len(proteins)} proteins; the others have no tokens in "
        "the rows with noise on coordinates",
    ]


def test_tokens_are_read_at_test_and_learned_from_at_train_time(
    store, settings, out, monkeypatch
) -> None:
    study = Study("quality", "?", store, settings, Place(out), {})
    work = quality._Quality(study, quality.Degrading(rates=(0.25, 1.0)), names=["alphafold2"])
    work.inputs = {"alphafold2": study.inputs("alphafold2")}
    read, trained, rows, held = [], [], [], []
    monkeypatch.setattr(work, "_read", lambda *told: read.append(told))
    monkeypatch.setattr(work, "_row", lambda *told: rows.append(told))
    monkeypatch.setattr(work, "_against_controls", lambda *told: held.append(told))

    def train(name, inputs, arms):
        trained.append((name, inputs.tokens.source, inputs.embeddings, [a.name for a in arms]))
        return {name: [name]}

    monkeypatch.setattr(study, "train", train)
    work.noise()
    assert [(*told[:2], told[2].source, *told[3:]) for told in read] == [
        (f"{source}, noise {rate:g} at test", source, f"{source}, noise {rate:g}", "noise", rate)
        for source, rate in (("alphafold2", 0.25), ("alphafold2", 1.0))
    ]
    names = [f"alphafold2, noise {rate:g} at train" for rate in (0.25, 1.0)]
    view = work.inputs["alphafold2"].embeddings
    assert trained == [
        (name, f"alphafold2, noise {rate:g}", view, [name])
        for name, rate in zip(names, (0.25, 1.0), strict=True)
    ]
    assert rows == [
        (name, "noise", "train", rate, [name])
        for name, rate in zip(names, (0.25, 1.0), strict=True)
    ]
    assert held == [(name, [name]) for name in names]
    read.clear()
    work.names = ["a", "b"]
    monkeypatch.setattr(work, "_tokens", lambda source: f"tokens of {source}")
    work.cross()
    assert read == [
        ("a, read with b", "a", "tokens of b", "b", None),
        ("b, read with a", "b", "tokens of a", "a", None),
    ]
