from __future__ import annotations

import gzip

import pytest

from sesstore.errors import InputError, RecordError
from sesstore.service.job_limits import ServiceLimits, TooLargeError
from sesstore.service.submission import read_submission

LIMITS = ServiceLimits(megabytes=0.01, proteins=3, residues=100)


def ids_and_sequences(data: bytes, name: str = "") -> list[tuple[str, str]]:
    submission = read_submission(data, name, LIMITS)
    assert not submission.structure
    return [(protein.id, protein.sequence) for protein in submission.proteins]


@pytest.mark.parametrize(
    ("data", "name", "proteins"),
    [
        (b"MKV LAA\ngiv*\r\n", "", [("sequence", "MKVLAAGIV")]),
        (b"\xef\xbb\xbfMKV", "", [("sequence", "MKV")]),
        (b">a first\nMK\nV\n>b\nLAA\n", "", [("a", "MKV"), ("b", "LAA")]),
        (b"; old comment\n>a\nMKV\n", "", [("a", "MKV")]),
        (">a\nMKV\n".encode("utf-16"), "x.fasta", [("a", "MKV")]),
        (gzip.compress(b">a\nMKV\n", mtime=0) + gzip.compress(b">b\nLAA\n", mtime=0), "x.fa.gz",
         [("a", "MKV"), ("b", "LAA")]),
        (b">a\nMKV\n", "C:\\lab\\x.faa", [("a", "MKV")]),
    ],
)  # fmt: skip
def test_sequences(data: bytes, name: str, proteins: list[tuple[str, str]]) -> None:
    assert ids_and_sequences(data, name) == proteins


def test_structures_wait_for_their_turn() -> None:
    names = {"1abc.pdb": "1abc.pdb", "../../x.cif.gz": "x.cif", "X.CIF.GZ": "X.CIF"}
    for name, kept in names.items():
        data = gzip.compress(b"ATOM") if name.lower().endswith(".gz") else b"ATOM"
        submission = read_submission(data, name, LIMITS)
        assert (submission.name, submission.structure) == (kept, b"ATOM")
        assert not submission.proteins


@pytest.mark.parametrize(
    ("data", "name", "message"),
    [
        (b"MKV1LAA", "", "letter '1' at position 4"),
        (b" \n", "", "nothing was sent"),
        (b"", "x.pdb", "nothing was sent"),
        (b"MKV", "table.docx", "'table.docx' is neither FASTA"),
        (b"HEADER    HYDROLASE", "", "structure as text"),
        (b"data_1ABC\n", "", "structure as text"),
        (gzip.compress(b">a\nMKV\n", mtime=0)[:-6], "x.fasta", "gzip file is broken"),
        (b"\x1f\x8bnonsense", "x.fasta", "gzip file is broken"),
        (b"PK\x03\x04zip", "x.fasta", "zip archive"),
    ],
)
def test_what_cannot_be_read(data: bytes, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_submission(data, name, LIMITS)


def test_a_wrong_record_is_named_and_no_path_of_the_server() -> None:
    with pytest.raises(RecordError) as wrong:
        read_submission(b">a\nMKV\n>b\nMKV\nM-V\n", "mine.fasta", LIMITS)
    assert str(wrong.value).startswith("mine.fasta, line 5 (b): letter '-' at position 5")
    with pytest.raises(RecordError) as wrong:
        read_submission(b">a\nMKV\n>b\nM-V\n", "", LIMITS)
    assert str(wrong.value).startswith("text, line 4 (b): letter '-' at position 2")


@pytest.mark.parametrize(
    "data",
    [
        b"M" * 101,
        b">a\n" + b"M" * 60 + b"\n>b\n" + b"M" * 41,
        b">a\nM\n" * 4,
        b" " * 10_001,
        gzip.compress(b" " * 50_000_000, mtime=0),
    ],
)
def test_too_much_is_refused_with_the_limits(data: bytes) -> None:
    with pytest.raises(TooLargeError, match=r"3 proteins, 100 residues and 0\.01 MB"):
        read_submission(data, "x.fasta" if data.startswith((b">", b"\x1f")) else "", LIMITS)


def test_what_is_odd_is_a_warning() -> None:
    (warning,) = read_submission(b"ACGTACGTTACGACGTACGA", "", LIMITS).warnings
    assert "DNA or RNA" in warning
    (warning,) = read_submission(b">a\xe9\nMKV\n", "x.fasta", LIMITS).warnings
    assert "Windows-1252" in warning


def test_a_long_name_keeps_its_end() -> None:
    name = f"{'a' * 30}.{'b' * 92}.fasta"
    for sent, kept in ((name[-100:], name[-100:]), (name, name[-100:]), ("x" * 7 + name[-99:],
                       "x" + name[-99:])):  # fmt: skip
        data = b">a\nMKV\n>b\nMKV\n"
        assert read_submission(data, sent, LIMITS).name == kept.lstrip(".")


def test_what_a_submission_is_called() -> None:
    two = b">a\nMKV\n>b\nMKV\n"
    for data, name, called in (
        (two, "", "2 proteins"),
        (b">a\nMKV\n", "", "a"),
        (two, "x\n/a\x1b[0m\x00b.fa", "a_[0m_b.fa"),
    ):
        assert read_submission(data, name, LIMITS).name == called


@pytest.mark.parametrize("pack", [bytes, lambda data: gzip.compress(data, mtime=0)])
def test_as_many_bytes_as_allowed_are_read(pack) -> None:
    text = b">a\nMKV\n".ljust(LIMITS.upload_bytes)
    assert ids_and_sequences(pack(text), "x.fa") == [("a", "MKV")]
    with pytest.raises(TooLargeError):
        read_submission(pack(text + b" "), "x.fa", LIMITS)
