"""Structures into a store: what is stored, what is not done again, what is listed."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from sesstore.errors import InputError, StoppedError
from sesstore.jobs.tokenizing.token_report import ALTERNATIVES, REPLACED
from sesstore.jobs.tokenizing.tokenize import tokenize, tokenize_trajectory
from sesstore.proteins import Protein
from sesstore.store import Store
from sesstore.structures.trajectory import Trajectory

from .conftest import Notes, again


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


class Stopping(Notes):
    """Progress that sends this process SIGTERM after the first structure."""

    def advance(self, amount: int = 1) -> None:
        super().advance(amount)
        if self.done == amount:
            signal.raise_signal(signal.SIGTERM)


def test_a_run_that_is_stopped_goes_on(store: Store, folder: Path) -> None:
    with pytest.raises(StoppedError, match=r"stopped by SIGTERM: (\d) chains are stored") as told:
        tokenize(store, [folder], "pdb", workers=1, progress=Stopping())
    stored = len(store.tokens("pdb"))
    assert f"SIGTERM: {stored} chains" in str(told.value)
    assert 0 < stored < 4
    assert again(store, folder) == 2
    assert len(store.tokens("pdb")) == 4


def test_a_source_that_cannot_be_one_is_said_before_any_work(store: Store, folder: Path) -> None:
    notes = Notes()
    with pytest.raises(InputError, match="cannot name a source"):
        tokenize(store, [folder], "a b", progress=notes)
    assert notes.done == 0


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
