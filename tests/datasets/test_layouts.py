"""Files of a benchmark are found in folders and archives, and no others are taken for them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from sesstore.datasets.layouts import Layout, layout_files
from sesstore.errors import InputError, MissingFileError

LAYOUT = Layout(origin="splits.zip from there", files={"": "low_vs_high"}, folder="aav")
OTHERS = frozenset({"gb1", "aav", "scl"})


def place(path: Path, text: str = "sequence\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def file_of(data: Path, layout: Layout = LAYOUT) -> str:
    return str(layout_files(layout, data, "flip_aav_low_vs_high", OTHERS)[""])


def archive_of(path: Path, *names: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "sequence\n")
    return path


def test_the_data_sets_own_folder_counts_and_the_unpacked_file(tmp_path: Path) -> None:
    place(tmp_path / "gb1" / "splits" / "low_vs_high.csv")
    archive = archive_of(tmp_path / "aav" / "splits.zip", "splits/low_vs_high.csv")
    assert file_of(tmp_path) == f"{archive}/splits/low_vs_high.csv"
    assert file_of(archive) == f"{archive}/splits/low_vs_high.csv"
    table = place(tmp_path / "aav" / "splits" / "low_vs_high.csv")
    place(tmp_path / "aav" / "splits" / "mutated_region_only" / "low_vs_high.csv")
    place(tmp_path / "aav" / "splits" / "low_vs_high.fasta")
    assert file_of(tmp_path) == file_of(tmp_path / "aav") == file_of(table) == str(table)


def test_a_packed_table_and_one_that_was_moved(tmp_path: Path) -> None:
    packed = place(tmp_path / "downloads" / "low_vs_high.csv.gz")
    assert file_of(tmp_path / "downloads") == str(packed)


@pytest.mark.parametrize(
    "where", [".", "gb1", "gb1/splits", "gb1/splits/low_vs_high.csv", "gb1/splits.zip"]
)
def test_another_data_sets_file_of_that_name_is_refused(where: str, tmp_path: Path) -> None:
    if where.endswith(".zip"):
        archive_of(tmp_path / where, "splits/low_vs_high.csv")
    else:
        place(tmp_path / "gb1" / "splits" / "low_vs_high.csv")
    with pytest.raises(
        InputError, match=r"is of the data set gb1, and 'flip_aav_low_vs_high' of aav"
    ):
        file_of(tmp_path / where)


def test_what_is_missing_is_named_with_what_is_near_and_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"no file or folder .*Get splits\.zip from there"):
        file_of(tmp_path / "none")
    place(tmp_path / "aav" / "notes.md")
    with pytest.raises(MissingFileError, match=r"Found: nothing\. Get splits\.zip from there, and"):
        file_of(tmp_path / "aav")
    place(tmp_path / "aav" / "low_vs_hgh.csv")
    with pytest.raises(MissingFileError, match=r"Did you mean 'low_vs_hgh'\?"):
        file_of(tmp_path / "aav")


@pytest.mark.parametrize(
    "name", ["../low_vs_high.csv", "splits/../../low_vs_high.csv", "/low_vs_high.csv"]
)
def test_an_archive_that_points_out_of_itself_is_refused(name: str, tmp_path: Path) -> None:
    archive = archive_of(tmp_path / "splits.zip", name)
    with pytest.raises(InputError, match="points out of it"):
        file_of(archive)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["splits.zip"]


def test_a_broken_archive_and_one_that_is_encrypted(tmp_path: Path) -> None:
    archive = archive_of(tmp_path / "aav" / "splits.zip", "splits/low_vs_high.csv")
    whole = bytearray(archive.read_bytes())
    archive.write_bytes(whole[:40])
    with pytest.raises(InputError, match="no whole zip archive"):
        file_of(tmp_path / "aav")
    for header in (b"PK\x03\x04", b"PK\x01\x02"):
        flags = whole.index(header) + (6 if header[2] == 3 else 8)
        whole[flags] |= 1
    archive.write_bytes(whole)
    with pytest.raises(InputError, match="encrypted"):
        file_of(tmp_path / "aav")


def test_an_archive_that_unpacks_to_more_than_there_is_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = archive_of(tmp_path / "aav" / "splits.zip", "splits/low_vs_high.csv")
    size = len("sequence\n")
    monkeypatch.setattr("sesstore.datasets.readers.available_memory", lambda: 4 * size)
    assert file_of(archive).endswith("low_vs_high.csv")
    monkeypatch.setattr("sesstore.datasets.readers.available_memory", lambda: 4 * size - 1)
    with pytest.raises(InputError, match=r"unpacks to .* Is this the published file\?"):
        file_of(archive)


@pytest.mark.parametrize("folder", [True, False])
def test_pickled_objects_are_never_read(folder: bool, tmp_path: Path) -> None:
    layout = Layout("fluorescence.tar.gz", {"train": "fluorescence_train"}, "fluorescence")
    lmdb = tmp_path / "fluorescence" / "fluorescence_train.lmdb"
    place(lmdb / "data.mdb" if folder else lmdb)
    with pytest.raises(
        InputError, match=r"pickled objects.* never does it\. Get fluorescence\.tar"
    ):
        layout_files(layout, tmp_path, "peer_fluorescence")
    table = place(tmp_path / "fluorescence" / "fluorescence_train.json")
    assert layout_files(layout, tmp_path, "peer_fluorescence") == {"train": table}


def test_folders_are_looked_through_to_some_depth(tmp_path: Path) -> None:
    deep = place(tmp_path / "1" / "2" / "3" / "4" / "low_vs_high.csv")
    assert file_of(tmp_path) == str(deep)
    deep.unlink()
    place(tmp_path / "1" / "2" / "3" / "4" / "5" / "low_vs_high.csv")
    place(tmp_path / ".hidden" / "low_vs_high.csv")
    place(tmp_path / "._low_vs_high.csv")
    with pytest.raises(MissingFileError, match=r"is the file low_vs_high .*Found: nothing"):
        file_of(tmp_path)


def test_which_of_several_files_is_read(tmp_path: Path) -> None:
    """The one of the data set's folder, else that near the top, else of the first kind."""
    lower = place(tmp_path / "x" / "low_vs_high.jsonl")
    assert file_of(tmp_path) == str(lower)
    near = [place(tmp_path / f"low_vs_high.{end}") for end in ("fasta", "csv", "jsonl.gz")]
    assert file_of(tmp_path) == str(near[2])
    near[2].unlink()
    assert file_of(tmp_path) == str(near[1])
    archive_of(tmp_path / "splits.zip", "low_vs_high.jsonl")
    assert file_of(tmp_path) == str(near[1])
    own = place(tmp_path / "x" / "aav" / "LOW.CSV")
    assert file_of(tmp_path) == str(near[1])
    own = own.rename(own.with_name("low_vs_high.CSV.GZ"))
    assert file_of(tmp_path) == str(own)


def test_a_table_of_sources_comes_with_the_files(tmp_path: Path) -> None:
    layout = Layout("there", {"train": "a", "test": "b"}, reference="sources")
    files = {name: place(tmp_path / f"{name}.csv") for name in ("a", "b")}
    wanted = {"train": files["a"], "test": files["b"]}
    assert layout_files(layout, tmp_path, "mine") == wanted
    table = place(tmp_path / "sources.csv")
    assert layout_files(layout, tmp_path, "mine") == {**wanted, "sources": table}
    files["b"].unlink()
    with pytest.raises(MissingFileError, match=r"'mine' is the file b \(.*Get there, and add it"):
        layout_files(layout, tmp_path, "mine")


def test_what_systems_put_into_an_archive_is_no_file_of_it(tmp_path: Path) -> None:
    hidden = ("__MACOSX/splits/low_vs_high.csv", "splits/.old/low_vs_high.csv")
    with pytest.raises(MissingFileError, match=r"Found: other\. Get splits\.zip from there"):
        file_of(archive_of(tmp_path / "a.zip", *hidden, "other.csv"))
    archive = archive_of(tmp_path / "b.zip", *hidden, "z/low_vs_high.csv")
    assert file_of(archive) == f"{archive}/z/low_vs_high.csv"


def test_another_data_sets_folder_is_seen_from_within(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place(tmp_path / "gb1" / "splits" / "low_vs_high.csv")
    monkeypatch.chdir(tmp_path / "gb1")
    for here in (Path("."), Path("splits"), Path("splits/low_vs_high.csv")):
        with pytest.raises(InputError, match=r"is of the data set gb1"):
            file_of(here)


@pytest.mark.parametrize(("folders", "own"), [("gb1/aav", True), ("aav/gb1", False)])
def test_the_innermost_folder_says_whose_a_file_is(tmp_path: Path, folders: str, own: bool) -> None:
    table = place(tmp_path / folders / "low_vs_high.csv")
    if own:
        assert file_of(tmp_path) == str(table)
    else:
        with pytest.raises(InputError, match="is of the data set gb1"):
            file_of(tmp_path)
