"""Files are what their format says, or refused by name."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from sesstore.encoders import registry
from sesstore.errors import InputError, MissingFileError, NotStoredError, UnknownNameError
from sesstore.exchange.fairesm import read_fairesm
from sesstore.exchange.formats import (
    FORMATS,
    declare_provenance,
    format_named,
    read_files,
    stored_embeddings,
    write_whole,
)
from sesstore.exchange.hdf5 import read_hdf5
from sesstore.exchange.imported_embeddings import (
    SequenceBook,
)
from sesstore.exchange.npy import read_npy, write_npy
from sesstore.jobs.embedding.embed import embed
from sesstore.proteins import Protein
from sesstore.store import Store

from .conftest import PAIRS, PROTEINS


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


def test_nothing_is_replaced_and_nothing_half_written_stays(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    before = sorted(tmp_path.rglob("*"))
    for name in ("file", "folder", "link"):
        with pytest.raises(InputError, match="exists already"):
            write_whole(tmp_path / name, lambda path: path.write_bytes(b"other"))

    def half(path: Path) -> int:
        path.write_bytes(b"half")
        raise KeyError("broken off")

    def half_folder(path: Path) -> int:
        path.mkdir()
        return half(path / "a")

    for write in (half, half_folder):
        with pytest.raises(KeyError):
            write_whole(tmp_path / "new", write)
    assert sorted(tmp_path.rglob("*")) == before
    assert write_whole(tmp_path / "deep/er/new", lambda path: path.write_bytes(b"whole")) == 5
    assert (tmp_path / "deep/er/new").read_bytes() == b"whole"


def test_imported_embeddings_are_declared_as_such() -> None:
    made = declare_provenance(
        "esm2", format_named("fairesm"), 7, dtype="float32", layer=0, licence="MIT", citation="doi"
    )
    facts = vars(made.fingerprint)
    told = {"encoder": "esm2", "layer": 0, "imported_from": "fairesm"}
    assert {name: facts[name] for name in told} == told
    unknown = ("weights_sha256", "residue_mapping", "long_policy", "precision")
    assert {facts[name] for name in unknown} == {"not known"}
    assert (made.dim, made.dtype, made.licence, made.citation) == (7, "float32", "MIT", "doi")
    plain = declare_provenance("x", format_named("npy"), 3)
    assert (plain.fingerprint.layer, plain.dtype) == (-1, "float16")


def test_formats_by_name_and_what_names_their_records() -> None:
    assert {name: entry.keyed_by for name, entry in FORMATS.items()} == {
        "uniprot": "id", "bio_embeddings": "sequence", "biotrainer": "sequence", "fairesm": "id",
        "scikit-bio": "sequence", "npy": "id",
    }  # fmt: skip
    assert all(format_named(name).name == name for name in FORMATS)
    with pytest.raises(UnknownNameError, match="uniprot"):
        format_named("uniprt")


@pytest.mark.parametrize("name", FORMATS)
def test_what_a_format_writes_it_reads(name: str, tmp_path: Path) -> None:
    """Through the table of formats, under a layer by its number, and as the style that is named."""
    file_format = format_named(name)
    rng = np.random.default_rng(2)
    pairs = [(p, rng.normal(size=(len(p), 3)).astype(np.float32)) for p in PROTEINS]
    assert file_format.write(tmp_path / "out", pairs, 3, 12) == 3
    book = SequenceBook(PROTEINS)
    width, records = read_files([tmp_path / "out"], file_format, book, 12)
    assert width == 3
    back = {book.find(record.labels).id: record.values for record in records}
    assert back.keys() == {p.id for p in PROTEINS}
    for protein, values in pairs:
        np.testing.assert_array_equal(back[protein.id], values)
    if name == "fairesm":
        for call in (lambda: file_format.read(tmp_path / "out", None),
                     lambda: file_format.write(tmp_path / "x", [], 3, "last")):  # fmt: skip
            with pytest.raises(InputError, match="say which with --layer"):
                call()
    elif name != "npy" and name != "scikit-bio":
        with h5py.File(tmp_path / "out") as file:
            lengths = {len(key) for key in file if key not in {p.id for p in PROTEINS}}
        assert lengths == {"uniprot": set(), "bio_embeddings": {32}, "biotrainer": {64}}[name]


def test_several_files_are_read_one_after_the_other(tmp_path: Path) -> None:
    for place, folder in enumerate(("a", "b")):
        write_npy(tmp_path / folder, [PAIRS[place], (PROTEINS[place], np.ones((9, 4)))])
    paths = [tmp_path / "a", tmp_path / "b"]
    width, records = read_files(paths, format_named("npy"), SequenceBook([PAIRS[0][0]]))
    assert width == 3  # of the one that fits a sequence
    assert [record.labels[0] for record in records] == ["P1", "P12345", "P1234", "p1"]
    with pytest.raises(MissingFileError, match=r"no file or folder .*none"):
        read_files([*paths, tmp_path / "none"], format_named("npy"), SequenceBook(PROTEINS))
    write_npy(tmp_path / "means", [(PROTEINS[0], np.ones(4))])
    with pytest.raises(InputError, match=r"means holds no per-residue embeddings \[L, d\]"):
        read_files([tmp_path / "means"], format_named("npy"), SequenceBook(PROTEINS))


def test_the_records_that_settled_the_width_come_first(tmp_path: Path) -> None:
    """Twenty are looked at; a file that cannot be read is told where no record has a width."""
    proteins = [Protein(f"p{n:02}", "M" * (n + 1)) for n in range(25)]
    write_npy(tmp_path / "many", [(p, np.ones((len(p), 2))) for p in proteins])
    width, records = read_files([tmp_path / "many"], format_named("npy"), SequenceBook(proteins))
    assert width == 2
    assert [record.labels for record in records] == [(p.id,) for p in proteins]
    write_npy(tmp_path / "odd", [(proteins[0], np.ones(4))])
    (tmp_path / "odd" / "p01.npy").write_bytes(b"x")
    with pytest.raises(InputError, match=r"p01\.npy is no plain \.npy array"):
        read_files([tmp_path / "odd"], format_named("npy"), SequenceBook(proteins))


def test_embeddings_come_out_under_the_ids_that_are_asked_for(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "s")
    store.add_proteins(PROTEINS)
    embed(store, registry.load("onehot"), PROTEINS[:2])
    view, names = store.embeddings(), [Protein("mine", "MKV"), PROTEINS[0]]
    rows = list(stored_embeddings(store, view, names))
    assert [protein.id for protein, _ in rows] == ["mine", "P12345"]
    assert [values.shape for _, values in rows] == [(3, view.dim), (8, view.dim)]
    assert rows[0][1].dtype == np.float16
    ((_, mean),) = stored_embeddings(store, view, names[:1], mean=True)
    assert mean.dtype == np.float32
    expected = np.zeros(view.dim)
    for row in rows[0][1]:
        expected += row.astype(float) / 3
    np.testing.assert_allclose(mean, expected, rtol=1e-6)
    with pytest.raises(NotStoredError):
        list(stored_embeddings(store, view, PROTEINS[2:]))
