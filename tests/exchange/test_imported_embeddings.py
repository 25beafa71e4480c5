from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from sesstore.errors import InputError, MissingFileError
from sesstore.exchange.embedding_record import ForeignEmbedding
from sesstore.exchange.fairesm import read_fairesm, write_fairesm
from sesstore.exchange.formats import format_named, read_files
from sesstore.exchange.hdf5 import STYLES, read_hdf5, write_hdf5
from sesstore.exchange.imported_embeddings import (
    SequenceBook,
    import_embeddings,
    sequence_hashes,
)
from sesstore.exchange.npy import read_npy, write_npy
from sesstore.exchange.ragged import read_ragged, write_ragged
from sesstore.proteins import Protein
from sesstore.provenance import Fingerprint, Provenance
from sesstore.store import Store

PROTEINS = [Protein("P12345", "MKTAYIAK"), Protein("P1234", "MKV"), Protein("A.1|x", "GG")]
DIM = 5
IMPORTED = Provenance(
    Fingerprint("prot_t5_xl_u50", "unknown", 24, "unknown", "unknown", "fp16", "uniprot-hdf5"),
    DIM,
    "float32",
)


@pytest.fixture
def made() -> list[tuple[Protein, np.ndarray]]:
    rng = np.random.default_rng(0)
    return [(p, rng.normal(size=(len(p), DIM)).astype(np.float32)) for p in PROTEINS]


def stored(tmp_path: Path, records, proteins=PROTEINS):
    store = Store.create(tmp_path / "store")
    report = import_embeddings(store, records, proteins, IMPORTED)
    return report, store


def check_all(tmp_path: Path, records, made) -> None:
    report, store = stored(tmp_path, records)
    assert (report.imported, report.unmatched, report.refused, report.missing) == (3, {}, {}, [])
    view = store.embeddings()
    assert view.provenance.fingerprint.imported_from == "uniprot-hdf5"
    for protein, values in made:
        assert np.array_equal(view.get(protein.digest), values)


@pytest.mark.parametrize("style", STYLES)
def test_hdf5_round_trip(tmp_path: Path, made, style: str) -> None:
    assert write_hdf5(tmp_path / "x.h5", made, style) == 3
    check_all(tmp_path, read_hdf5(tmp_path / "x.h5"), made)


def test_the_keys_are_those_the_other_tools_use(tmp_path: Path, made) -> None:
    import hashlib

    write_hdf5(tmp_path / "b.h5", made, "biotrainer")
    write_hdf5(tmp_path / "e.h5", made, "bio_embeddings")
    with h5py.File(tmp_path / "b.h5") as file:
        assert hashlib.sha256(b"MKV_3").hexdigest() in file
    with h5py.File(tmp_path / "e.h5") as file:
        assert file[hashlib.md5(b"MKV").hexdigest()].attrs["original_id"] == "P1234"


def test_bio_embeddings_with_running_numbers_is_matched_by_original_id(
    tmp_path: Path, made
) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for number, (protein, values) in enumerate(made):
            file.create_dataset(str(number), data=values).attrs["original_id"] = protein.id
    check_all(tmp_path, read_hdf5(tmp_path / "x.h5"), made)


def test_ragged_round_trip(tmp_path: Path, made) -> None:
    assert write_ragged(tmp_path / "x.h5", made, DIM) == 3
    check_all(tmp_path, read_ragged(tmp_path / "x.h5"), made)


def test_npy_round_trip(tmp_path: Path, made) -> None:
    assert write_npy(tmp_path / "x", made) == 3
    check_all(tmp_path, read_npy(tmp_path / "x"), made)


def test_fairesm_round_trip(tmp_path: Path, made) -> None:
    assert write_fairesm(tmp_path / "x", made, 24) == 3
    check_all(tmp_path, read_fairesm(tmp_path / "x", 24), made)
    problems = [record.problem for record in read_fairesm(tmp_path / "x", 33)]
    assert all("layer 33 (layers in it: 24)" in problem for problem in problems)


def test_ids_are_never_matched_by_substring(tmp_path: Path, made) -> None:
    report, _ = stored(tmp_path, [ForeignEmbedding.of(("P123",), made[0][1])])
    assert report.unmatched == {"P123": "no known protein has this name"}
    assert report.missing == [p.id for p in PROTEINS]


def test_what_fits_several_sequences_is_listed_and_not_guessed(tmp_path: Path) -> None:
    chains = [Protein("1aki_A", "MKTAYIAK"), Protein("1aki_B", "MKTAYIAW")]
    record = ForeignEmbedding.of(("1AKI",), np.ones((8, DIM), np.float32))
    report, store = stored(tmp_path, [record], chains)
    assert "fits several known proteins: 1aki_A, 1aki_B" in report.unmatched["1AKI"]
    assert report.missing == ["1aki_A", "1aki_B"]
    assert not store.encoders()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.zeros((9, DIM), np.float32), "has 9 rows, the sequence of 'P12345' 8 residues"),
        (np.zeros((8, 4), np.float32), "has 4 columns, the declared encoder 5"),
        (np.zeros(8, np.float32), "not one row of numbers a residue"),
        (np.zeros((8, DIM), np.int64), "not one row of numbers a residue"),
        (np.full((8, DIM), np.nan, np.float32), "not finite"),
    ],
)
def test_what_does_not_fit_is_refused_and_said(tmp_path: Path, values, said: str) -> None:
    report, store = stored(tmp_path, [ForeignEmbedding.of(("P12345",), values)])
    assert said in report.refused["P12345"]
    assert (report.imported, report.covered, report.sequences) == (0, 0, len(PROTEINS))
    # What was refused has a record: it is not missing as well.
    assert report.missing == [p.id for p in PROTEINS if p.id != "P12345"]
    report.write_unmatched(tmp_path / "list.tsv")
    assert len((tmp_path / "list.tsv").read_text().splitlines()) == 1 + len(PROTEINS)
    assert not store.encoders()


def test_importing_twice_adds_nothing(tmp_path: Path, made) -> None:
    records = [ForeignEmbedding.of((p.id,), v) for p, v in made]
    stored(tmp_path, records)
    report, store = stored(tmp_path, records)
    assert (report.imported, report.already_stored, report.missing) == (0, 3, [])
    assert len(store.embeddings()) == 3


def test_an_import_must_be_marked_and_ids_must_be_clear(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "store")
    unmarked = replace(IMPORTED, fingerprint=replace(IMPORTED.fingerprint, imported_from=""))
    with pytest.raises(InputError, match="imported_from"):
        import_embeddings(store, [], PROTEINS, unmarked)
    with pytest.raises(InputError, match="two sequences"):
        SequenceBook([Protein("a", "MK"), Protein("a", "MKV")])


def test_hashes_are_of_the_sequence() -> None:
    book = SequenceBook(PROTEINS)
    for key in sequence_hashes("MKV"):
        assert book.find(["nothing", key]) == PROTEINS[1]


def _odd_files(folder: Path) -> dict[str, tuple[str, Path]]:
    (folder / "text.h5").write_text("not HDF5")
    with h5py.File(folder / "empty.h5", "w"):
        pass
    with h5py.File(folder / "linked.h5", "w") as file:
        file["secret"] = h5py.ExternalLink("text.h5", "/x")
    with h5py.File(folder / "ragged.h5", "w") as file:
        file["embedding"] = np.zeros((3, 2), np.float32)
        file["id"] = np.zeros(3, np.uint8)
        file["idptr"] = np.array([5, 2])
    for name in ("n1", "p1", "p2"):
        (folder / name).mkdir()
    np.save(folder / "n1" / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    (folder / "p1" / "a.pt").write_bytes(b"not a checkpoint")
    torch.save({"representations": print}, folder / "p2" / "a.pt")
    return {
        "text": ("uniprot", folder / "text.h5"),
        "empty": ("uniprot", folder / "empty.h5"),
        "linked": ("uniprot", folder / "linked.h5"),
        "pointers": ("scikit-bio", folder / "ragged.h5"),
        "not ragged": ("scikit-bio", folder / "empty.h5"),
        "pickled npy": ("npy", folder / "n1"),
        "no pt": ("fairesm", folder / "p1"),
        "code in pt": ("fairesm", folder / "p2"),
    }


def test_files_that_are_not_what_they_say_are_refused_by_name(tmp_path: Path) -> None:
    for kind, (name, path) in _odd_files(tmp_path).items():
        with pytest.raises(InputError) as refused:
            read_files([path], format_named(name), SequenceBook(PROTEINS), 1)
        assert str(tmp_path) in str(refused.value), kind


def test_missing_files_are_said(tmp_path: Path) -> None:
    for reader in (
        read_hdf5(tmp_path / "no.h5"),
        read_npy(tmp_path),
        read_fairesm(tmp_path / "no", 1),
    ):
        with pytest.raises(MissingFileError, match="there is no"):
            next(reader)
