"""The notebook's functions on the bundled demonstration's real chains."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

import sesstore
from sesstore.adapter.adapter_config import AdapterConfig
from sesstore.encoders import registry
from sesstore.errors import (
    InputError,
    MissingFileError,
    NotStoredError,
    StoppedError,
    UnknownNameError,
)
from sesstore.jobs.demo import SOURCE, demo_files
from sesstore.proteins import Protein
from sesstore.studies.study_settings import StudySettings
from sesstore.tasks import Problem, Split, Task

COUNT = 9


def helices(store: sesstore.OpenStore) -> Task:
    """Which residues DSSP calls a helix: labels without further computing."""
    tokens = list(store.store.tokens(SOURCE))
    splits = {}
    for start, name in enumerate(("train", "valid", "test")):
        part = tokens[start::3]
        digests = np.frombuffer(b"".join(one.digest for one in part), np.uint8).reshape(-1, 32)
        labels = [(one.codes["dssp"][0] == 0).astype(np.int64) for one in part]
        splits[name] = Split(tuple(d.tobytes().hex()[:6] for d in digests), digests, labels)
    problem, metrics = Problem.RESIDUE_SINGLE_LABEL, ("accuracy", "auroc")
    return Task("helix", problem, ("other", "helix"), splits, metrics, "auroc")


@pytest.fixture(scope="module")
def taught(tmp_path_factory) -> tuple[sesstore.OpenStore, sesstore.TrainedRun]:
    folder = tmp_path_factory.mktemp("api")
    store = sesstore.open(folder / "store")
    store.tokenize([path for path, _ in list(demo_files().values())[:COUNT]], SOURCE)
    assert store.add(helices(store)).proteins == COUNT
    store.embed("onehot")
    settings = {"structure": ("dssp",), "seeds": 2, "epochs": 1, "heads": 2, "width": 8}
    run = sesstore.train(store, "helix", out=folder / "run", **settings)
    return store, run


def test_importing_is_light(tmp_path: Path) -> None:
    code = (
        "import sys, sesstore\n"
        "assert not {'numpy', 'torch', 'zarr', 'lmdb'} & set(sys.modules)\n"
        f"store = sesstore.open({str(tmp_path / 'store')!r})\n"
        "store.add({'a': 'MKV'})\n"
        "store.info()\n"
        "store._repr_html_()\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


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


def test_cross_validation_and_simple_models(taught, tmp_path: Path) -> None:
    store, out = taught[0], tmp_path / "run"
    settings = {"structure": (), "epochs": 1, "heads": 2, "width": 8}
    run = sesstore.train(store, "helix", folds=3, out=out, **settings)
    assert set(run.metrics) == {"out-of-fold"}
    report = run.baselines()
    assert report.split == "out-of-fold"
    assert set(report.metrics) == {"trivial", "sequence", "linear"}
    # The record stays beside the run.
    assert sesstore.load_run(out).baselines().sentence == report.sentence
    (measured,) = run.evaluate()
    assert measured.rows == COUNT
    assert measured.metrics["auroc"] == run.metrics["out-of-fold"]["auroc"]
    # Two of three test proteins or so decide nothing, and that is said.
    assert "small_splits" in {caution.what for caution in taught[1].cautions}
    with pytest.raises(InputError, match="which store"):
        sesstore.load_run(taught[1].path).baselines()


def test_notebooks_show_tables(taught) -> None:
    store, run = taught
    assert f"<td>helix</td><td>{COUNT}</td>" in store._repr_html_()
    assert "accuracy" in run._repr_html_()
    rows = run.predict({f"<b>{i}": "MKVLA" for i in range(25)})
    shown = rows._repr_html_()
    assert shown.count("&lt;b&gt;") == 20
    assert "and 5 more" in shown
    assert sesstore.Rows()._repr_html_()
    assert repr(run).startswith("sesstore.load_run(")


def test_what_is_wrong_is_said(taught, tmp_path: Path) -> None:
    store, run = taught
    with pytest.raises(InputError, match=r"sequence 'seq2': letter '\?' at position 2"):
        run.predict(["MKV", "M?V"])
    with pytest.raises(InputError, match="'seq1' is int"):
        store.add([3])
    with pytest.raises(UnknownNameError, match="Did you mean 'epochs'"):
        sesstore.train(store, "helix", epoch=3)
    with pytest.raises(UnknownNameError, match="Did you mean 'helix'"):
        sesstore.train(store, "helices")
    with pytest.raises(NotStoredError, match="sesstore embed"):
        store.embedding("WWWWWWWWWW")
    with pytest.raises(NotStoredError, match="does not know the protein"):
        sesstore.open(tmp_path / "empty").add(store.store.task("helix"))
    with pytest.raises(MissingFileError, match="no store"):
        sesstore.open(tmp_path / "none", create=False)
    with pytest.raises(MissingFileError, match="no run"):
        sesstore.load_run(tmp_path)


def test_only_what_is_named_is_embedded(tmp_path: Path) -> None:
    store = sesstore.open(tmp_path / "store")
    assert store.add(["MKV", "MKL"]).sequences == 2
    fasta = tmp_path / "new.fasta"
    fasta.write_text(">a\nMKVLAAG\n")
    assert store.embed("onehot", ["MKV"]).encoded == 1
    assert store.embed("onehot", fasta).encoded == 1
    assert store.embed("onehot").encoded == 1


def test_one_alphabet_may_be_a_text(taught, tmp_path: Path) -> None:
    store, _ = taught
    settings = {"epochs": 1, "heads": 2, "width": 8}
    one = sesstore.train(store, "helix", structure="foldseek", out=tmp_path / "one", **settings)
    assert one.runs[0].config["adapter"]["alphabets"] == ["foldseek"]
    none = sesstore.train(store, "helix", structure="none", out=tmp_path / "none", **settings)
    assert none.runs[0].config["adapter"]["alphabets"] == []
    with pytest.raises(UnknownNameError, match="Did you mean 'foldseek'"):
        sesstore.train(store, "helix", structure="foldsek")
    assert AdapterConfig(dim=8, n_outputs=2, alphabets="dssp", heads=2).alphabets == ("dssp",)
    assert StudySettings("helix", sources="pdb").sources == ("pdb",)


def test_a_sequence_as_text_is_predicted(taught) -> None:
    _, run = taught
    assert run.predict("MKVLAAGIVGL") == run.predict(["MKVLAAGIVGL"])


def test_a_script_without_a_guard_starts_processes(tmp_path: Path) -> None:
    files = [str(path) for path, _ in list(demo_files().values())[:3]]
    script = tmp_path / "script.py"
    script.write_text(
        "import sesstore\n"
        "print('begun')\n"
        f"store = sesstore.open({str(tmp_path / 'store')!r})\n"
        f"print(store.tokenize({files!r}, 'pdb').chains)\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stdout.split() == ["begun", "3"], done.stderr


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


class Stopping:
    """Progress that sends this process SIGTERM after its first batch."""

    def note(self, *text: str, **figures: str) -> None:
        """Nothing is said."""

    show = row = note

    def stage(self, name: str, total: int | None, unit: str) -> nullcontext[Stopping]:
        return nullcontext(self)

    def advance(self, amount: int = 1) -> None:
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("folds", [None, 3])
def test_a_stopped_training_goes_on_if_asked(taught, tmp_path: Path, folds: int | None) -> None:
    store = taught[0]
    stopping = sesstore.OpenStore(store.store, Stopping())
    settings = {"structure": (), "heads": 2, "width": 8, "epochs": 2, "folds": folds}
    with pytest.raises(StoppedError):
        sesstore.train(stopping, "helix", out=tmp_path, **settings)
    with pytest.raises(InputError, match="interrupted"):
        sesstore.train(store, "helix", out=tmp_path, **settings)
    run = sesstore.train(store, "helix", out=tmp_path, resume=True, **settings)
    assert run.runs[0].history[-1]["epoch"] > 0


def test_each_seed_is_scored_on_the_split_named(taught) -> None:
    _, run = taught
    for split in ("valid", "test"):
        for report, one in zip(run.evaluate(split=split), run.runs, strict=True):
            assert report.split == split
            assert report.metrics["auroc"] == pytest.approx(one.metrics[split]["auroc"], abs=1e-6)
    (report, _) = run.evaluate("helix", "train")
    assert report.split == "train"


def test_whole_numbers_have_thousands_separators() -> None:
    from sesstore.api.html_tables import html_table

    shown = html_table(["n"], [[12345, True, 0.5]])
    assert "<td>12,345</td><td>True</td><td>0.5</td>" in shown
