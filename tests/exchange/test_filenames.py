"""Ids that no file can be called by."""

from __future__ import annotations

from pathlib import Path

import pytest

from sesstore.errors import InputError
from sesstore.exchange.fairesm import read_fairesm, write_fairesm
from sesstore.exchange.filenames import _LONGEST, FileNames, read_index
from sesstore.exchange.imported_embeddings import SequenceBook
from sesstore.exchange.npy import read_npy, write_npy

from .conftest import IDS, NAMED_PROTEINS, PAIRS


@pytest.mark.parametrize("kind", ["npy", "fairesm"])
def test_any_id_goes_out_and_comes_back(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "inside" / "out"
    if kind == "npy":
        assert write_npy(folder, PAIRS) == len(IDS)
        records = read_npy(folder)
    else:
        assert write_fairesm(folder, PAIRS, 6) == len(IDS)
        records = read_fairesm(folder, 6)
    book = SequenceBook(NAMED_PROTEINS)
    back = {book.find(record.labels).id: record.values[0, 0] for record in records}
    assert back == dict(zip(IDS, range(len(IDS)), strict=True))
    files = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    assert all(path.parts[:2] == ("inside", "out") and len(path.parts) == 3 for path in files)
    assert len({path.name.casefold() for path in files}) == len(files)


def test_plain_ids_are_the_names_of_their_files(tmp_path: Path) -> None:
    write_npy(tmp_path / "x", [PAIRS[0], PAIRS[0]])
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["P1.npy"]
    names = FileNames()
    assert [names.new("P1"), names.new("P1"), names.new("p1")][:2] == ["P1", None]
    assert len(names) == 2
    lower = FileNames()
    assert lower.new("p1") == "p1"
    assert lower.new("P1").startswith("P1_")  # one file where letters have no case
    assert not FileNames().changed
    assert names.changed


def test_a_broken_index_is_said(tmp_path: Path) -> None:
    (tmp_path / "index.tsv").write_text("file\tid\nx\n")
    with pytest.raises(InputError, match="broken line: x"):
        read_index(tmp_path)


def test_names_are_cut_only_where_they_are_too_long() -> None:
    names = FileNames()
    assert names.new("a" * _LONGEST) == "a" * _LONGEST
    assert len(names.new("é" * _LONGEST).encode()) <= _LONGEST
    cut = names.new("b" * (_LONGEST + 1))
    assert cut.startswith("b" * (_LONGEST - 20) + "_")
    assert len(cut) == _LONGEST - 20 + 13
