"""The study of what each stage costs."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from sesstore.errors import WeightsError
from sesstore.proteins import Protein
from sesstore.studies import (
    cost,
)
from sesstore.studies.study_settings import Place

from .conftest import check_files


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
    check_files(report, out)


def test_when_a_cache_has_paid() -> None:
    assert cost.Passes(once=10, epoch=9, last=1, residues=1).pays_after() == 1
    assert cost.Passes(once=10.1, epoch=9, last=1, residues=1).pays_after() == 2
    assert cost.Passes(once=0.5, epoch=9, last=1, residues=1).pays_after() == 1


def test_what_a_loop_costs_counts_every_seed() -> None:
    findings: list[str] = []
    settings = SimpleNamespace(seeds=3, fit=SimpleNamespace(pace=SimpleNamespace(epochs=4)))
    study = SimpleNamespace(
        report=SimpleNamespace(rows=[{}]), find=findings.append, settings=settings
    )
    cost._say(study, cost.Passes(once=100, epoch=50, last=10, residues=1), 2.0)
    assert "124 s with the store, 654 s with the PLM in the loop, 5.3 times" in findings[1]
    assert findings[0] == (
        "The cache has paid for itself after 2 epochs: encoding and writing takes 100.0 s once, "
        "the PLM in the loop 50.0 s every epoch (measured on 1 residues)"
    )
    assert study.report.rows == [
        {"epoch": {"store": 2.0, "loop": 52.0}, "start": {"store": 100, "loop": 10}}
    ]


def test_passes_are_scaled_to_the_rows_they_go_over(monkeypatch) -> None:
    """Writing is of all rows once, a pass in the loop of train and valid, the last one of test."""
    proteins = [Protein("a", "MKVL"), Protein("b", "MKVLWW")]
    encoded: list[int] = []
    encoder = SimpleNamespace(encode=lambda sample: encoded.append(len(sample)) or [])
    monkeypatch.setattr(cost.registry, "load_same", lambda print_, device: encoder)
    monkeypatch.setattr(cost, "_sample", lambda *_: proteins)
    monkeypatch.setattr(cost, "_timed_pass", lambda *_: 2.0)
    monkeypatch.setattr(cost, "_timed_writing", lambda *_: 5.0)
    provenance = SimpleNamespace(fingerprint=None, dtype="float16")
    inputs = SimpleNamespace(embeddings=SimpleNamespace(provenance=provenance))
    missing: list[str] = []
    fit = SimpleNamespace(fit=SimpleNamespace(device="cpu"))
    study = SimpleNamespace(report=SimpleNamespace(rows=[]), settings=fit, miss=missing.append)
    residues = {"train": 1000, "valid": 200, "test": 30}
    passes = cost._embedding(study, inputs, residues, 2)
    assert passes is not None
    assert (passes.once, passes.epoch, passes.last) == pytest.approx((615, 240, 6))
    assert (passes.residues, encoded) == (10, [2])
    written, loop = study.report.rows
    assert (written["seconds"], written["rate"], written["measured"]) == pytest.approx((615, 2, 10))
    assert (loop["seconds"], loop["rate"], loop["measured"]) == pytest.approx((240, 5, 10))

    def absent(*_, **__):
        raise WeightsError("no weights. Get them")

    monkeypatch.setattr(cost.registry, "load_same", absent)
    assert cost._embedding(study, inputs, residues, 2) is None
    assert missing == ["embedding was not timed: no weights. Get them"]


def test_an_epoch_is_shared_by_the_seeds_of_its_stream() -> None:
    times = {"none": (3.0, 3.0), "foldseek+dssp": (8.0, 6.0)}
    history = [{"epoch": 1}, {"epoch": 2}, {"epoch": 3}]
    asked = []

    def train(name, inputs, arms):
        asked.append((name, inputs, arms))
        runs = [SimpleNamespace(timings={"seconds_per_epoch": s}, history=history)
                for s in times[name]]  # fmt: skip
        return {name: runs}

    study = SimpleNamespace(
        report=SimpleNamespace(rows=[]), train=train, arm=lambda name, kinds: (name, kinds)
    )
    seconds = cost._training(study, "inputs", ("foldseek", "dssp"), 100)
    assert seconds == 3.5
    assert [row["seconds"] for row in study.report.rows] == pytest.approx([1.5, 3.5])
    assert [row["measured"] for row in study.report.rows] == [300, 300]
    assert [arms for _, _, arms in asked] == [
        [("none", ())], [("foldseek+dssp", ("foldseek", "dssp"))],
    ]  # fmt: skip
    asked.clear()
    assert cost._training(study, "inputs", (), 100) == 1.5
    assert [name for name, _, _ in asked] == ["none"]


def test_a_sample_is_of_the_proteins_of_train_each_once(store) -> None:
    task = store.task("toy")
    inputs = SimpleNamespace(task=task, embeddings=store.embeddings("blosum62"))
    study = SimpleNamespace(store=store)
    train = {row.tobytes() for row in task.splits["train"].digests}
    sample = [protein.digest for protein in cost._sample(study, inputs, 7)]
    assert len(set(sample)) == 7
    assert set(sample) < train
    assert {protein.digest for protein in cost._sample(study, inputs, 99)} == train
    lengths = [len(store.protein(row.tobytes())) for row in task.splits["valid"].digests]
    assert cost._residues(inputs, "valid") == sum(lengths)
