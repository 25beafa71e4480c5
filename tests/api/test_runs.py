from __future__ import annotations

from pathlib import Path

import pytest

import sesstore
from sesstore.encoders import registry
from sesstore.errors import (
    InputError,
    MissingFileError,
)
from sesstore.jobs.demo import SOURCE, demo_files
from sesstore.proteins import Protein


def test_a_run_predicts_for_whatever_is_given(taught, tmp_path: Path) -> None:
    store, run = taught
    assert 0 < run.metrics["test"]["accuracy"] <= 1
    assert [one.path.name for one in run.runs] == ["seed-0", "seed-1"]
    fasta = tmp_path / "new.fasta"
    fasta.write_text(">seq1\nMKVLAAGIVGL\n")
    listed = run.predict(["mkvla agivgl*"])
    assert listed == run.predict(fasta) == run.predict(str(fasta)) == run.predict([fasta])
    assert listed == run.predict({"seq1": "MKVLAAGIVGL"})
    assert listed == run.predict([Protein("seq1", "MKVLAAGIVGL")])
    assert len(listed[0]["label"]) == listed[0]["length"] == 11
    assert not listed[0]["structure"]
    assert run.predict("helix")[0]["structure"]
    assert store.embedding("MKVLAAGIVGL").shape == (11, 26)
    path, _ = next(iter(demo_files().values()))
    assert run.predict(path)[0]["structure"]


def test_a_loaded_run_needs_no_store(taught, tmp_path: Path, monkeypatch) -> None:
    _, run = taught
    monkeypatch.chdir(tmp_path)
    alone = sesstore.load_run(run.path)
    assert alone.metrics == run.metrics
    assert alone.predict(["MKV"]) == run.predict(["MKV"])
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="which store"):
        alone.evaluate()
    measured = run.evaluate(split="test")
    mean = sum(report.metrics["auroc"] for report in measured) / 2
    assert mean == pytest.approx(run.metrics["test"]["auroc"])


def test_a_sequence_as_text_is_predicted(taught) -> None:
    _, run = taught
    assert run.predict("MKVLAAGIVGL") == run.predict(["MKVLAAGIVGL"])


def test_everything_that_is_named_reaches_the_job(taught, tmp_path: Path, monkeypatch) -> None:
    """What is wrong shows that it was asked for; what is right, in the run's record."""
    store, run = taught
    seen, load = [], registry.load
    with monkeypatch.context() as patch:
        patch.setattr(registry, "load", lambda name, **s: (seen.append(s), load(name, **s))[1])
        # An encoder is needed for what is not stored; this one has no weights and no device.
        run.predict(["MKVWW"], device="cpu", weights="none.pt")
        store.embed("onehot", ["MKVWY"], device="cpu", weights="none.pt")
    for settings in seen:
        assert (settings["device"], settings["weights"]) == ("cpu", Path("none.pt"))
    assert len(seen) == 2
    with pytest.raises(MissingFileError, match=r"none\.pt"):
        store.embed("esm2_t6", weights=tmp_path / "none.pt")
    with pytest.raises(InputError, match="mkdsp"):
        store.tokenize(next(iter(demo_files().values()))[0], SOURCE, dssp="mkdsp")
    out = tmp_path / "other"
    trained = sesstore.train(
        store, "helix", out=out, structure="dssp", source=SOURCE, epochs=1, seed=7, lr=0.01,
        heads=2, width=8, dropout=0.25, min_plddt=30, batch_tokens=999,
    )  # fmt: skip
    assert trained.path == out
    (record,) = trained.runs
    fit, adapter = record.config["fit"], record.config["adapter"]
    assert (fit["seed"], fit["lr"], fit["min_plddt"], fit["batch_tokens"]) == (7, 0.01, 30, 999)
    assert (adapter["dropout"], tuple(adapter["alphabets"])) == (0.25, ("dssp",))
    assert record.source == SOURCE
    plain = sesstore.train(store, "helix", out=tmp_path / "p", structure=(), epochs=1, width=8)
    assert plain.runs[0].source is None
    rows = run.predict("helix", source="elsewhere")
    assert not any(row["structure"] for row in rows)


def test_each_seed_is_scored_on_the_split_named(taught) -> None:
    _, run = taught
    for split in ("valid", "test"):
        for report, one in zip(run.evaluate(split=split), run.runs, strict=True):
            assert report.split == split
            assert report.metrics["auroc"] == pytest.approx(one.metrics[split]["auroc"], abs=1e-6)
    (report, _) = run.evaluate("helix", "train")
    assert report.split == "train"
