"""The structure of a protein is found among files by name, then by sequence; others are left."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sesstore.errors import MissingFileError
from sesstore.jobs.demo import demo_files
from sesstore.proteins import Protein
from sesstore.reports.structure_search import search_structures
from sesstore.structures.chains import read_structure


@pytest.fixture(scope="module")
def first() -> tuple[Path, Protein]:
    path = demo_files()["1ahs_A"][0]
    return path, Protein("1ahs_A", read_structure(path).chains[0].residues)


def test_files_named_for_a_protein_are_read_first_and_no_more_than_needed(
    first: tuple[Path, Protein], tmp_path: Path
) -> None:
    path, protein = first
    shutil.copy(path, tmp_path)
    (tmp_path / "0_broken.pdb").write_text("ATOM  nothing\n")
    search = search_structures([tmp_path], [protein])
    viewed = search.structures[protein.digest]
    assert viewed.structure.path.name == path.name
    assert [placed.chain.id for placed in viewed.chains] == ["A"]
    assert (search.files, search.failed, search.notes()) == (2, {}, ())


def test_a_file_of_any_name_is_found_by_its_sequence_and_what_is_broken_is_told(
    first: tuple[Path, Protein], tmp_path: Path
) -> None:
    path, protein = first
    shutil.copy(path, tmp_path / f"z{''.join(path.suffixes)}")
    (tmp_path / "0_broken.pdb").write_text("ATOM  nothing\n")
    search = search_structures([tmp_path], [Protein("q", protein.sequence)])
    assert set(search.structures) == {protein.digest}
    (note,) = search.notes()
    assert note.startswith("1 structures could not be used, the first of them ")
    assert "0_broken.pdb" in note


def test_another_protein_under_the_name_is_not_drawn(first: tuple[Path, Protein]) -> None:
    path, _ = first
    search = search_structures([path], [Protein("1ahs_A", "MKV" * 40)])
    assert search.structures == {}
    assert "is not the protein it should be" in search.notes()[0]
    search = search_structures([path], [Protein("other", "MKV" * 40)])
    assert (search.structures, search.failed) == ({}, {})
    with pytest.raises(MissingFileError):
        search_structures([path.with_name("absent.pdb")], [])


def test_the_first_file_of_a_protein_counts_and_none_is_read_after_the_last(
    first: tuple[Path, Protein], tmp_path: Path
) -> None:
    path, protein = first
    names = ["b", "a"]
    for name in names:
        shutil.copy(path, tmp_path / f"{name}{''.join(path.suffixes)}")
    paths = [tmp_path / f"{name}{''.join(path.suffixes)}" for name in names]
    broken = tmp_path / "z.pdb"
    broken.write_text("ATOM  nothing\n")
    search = search_structures([*paths, broken], [Protein("q", protein.sequence)])
    assert search.structures[protein.digest].structure.path == paths[0]
    assert (search.files, search.failed) == (3, {})
    both = search_structures([*paths, broken], [Protein("q", protein.sequence), Protein("z", "MK")])
    assert both.structures[protein.digest].structure.path == paths[0]
    assert list(both.failed) == [str(broken)]
    assert f"first of them {broken}: " in both.notes()[0]
