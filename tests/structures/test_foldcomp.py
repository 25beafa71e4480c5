"""Foldcomp's files and databases, where its package is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from sesstore.errors import InputError, MissingExtraError
from sesstore.structures import foldcomp as room
from sesstore.structures.chains import Chain
from sesstore.structures.foldseek import tokens_3di
from sesstore.structures.structure_files import _in_foldcomp, models, structure_files
from sesstore.structures.tokenise import tokenise_many

installed = pytest.mark.skipif(
    importlib.util.find_spec("foldcomp") is None, reason="foldcomp is not installed"
)


def compressed(text: str) -> bytes:
    import foldcomp

    atoms = "".join(f"{line}\n" for line in text.splitlines() if line.startswith("ATOM"))
    return foldcomp.compress("model.pdb", atoms)


def database(path: Path, entries: dict[str, bytes]) -> Path:
    """Write entries as Foldcomp does, the last first in the file."""
    raw, index, lookup = b"", [], []
    for key, (name, entry) in reversed(list(enumerate(entries.items()))):
        index.append(f"{key}\t{len(raw)}\t{len(entry)}\n")
        lookup.append(f"{key}\t{name}\t0\n")
        raw += entry
    path.write_bytes(raw)
    path.with_name(f"{path.name}.index").write_text("".join(reversed(index)))
    path.with_name(f"{path.name}.lookup").write_text("".join(reversed(lookup)))
    return path


@installed
def test_members_of_a_database_and_single_files_are_read(
    heavy: Chain, pdb_text, tmp_path: Path
) -> None:
    entry = compressed(pdb_text(heavy, slice(0, 113)))
    made = database(
        tmp_path / "afdb", {"AF-P12345-F1-model_v4.cif.gz": entry, "AF-Q00001-F1-model_v4": entry}
    )
    (tmp_path / "single.fcz").write_bytes(entry)
    files = structure_files([made, tmp_path / "single.fcz"])
    found = list(tokenise_many(models(files), source="alphafold2", workers=1))
    assert [m.chains[0].protein.id for m in found] == ["P12345", "Q00001", "single"]
    expected = tokens_3di(heavy)[0, :110]
    for model in found:
        (chain,) = model.chains
        assert chain.protein.sequence == heavy.residues[:113]
        assert chain.tokens.plddt is not None
        # Compressed backbones are off by 0.1 Angstrom or so.
        assert (chain.tokens.codes["foldseek"][0, :110] == expected).mean() > 0.9
    assert len(structure_files([tmp_path])) == 3


@installed
def test_damaged_members_end_a_worker_and_nothing_else(
    heavy: Chain, pdb_text, tmp_path: Path
) -> None:
    entry = compressed(pdb_text(heavy, slice(0, 113)))
    made = database(tmp_path / "afdb", {"one": entry, "two": entry[:100], "three": entry})
    found = list(tokenise_many(models(structure_files([made])), source="x", workers=1))
    assert [len(model.chains) for model in found] == [1, 0, 1]
    assert "afdb/two.fcz" in found[1].failures[0].reason


def test_a_database_without_its_lookup_is_said(tmp_path: Path) -> None:
    made = database(tmp_path / "afdb", {"one": b"FCMP1234"})
    (tmp_path / "afdb.lookup").unlink()
    with pytest.raises(InputError, match=r"afdb' cannot be listed.*\.lookup"):
        structure_files([made])


def test_the_missing_package_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(room, "find_spec", lambda name: None)
    (tmp_path / "single.fcz").write_bytes(b"FCMP")
    with pytest.raises(MissingExtraError, match=r"sesstore\[foldcomp\]"):
        structure_files([tmp_path])


def test_other_files_are_no_databases(tmp_path: Path) -> None:
    (tmp_path / "db").write_bytes(np.arange(9).tobytes())
    (tmp_path / "db.index").write_text("0\t0\t9\n")
    assert not room.is_database(tmp_path / "db")


def test_members_are_listed_in_the_order_of_the_index_under_their_names(tmp_path: Path) -> None:
    names = {"AF-P1-F1-model_v4.cif.gz": b"FCMPa", "my.protein": b"FCMPbb", "x.pdb": b"FCMPccc"}
    path = database(tmp_path / "afdb", names)
    lookup = tmp_path / "afdb.lookup"
    lookup.write_text(lookup.read_text().replace("2\tx.pdb\t0\n", ""))
    found = list(room.members(path))
    assert [(name, size) for name, _, size in found] == [
        ("AF-P1-F1-model_v4.cif.gz", 5), ("my.protein", 6), ("2", 7),
    ]  # fmt: skip
    raw = path.read_bytes()
    assert [raw[start : start + size] for _, start, size in found] == list(names.values())
    files = [file.path for file in _in_foldcomp(path)]
    assert files == [
        path / "AF-P1-F1-model_v4.fcz", path / "my.protein.fcz", path / "2.fcz",
    ]  # fmt: skip


@pytest.mark.parametrize("row", ["0\t0", "0\tzero\t9", "0\t0\tnine"])
def test_a_broken_index_is_said(tmp_path: Path, row: str) -> None:
    path = database(tmp_path / "afdb", {"one": b"FCMP1234"})
    (tmp_path / "afdb.index").write_text(f"{row}\n")
    with pytest.raises(InputError, match=r"afdb' cannot be listed"):
        list(room.members(path))
