"""scikit-bio's layout as the file has it, not only as our own reader takes it."""

from __future__ import annotations

from hashlib import md5
from pathlib import Path

import h5py
import numpy as np
import pytest

from sesstore.errors import InputError
from sesstore.exchange import embedding_record
from sesstore.exchange.formats import write_whole
from sesstore.exchange.ragged import read_ragged, write_ragged
from sesstore.proteins import Protein

from ..store.conftest import Disk

PROTEINS = [Protein("a", "MKTAYIAK"), Protein("b", "MKV"), Protein("c", "GG")]
LETTERS = np.frombuffer(b"MKTAYIAKMKVGG", np.uint8)
ROWS = np.arange(26, dtype=np.float32).reshape(13, 2)


@pytest.mark.parametrize(
    ("values", "ends"),
    [((ROWS[:8], ROWS[8:11], ROWS[11:]), [8, 11, 13]), ((ROWS[0], ROWS[1], ROWS[2]), [1, 2, 3])],
    ids=["residues", "means"],
)
def test_each_pointer_is_where_a_protein_ends(tmp_path: Path, values, ends: list[int]) -> None:
    """Of letters and of rows, which are not as many where rows are means."""
    write_ragged(tmp_path / "x.h5", zip(PROTEINS, values, strict=True), 2)
    with h5py.File(tmp_path / "x.h5") as file:
        assert file["idptr"][:].tolist() == [8, 11, 13]
        assert file["embedding_ptr"][:].tolist() == ends
        assert np.array_equal(file["id"], LETTERS)
        assert np.array_equal(file["embedding"], ROWS[: ends[-1]])


def _write(path: Path, idptr: list[int], embedding_ptr: list[int] | None) -> Path:
    with h5py.File(path, "w") as file:
        file["embedding"], file["id"], file["idptr"] = ROWS, LETTERS, np.array(idptr)
        if embedding_ptr is not None:
            file["embedding_ptr"] = np.array(embedding_ptr)
    return path


@pytest.mark.parametrize(
    ("pointers", "ends"), [(None, [8, 11, 13]), ([2, 3, 7], [2, 3, 7])], ids=["one", "two"]
)
def test_letters_and_rows_are_read_by_their_own_pointers(tmp_path: Path, pointers, ends) -> None:
    records = list(read_ragged(_write(tmp_path / "x.h5", [8, 11, 13], pointers)))
    hashes = [md5(p.sequence.encode(), usedforsecurity=False).hexdigest() for p in PROTEINS]
    assert [record.labels[0] for record in records] == hashes
    for record, start, end in zip(records, [0, *ends], ends, strict=False):
        assert record.shape == (end - start, 2)
        assert np.array_equal(record.values, ROWS[start:end])


@pytest.mark.parametrize(
    ("idptr", "embedding_ptr", "said"),
    [
        ([-1, 11, 13], None, "do not fit"),
        ([8, 7, 13], None, "do not fit"),
        ([8, 11, 14], None, "do not fit"),
        ([8, 11, 13], [8, 11, 14], "do not fit"),
        ([8, 11, 13], [8, 7, 13], "do not fit"),
        ([8, 11, 13], [8, 13], "different lengths"),
    ],
)
def test_pointers_that_do_not_fit_are_refused(tmp_path, idptr, embedding_ptr, said) -> None:
    with pytest.raises(InputError, match=said):
        list(read_ragged(_write(tmp_path / "x.h5", idptr, embedding_ptr)))


def test_an_export_is_on_disk_before_it_has_its_name(tmp_path: Path, monkeypatch) -> None:
    """Any format's: all go out through one function."""
    disk = Disk(monkeypatch)

    def write(path: Path) -> int:
        path.write_bytes(b"content")
        disk.unsafe.add(str(path))
        return 1

    assert write_whole(tmp_path / "x.h5", write) == 1
    assert disk.renames == [str(tmp_path / "x.h5")]
    disk.check(tmp_path)


def _claimed(path: Path, **arrays: tuple[int, ...]) -> Path:
    """A file whose arrays claim far more than they hold."""
    _write(path, [4], [4])
    with h5py.File(path, "a") as file:
        for name, (rows, chunk, *dim) in arrays.items():
            del file[name]
            kind = "u1" if name == "id" else "f4"
            shape, chunks = (rows, *dim), (chunk, *dim)
            file.create_dataset(name, shape, kind, chunks=chunks, compression="gzip")
    return path


def test_what_arrays_claim_is_checked_before_it_is_read(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(embedding_record, "available_memory", lambda: 1 << 31)
    long = _claimed(tmp_path / "long.h5", id=(1 << 43, 1 << 16))
    with h5py.File(long, "a") as file:
        file["idptr"][:] = 1 << 43
    with pytest.raises(InputError, match=r"needs .* GB"):
        list(read_ragged(long))
    with pytest.raises(InputError, match=r"'id'' needs 2\.1 GB"):
        list(read_ragged(_claimed(tmp_path / "chunk.h5", id=(1 << 40, 1 << 31))))
    rows = _claimed(tmp_path / "rows.h5", embedding=(1 << 40, 1 << 20, 8))
    with h5py.File(rows, "a") as file:
        file["embedding_ptr"][:] = 1 << 40
    (record,) = read_ragged(rows)
    assert (record.shape, record.size) == ((1 << 40, 8), 1 << 45)
    with pytest.raises(InputError, match=r"needs .* GB"):
        _ = record.values
    (small,) = read_ragged(_claimed(tmp_path / "x.h5", embedding=(1 << 30, 1 << 26, 8)))
    assert (small.shape, small.size) == ((4, 8), 1 << 31)  # its chunk is unpacked whole


def test_blocks_grow_and_the_layout_says_what_it_is(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("sesstore.exchange.ragged._BLOCK", 2)
    pairs = zip(PROTEINS, (ROWS[:8], ROWS[8:11], ROWS[11:]), strict=True)
    assert write_ragged(tmp_path / "x.h5", pairs, 2) == 3
    with h5py.File(tmp_path / "x.h5") as file:
        assert dict(file.attrs) == {
            "format": "embedding", "format-version": "1.0", "dtype": "float32", "dim": 2,
        }  # fmt: skip
        assert {name: (file[name].dtype, file[name].shape) for name in file} == {
            "embedding": (np.float32, (13, 2)), "id": (np.uint8, (13,)),
            "idptr": (np.int64, (3,)), "embedding_ptr": (np.int64, (3,)),
        }  # fmt: skip
        assert np.array_equal(file["embedding"], ROWS)
    assert write_ragged(tmp_path / "none.h5", [], 2) == 0
    assert list(read_ragged(tmp_path / "none.h5")) == []


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("id", np.ones(13, np.float32), "'id' is no row of letters"),
        ("id", np.ones((13, 1), np.uint8), "'id' is no row of letters"),
        ("idptr", np.array([8.0, 11.0, 13.0]), "'idptr' is no row of pointers"),
        ("embedding_ptr", np.array([[8, 11, 13]]), "'embedding_ptr' is no row of pointers"),
        ("embedding", np.float32(1), "lacks the datasets embedding, id and idptr"),
    ],
)
def test_arrays_of_another_kind_are_refused(tmp_path: Path, name: str, values, said: str) -> None:
    path = _write(tmp_path / "x.h5", [8, 11, 13], [8, 11, 13])
    with h5py.File(path, "a") as file:
        del file[name]
        file[name] = values
    with pytest.raises(InputError, match=said):
        list(read_ragged(path))
