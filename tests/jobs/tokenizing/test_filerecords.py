"""What is done is not done again; what changed is."""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest

from sesstore.jobs.tokenizing.tokenize import tokenize
from sesstore.proteins import Protein
from sesstore.residues import StructureTokens
from sesstore.store import Store
from sesstore.structures import tokenise as room

from .conftest import Notes, again


def test_a_second_run_does_nothing_and_reports_the_same(store: Store, folder: Path) -> None:
    first, notes = tokenize(store, [folder], "pdb"), Notes()
    second = tokenize(store, [folder], "pdb", progress=notes)
    assert notes.done == 0
    assert "3 of 3 structures were tokenised before" in notes.said[0]
    assert second.already_stored == 3
    assert (second.chains, second.residues) == (first.chains, first.residues)
    assert (second.coverage, second.table) == (first.coverage, first.table)
    assert list(second.proteins) == list(first.proteins)
    assert second.proteins[:2] == [first.proteins[0], first.proteins[1]]


def test_what_changed_is_done_again(store: Store, folder: Path) -> None:
    tokenize(store, [folder], "pdb")
    os.utime(folder / "1aki.pdb", (1, 1))
    assert again(store, folder) == 1
    assert again(store, folder) == 0
    shutil.copy(folder / "1aki.pdb", folder / "other.pdb")
    assert again(store, folder) == 1
    assert again(store, folder, chain="A") == 4
    assert again(Store.create(store.path.with_name("new")), folder) == 4


def test_members_of_an_archive_that_changed_are_done_again(store: Store, folder: Path) -> None:
    archive = folder.with_name("models.tar")
    with tarfile.open(archive, "w") as tar:
        tar.add(folder / "1aki.pdb", "1aki.pdb")
        tar.add(folder / "1l2y.cif", "1l2y.cif")
    tokenize(store, [archive], "pdb")
    assert again(store, archive) == 0
    os.utime(archive, (1, 1))
    assert again(store, archive) == 2
    assert again(store, archive) == 0


def test_another_sequence_for_a_chain_does_its_file_again(store: Store, folder: Path) -> None:
    report = tokenize(store, [folder], "pdb")
    lysozyme = next(p for p in report.proteins if p.id == "1aki")
    assert again(store, folder, sequences=[lysozyme]) == 0
    assert again(store, folder, sequences=[Protein("1aki", f"M{lysozyme.sequence}")]) == 1


def test_lost_tokens_or_records_are_made_again(store: Store, folder: Path) -> None:
    tokenize(store, [folder], "pdb")
    records = store.path / "tokens" / "pdb.files.jsonl"
    whole = records.read_bytes()
    records.write_bytes(whole[:-30])
    assert again(store, folder) == 1
    records.write_bytes(b"\xff\x00nonsense\n")
    assert again(store, folder) == 3
    for path in (store.path / "tokens").glob("pdb.lmdb*"):
        path.unlink()
    assert again(store, folder) == 3


def test_another_version_of_the_tools_does_all_again_and_replaces(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "tool", lambda dssp: "mini3di 0.0, mdtraj 0.0")
    report = tokenize(store, [folder / "1aki.pdb"], "pdb")
    digest = report.proteins[0].digest
    stored = store.tokens("pdb").get(digest)
    wrong = {name: np.zeros_like(codes) for name, codes in stored.codes.items()}
    store.add_tokens([StructureTokens(digest, "pdb", wrong, None, stored.tool)], {}, replace=True)
    monkeypatch.undo()
    (store.path / "tokens" / "pdb.files.jsonl").unlink()
    tokenize(store, [folder / "1aki.pdb"], "pdb")
    renewed = store.tokens("pdb").get(digest)
    assert renewed.tool == room.tool()
    assert renewed.codes["dssp"].any()
