"""Files, folders, tar files, and which of them belong together."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from sesstore.errors import MissingFileError, StructureError
from sesstore.structures.structure_files import (
    StructureFile,
    is_structure_path,
    models,
    structure_files,
)
from sesstore.structures.tokenise import tokenise_many


def tar(path: Path, members: dict[str, bytes], mode: str = "w") -> Path:
    folder = path.parent / "members"
    folder.mkdir(exist_ok=True)
    with tarfile.open(path, mode) as archive:
        for name, raw in members.items():
            (folder / "x").write_bytes(raw)
            archive.add(folder / "x", arcname=name)
    return path


def named(*names: str) -> list[StructureFile]:
    return [StructureFile(Path(name)) for name in names]


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".TAR.GZ"])
def test_members_of_a_tar_file_are_read_in_any_order(tmp_path: Path, suffix: str) -> None:
    mode = {".tar": "w", ".tgz": "w:gz"}.get(suffix, f"w:{suffix.lower().rpartition('.')[2]}")
    members = {"sub/a.pdb": b"one" * 700, "b.cif.gz": b"two", "notes.txt": b"x", ".c.pdb": b"y"}
    found = structure_files([tar(tmp_path / f"models{suffix}", members, mode)])
    assert [file.path.name for file in found] == ["a.pdb", "b.cif.gz"]
    assert [file.read() for file in reversed(found)] == [b"two", b"one" * 700]
    assert found[0].path == tmp_path / f"models{suffix}" / "sub" / "a.pdb"
    new = tar(tmp_path / f"new{suffix}", {"sub/a.pdb": b"new" * 700}, mode)
    os.utime(new, (1, 1))
    new.replace(tmp_path / f"models{suffix}")
    (replaced,) = structure_files([tmp_path / f"models{suffix}"])
    assert replaced.read() == b"new" * 700


def test_a_member_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tar(tmp_path / "m.tar", {"a.pdb": b"a"})
    (tmp_path / "b.pdb").write_bytes(b"b")
    monkeypatch.chdir(tmp_path)
    files = [file.absolute() for file in structure_files([Path("m.tar"), Path("b.pdb")])]
    monkeypatch.chdir("/")
    assert [file.read() for file in files] == [b"a", b"b"]
    assert [file.path for file in files] == [tmp_path / "m.tar/a.pdb", tmp_path / "b.pdb"]


def test_a_folder_is_searched_to_the_bottom_tar_files_among_it(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "z.ent").write_bytes(b"z")
    (tmp_path / "B.PDB.GZ").write_bytes(b"b")
    tar(tmp_path / "a.tar", {"m.bcif": b"m"})
    (tmp_path / "members" / "x").unlink()
    found = structure_files([tmp_path])
    assert [file.path.name for file in found] == ["B.PDB.GZ", "m.bcif", "z.ent"]


def test_an_alphafold_model_in_two_formats_is_taken_once(tmp_path: Path) -> None:
    for name in ("AF-P1-F1-model_v4.pdb.gz", "AF-P1-F1-model_v4.cif.gz", "1aki.pdb", "1aki.cif"):
        (tmp_path / name).write_bytes(b"x")
    found = structure_files([tmp_path])
    assert [f.path.name for f in found] == ["1aki.cif", "1aki.pdb", "AF-P1-F1-model_v4.cif.gz"]


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="no file or folder"):
        structure_files([tmp_path / "none"])
    with pytest.raises(MissingFileError, match="has no structure"):
        structure_files([tmp_path])
    with pytest.raises(MissingFileError, match="no structure file"):
        StructureFile(tmp_path / "gone.pdb").read()
    broken = tmp_path / "broken.tar"
    broken.write_bytes(b"no tar file" * 100)
    (found,) = structure_files([broken])
    with pytest.raises(StructureError, match=r"broken\.tar.*Get it again"):
        found.read()


def test_a_tar_file_that_is_cut_short_later_is_said(tmp_path: Path) -> None:
    path = tar(tmp_path / "m.tar", {"a.pdb": b"a" * 3000, "b.pdb": b"b" * 3000})
    found = structure_files([path])
    path.write_bytes(path.read_bytes()[:4700])
    assert found[0].read() == b"a" * 3000
    with pytest.raises(StructureError, match=r"b\.pdb' is cut short"):
        found[1].read()


def test_fragments_of_one_model_belong_together() -> None:
    files = named(
        "x/AF-P1-F2-model_v4.cif", "x/1abc.pdb", "x/AF-P1-F1-model_v4.cif", "x/1abc.cif",
        "y/AF-P1-F3-model_v4.cif", "x/AF-P1-F1-model_v6.cif", "x/AF-P1-2-F1-model_v4.cif",
    )  # fmt: skip
    groups = [[str(file.path) for file in model] for model in models(files)]
    assert groups == [
        ["x/AF-P1-F2-model_v4.cif", "x/AF-P1-F1-model_v4.cif"],
        ["x/1abc.pdb"],
        ["x/1abc.cif"],
        ["y/AF-P1-F3-model_v4.cif"],
        ["x/AF-P1-F1-model_v6.cif"],
        ["x/AF-P1-2-F1-model_v4.cif"],
    ]


def test_a_tar_file_cut_short_gives_what_is_before_the_cut(
    shared_structures: Path, tmp_path: Path
) -> None:
    whole = tmp_path / "whole.tar"
    with tarfile.open(whole, "w") as archive:
        for entry in ("1aki.pdb", "1k6p.pdb", "1xso.pdb"):
            archive.add(shared_structures / entry, arcname=entry)
    folder = tmp_path / "cut"
    folder.mkdir()
    (folder / "cut.tar").write_bytes(whole.read_bytes()[:200_000])
    found = list(tokenise_many(models(structure_files([folder])), source="pdb"))
    assert [len(model.chains) for model in found[:2]] == [1, 0]
    assert all("cut.tar" in failure.reason for model in found[1:] for failure in model.failures)
    assert len(found) == 3


def test_what_names_structures(tmp_path: Path) -> None:
    (tmp_path / "db").write_bytes(b"FCMP1234")
    (tmp_path / "db.index").write_text("0\t0\t8\n")
    (tmp_path / "table.csv").write_text("")
    yes = ["x.pdb", "x.ENT.gz", "1abc.pdb1.gz", "x.mmcif", "x.tar.xz", "x.TGZ", "db", "."]
    no = ["table.csv", "db.index", "x.gz", "x.pdb.zip", "x.pdbx", "nowhere"]
    assert [is_structure_path(tmp_path / name) for name in yes] == [True] * len(yes)
    assert [is_structure_path(tmp_path / name) for name in no] == [False] * len(no)


def test_models_of_two_folders_or_versions_are_all_taken(tmp_path: Path) -> None:
    names = ["a/AF-P1-F1-model_v4.cif", "b/AF-P1-F1-model_v4.cif", "b/AF-P1-F1-model_v6.cif",
             "b/AF-P1-F2-model_v6.cif", "b/.hidden.pdb", "b/notes.pdb.txt"]  # fmt: skip
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "b" / "folder.pdb").mkdir()
    found = structure_files([tmp_path])
    assert [str(file.path.relative_to(tmp_path)) for file in found] == names[:4]
    named_alone = structure_files([tmp_path / names[4], found[2]])
    assert [file.path.name for file in named_alone] == [".hidden.pdb", "AF-P1-F1-model_v6.cif"]


def test_only_files_of_a_tar_file_are_its_members(tmp_path: Path) -> None:
    """Folders and links of a structure's name are none, and a broken end is told of that tar."""
    path = tmp_path / "m.tar"
    with tarfile.open(path, "w") as archive:
        for name, kind in (("a.pdb", tarfile.DIRTYPE), ("b.pdb", tarfile.SYMTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "c.pdb"
            archive.addfile(member)
        member = tarfile.TarInfo("c.pdb")
        member.size = 3
        archive.addfile(member, io.BytesIO(b"ccc"))
    (file,) = structure_files([path])
    assert (file.path.name, file.read()) == ("c.pdb", b"ccc")
