from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from Bio import SeqIO
from hypothesis import given
from hypothesis import strategies as st

from sesstore.datasets.fasta import is_fasta, read_fasta
from sesstore.errors import InputError, RecordError

residues = st.text("ACDEFGHIKLMNPQRSTVWYX", min_size=1, max_size=150)


@given(st.lists(residues, min_size=1, max_size=6), st.integers(1, 80))
def test_reads_what_biopython_reads(tmp_path: Path, rows: list[str], width: int) -> None:
    lines = []
    for i, row in enumerate(rows):
        lines += [f">sp|P{i}|NAME some words"]
        lines += [row[at : at + width] for at in range(0, len(row), width)]
    path = tmp_path / "a.fasta"
    path.write_text("\n".join(lines) + "\n")
    theirs = [(r.id, str(r.seq)) for r in SeqIO.parse(path, "fasta")]
    assert [(p.id, p.sequence) for p in read_fasta(path)] == theirs
    (tmp_path / "a.fa.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert [(p.id, p.sequence) for p in read_fasta(tmp_path / "a.fa.gz")] == theirs


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("MKV\n", "line 1.*before the first"),
        (">\nMKV\n", "line 1.*no id"),
        (">a\nMKV\n>b\n", "line 3.*"),
        (">a\nMK?V\n", "line 2.*a.*"),
        ("", "holds no FASTA record"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "a.fasta"
    path.write_text(text)
    with pytest.raises(InputError, match=f"(?s){said}"):
        list(read_fasta(path))


def test_a_stop_sign_or_a_gap_is_no_silent_loss(tmp_path: Path) -> None:
    path = tmp_path / "a.fasta"
    path.write_text(">aligned\nMK--V\n")
    with pytest.raises(RecordError, match="aligned"):
        list(read_fasta(path))


def test_names() -> None:
    assert is_fasta(Path("x.FA.gz"))
    assert not is_fasta(Path("x.fastq"))


@given(st.text(max_size=80))
def test_any_text_is_proteins_or_a_clear_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.fasta"
    path.write_text(text, "utf-8")
    said = path.name
    try:
        list(read_fasta(path))
    except InputError as problem:
        said = str(problem)
    assert path.name in said
