"""What a record is called, and what is too large to be read."""

from __future__ import annotations

import zipfile
from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from sesstore.errors import InputError
from sesstore.exchange import embedding_record
from sesstore.exchange.embedding_record import (
    ForeignEmbedding,
    check_size,
    check_unpacked,
    file_labels,
    path_labels,
)


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> int:
    """Bytes that are free."""
    monkeypatch.setattr(embedding_record, "available_memory", lambda: 2001)
    return 2001


def test_half_of_the_free_memory_may_be_taken(memory: int) -> None:
    check_size(1000, "x")
    with pytest.raises(InputError, match=r"'x' needs 0\.0 GB to be read, and 0\.0 GB of memory"):
        check_size(1001, "x")
    fits = ForeignEmbedding(("p",), (1, 2), "f", lambda: np.ones((1, 2)), 1000)
    assert fits.values.shape == (1, 2)
    with pytest.raises(InputError, match="'p' needs"):
        _ = ForeignEmbedding(("p", "q"), (1, 2), "f", lambda: np.ones((1, 2)), 1001).values


def test_an_archive_is_measured_unpacked(memory: int, tmp_path: Path) -> None:
    for name, sizes in (("small.zip", (400, 600)), ("large.zip", (400, 601))):
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for number, size in enumerate(sizes):
                archive.writestr(str(number), b"0" * size)
    check_unpacked(tmp_path / "small.zip")
    with pytest.raises(InputError, match=r"large\.zip' needs"):
        check_unpacked(tmp_path / "large.zip")
    (tmp_path / "plain").write_bytes(b"0" * 4000)
    check_unpacked(tmp_path / "plain")  # whatever is no archive does not unpack
    whole = (tmp_path / "small.zip").read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[:30] + whole[-22:])
    with pytest.raises(InputError, match=r"cut\.zip' cannot be read: .*Get the file again"):
        check_unpacked(tmp_path / "cut.zip")


def test_a_record_in_memory_says_what_it_holds() -> None:
    values = np.arange(6, dtype=np.float16).reshape(2, 3)
    record = ForeignEmbedding.of(("p", "q"), values)
    assert (record.labels, record.shape, record.kind, record.size) == (("p", "q"), (2, 3), "f", 12)
    assert record.values is values
    assert record.problem == ""
    assert ForeignEmbedding.of(("p",), np.zeros(2, np.int8)).kind == "i"


def test_a_name_in_a_folder_is_one_where_no_other_folder_has_it(tmp_path: Path) -> None:
    paths = ["P1", "a/P2", "a/P3", "b/P3", "b/c/P4", "P5", "c/P5"]
    assert path_labels(map(PurePosixPath, paths)) == [
        ("P1",), ("a/P2", "P2"), ("a/P3",), ("b/P3",), ("b/c/P4", "P4"), ("P5",), ("c/P5",),
    ]  # fmt: skip
    files = [tmp_path / "a" / "P1.v2.npy", tmp_path / "P2.npy"]
    assert file_labels(tmp_path, files) == {
        files[0]: ("a/P1.v2", "P1.v2"), files[1]: ("P2",),
    }  # fmt: skip
