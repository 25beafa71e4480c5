from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from sesstore.errors import InputError
from sesstore.exchange.embedding_record import WIDEST, ForeignEmbedding
from sesstore.exchange.fairesm import read_fairesm, write_fairesm
from sesstore.exchange.hdf5 import STYLES, read_hdf5, write_hdf5
from sesstore.exchange.imported_embeddings import (
    _ENOUGH,
    _LOOKED_AT,
    SequenceBook,
    find_width,
    import_embeddings,
    sequence_hashes,
)
from sesstore.exchange.npy import read_npy, write_npy
from sesstore.exchange.ragged import read_ragged, write_ragged
from sesstore.proteins import Protein
from sesstore.provenance import Fingerprint, Provenance
from sesstore.store import Store

from ..noting import Noting
from .conftest import PROTEINS

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
        (np.where(np.arange(8 * DIM).reshape(8, DIM), 0, np.nan).astype("f4"), "not finite"),
        (np.zeros((8, DIM), np.int64), r"is no floating-point numbers but values of shape (8, 5)"),
        (np.zeros((8,), np.float32), "is of shape (8,)"),
        (np.zeros((DIM,), np.float32), "is of shape (5,)"),
        (np.zeros((10, DIM), np.float32), "Rows of special tokens (BOS, EOS)?"),
        (np.zeros((11, DIM), np.float32), "Give the sequence that was embedded"),
        (np.zeros((7, DIM), np.float32), "Give the sequence that was embedded"),
        (np.zeros((DIM, 8), np.float32), "Its axes are exchanged"),
    ],
)
def test_what_does_not_fit_is_refused_and_said(tmp_path: Path, values, said: str) -> None:
    report, store = stored(tmp_path, [ForeignEmbedding.of(("P12345",), values)])
    assert said in report.refused["P12345"]
    assert (report.imported, report.covered, report.sequences) == (0, 0, len(PROTEINS))
    assert (report.encoder, report.fingerprint) == ("prot_t5_xl_u50", IMPORTED.fingerprint.short)
    # What was refused has a record: it is not missing as well.
    assert report.missing == [p.id for p in PROTEINS if p.id != "P12345"]
    report.write_unmatched(tmp_path / "list.tsv")
    assert len((tmp_path / "list.tsv").read_text().splitlines()) == 1 + len(PROTEINS)
    assert not store.encoders()


def test_every_record_and_sequence_that_is_not_stored_is_in_the_list(tmp_path: Path) -> None:
    """Also those that have one name: records that fit nothing, others that do, and sequences."""
    values = np.zeros((1, DIM), np.float32)
    records = [
        ForeignEmbedding.of(labels, values)
        for labels in (("x",), ("x",), ("x", PROTEINS[0].id), ("y", PROTEINS[1].id))
    ]
    report, _ = stored(tmp_path, records)
    assert [len(part) for part in (report.unmatched, report.refused, report.missing)] == [2, 2, 1]
    report.write_unmatched(tmp_path / "list.tsv")
    rows = [line.split("\t") for line in (tmp_path / "list.tsv").read_text().splitlines()]
    assert [row[0] for row in rows] == ["record", "x", "x (2)", "x (3)", "y", PROTEINS[2].id]
    assert rows[5][1] == "no record of this sequence"
    assert report.unmatched_list == str(tmp_path / "list.tsv")


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


def test_values_beyond_what_is_stored_are_refused_with_the_largest(tmp_path: Path) -> None:
    values = np.array([[1.0, -70_000.0, 2.0, 0, 0]] * 8, np.float32)
    store = Store.create(tmp_path / "store")
    halved = replace(IMPORTED, dtype="float16")
    report = import_embeddings(store, [ForeignEmbedding.of(("P12345",), values)], PROTEINS, halved)
    assert "values up to 7e+04, more than float16 can hold" in report.refused["P12345"]


def test_the_width_is_that_of_most_that_fit_and_no_more_is_read() -> None:
    book = SequenceBook(PROTEINS)
    fitting, other = np.zeros((8, DIM), np.float32), np.zeros((9, 7), np.float32)
    seen: list[int] = []

    def records(*values: np.ndarray):
        for place in range(10_000):
            seen.append(place)
            yield ForeignEmbedding.of(("P12345",), values[place % len(values)])

    assert find_width(records(fitting), book)[0] == DIM
    assert len(seen) == _ENOUGH
    seen.clear()
    width, looked_at = find_width(records(other, np.zeros((9, 3), np.float32)), book)
    assert (width, len(looked_at), len(seen)) == (7, _LOOKED_AT, _LOOKED_AT)
    mixed = [np.zeros((8, n), np.float32) for n in (3, DIM, DIM, 0)]
    assert find_width(records(*mixed, np.zeros(8, np.float32)), book)[0] == DIM
    wide = [ForeignEmbedding(("P12345",), (8, n), "f", lambda: fitting, 0) for n in (WIDEST + 1, 0)]
    assert find_width(wide, book)[0] == 0
    widest = ForeignEmbedding(("P12345",), (8, WIDEST), "f", lambda: fitting, 0)
    assert find_width([*wide, widest], book)[0] == WIDEST


def test_a_protein_is_stored_once_and_each_record_counted(tmp_path: Path, made) -> None:
    """A wrong record before a right one of the same protein; a second right one is not stored."""
    (first, values), (second, others), _ = made
    records = [
        ForeignEmbedding.of((first.id,), values[:2]),
        ForeignEmbedding.of((first.id,), values),
        ForeignEmbedding.of((first.id,), values + 1),
        ForeignEmbedding(("nothing", second.id), problem="is damaged"),
        ForeignEmbedding.of(("nothing",), others),
    ]
    progress = Noting()
    store = Store.create(tmp_path / "store")
    book = SequenceBook([*PROTEINS, PROTEINS[0]])
    report = import_embeddings(store, iter(records), book, IMPORTED, progress=progress)
    assert (report.imported, report.already_stored) == (1, 1)
    assert list(report.refused) == [first.id, "nothing"]
    assert report.refused["nothing"] == "is damaged"
    assert list(report.unmatched) == ["nothing"]
    assert (report.sequences, report.covered, report.missing) == (3, 1, [PROTEINS[2].id])
    assert np.array_equal(store.embeddings().get(first.digest), values)
    assert (progress.stages, sum(progress.amounts)) == ([("importing", 3, "proteins")], 5)
    assert sorted(p.id for p in store.proteins(p.digest for p in PROTEINS)) == sorted(
        p.id for p in PROTEINS
    )


def test_a_record_is_of_the_first_label_that_is_known_exactly() -> None:
    book = SequenceBook([Protein("1aki_A", "MKV"), Protein("P1", "MKVL")])
    assert book.find(["x", "P1", "1aki_A"]).id == "P1"
    assert book.find(["1AKI"]).id == "1aki_A"
    assert book.find(["1AKI", "P1"]).id == "P1"  # an id goes before a name by rule
    assert book.find(["x"]) is None
    assert book.find([]) is None
    named = SequenceBook([Protein(sequence_hashes("MKV")[0], "MKVLA"), Protein("P1", "MKV")])
    assert named.find([sequence_hashes("MKV")[0]]).sequence == "MKVLA"
    assert named.find([sequence_hashes("MKV")[1]]).sequence == "MKV"
