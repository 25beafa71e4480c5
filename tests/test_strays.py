from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from sesstore.strays import is_duplicate, is_stray, is_stray_path


@pytest.mark.parametrize(
    "name",
    [
        ".DS_Store",
        "._full.pdb",
        ".nfs000000000012d6870000001a",
        ".fuse_hidden0000000a00000001",
        ".~lock.table.csv#",
        "__MACOSX",
        "Icon\r",
        "Thumbs.db",
        "thumbs.db",
        "desktop.ini",
        "$RECYCLE.BIN",
        "System Volume Information",
        "lost+found",
        "@eaDir",
        "full.pdb~",
        "#full.pdb#",
        "~$table.xlsx",
        "full.pdb.swp",
        "model.safetensors.part",
        "full.pdb:Zone.Identifier",
        "full (Ann's conflicted copy 2026-11-27).pdb",
        "full.sync-conflict-20261127-101112-ABCDEFG.pdb",
    ],
)
def test_what_systems_and_tools_leave_is_a_stray(name):
    assert is_stray(name)
    assert is_stray_path(PurePosixPath("a", name, "b.pdb"))


@pytest.mark.parametrize(
    "name",
    [
        "full.pdb",
        "c.0.0",
        "zarr.json",
        "model-00001-of-00002.safetensors",
        "alphafold2.lmdb",
        "20261127T063545227016-c417754c0e16b286",
        "desktop.ini.pdb",
        "a#b.pdb",
        "a~b.pdb",
        "partial",
        "copy.pdb",
    ],
)
def test_data_are_no_strays(name):
    assert not is_stray(name)
    assert not is_stray_path(PurePosixPath("a", name))


@pytest.mark.parametrize(
    ("name", "original"),
    [
        ("full (1).pdb", "full.pdb"),
        ("full copy.pdb", "full.pdb"),
        ("full copy 3.pdb", "full.pdb"),
        ("full 2.pdb", "full.pdb"),
        ("full - Copy.pdb", "full.pdb"),
        ("full - Copy (2).pdb", "full.pdb"),
        ("full (copy).pdb", "full.pdb"),
        ("full (3rd copy).pdb", "full.pdb"),
        ("Copy of full.pdb", "full.pdb"),
        ("full.pdb copy.gz", "full.pdb.gz"),
        ("full (1).pdb.gz", "full.pdb.gz"),
        ("values copy", "values"),
        ("1.2 (1).pdb", "1.2.pdb"),
    ],
)
def test_a_copy_counts_as_one_only_beside_its_original(name, original):
    assert is_duplicate(name, {name, original})
    assert not is_duplicate(name, {name})
    assert not is_duplicate(original, {name, original})


@pytest.mark.parametrize(
    "name",
    ["a.crdownload", "a.PARTIAL", "a.filepart", "a.swo", "a.swx", "ehthumbs.db",
     "ehthumbs_vista.db", "#recycle", "#snapshot", "FULL.SWP", "full (CONFLICTED COPY).pdb"],
)  # fmt: skip
def test_more_of_what_tools_leave_in_any_case(name):
    assert is_stray(name)
    assert is_stray_path(PurePosixPath(name))


def test_the_names_of_another_folder_make_no_copy():
    assert is_duplicate("copy of full.pdb", {"full.pdb"})
    assert is_duplicate("full (another copy).pdb", {"full.pdb"})
    assert not is_duplicate("full (1).pdb", {"full.cif"})
    assert not is_duplicate("full-1.pdb", {"full.pdb"})
    assert not is_duplicate("copy of ", {"full.pdb"})
