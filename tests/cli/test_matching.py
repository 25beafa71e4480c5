"""What of an import fits no protein of the store is said and listed."""

from __future__ import annotations

from pathlib import Path

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
