"""The study of how good structures must be."""

from __future__ import annotations

from dataclasses import replace

from sesstore.jobs.inputs import task_proteins
from sesstore.studies import quality
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
