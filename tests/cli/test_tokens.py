"""``sesstore tokens``: structures, trajectories and imports from the command line."""

from __future__ import annotations

import gzip
from pathlib import Path
from types import SimpleNamespace

import pytest
from sesstore_cli.tokens import _LISTED, _REMARKS, _say


def test_structures_are_tokenised_once(cli, shared_structures: Path) -> None:
    files = [shared_structures / name for name in ("1aki.pdb", "5zng.cif", "1igy.cif")]
    first = cli("tokens", *files, "--source", "pdb")
    assert first.status == 0
    assert "pdb: 7 chains of 3 structures, 5 sequences (5 new to the store)" in first.out
    assert "50 to 90 %" in first.out
    again = cli("tokens", *files, "--source", "pdb")
    assert "(3 stored before)" in again.out
    assert "tokenising" not in again.err.replace("tokenised", "")
    found = cli("tokens", *files, "--source", "pdb", "--json").json
    assert {"source", "structures", "chains", "residues", "failed", "seconds"} <= found.keys()
    assert (found["structures"], found["already_stored"], found["chains"]) == (3, 3, 7)


def test_failures_are_shown_listed_and_the_status(cli, shared_structures: Path) -> None:
    for number in range(12):
        Path(f"bad{number}.pdb").write_text("nothing\n")
    done = cli("tokens", ".", shared_structures / "1aki.pdb", "--source", "pdb")
    assert done.status == 1
    assert "1 chain of 13 structures" in done.out
    assert done.out.count("failed: ") == 10
    assert "and 2 more; list of failures: store/tokens/pdb.failed.tsv" in done.out
    assert len(Path("store/tokens/pdb.failed.tsv").read_text().splitlines()) == 13


def test_a_trajectory_becomes_conformers(cli, shared_structures: Path) -> None:
    import mdtraj

    one = mdtraj.load_pdb(str(shared_structures / "1aki.pdb"))
    one = one.atom_slice(one.topology.select("protein"))
    one.save_pdb("top.pdb")
    mdtraj.join([one] * 6).save("run.dcd")
    words = ("--trajectory", "run.dcd", "--topology", "top.pdb", "--source", "md")
    found = cli("tokens", *words, "--stride", "2", "--json").json
    assert (found["chains"], found["residues"]) == (1, 129)


def test_ready_tokens_are_imported(cli) -> None:
    Path("known.fasta").write_text(">P1\nMKVLA\n")
    Path("states.fasta").write_text(">P1\nDVVPD\n>P2\nDD\n")
    done = cli(
        "tokens", "states.fasta", "--import", "3di-fasta", "--source", "alphafold2",
        "--sequences", "known.fasta",
    )  # fmt: skip
    assert done.status == 1
    assert "1 chain of 2 entries" in done.out
    assert "no sequence is known as P2" in done.out
    known = cli(
        "tokens", "states.fasta", "--import", "3di-fasta", "--source", "alphafold2", "--only-known"
    )
    assert known.status == 0
    assert "1 of no known protein (left out):" in known.out
    assert "1 of 1 known proteins now have structure of source alphafold2" in known.out


@pytest.mark.parametrize("name", ["pdb1aki.ent.gz", "1aki.pdb1.gz", "1AKI.PDB2.gz"])
def test_names_of_mirrors_meet_ids_of_chains(cli, shared_structures: Path, name: str) -> None:
    from sesstore.structures.chains import parse_structure

    path = shared_structures / "1aki.pdb"
    sequence = parse_structure(path, path.read_bytes()).chains[0].sequence
    Path(name).write_bytes(gzip.compress(path.read_bytes()))
    Path("tagged.fasta").write_text(f">1AKI_A with a tag\nGSHM{sequence}\n>other\nMKVL\n")
    cli("add", "tagged.fasta")
    done = cli("tokens", name, "--source", "pdb", "--json").json
    assert (done["known_proteins"], done["known_covered"], done["unmatched"]) == (2, 1, {})
    assert done["residues"] == 4 + len(sequence)
    assert done["new_sequences"] == 0


def test_entries_without_a_sequence_are_said_aloud(cli) -> None:
    Path("known.fasta").write_text(">P1\nMKVLA\n")
    Path("states.fasta").write_text(">Q7\nDVVPD\n")
    cli("add", "known.fasta")
    done = cli("tokens", "states.fasta", "--import", "3di-fasta", "--source", "esmfold")
    assert done.status == 1
    assert "0 of 1 known proteins now have structure" in done.out
    assert "NO KNOWN PROTEIN HAS STRUCTURE" in done.out
    assert "like 'P1'" in done.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("tokens --source x", "name structure files or folders, or one --trajectory"),
        ("tokens a --trajectory b --source x", "or one --trajectory"),
        ("tokens --trajectory b --import dssp --source x", "--import takes PATHS"),
        ("tokens a --topology b --source x", "--topology belongs to a --trajectory"),
        ("tokens a --only-known --source x", "--only-known belongs to --import"),
        ("tokens a --alphabet esm3 --source x", "--alphabet belongs to --import"),
        ("tokens a --import dsspp --source x", "is not one of"),
    ],
)
def test_what_does_not_go_together_is_said(cli, words: str, said: str) -> None:
    done = cli(*words.split())
    assert done.status == 2
    assert said in done.err
    assert not Path("store").exists()


def test_models_are_counted_and_a_clean_run_removes_the_list(cli, shared_structures: Path) -> None:
    Path("bad.pdb").write_text("nothing\n")
    entry = shared_structures / "1l2y.cif"
    assert cli("tokens", "bad.pdb", entry, "--source", "pdb").status == 1
    Path("store/tokens/pdb.files.jsonl").unlink()
    done = cli("tokens", entry, "--source", "pdb")
    assert "1 sequence, up to 38 conformers, 20 residues" in done.out
    assert not Path("store/tokens/pdb.failed.tsv").exists()


def test_what_was_decided_is_told_and_in_json(cli, shared_cases: Path) -> None:
    folder = shared_cases / "20-colabfold-folder"
    first = cli("tokens", folder, "--source", "colabfold")
    assert "colabfold: 1 chain of 6 structures, 1 sequence " in first.out
    assert "pLDDT for 6 of 6 chains" in first.out
    assert "one was taken: 1" in first.out
    assert "(rank 1, relaxed), not P00698_unrelaxed_rank_001" in first.out.replace("\n", " ")
    again = cli("tokens", folder, "--source", "colabfold", "--json").json
    assert (again["chains"], again["passed_over"], again["residues"]) == (1, 5, 129)
    case = shared_cases / "15-missing-alpha/no_ca.pdb"
    for _ in range(2):  # also when nothing is done again
        found = cli("tokens", case, "--source", "alphafold2", "--json").json
        left_out = found["remarks"]["residues without a C-alpha left out"]
        assert left_out == {"count": 1, "examples": [f"{case}: chain A: 58 of 60 have one"]}
    constant = shared_cases / "06-constant-bfactors/all_1.00.pdb"
    told = cli("tokens", constant, "--source", "esmfold").out.replace("\n", " ")
    assert "no pLDDT stored: the confidence column is constant: 1" in told
    assert "pLDDT for" not in told


def test_every_figure_of_tokens_is_in_its_place(shown) -> None:
    report = SimpleNamespace(
        source="pdb", chains=1111, structures=2222, already_stored=3333, sequences=4444,
        new_sequences=5555, conformers=20, residues=6666, coverage=0.8125, seconds=150.0,
        failed={f"f{n}": f"reason {n}" for n in range(_LISTED + 1)}, failed_list="at/list.tsv",
        table=[{"resolved": "all", "chains": 1000, "residues": 7, "masked": 0},
               {"resolved": "none", "chains": 0, "residues": 0, "masked": 0}],
        plddt=12, passed_over=9,
        remarks={"odd": {"count": _REMARKS + 1, "examples": [f"e{n}" for n in range(9)]},
                 "even": {"count": 1, "examples": ["e"]}},
    )  # fmt: skip
    lines = shown(lambda report, output: _say(report, "structures", output), report)
    examples = "; ".join(f"e{n}" for n in range(_REMARKS))
    assert lines == [
        "pdb: 1,111 chains of 2,222 structures (3,333 stored before), 4,444 sequences (5,555 new "
        "to the store), up to 20 conformers, 6,666 residues (81.2% resolved), "
        f"{_LISTED + 1} failed in 2 min",
        "resolved chains residues masked",
        "all 1,000 7 0",
        "pLDDT for 12 of 1,120 chains",
        f"odd: {_REMARKS + 1} ({examples}; ...)",
        "even: 1 (e)",
        *(f"failed: reason {n}" for n in range(_LISTED)),
        "and 1 more; list of failures: at/list.tsv",
    ]
    report.failed = {f"f{n}": "x" for n in range(_LISTED)}
    report.coverage, report.plddt, report.conformers = 1.0, 0, 1
    report.already_stored = report.new_sequences = 0
    report.remarks = {"odd": {"count": _REMARKS, "examples": ["a"] * _REMARKS}}
    lines = shown(lambda report, output: _say(report, "proteins", output), report)
    assert lines[0] == (
        "pdb: 1,111 chains of 2,222 proteins, 4,444 sequences, 6,666 residues (100.0% resolved), "
        f"{_LISTED} failed in 2 min"
    )
    assert lines[1] == f"odd: {_REMARKS} ({'; '.join(['a'] * _REMARKS)})"
    assert lines[-1] == "list of failures: at/list.tsv"
