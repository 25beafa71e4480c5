"""Folders of .npy files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from sesstore.exchange.formats import declare_provenance, format_named
from sesstore.exchange.imported_embeddings import SequenceBook, find_width, import_embeddings
from sesstore.exchange.npy import read_npy, write_npy
from sesstore.proteins import Protein
from sesstore.store import Store

from .conftest import Code


def test_files_in_folders_are_read_and_strays_are_not(tmp_path: Path) -> None:
    for name in (
        "A0A1/12-60",
        "esm2/P1",
        "t5/P1",
        "C3",
        "._C3",
        "__MACOSX/C3",
        ".cache/D4",
        "C3 copy",
    ):
        path = tmp_path / f"{name}.npy"
        path.parent.mkdir(exist_ok=True)
        np.save(path, np.zeros((2, 2), np.float16))
    (tmp_path / "folder.npy").mkdir()
    assert [record.labels for record in read_npy(tmp_path)] == [
        ("A0A1/12-60", "12-60"), ("C3",), ("esm2/P1",), ("t5/P1",)
    ]  # fmt: skip


def _claimed(shape: str) -> bytes:
    """A .npy file whose header claims more than the file holds."""
    out = io.BytesIO()
    np.save(out, np.zeros((2, 3), np.float16))
    # The header's length stays: blanks stand at its end.
    raw = out.getvalue()
    header = raw[10:128].replace(b"(2, 3), }", f"{shape}, }}".encode())
    return raw[:10] + header[:117].ljust(117) + b"\n" + raw[128:]


def test_files_that_lie_are_listed_and_the_others_stored(tmp_path: Path) -> None:
    proteins = [Protein(name, "MKVLA") for name in "ab"] + [Protein("c", "MKV")]
    np.save(tmp_path / "a.npy", np.ones((5, 3), np.float16))
    (tmp_path / "b.npy").write_bytes(_claimed("(999999999999, 3)"))
    code = Code(tmp_path / "ran")
    np.save(tmp_path / "c.npy", np.array([code], dtype=object), allow_pickle=True)
    book = SequenceBook(proteins)
    width, records = find_width(read_npy(tmp_path), book)
    assert width == 3
    report = import_embeddings(
        Store.create(tmp_path / "s"), records, book, declare_provenance("x", format_named("npy"), 3)
    )
    assert report.imported == 1
    assert "no plain .npy array" in report.refused["c"]
    assert not code.folder.exists()


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_values_keep_their_type_and_changed_names_their_id(tmp_path: Path, dtype: type) -> None:
    values = np.arange(6, dtype=dtype).reshape(2, 3)
    assert write_npy(tmp_path / "out", [(Protein("a/b", "MK"), values)]) == 1
    assert (tmp_path / "out" / "index.tsv").read_text() == 'file\tid\na_b\t"a/b"\n'
    (record,) = read_npy(tmp_path / "out")
    assert (record.labels, record.shape, record.kind) == (("a/b",), (2, 3), "f")
    assert record.size == values.nbytes
    assert record.values.dtype == dtype
    np.testing.assert_array_equal(record.values, values)
    assert record.values.flags.writeable  # its own, not a map of the file
