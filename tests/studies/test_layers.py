"""Which layer is best: probes and adapters on every stored layer, and on a sample."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from sesstore.encoders import registry
from sesstore.errors import InputError
from sesstore.jobs.embedding.embed import embed
from sesstore.store import Store
from sesstore.studies import layers
from sesstore.studies.layers import LayerOptions
from sesstore.studies.study_record import StudyReport
from sesstore.studies.study_settings import Place, StudySettings
from sesstore.tasks import Problem

from .conftest import check_files


@pytest.fixture
def of_esm(settings: StudySettings) -> StudySettings:
    return replace(settings, task="heat", plm="esm2_t6", seeds=1)


def test_stored_layers_are_probed_and_the_best_on_valid_is_named(
    own: Store, of_esm: StudySettings, out: Path
) -> None:
    embed(own, registry.load("esm2_t6", device="cpu", layers="1,3,last,mean:2"))
    report = layers.run(own, of_esm, Place(out))
    check_files(report, out)
    assert [row["layer"] for row in report.rows] == [1, 3, 6, "mean:2"]
    assert [row["share"] for row in report.rows] == pytest.approx([1 / 6, 1 / 2, 1, 1], rel=1e-6)
    best = min(report.rows, key=lambda row: row["valid"])  # of rmse less is better
    assert f"layer {best['layer']} (valid rmse {best['valid']:.4f}" in report.findings[0]
    assert report.findings[-1] == (
        f"Next: `sesstore train heat --plm esm2_t6 --layer {best['layer']}`"
    )
    assert "valid has 16 rows" in report.missing[0]
    assert all(row["low"] <= row["score"] <= row["high"] for row in report.rows)


def test_a_sample_stores_nothing_and_gives_what_the_store_gives(
    own: Store, of_esm: StudySettings, tmp_path: Path
) -> None:
    before = own.encoders()
    sampled = layers.run(
        own, of_esm, Place(tmp_path / "a"), options=LayerOptions("3,6", probe_proteins=72)
    )
    assert own.encoders() == before
    stored = layers.run(own, of_esm, Place(tmp_path / "b"), options=LayerOptions("3,6"))
    added = [p.fingerprint for p in own.encoders() if p not in before]
    assert sorted((print_.layer, print_.reduction) for print_ in added) == [
        (3, "mean"),
        (6, "mean"),
    ]
    again = layers.run(own, of_esm, Place(tmp_path / "c"))
    assert [row["score"] for row in again.rows] == [row["score"] for row in stored.rows]
    for one, other in zip(sampled.rows, stored.rows, strict=True):
        assert one["layer"] == other["layer"]
        assert one["score"] == pytest.approx(other["score"], rel=0.05)
    assert "a sample of 72 rows" in sampled.method
    assert any("test" in sentence for sentence in sampled.findings)


def test_adapters_stand_beside_probes(own: Store, of_esm: StudySettings, out: Path) -> None:
    report = layers.run(own, of_esm, Place(out), options=LayerOptions("2,last", adapter=True))
    check_files(report, out)
    kinds = [(row["layer"], row["model"]) for row in report.rows]
    assert kinds == [(2, "linear probe"), (6, "linear probe"), (2, "adapter"), (6, "adapter")]
    assert any("by adapters: layer" in sentence for sentence in report.findings)
    with pytest.raises(InputError, match="a sample is not stored"):
        LayerOptions(adapter=True, probe_proteins=50)


def test_one_layer_is_no_study(own: Store, of_esm: StudySettings, out: Path) -> None:
    embed(own, registry.load("esm2_t6", device="cpu"))
    with pytest.raises(InputError, match="--layer all"):
        layers.run(own, of_esm, Place(out))
    assert not out.exists()


def probed(monkeypatch, **splits: float) -> SimpleNamespace:
    """A study of two layers and a mean, by probes that only have scores."""
    monkeypatch.setattr(layers, "bootstrap", lambda monitor, problem, scores: scores[0])
    report = StudyReport("layers", "heat", "?", "x", "enc", "rmse", "test")
    task = SimpleNamespace(problem=Problem.REGRESSION, name="heat")
    study = SimpleNamespace(
        report=report, task=task, encoders={"ESM": {}}, find=report.findings.append,
        lower_is_better=True, settings=SimpleNamespace(seeds=3),
    )  # fmt: skip
    study.probes = {}
    for layer, (valid, test) in {2: (3.0, 1.5), 6: (4.0, 1.25), "mean:2": (5.0, 1.0)}.items():
        score = SimpleNamespace(
            predicted={"valid": (0.0, 9.0), "test": (test - 1, test + 1)},
            metrics={"valid": {"rmse": valid}, "test": {"rmse": test}}, seconds=7.0,
        )  # fmt: skip
        study.probes[layer] = score
        layers._add_probe(study, layer, score, 0.5)
    return study


def test_a_probe_is_told_on_test_and_chosen_on_valid(monkeypatch) -> None:
    study = probed(monkeypatch)
    assert study.report.rows[1] == {
        "arm": "layer 6", "layer": 6, "model": "linear probe", "share": 0.5, "valid": 4.0,
        "score": 1.25, "std": None, "low": 0.25, "high": 2.25, "seeds": 1, "seconds": 7.0,
    }  # fmt: skip
    compared = []
    monkeypatch.setattr(layers, "_difference", lambda *told: compared.append(told[1:]) or "how")
    layers._say_choice(study, study.probes, None, 100.0)
    assert study.report.findings == [
        "Best on valid by a linear probe: layer 2 (valid rmse 3.0000, test 1.5000)",
        "how",
        "Next: `sesstore train heat --plm ESM --layer 2`",
    ]
    assert compared == [(2, 6, [study.probes[2], study.probes[6]])]
    study.report.findings.clear()
    spec = registry.spec("esm2_t6")
    layers._say_choice(study, study.probes, spec, 100.0)
    assert study.report.findings[2:] == [
        "A forward that ends at layer 2 takes 0.33 of the whole one's operations",
        "Next: `sesstore train heat --plm esm2_t6 --layer 2`",
    ]


@pytest.mark.parametrize(
    ("problem", "options", "words"),
    [
        (Problem.REGRESSION, LayerOptions(probe_proteins=9),
         "Ridge regression on mean embeddings of each layer of ESM was fitted to train of a sample "
         "of 72 rows of heat (regression)"),
        (Problem.SINGLE_LABEL, LayerOptions(adapter=True),
         "Logistic regression on mean embeddings of each layer of ESM was fitted to train of heat "
         "(single_label)"),
        (Problem.RESIDUE_SINGLE_LABEL, LayerOptions(), "Logistic regression on embeddings of "
         "residues of each layer"),
    ],
)  # fmt: skip
def test_the_method_says_what_was_fitted_to_what(
    monkeypatch, own: Store, problem: Problem, options: LayerOptions, words: str
) -> None:
    study = probed(monkeypatch)
    text = layers._method(study, replace(own.task("heat"), problem=problem), options)
    assert text.startswith(words)
    assert "chosen by rmse on valid" in text
    assert ("trained on each layer with 3 seeds" in text) == options.adapter


def test_whose_layers_must_be_clear(own: Store, settings: StudySettings, out: Path) -> None:
    """Two encoders are stored: one must be named, and only its own layers are read."""
    for plm, options in ((None, LayerOptions()), (None, LayerOptions("1,2"))):
        with pytest.raises(InputError, match=r"Name one|which|--plm"):
            layers.run(own, replace(settings, plm=plm), Place(out), options=options)
    study = SimpleNamespace(
        store=own, settings=replace(settings, plm="onehot"), task=own.task("toy"), miss=print
    )
    (rows,) = layers._stored(study, residues=False)
    assert rows.provenance.fingerprint.encoder == "onehot"
    assert rows.layer == rows.provenance.fingerprint.layer
