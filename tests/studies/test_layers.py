"""Which layer is best: probes and adapters on every stored layer, and on a sample."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sesstore.encoders import registry
from sesstore.errors import InputError
from sesstore.jobs.embedding.embed import embed
from sesstore.store import Store
from sesstore.studies import layers
from sesstore.studies.layers import LayerOptions
from sesstore.studies.study_settings import Place, StudySettings

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
