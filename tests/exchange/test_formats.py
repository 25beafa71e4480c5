"""Files are what their format says, or refused by name."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from sesstore.errors import InputError, MissingFileError
from sesstore.exchange.fairesm import read_fairesm
from sesstore.exchange.formats import format_named, read_files, write_whole
from sesstore.exchange.hdf5 import read_hdf5
from sesstore.exchange.imported_embeddings import (
    SequenceBook,
)
from sesstore.exchange.npy import read_npy

from .conftest import PROTEINS


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
