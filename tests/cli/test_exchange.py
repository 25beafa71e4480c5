"""import and export: what goes out comes back in as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sesstore_cli.options import EMBEDDING_FORMATS

from sesstore.exchange.arrays import StoredProteins
from sesstore.exchange.formats import FORMATS
from sesstore.store import Store

from .conftest import ENCODER


def test_the_command_line_knows_the_formats_of_the_library() -> None:
    assert set(EMBEDDING_FORMATS) == set(FORMATS)


@pytest.mark.parametrize("name", EMBEDDING_FORMATS)
def test_round_trip(cli, fasta: Path, name: str) -> None:
    said = cli("export", name, "out", "--json")
    assert said.status == 0, said.err
    assert said.json["written"] == 40
    said = cli("import", name, "out", "--sequences", fasta, *ENCODER, "--store", "new", "--json")
    assert said.status == 0, said.err
    assert (said.json["imported"], said.json["missing"]) == (40, [])
    old, new = Store.open("store").embeddings(), Store.open("new").embeddings()
    assert new.provenance.fingerprint.imported_from == name
    for digest in old.digests:
        assert np.array_equal(old.get(digest.tobytes()), new.get(digest.tobytes()))
    assert cli("verify", "--store", "new").status == 0


@pytest.mark.parametrize("name", EMBEDDING_FORMATS)
def test_means_go_out_and_are_refused_coming_in(cli, fasta: Path, name: str) -> None:
    assert cli("export", name, "out", "--reduce", "mean").status == 0
    said = cli("import", name, "out", "--sequences", fasta, *ENCODER, "--store", "new")
    assert said.status in (1, 2)
    assert not list(Path("new").glob("embeddings/*/zarr.json"))


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ("import uniprot none.h5 --sequences all.fasta --encoder x", 2, "no file or folder 'none"),
        ("import uniprot all.fasta --sequences all.fasta --encoder x", 2, "no readable HDF5"),
        ("import unprot all.fasta --sequences all.fasta --encoder x", 2, "unprot"),
        ("import uniprot out --sequences none.fasta --encoder x", 2, "no file 'none.fasta'"),
        ("import fairesm run --sequences all.fasta --encoder x", 2, "--layer"),
        ("export uniprot all.fasta", 2, "exists already"),
        ("export uniprot out --plm esm3", 1, "only by"),
        ("export uniprot out --ids none.txt", 2, "no file 'none.txt'"),
        ("export uniprot out --ids strange.txt", 1, "knows no protein called nobody"),
        ("export uniprot out --task ec", 2, "ec"),
        ("export ses-adapter out", 2, "--task"),
        ("export ses-adapter out --task deeploc_binary --source esmfold", 2, "esmfold"),
        ("export uniprot out --store none", 2, "there is no store"),
    ],
)
def test_what_cannot_be_is_said(cli, fasta: Path, words: str, status: int, said: str) -> None:
    Path("strange.txt").write_text("nobody\n")
    done = cli(*words.split())
    assert said in done.err
    assert done.status == status
    assert not Path("out").exists()
    assert not list(Path().glob(".*.out"))


def test_a_data_set_for_a_torch_loader(trained: Path) -> None:
    from torch.utils.data import DataLoader

    store = Store.open(trained.parent / "store")
    rows = StoredProteins(store, task="deeploc_binary", split="valid")
    assert len(rows) == 8
    loader = DataLoader(rows, batch_size=None, num_workers=1)
    for row, expected in zip(loader, rows, strict=True):
        assert row["id"] == expected["id"]
        assert np.array_equal(row["embedding"], expected["embedding"])
        assert row["label"] == expected["label"]
    everything = StoredProteins(store, "blosum62")
    assert len(everything) == 40
    assert everything[0]["embedding"].dtype == np.float32
