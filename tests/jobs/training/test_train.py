from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from sesstore.encoders import registry
from sesstore.encoders.randomweights import write_random_esm2
from sesstore.encoders.weights import sha256_of
from sesstore.errors import (
    FingerprintMismatchError,
    InputError,
    StoppedError,
    UnknownNameError,
)
from sesstore.jobs.embedding.embed import embed
from sesstore.jobs.inputs import check_training
from sesstore.jobs.training.evaluate import evaluate_run
from sesstore.jobs.training.train import prepare, train
from sesstore.proteins import Protein
from sesstore.store import Store

from ...noting import Noting
from ..conftest import labelled
from .conftest import ADAPTER, CONFIG


def test_training_embeds_what_is_missing_first(filled: Store, tmp_path: Path) -> None:
    inputs = prepare(filled, "deeploc_binary", plm="blosum62", alphabets=("foldseek",))
    assert len(inputs.embeddings) == len(list(filled.proteins()))
    report = train(inputs, ADAPTER, CONFIG, seeds=2, out=tmp_path / "run")
    assert report.runs == [str(tmp_path / "run" / f"seed-{n}") for n in (0, 1)]
    assert report.std["test"].keys() == report.metrics["test"].keys()
    assert report.coverage["train"]["with_tokens"] == 16
    measured = evaluate_run(filled, tmp_path / "run")
    assert measured.seeds == 2
    for name, value in report.metrics["test"].items():
        assert measured.metrics[name] == pytest.approx(value, nan_ok=True)
    assert sum(map(sum, measured.confusion)) == 2 * 16


def some_proteins(count: int) -> list[Protein]:
    return [Protein(f"p{i}", "MKVLAAGIVGLCARTQ"[: 3 + i]) for i in range(count)]


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_what_is_missing_is_stored_as_what_is_there(store: Store, dtype: str) -> None:
    proteins = some_proteins(12)
    task = labelled(store, proteins)
    embed(store, registry.load("blosum62"), proteins[:5], dtype=dtype)
    view = prepare(store, task.name).embeddings
    assert len(view) == 12
    assert [known.dtype for known in store.encoders()] == [dtype] == [view.provenance.dtype]


def test_weights_and_device_are_the_ones_named(store: Store, tmp_path: Path) -> None:
    """Two models of one name: told apart by weights, or by fingerprint once they are stored."""
    files = [tmp_path / "a.pt", tmp_path / "b.pt"]
    for seed, path in enumerate(files):
        write_random_esm2(path, layers=6, dim=320, seed=seed)
    task = labelled(store, some_proteins(6))
    for path in (*files, files[0]):
        check_training(store, task.name, plm="esm2_t6", weights=path, source="esmfold")
        view = prepare(store, task.name, plm="esm2_t6", weights=path).embeddings
        assert view.provenance.fingerprint.weights_sha256 == sha256_of(path)
        assert len(view) == 6
    short = [known.fingerprint.short for known in store.encoders()]
    assert [
        prepare(store, task.name, plm=one).embeddings.provenance.fingerprint.short for one in short
    ] == short
    with pytest.raises(FingerprintMismatchError, match="Name one by its fingerprint"):
        prepare(store, task.name, plm="esm2_t6")
    with pytest.raises(InputError, match="quantum"):
        prepare(store, task.name, plm="esm2_t6", weights=files[0], device="quantum")
    with pytest.raises(UnknownNameError, match="Did you mean 'esm2_t6'"):
        check_training(store, task.name, plm="esm2_t66", weights=files[0])
    with pytest.raises(InputError, match="which encoder"):
        prepare(store, task.name, weights=files[1])


def test_weights_without_a_name_are_of_the_encoder_that_is_stored(
    store: Store, tmp_path: Path
) -> None:
    stored, other = tmp_path / "a.pt", tmp_path / "b.pt"
    for seed, path in enumerate((stored, other)):
        write_random_esm2(path, layers=6, dim=320, seed=seed)
    task = labelled(store, some_proteins(6))
    embed(store, registry.load("esm2_t6", weights=stored), some_proteins(2))
    for path in (stored, other):
        view = prepare(store, task.name, weights=path).embeddings
        assert view.provenance.fingerprint.weights_sha256 == sha256_of(path)
        assert len(view) == 6


def test_a_precision_tells_encoders_of_one_name_apart(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "esm2_t6_8M_UR50D.pt"
    write_random_esm2(path, layers=6, dim=320)
    task, notes = labelled(store, some_proteins(6)), Noting()
    for precision in ("fp32", "bf16", "fp32"):
        check_training(store, task.name, plm="esm2_t6", precision=precision, alphabets=())
        settings = {"weights": path, "precision": precision}
        view = prepare(store, task.name, plm="esm2_t6", progress=notes, **settings).embeddings
        assert (view.provenance.fingerprint.precision, len(view)) == (precision, 6)
    assert len(store.encoders()) == 2
    (cost,) = [text for text in notes.notes if text.startswith("bf16: cosine to float32 0.99")]
    assert "6 proteins" in cost
    assert len([text for text in notes.notes if text.startswith("embedding what")]) == 2
    monkeypatch.setenv("WORLD_SIZE", "2")  # all is stored: any number of processes may read it
    assert len(prepare(store, task.name, plm="esm2_t6", **settings).embeddings) == 6
    for work in (prepare, check_training):
        with pytest.raises(InputError, match="precision bf16 of which encoder"):
            work(store, task.name, precision="bf16")


def test_tokens_are_those_of_the_source_and_alphabets_named(store: Store) -> None:
    task = labelled(store, some_proteins(6))
    named = prepare(store, task.name, plm="onehot", alphabets=("dssp",), source="esmfold")
    assert named.tokens is not None
    assert (named.tokens.source, named.alphabets) == ("esmfold", ("dssp",))
    assert prepare(store, task.name, plm="onehot", alphabets=()).tokens is None


class StoppingAt(Noting):
    """Progress that sends this process SIGTERM after some batches."""

    def __init__(self, batches: int) -> None:
        super().__init__()
        self.left = batches

    def advance(self, amount: int = 1) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGTERM)


def test_a_training_that_was_stopped_goes_on(store: Store, tmp_path: Path) -> None:
    task = replace(labelled(store, some_proteins(12)), monitor="accuracy")  # valid is of one class
    store.add_task(task)
    inputs = prepare(store, task.name, plm="onehot", alphabets=("dssp",), source="esmfold")
    config = replace(CONFIG, batch_tokens=6)
    args = (inputs, ADAPTER | {"alphabets": ("dssp",)}, config)
    whole = train(*args, seeds=2, out=tmp_path / "whole")
    with pytest.raises(StoppedError, match="stopped in epoch 2"):
        train(*args, seeds=2, out=tmp_path / "cut", progress=StoppingAt(6))
    progress = Noting()
    again = train(*args, seeds=2, out=tmp_path / "cut", resume=True, progress=progress)
    for split, values in whole.metrics.items():
        assert again.metrics[split] == pytest.approx(values, nan_ok=True)
    assert any(note.startswith("going on at epoch 2") for note in progress.notes)


def test_a_choice_is_never_guessed(filled: Store) -> None:
    with pytest.raises(InputError, match=r"which encoder.*--plm"):
        prepare(filled, "deeploc_binary")
    for name in ("blosum62", "onehot"):
        prepare(filled, "deeploc_binary", plm=name)
    with pytest.raises(InputError, match=r"stored here: .*BLOSUM62"):
        prepare(filled, "deeploc_binary")
    with pytest.raises(InputError, match="only: alphafold2"):
        prepare(filled, "deeploc_binary", plm="onehot", alphabets=("dssp",), source="pdb")
