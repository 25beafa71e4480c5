"""Names of files that may be packed."""

from __future__ import annotations

from pathlib import Path

import pytest

from sesstore.file_names import data_suffix, unpacked_name


@pytest.mark.parametrize(
    ("name", "unpacked", "suffix"),
    [
        ("1abc.pdb.gz", "1abc.pdb", ".pdb"),
        ("1abc.PDB.GZ", "1abc.PDB", ".pdb"),
        ("x.Csv.gZ", "x.Csv", ".csv"),
        ("1abc.v2.cif", "1abc.v2.cif", ".cif"),
        ("csv", "csv", ""),
        ("a.gz", "a", ""),
        ("a.gz.gz", "a.gz", ".gz"),
    ],
)
def test_a_packed_file_is_what_it_is_unpacked(name: str, unpacked: str, suffix: str) -> None:
    assert unpacked_name(name) == unpacked
    assert data_suffix(Path("folder.cif") / name) == suffix
