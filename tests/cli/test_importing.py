"""sesstore import: what other tools computed comes in, and what does not fit is listed."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from sesstore.exchange.imported_embeddings import ImportReport
from sesstore.store import Store

from .conftest import ENCODER, uniprot_files


def test_records_that_do_not_fit_are_listed_and_left_out(cli, fasta: Path) -> None:
    with h5py.File("x.h5", "w") as file:
        file["p0_1"] = np.zeros((3, 7), np.float16)
        file["nobody"] = np.zeros((3, 7), np.float16)
    done = cli("import", "uniprot", "x.h5", "--sequences", fasta, *ENCODER, "--store", "new")
    assert done.status == 1
    assert "p0_1: has 3 rows" in done.out
    assert "nobody: no known protein has this name" in done.out


def test_records_of_one_name_in_two_files_are_counted_one_by_one(cli) -> None:
    uniprot_files()
    for path in ("x.h5", "y.h5"):
        with h5py.File(path, "w") as file:
            file["P10000"] = np.zeros((3, 4), np.float16)  # its sequence has 5 residues
            file["nobody"] = np.zeros((3, 4), np.float16)
    words = ("import", "uniprot", "x.h5", "y.h5", "--sequences", "all.fasta", *ENCODER, "--json")
    done = cli(*words)
    assert done.status == 1
    assert list(done.json["unmatched"]) == ["nobody", "nobody (2)"]
    assert list(done.json["refused"]) == ["P10000", "P10000 (2)"]


@pytest.mark.parametrize("name", ["accessions.h5", "script.h5"])
def test_accessions_meet_headers(cli, name: str) -> None:
    uniprot_files()
    done = cli("import", "uniprot", name, "--sequences", "all.fasta", *ENCODER, "--json")
    assert (done.status, done.json["imported"], done.json["sequences"]) == (0, 3, 3)
    view = Store.open("store").embeddings()
    for i, protein in enumerate(sorted(Store.open("store").proteins(), key=len)):
        assert (view.get(protein.digest) == i).all()


def test_one_record_that_does_not_fit_is_named_and_the_others_are_stored(cli) -> None:
    Path("all.fasta").write_text(">a\nMKV\n>b\nMKVL\n>c\nMKVLA\n")
    with h5py.File("x.h5", "w") as file:
        file["a"] = np.full((8, 3), 1, np.float32)  # axes exchanged
        file["b"] = np.full((4, 8), 1e6, np.float32)
        file["c"] = np.full((5, 8), 1, np.float32)
        file["d/c"] = np.full((7, 8), 1, np.float32)
    done = cli("import", "uniprot", "x.h5", "--sequences", "all.fasta", *ENCODER)
    assert done.status == 1
    assert "1 of 3 given sequences now have embeddings by mine" in done.out
    assert "a: has 8 rows, the sequence of 'a' 3 residues. Its axes are exchanged" in done.out
    assert "b: holds values up to 1e+06, more than float16 can hold" in done.out
    assert "d/c: no known protein has this name" in done.out


def test_what_is_declared_reaches_the_store(cli) -> None:
    uniprot_files()
    words = ("--licence", "CC-BY", "--citation", "Somebody 2026", "--dtype", "float32", "--layer")
    done = cli(
        "import", "uniprot", "accessions.h5", "--sequences", "all.fasta", "--encoder", "mine",
        *words, "12",
    )  # fmt: skip
    assert done.status == 0
    made = Store.open("store").embeddings("mine").provenance
    assert (made.licence, made.citation, made.dtype) == ("CC-BY", "Somebody 2026", "float32")
    assert (made.fingerprint.layer, made.fingerprint.encoder) == (12, "mine")


def test_the_layer_that_is_named_is_stored(cli) -> None:
    import torch

    uniprot_files(1)
    Path("pt").mkdir()
    layers = {layer: torch.full((5, 3), 1.0 * layer) for layer in (6, 12, 33)}
    torch.save({"label": "P10000", "representations": layers}, "pt/P10000.pt")
    words = ("import", "fairesm", "pt", "--sequences", "all.fasta", "--encoder", "mine")
    assert cli(*words, "--layer", "12").status == 0
    view = Store.open("store").embeddings("mine")
    assert (view.get(view.digests[0].tobytes()) == 12).all()
    assert view.provenance.fingerprint.layer == 12


def test_a_second_record_of_a_protein_changes_nothing(cli) -> None:
    uniprot_files(1)
    with h5py.File("twice.h5", "w") as file:
        file["P10000"] = np.ones((5, 4), np.float16)
        file["sp|P10000|PR0_HUMAN"] = np.zeros((5, 4), np.float16)
    words = ("import", "uniprot", "twice.h5", "--sequences", "all.fasta", *ENCODER)
    said = cli(*words, "--json").json
    assert (said["imported"], said["already_stored"]) == (1, 1)
    view = Store.open("store").embeddings()
    assert len(view) == 1
    assert (view.get(view.digests[0].tobytes()) == 1).all()


@pytest.mark.parametrize(
    ("unmatched", "refused", "missing", "status"),
    [(3, 4, 5, 1), (3, 0, 0, 1), (0, 4, 0, 1), (0, 0, 5, 0), (0, 0, 0, 0)],
)
def test_every_figure_of_an_import_is_in_its_place(
    cli, monkeypatch, unmatched: int, refused: int, missing: int, status: int
) -> None:
    uniprot_files()
    names = [f"n{n}" for n in range(9)]
    report = ImportReport(
        "X", "ab", 1111, 2222, dict.fromkeys(names[:unmatched], "why"),
        dict.fromkeys(names[:refused], "why"), names[:missing], sequences=9, covered=9,
    )  # fmt: skip
    monkeypatch.setattr(
        "sesstore.exchange.imported_embeddings.import_embeddings", lambda *a, **k: report
    )
    said = cli("import", "uniprot", "accessions.h5", "--sequences", "all.fasta", *ENCODER)
    assert said.status == status
    assert said.out.splitlines()[0] == (
        f"X ab (imported): 1,111 stored, 2,222 already there, {refused} refused, {unmatched} of no "
        f"given sequence, {missing} sequences without a record"
    )
