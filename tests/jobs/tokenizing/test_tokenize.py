"""Structures into a store: what is stored, what is not done again, what is listed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from sesstore.errors import InputError
from sesstore.jobs.tokenizing import token_run
from sesstore.jobs.tokenizing.token_report import ALTERNATIVES, REPLACED, coverage_table
from sesstore.jobs.tokenizing.tokenize import tokenize, tokenize_trajectory
from sesstore.proteins import Protein
from sesstore.residues import StructureTokens
from sesstore.store import Store
from sesstore.structures import tokenise as room
from sesstore.structures.trajectory import Trajectory


@pytest.fixture
def folder(shared_structures: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "structures"
    copy.mkdir()
    for entry in ("1aki.pdb", "5zng.cif", "1l2y.cif"):
        shutil.copy(shared_structures / entry, copy / entry)
    for path in copy.iterdir():
        path.chmod(0o644)
    return copy


class Notes:
    """Progress that counts what is done again."""

    def __init__(self) -> None:
        self.done, self.said = 0, []

    def stage(self, name: str, total: int | None, unit: str) -> Notes:
        return self

    def __enter__(self) -> Notes:
        return self

    def __exit__(self, *problem: object) -> None: ...

    def advance(self, amount: int = 1) -> None:
        self.done += amount

    def show(self, **figures: str) -> None: ...

    def note(self, text: str) -> None:
        self.said.append(text)


def again(store: Store, folder: Path, **options) -> int:
    """How many structures another run does."""
    notes = Notes()
    tokenize(store, [folder], "pdb", progress=notes, **options)
    return notes.done


def test_tokens_and_sequences_are_stored_and_counted(store: Store, folder: Path) -> None:
    report = tokenize(store, [folder], "pdb")
    assert (report.structures, report.chains, report.failed) == (3, 4, {})
    assert report.residues == sum(map(len, report.proteins))
    assert (report.sequences, report.new_sequences) == (4, 4)
    tokens = store.tokens("pdb").get(store.find_id("1l2y")[0])
    assert tokens is not None
    assert tokens.codes["foldseek"].shape == (38, 20)
    assert [row["chains"] for row in report.table] == [2, 0, 2, 0]
    assert sum(row["masked"] for row in report.table) == round(
        report.residues * (1 - report.coverage)
    )


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


def test_another_sequence_for_a_chain_does_its_file_again(store: Store, folder: Path) -> None:
    report = tokenize(store, [folder], "pdb")
    lysozyme = next(p for p in report.proteins if p.id == "1aki")
    assert again(store, folder, sequences=[lysozyme]) == 0
    assert again(store, folder, sequences=[Protein("1aki", f"M{lysozyme.sequence}")]) == 1


def test_chains_land_on_the_one_sequence_the_store_knows_under_their_id(
    store: Store, folder: Path
) -> None:
    (own,) = tokenize(Store.create(store.path.with_name("x")), [folder / "1aki.pdb"], "x").proteins
    known = Protein("1aki", f"MAG{own.sequence}")
    store.add_proteins([known])
    (found,) = tokenize(store, [folder / "1aki.pdb"], "pdb").proteins
    assert found.digest == known.digest
    store.add_proteins([Protein("1aki", own.sequence[:-1])])
    (found,) = tokenize(store, [folder / "1aki.pdb"], "pdb").proteins
    assert found.digest == own.digest  # of two sequences none is guessed


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


def test_of_structures_of_one_sequence_the_most_complete_of_a_run_counts_and_new_ones_replace(
    store: Store, shared_structures: Path, tmp_path: Path
) -> None:
    """Also when a run was interrupted between them."""
    lines = (shared_structures / "1aki.pdb").read_text().splitlines(keepends=True)
    first, second = tmp_path / "a.pdb", tmp_path / "b.pdb"
    first.write_text("".join(lines))
    # A hole in the chain is masked: the two differ.
    second.write_text("".join(x for x in lines if not (x[:4] == "ATOM" and x[22:26] == "  60")))

    def masked() -> int:
        (digest,) = store.tokens("pdb").digests()
        return int((store.tokens("pdb").get(digest).codes["dssp"] == 8).sum())

    tokenize(store, [first], "pdb")
    tokenize(store, [first, second], "pdb")
    assert masked() == 0
    report = tokenize(store, [second, first], "pdb", chain="A")
    assert masked() == 0
    assert (report.chains, report.residues, report.passed_over) == (1, 129, 1)
    (choice,) = report.remarks[ALTERNATIVES]["examples"]
    assert choice == f"{first} (the most complete, 129 of 129 residues), not {second.name}"
    assert REPLACED not in tokenize(store, [second, first], "pdb", chain="A").remarks
    second.write_text(second.read_text() + "\n")
    report = tokenize(store, [second], "pdb")
    assert masked() == 1
    assert report.remarks[REPLACED] == {"count": 1, "examples": [f"{second} chain A"]}


def test_imported_tokens_stay(store: Store, folder: Path) -> None:
    report = tokenize(Store.create(store.path.with_name("new")), [folder / "1aki.pdb"], "pdb")
    protein = report.proteins[0]
    codes = {"foldseek": np.full((1, len(protein)), 3, np.uint8)}
    store.add_proteins([protein])
    store.add_tokens([StructureTokens(protein.digest, "pdb", codes, None, "Foldseek")], {})
    tokenize(store, [folder / "1aki.pdb"], "pdb")
    found = store.tokens("pdb").get(protein.digest)
    assert (found.codes["foldseek"] == 3).all()
    assert "dssp" in found.codes


def test_failures_are_listed_and_the_rest_is_stored(store: Store, folder: Path) -> None:
    (folder / "bad.pdb").write_text("ATOM\n")
    report = tokenize(store, [folder], "pdb")
    assert (report.structures, report.chains) == (4, 4)
    assert list(report.failed) == [str(folder / "bad.pdb")]
    report.write_failures(folder.parent / "failed.tsv")
    header, line = Path(report.failed_list).read_text().splitlines()
    assert header == "structure\treason"
    assert line.split("\t")[0].endswith("bad.pdb")
    assert again(store, folder) == 1


def test_a_source_that_cannot_be_one_is_said_before_any_work(store: Store, folder: Path) -> None:
    notes = Notes()
    with pytest.raises(InputError, match="cannot name a source"):
        tokenize(store, [folder], "a b", progress=notes)
    assert notes.done == 0


def test_chains_are_stored_in_bounded_batches(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_run, "_COMMIT_CHAINS", 1)
    tokenize(store, [folder], "pdb")
    assert len(store.tokens("pdb")) == 4
    assert again(store, folder) == 0


def test_the_coverage_table_sorts_chains_by_what_is_resolved() -> None:
    table = coverage_table([(10, 10), (95, 100), (50, 100), (1, 100), (100, 100)])
    assert [tuple(row.values())[1:] for row in table] == [
        (2, 110, 0),
        (1, 100, 5),
        (1, 100, 50),
        (1, 100, 99),
    ]


def test_a_trajectory_becomes_conformers_once(
    store: Store, shared_structures: Path, tmp_path: Path
) -> None:
    import mdtraj

    path, topology = tmp_path / "run.xtc", tmp_path / "top.pdb"
    one = mdtraj.load_pdb(str(shared_structures / "1aki.pdb"))
    one = one.atom_slice(one.topology.select("protein"))
    one.save_pdb(str(topology))
    mdtraj.join([one] * 5).save(str(path))
    report = tokenize_trajectory(store, Trajectory(path, topology), "md")
    assert (report.structures, report.chains, report.already_stored) == (1, 1, 0)
    assert store.tokens("md").get(report.proteins[0].digest).codes["dssp"].shape == (5, 129)
    assert tokenize_trajectory(store, Trajectory(path, topology), "md").already_stored == 1
    tokenize_trajectory(store, Trajectory(path, topology, stride=2), "md")
    assert store.tokens("md").get(report.proteins[0].digest).codes["dssp"].shape == (3, 129)
