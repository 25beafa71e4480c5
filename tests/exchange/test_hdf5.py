"""HDF5 files as other tools, and attackers, write them: made by h5py, by hand."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sesstore.errors import InputError
from sesstore.exchange.embedding_record import WIDEST
from sesstore.exchange.formats import declare_provenance, format_named
from sesstore.exchange.hdf5 import STYLES, read_hdf5, write_hdf5
from sesstore.exchange.imported_embeddings import SequenceBook, find_width, import_embeddings
from sesstore.exchange.ragged import read_ragged
from sesstore.proteins import Protein
from sesstore.store import Store


def labels(path: Path) -> list[tuple[str, ...]]:
    return [record.labels for record in read_hdf5(path)]


def test_datasets_in_groups_are_read_under_their_whole_name(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for i, name in enumerate(("A0A1/12-60", "B2/1-40", "C3", "sp|Q|N Cbp/p300 factor")):
            file[name] = np.full((3, 2), i, np.float16)
    found = {record.labels[0]: record.values[0, 0] for record in read_hdf5(tmp_path / "x.h5")}
    assert found == {"A0A1/12-60": 0, "B2/1-40": 1, "C3": 2, "sp|Q|N Cbp/p300 factor": 3}


def test_a_name_in_a_group_is_a_label_if_no_other_group_has_it(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for name in ("esm2/P1", "prott5/P1", "esm2/P2"):
            file[name] = np.zeros((3, 2), np.float16)
    assert sorted(labels(tmp_path / "x.h5")) == [("esm2/P1",), ("esm2/P2", "P2"), ("prott5/P1",)]


def test_groups_that_hold_each_other_are_read_once(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["a/b/P1"] = np.zeros((3, 2), np.float16)
        file["a/b/again"] = file["a"]
    assert labels(tmp_path / "x.h5") == [("a/b/P1", "P1")]


@pytest.mark.parametrize("depth", [32, 33])
def test_groups_are_read_to_some_depth(tmp_path: Path, depth: int) -> None:
    name = "/".join("g" * depth) + "/P1"
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file[name] = np.zeros((3, 2), np.float16)
    if depth == 32:
        assert labels(tmp_path / "x.h5") == [(name, "P1")]
        return
    with pytest.raises(InputError, match="over 32 deep"):
        labels(tmp_path / "x.h5")


def test_a_dataset_without_values_is_a_record_that_fits_nothing(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["a"], file["b"] = h5py.Empty("f4"), np.float32(7)
    assert [record.shape for record in read_hdf5(tmp_path / "x.h5")] == [(), ()]


def test_a_name_is_cut_where_hdf5_would_not_take_it(tmp_path: Path) -> None:
    ids = ["A" * 1000, "B" * 1001]
    write_hdf5(tmp_path / "x.h5", [(Protein(i, "M"), np.zeros((1, 2))) for i in ids])
    with h5py.File(tmp_path / "x.h5") as file:
        assert {name: dict(file[name].attrs) for name in file} == {
            "A" * 1000: {}, "B" * 1000: {"original_id": "B" * 1001},
        }  # fmt: skip


def test_a_running_number_is_no_label_beside_the_original_id(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("7", data=np.zeros((3, 2))).attrs["original_id"] = "P1"
        file.create_dataset("f" * 32, data=np.zeros((3, 2))).attrs["original_id"] = b"P2"
    assert labels(tmp_path / "x.h5") == [("P1",), ("P2", "f" * 32)]


def _external(file: h5py.File, secret: Path) -> None:
    file.create_dataset("P1", shape=(4, 16), dtype="<f2", external=[(str(secret), 0, 128)])


def _virtual(file: h5py.File, secret: Path) -> None:
    layout = h5py.VirtualLayout((4, 16), "<f2")
    layout[...] = h5py.VirtualSource(str(secret.with_suffix(".h5")), "x", shape=(4, 16))
    file.create_virtual_dataset("P1", layout)


def _external_link(file: h5py.File, secret: Path) -> None:
    file["P1"] = h5py.ExternalLink(str(secret.with_suffix(".h5")), "/x")


def _soft_link(file: h5py.File, secret: Path) -> None:
    _external_link(file, secret)
    file["a/P2"] = h5py.SoftLink("/P1")
    del file["P1"]


@pytest.mark.parametrize("kind", [_external, _virtual, _external_link, _soft_link])
@pytest.mark.parametrize("group", ["", "inside"])
def test_no_other_file_is_ever_read(tmp_path: Path, kind, group: str) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_bytes(b"TOKEN=hunter2-very-secret-line!\n" * 4)
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["x"] = np.frombuffer(secret.read_bytes(), "<f2").reshape(4, 16)
    with h5py.File(tmp_path / "evil.h5", "w") as file:
        file["A1"] = np.zeros((4, 16), np.float16)
        kind(file.require_group(group) if group else file, secret)
    with pytest.raises(InputError, match=r"(is a link|values in another file).*not followed"):
        list(read_hdf5(tmp_path / "evil.h5"))


@pytest.mark.parametrize("name", ["embedding", "id", "idptr", "embedding_ptr"])
@pytest.mark.parametrize("kind", [_external, _virtual, _external_link])
def test_no_other_file_is_ever_read_as_a_ragged_array(tmp_path: Path, kind, name: str) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_bytes(b"TOKEN=hunter2-very-secret-line!\n" * 4)
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["x"] = np.frombuffer(secret.read_bytes(), "<f2").reshape(4, 16)
    with h5py.File(tmp_path / "evil.h5", "w") as file:
        kind(file, secret)
        file.move("P1", name)
        for other, values in {
            "embedding": np.zeros((4, 16), np.float32),
            "id": np.frombuffer(b"MKVL", np.uint8),
            "idptr": np.array([4]),
            "embedding_ptr": np.array([4]),
        }.items():
            if other != name:
                file[other] = values
    with pytest.raises(InputError, match="not followed"):
        list(read_ragged(tmp_path / "evil.h5"))


def test_what_a_dataset_claims_is_checked_before_it_is_read(tmp_path: Path) -> None:
    proteins = [Protein("a", "MKVL"), Protein("b", "MKVLA"), Protein("c", "MKV")]
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["a"] = np.ones((4, 8), np.float16)
        file["b"] = np.ones((5, 8), np.float16)
        # 8 TB of zeros in a few bytes, and a chunk that unpacks into 4 GB for one value.
        file.create_dataset("b2", (1 << 40, 8), "f2", chunks=(1 << 20, 8), compression="gzip")
        file.create_dataset("c", (3, WIDEST), "f2")
        file.create_dataset(
            "big", (3, 8), "f8", chunks=(1 << 25, 8), maxshape=(None, 8), compression="gzip"
        )
    assert (tmp_path / "x.h5").stat().st_size < 100_000
    records = {record.labels[0]: record for record in read_hdf5(tmp_path / "x.h5")}
    assert records["b2"].size > 1 << 43
    assert records["big"].size == 1 << 31
    with pytest.raises(InputError, match=r"needs 17592\.2 GB to be read"):
        _ = records["b2"].values
    book = SequenceBook(proteins)
    assert find_width(records.values(), book)[0] == 8
    store = Store.create(tmp_path / "s")
    made = declare_provenance("x", format_named("uniprot"), 8)
    report = import_embeddings(store, records.values(), book, made)
    assert report.imported == 2
    assert set(report.unmatched) == {"b2", "big"}
    assert "columns" in report.refused["c"]


def test_one_residue_whose_axis_was_squeezed_away_is_one_row(tmp_path: Path) -> None:
    """ProtTrans' script squeezes the batch's axis, and that of a single residue with it."""
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["one"] = np.full(4, 7, np.float16)
        file["two"] = np.full((2, 4), 2, np.float16)
        file["mean"] = np.full(4, 3, np.float16)
    proteins = [Protein("one", "M"), Protein("two", "MK"), Protein("mean", "MKV")]
    store = Store.create(tmp_path / "s")
    made = declare_provenance("x", format_named("uniprot"), 4)
    report = import_embeddings(store, read_hdf5(tmp_path / "x.h5"), proteins, made)
    assert (report.imported, list(report.refused)) == (2, ["mean"])
    assert store.embeddings().get(proteins[0].digest).tolist() == [[7, 7, 7, 7]]


def test_a_damaged_record_does_not_keep_the_others_out(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    values = np.random.default_rng(0).normal(size=(200, 32)).astype(np.float32)
    with h5py.File(path, "w") as file:
        file.create_dataset("a", data=values[:90], compression="gzip", fletcher32=True)
        file.create_dataset("b", data=values[90:], compression="gzip", fletcher32=True)
        place = file["b"].id.get_chunk_info(0).byte_offset
    raw = bytearray(path.read_bytes())
    raw[place + 40 : place + 80] = bytes(40)
    path.write_bytes(raw)
    proteins = [Protein("a", "M" * 90), Protein("b", "M" * 110)]
    made = declare_provenance("x", format_named("uniprot"), 32)
    report = import_embeddings(Store.create(tmp_path / "s"), read_hdf5(path), proteins, made)
    assert report.imported == 1
    assert "cannot be read" in report.refused["b"]
    assert (report.sequences, report.covered, report.missing) == (2, 1, [])


def test_what_is_neither_group_nor_dataset_is_no_record(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["kind"] = np.dtype("f4")
        file["g/P1"] = np.zeros((3, 2), np.float16)
    (record,) = read_hdf5(tmp_path / "x.h5")
    assert (record.labels, record.shape, record.kind, record.size) == (
        ("g/P1", "P1"), (3, 2), "f", 12,
    )  # fmt: skip
    with pytest.raises(InputError, match="HDF5 style 'zarr' is none of uniprot"):
        write_hdf5(tmp_path / "y.h5", [], "zarr")
    assert not (tmp_path / "y.h5").exists()


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_values_keep_their_type(tmp_path: Path, dtype: type) -> None:
    write_hdf5(tmp_path / "x.h5", [(Protein("a", "MK"), np.ones((2, 3), dtype))])
    with h5py.File(tmp_path / "x.h5") as file:
        assert (file["a"].dtype, file["a"].shape, dict(file["a"].attrs)) == (dtype, (2, 3), {})


IDS = ["a/b", "a_b", "/", "", ".", "..", "a/./b", "x\0y", "A" * 70_000, "é/ü", "sp|P|N x/y", "P1"]


@pytest.mark.parametrize("style", STYLES)
def test_any_id_goes_out_and_comes_back(tmp_path: Path, style: str) -> None:
    proteins = [Protein(name, "M" * (i + 1)) for i, name in enumerate(IDS)]
    pairs = [(p, np.full((len(p), 3), i, np.float16)) for i, p in enumerate(proteins)]
    assert write_hdf5(tmp_path / "x.h5", pairs, style) == len(IDS)
    book = SequenceBook(proteins)
    back = {book.find(r.labels).id: r.values[0, 0] for r in read_hdf5(tmp_path / "x.h5")}
    assert back == dict(zip(IDS, range(len(IDS)), strict=True))


@pytest.mark.parametrize("style", STYLES)
def test_a_protein_that_comes_twice_is_written_once(tmp_path: Path, style: str) -> None:
    pair = (Protein("a/b", "MKV"), np.ones((3, 2), np.float16))
    assert write_hdf5(tmp_path / "x.h5", [pair, pair], style) == 1
    assert len(labels(tmp_path / "x.h5")) == 1
    other = (Protein("c", "MK"), np.ones((2, 2), np.float16))
    assert write_hdf5(tmp_path / "y.h5", [pair, pair, other], style) == 2
    assert len(labels(tmp_path / "y.h5")) == 2


@settings(max_examples=30)
@given(st.lists(st.text(max_size=8), unique=True, min_size=1, max_size=6))
def test_all_ids_go_out_and_come_back(tmp_path_factory, names: list[str]) -> None:
    path = tmp_path_factory.mktemp("h") / "x.h5"
    proteins = [Protein(name, "M" * (i + 1)) for i, name in enumerate(names)]
    write_hdf5(path, [(p, np.zeros((len(p), 2), np.float16)) for p in proteins])
    book = SequenceBook(proteins)
    assert sorted(book.find(r.labels).id for r in read_hdf5(path)) == sorted(names)
