from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from Bio import SeqIO
from hypothesis import given
from hypothesis import strategies as st

from sesstore.datasets.fasta import is_fasta, parse_fasta, read_entries, read_fasta
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


ONE_ENTRY = [("a", "MKVLAAGG"), ("b", "MKVLAAGGW")]


@pytest.mark.parametrize(
    "text",
    [
        ">a one\nMKVL\nAAGG\n>b\nMKVLAAGGW*\n",
        "\ufeff>a one\r\nMKVL\r\nAAGG\r\n>b\r\nMKVLAAGGW*\r\n",
        ">a one\rMKVL\rAAGG\r>b\rMKVLAAGGW\r",
        ">a\nMKVLAAGG\n\ufeff>b\nMKVLAAGGW\n",
        "> a one\nMKVLAAGG\n>\tb\nMKVLAAGGW\n",
        "; a comment\n\n>a\nMKVL\n;another\n\nAAGG\n>b\nmkvlaaggw\n",
        ">P1;a\nA protein (of PIR).\n  MKVL AAGG\n*\n>F1;b\n\nMKVLAAGGW*\n",
        "> P1;a\nA protein (of PIR).\nMKVLAAGG*\n>b\nMKVLAAGGW\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_oddities_that_change_nothing(tmp_path: Path, text: str, encoding: str) -> None:
    path = tmp_path / "a.fasta"
    path.write_bytes(text.encode(encoding))
    warnings: list[str] = []
    assert [(p.id, p.sequence) for p in read_fasta(path, warnings.append)] == ONE_ENTRY
    assert warnings == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("MKVL\nAA-GG\n", r"line 3 \(a\): letter '-' at position 7 .*gaps of the alignment"),
        ("MKVL\n-AGG\n", r"line 3 \(a\): letter '-' at position 5"),
        ("MKVL\nAA.GG\n", r"line 3 \(a\): letter '\.' at position 7 .*gaps"),
        ("MK\n\n;x\nVL*AA\n", r"line 5 \(a\): letter '\*' at position 5 .*stop within"),
        ("        1 mkvlaagivg lcak\n", r"line 2 \(a\): letter '1' .*GenBank"),
        ("MK VL\n M\u0131K\n", r"line 3 \(a\): letter '\u0131' at position 6"),
        ("MK\u200bVL\n", r"line 2 \(a\): letter 'U\+200B' at position 3"),
        ("MdEvVpQp\n", "as SaProt writes them.*--import saprot"),
        ("M#E#VpQp\n", "as SaProt writes them"),
        ("\n\n", r"line 1 \(a\): the sequence is empty"),
    ],
)
def test_the_line_of_a_wrong_letter_is_named(tmp_path: Path, body: str, said: str) -> None:
    (tmp_path / "a.fasta").write_text(f">a\n{body}>b\nMK\n", "utf-8")
    with pytest.raises(RecordError, match=said):
        list(read_fasta(tmp_path / "a.fasta"))


def test_small_letters_of_low_complexity_are_no_saprot(tmp_path: Path) -> None:
    (tmp_path / "a.fasta").write_text(">a\nMKVLsssssggggCAKa\n>b\nMkVl\n")
    assert [p.sequence for p in read_fasta(tmp_path / "a.fasta")] == ["MKVLSSSSSGGGGCAKA", "MKVL"]


def test_a_header_of_any_length(tmp_path: Path) -> None:
    (tmp_path / "a.fasta").write_text(f">{'x' * 70_000}\nMK\n>b {'y ' * 70_000}\nMV\n")
    assert [len(p.id) for p in read_fasta(tmp_path / "a.fasta")] == [70_000, 1]


def test_dna_is_suspected_aloud(tmp_path: Path) -> None:
    dna = "ATGAAAGTTCTGGCTGCTGGTATTGTTGGTCTGTGTGCTAAAGCTTACC"
    rna, unsure = dna.replace("T", "U"), "ACGTACGTAGCTNNACRYGC"
    plain = ">p\nMKVLAAGIVGLCAKAYLERA\n>g\nGAGAGAGAGAGAGAGAGAGAGAGAG\n>s\nACGT\n"
    (tmp_path / "a.fasta").write_text(f"{plain}>d\n{dna}\n>r\n{rna.lower()}\n>n\n{unsure}\n")
    warnings: list[str] = []
    assert len(list(read_fasta(tmp_path / "a.fasta", warnings.append))) == 6
    (warning,) = warnings
    assert "3 of 6 sequences look like DNA or RNA, not protein (d is the first)" in warning
    (tmp_path / "a.fasta").write_text(plain)
    assert list(read_fasta(tmp_path / "a.fasta", warnings.append))
    assert warnings == [warning]


def test_names() -> None:
    assert is_fasta(Path("x.FA.gz"))
    assert not is_fasta(Path("x.fastq"))
    endings = ["fasta", "fa", "faa", "fas", "fsa", "pep", "pir", "seq"]
    assert all(is_fasta(Path(f"x.{ending}")) for ending in endings)
    assert not any(is_fasta(Path(name)) for name in ("x", "fasta", "x.fasta.zip", "x.a3m"))


def test_entries_of_any_letters_with_their_lines(tmp_path: Path) -> None:
    (tmp_path / "a.fasta").write_bytes(
        b"# c\n\n>a  one  two \r\n H1\r\n;no\r\n\r\nE \r\n>b\n>P1;c x\nwords here\nQ*\n"
    )
    first, second, third = read_entries(tmp_path / "a.fasta")
    assert (first.id, first.header, first.line) == ("a", "one  two", 3)
    assert first.body == ((4, " H1"), (6, ""), (7, "E "))
    assert (first.text, first.blanks) == ("H1E", " H1E ")
    assert [first.line_of(place) for place in (0, 1, 2, 3)] == [4, 4, 7, 3]
    assert (second.id, second.header, second.body, second.line) == ("b", "", (), 8)
    assert (third.id, third.header, third.text) == ("c", "x words here", "Q*")


def test_entries_come_as_they_are_read() -> None:
    def lines() -> Iterator[str]:
        yield from (">a\n", "MK\n", ">b\n", "MV\n")
        raise AssertionError("read on")

    assert next(parse_fasta(lines(), Path("a.fasta"))).sequence == "MK"


def test_warnings_of_a_file_name_it(tmp_path: Path) -> None:
    (tmp_path / "a.fasta").write_bytes(b">caf\xe9\nMK\n")
    warnings: list[str] = []
    assert [p.id for p in read_fasta(tmp_path / "a.fasta", warnings.append)] == ["caf\u00e9"]
    assert [e.id for e in read_entries(tmp_path / "a.fasta", warnings.append)] == ["caf\u00e9"]
    assert ["a.fasta' is not UTF-8" in warning for warning in warnings] == [True, True]


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
