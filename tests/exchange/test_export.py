"""Out of a store into files: what is asked for, all of it, or nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sesstore.encoders import registry
from sesstore.errors import InputError, UnknownNameError
from sesstore.exchange.export import export_embeddings, export_task
from sesstore.jobs.embedding.embed import embed
from sesstore.proteins import Protein
from sesstore.provenance import Fingerprint, Provenance
from sesstore.residues import Embedding, StructureTokens
from sesstore.store import Store
from sesstore.tasks import Problem, Split, Task

from ..noting import Noting

PROTEINS = [Protein("a", "MKVLAAG"), Protein("b", "MSTNPKPQ"), Protein("c", "MWWYF")]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Three proteins by two encoders, tokens of one source, a task of two of them."""
    store = Store.create(tmp_path / "store")
    store.add_proteins(PROTEINS)
    for plm in ("onehot", "blosum62"):
        embed(store, registry.load(plm))
    add_tokens(store, "pdb")
    splits = {
        name: Split((protein.id,), np.frombuffer(protein.digest, np.uint8)[None], [0])
        for name, protein in zip(("train", "test"), PROTEINS, strict=False)
    }
    store.add_task(Task("toy", Problem.SINGLE_LABEL, ("x", "y"), splits, ("mcc",), "mcc"))
    return store


def add_tokens(store: Store, source: str) -> None:
    codes = [{"dssp": np.zeros((1, len(protein)), np.uint8)} for protein in PROTEINS]
    tokens = [
        StructureTokens(protein.digest, source, code)
        for protein, code in zip(PROTEINS, codes, strict=True)
    ]
    store.add_tokens(tokens, {})


def test_proteins_encoder_and_reduction_are_those_that_are_asked_for(
    store: Store, tmp_path: Path
) -> None:
    (tmp_path / "ids.txt").write_text("c\nb\n")
    report = export_embeddings(
        store, "npy", tmp_path / "out", plm="blosum62", ids=tmp_path / "ids.txt", reduce="mean"
    )
    view = store.embeddings("blosum62")
    fingerprint = view.provenance.fingerprint
    assert vars(report) == {
        "out": str(tmp_path / "out"), "format": "npy", "encoder": fingerprint.encoder,
        "fingerprint": fingerprint.short, "layer": fingerprint.layer, "reduce": "mean",
        "written": 2, "unit": "proteins",
    }  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["b.npy", "c.npy"]
    for protein in PROTEINS[1:]:
        expected = view.get(protein.digest).astype(np.float32).mean(0)
        np.testing.assert_array_equal(np.load(tmp_path / "out" / f"{protein.id}.npy"), expected)
    report = export_embeddings(store, "npy", tmp_path / "rows", plm="onehot", task="toy")
    assert (report.reduce, report.written) == (None, 2)
    assert np.load(tmp_path / "rows" / "a.npy").shape == (7, store.embeddings("onehot").dim)


def test_what_is_there_is_not_replaced(store: Store, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="exists already"):
        export_embeddings(store, "npy", tmp_path / "out", plm="onehot")
    with pytest.raises(UnknownNameError, match="npy"):
        export_embeddings(store, "nyp", tmp_path / "new", plm="onehot")
    assert not (tmp_path / "new").exists()


def test_the_source_of_a_task_is_the_only_one_or_named(store: Store, tmp_path: Path) -> None:
    report = export_task(store, "ses-adapter", tmp_path / "one", "toy")
    assert (report.source, report.written, report.unit) == ("pdb", 2, "rows")
    (row,) = map(json.loads, (tmp_path / "one/train.jsonl").read_text().splitlines())
    assert row["ss8_seq"] == "H" * 7
    add_tokens(store, "md")
    with pytest.raises(InputError, match="--source: md, pdb"):
        export_task(store, "ses-adapter", tmp_path / "two", "toy")
    report = export_task(store, "ses-adapter-csv", tmp_path / "two", "toy", source="md")
    assert (report.source, (tmp_path / "two/train.csv").is_file()) == ("md", True)


def test_a_name_of_two_sequences_needs_a_format_by_sequence(store: Store, tmp_path: Path) -> None:
    store.add_proteins([Protein("a", "MFFF")])
    embed(store, registry.load("onehot"))
    with pytest.raises(InputError, match="'a' stands for two sequences"):
        export_embeddings(store, "npy", tmp_path / "npy", plm="onehot")
    assert not (tmp_path / "npy").exists()
    for name in ("biotrainer", "scikit-bio"):
        assert export_embeddings(store, name, tmp_path / name, plm="onehot").written == 4


def test_the_layer_of_the_encoder_goes_into_the_file(store: Store, tmp_path: Path) -> None:
    import torch

    provenance = Provenance(Fingerprint("deep", "ab" * 32, 12, "m", "whole", "fp32"), 2, "float32")
    with store.writer(provenance, {}) as writer:
        writer.add(Embedding(PROTEINS[0].digest, np.ones((7, 2), np.float32)))
    report = export_embeddings(store, "fairesm", tmp_path / "out", plm="deep")
    assert (report.layer, report.written) == (12, 1)
    content = torch.load(tmp_path / "out" / "a.pt", weights_only=True)
    assert list(content["representations"]) == [12]


def test_progress_counts_proteins_or_rows(store: Store, tmp_path: Path) -> None:
    progress = Noting()
    export_embeddings(store, "npy", tmp_path / "a", plm="onehot", progress=progress)
    export_task(store, "ses-adapter", tmp_path / "b", "toy", progress=progress)
    assert progress.stages == [("exporting", 3, "proteins"), ("exporting", 2, "rows")]
    assert sum(progress.amounts) == 5


def test_a_task_without_tokens_has_no_source(tmp_path: Path) -> None:
    bare = Store.create(tmp_path / "bare")
    bare.add_proteins(PROTEINS)
    digest = np.frombuffer(PROTEINS[0].digest, np.uint8)[None]
    splits = {"train": Split(("a",), digest, [0])}
    bare.add_task(Task("toy", Problem.SINGLE_LABEL, ("x", "y"), splits, ("mcc",), "mcc"))
    report = export_task(bare, "ses-adapter", tmp_path / "out", "toy")
    assert (report.source, report.written, report.task) == (None, 1, "toy")
    row = json.loads((tmp_path / "out" / "train.jsonl").read_text())
    assert row == {"name": "a", "aa_seq": "MKVLAAG", "label": 0}
