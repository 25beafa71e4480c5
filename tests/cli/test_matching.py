"""What of an import fits no protein of the store is said and listed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sesstore_cli.matching import _LISTED, _LONGEST, say_import, say_matching

from sesstore.exchange.imported_embeddings import ImportReport
from sesstore.jobs.tokenizing.token_report import TokenReport

from .conftest import ENCODER, uniprot_files


def test_records_of_nothing_known_are_said_aloud_and_listed(cli) -> None:
    uniprot_files()
    Path("others.fasta").write_text(">P10000-2\nMKV\n>Q99999\nMKVL\n")
    words = ("import", "uniprot", "accessions.h5", "--sequences", "others.fasta", *ENCODER)
    done = cli(*words)
    assert done.status == 1
    assert "0 of 2 given sequences now have embeddings by mine" in done.out
    assert "P10000: no known protein has this name, but another isoform" in done.out
    assert "NO GIVEN SEQUENCE HAS EMBEDDINGS" in done.out
    assert "like 'P10000', those of the sequences like 'P10000-2'" in done.out
    said = cli(*words, "--json").json
    assert set(said["unmatched"]) == {"P10000", "P10001", "P10002"}
    lines = Path(said["unmatched_list"]).read_text().splitlines()
    assert lines[0] == "record\treason"
    assert len(lines) == 1 + 3 + 2
    cli("import", "uniprot", "accessions.h5", "--sequences", "all.fasta", *ENCODER)
    assert not Path(said["unmatched_list"]).exists()


def test_structures_of_nothing_known_are_said_aloud_and_listed(
    cli, shared_structures: Path
) -> None:
    Path("known.fasta").write_text(">sp|P00698-2|LYSC_CHICK\nMKVL\n")
    cli("add", "known.fasta")
    Path("AF-P00698-F1-model_v4.pdb").write_bytes((shared_structures / "1aki.pdb").read_bytes())
    words = ("tokens", "AF-P00698-F1-model_v4.pdb", "--source", "alphafold2")
    done = cli(*words)
    assert done.status == 0
    assert "0 of 1 known proteins now have structure of source alphafold2" in done.out
    assert "1 of no known protein (stored for their own sequences):" in done.out
    assert "another isoform, version or chain: sp|P00698-2|LYSC_CHICK" in done.out
    assert "NO KNOWN PROTEIN HAS STRUCTURE" in done.out
    assert "'AF-P00698-F1-model_v4.pdb chain A'" in done.out
    assert "list: store/tokens/alphafold2.unmatched.tsv" in done.out
    lines = Path("store/tokens/alphafold2.unmatched.tsv").read_text().splitlines()
    assert [line.count("\t") for line in lines] == [1, 1]


def test_every_figure_of_an_import_is_in_its_place(shown) -> None:
    names = [f"n{n}" for n in range(_LISTED + 1)]
    report = ImportReport(
        "X", "ab", 1, 2, dict.fromkeys(names, "why"), {"r": "z" * (_LONGEST + 1)}, names,
        sequences=2222, covered=1111, unmatched_list="at/list.tsv",
    )  # fmt: skip
    lines = shown(lambda report, output: say_import(report, "p", output), report)
    assert lines == [
        "1,111 of 2,222 given sequences now have embeddings by X",
        "1 refused:",
        f"r: {'z' * _LONGEST}...",
        f"{_LISTED + 1} of no given sequence:",
        *(f"n{n}: why" for n in range(_LISTED)),
        f"without a record: {', '.join(names[:_LISTED])} and 1 more",
        "list of what is not stored: at/list.tsv",
    ]
    few = replace(report, unmatched={}, missing=names[:_LISTED], refused={"r": "z" * _LONGEST})
    lines = shown(lambda report, output: say_import(report, "p", output), few)
    assert lines[2:4] == [f"r: {'z' * _LONGEST}", f"without a record: {', '.join(names[:_LISTED])}"]
    none = replace(report, covered=0)
    lines = shown(lambda report, output: say_import(report, "p", output), none)
    assert lines[-1].startswith("NO GIVEN SEQUENCE HAS EMBEDDINGS: their names do not meet")


def test_every_figure_of_known_proteins_is_in_its_place(shown) -> None:
    names = dict.fromkeys((f"n{n}" for n in range(_LISTED + 1)), "why")
    report = TokenReport(
        "pdb", known_proteins=2222, known_covered=1111, unmatched=names, unmatched_list="l.tsv"
    )
    lines = shown(lambda report, output: say_matching(report, "left out", output), report)
    assert lines[0] == "1,111 of 2,222 known proteins now have structure of source pdb"
    assert lines[1] == f"{_LISTED + 1} of no known protein (left out):"
    assert lines[2 + _LISTED :] == ["and 1 more; list: l.tsv"]
    report.known_covered, report.unmatched = 0, {"n": "why"}
    lines = shown(lambda report, output: say_matching(report, "left out", output), report)
    assert lines[3] == "list: l.tsv"
    assert lines[4].startswith("NO KNOWN PROTEIN HAS STRUCTURE")
    report.known_proteins = 0
    assert shown(lambda report, output: say_matching(report, "left out", output), report) == []
