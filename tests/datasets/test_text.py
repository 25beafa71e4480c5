"""Encodings, packing and bounds of the text files people bring."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sesstore.datasets.text import LONGEST_LINE, open_text
from sesstore.errors import InputError, MissingFileError

TEXT = "name,label\r\nM\u00fcller,\u03b2-sheet\r\nP1,\u2265 5\r\n"
MARKED = ("utf-8-sig", "utf-16", "utf-32", "utf-8")


def content(path: Path) -> tuple[str, list[str]]:
    warnings: list[str] = []
    with open_text(path, warnings.append) as lines:
        text = lines.read()
    return text, warnings


@pytest.mark.parametrize("encoding", MARKED)
@pytest.mark.parametrize("packed", [False, True])
def test_unicode_is_told_by_its_first_bytes(tmp_path: Path, encoding: str, packed: bool) -> None:
    raw = TEXT.encode(encoding)
    # Browsers unpack files and keep their names, and the other way round.
    path = tmp_path / ("a.csv" if packed else "a.csv.gz")
    path.write_bytes(gzip.compress(raw) if packed else raw)
    assert content(path) == (TEXT, [])


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.txt").write_bytes(TEXT.encode(encoding))
    assert content(tmp_path / "a.txt") == (TEXT, [])


@pytest.mark.parametrize("letters", ["\u00e9", "\u00c5ngstr\u00f6m", "5 \u00b5M \u2013 \u20ac"])
def test_what_is_not_utf_8_is_windows_1252_and_said(tmp_path: Path, letters: str) -> None:
    text = f"a,b\nc,d\n{letters},e\n"
    (tmp_path / "a.csv").write_bytes(text.encode("cp1252"))
    found, (warning,) = content(tmp_path / "a.csv")
    assert found == text
    assert "not UTF-8 (from line 3 on): read as Windows-1252" in warning


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=300))
def test_utf_8_comes_back_and_is_never_warned_of(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.txt").write_bytes(b"x" + text.encode())
    assert content(tmp_path / "a.txt") == ("x" + text, [])


@pytest.mark.parametrize("cut", [1, 2])
def test_a_letter_that_is_cut_at_the_end_is_not_passed_in_silence(tmp_path: Path, cut: int) -> None:
    (tmp_path / "a.txt").write_bytes("x\u20ac".encode()[:-cut])
    text, warnings = content(tmp_path / "a.txt")
    assert text.startswith("x")
    assert len(warnings) == 1


def test_one_letter_across_two_blocks(tmp_path: Path) -> None:
    text = "x" * ((1 << 16) - 1) + "\u20ac" * 30_000
    (tmp_path / "a.txt").write_text(text, "utf-8")
    assert content(tmp_path / "a.txt") == (text, [])


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"PK\x03\x04rest", "zip archive.*Unpack"),
        (b"\xd0\xcf\x11\xe0rest", "old Excel file.*xlsx or CSV"),
        (b"BZh9rest", "bzip2"),
        (b"\xfd7zXZ\0rest", "xz"),
        (b"\n<!DOCTYPE HTML><html>", "a web page"),
        (b"PAR1\0", "Parquet"),
        (bytes(range(256)) * 4, "is no text"),
    ],
)
def test_what_is_no_text_is_named(tmp_path: Path, raw: bytes, said: str) -> None:
    (tmp_path / "a.csv").write_bytes(raw)
    with pytest.raises(InputError, match=rf"(?s)a\.csv.*{said}"):
        content(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_bytes(gzip.compress(raw))
    with pytest.raises(InputError, match=said):
        content(tmp_path / "a.csv")


def test_a_broken_gzip_file_and_none(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(os.urandom(4000).hex().encode())[:-100])
    with pytest.raises(InputError, match="broken gzip file"):
        content(tmp_path / "a.gz")
    with pytest.raises(MissingFileError):
        content(tmp_path / "b.gz")
    with pytest.raises(MissingFileError):
        content(tmp_path)


def test_a_packed_line_without_end_is_refused_before_it_fills_memory(tmp_path: Path) -> None:
    block = gzip.compress(b"A" * (1 << 24))
    path = tmp_path / "bomb.fasta.gz"
    path.write_bytes(gzip.compress(b">x\n") + block * 24)
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from sesstore.datasets import text\n"
        "text.LONGEST_LINE = 1 << 24\n"
        "from sesstore.datasets.fasta import read_fasta\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: list(read_fasta(Path(sys.argv[1])))\n"
        "except ValueError as problem: print(problem)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    said, grown = done.stdout.splitlines()
    assert "a line of more than 16 MB" in said
    assert int(grown) < 6 * (1 << 14)  # of 384 MB
    assert LONGEST_LINE == 1 << 27


def test_readers_that_keep_all_have_a_bound(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"seq,label\n" + b"MK,1\n" * 100_000))
    with (
        pytest.raises(InputError, match=r"holds more than 0\.0 GB.*Split it"),
        open_text(tmp_path / "a.csv.gz", byte_limit=200_000) as lines,
    ):
        lines.read()
    with open_text(tmp_path / "a.csv.gz", byte_limit=600_000) as lines:
        assert len(lines.read()) == 500_010


def test_a_file_of_just_the_bound_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"x\n" * 100)
    with open_text(tmp_path / "a.txt", byte_limit=200) as lines:
        assert len(lines.read()) == 200
    with (
        pytest.raises(InputError, match="'mine' holds more than"),
        open_text(tmp_path / "a.txt", byte_limit=199, name="mine") as lines,
    ):
        lines.read()


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_only_a_line_counts_as_long(
    tmp_path: Path, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two lines of 70,000 letters, across blocks of 65,536, are none of 140,000."""
    monkeypatch.setattr("sesstore.datasets.text.LONGEST_LINE", 70_000)
    line = "x" * 70_000
    (tmp_path / "a.txt").write_bytes(f"{line}{end}{line}{end}".encode())
    assert content(tmp_path / "a.txt")[0].split() == [line, line]
    (tmp_path / "a.txt").write_bytes(f"{line}{line}{end}".encode())
    with pytest.raises(InputError, match=r"a\.txt' has a line of more than"):
        content(tmp_path / "a.txt")


def test_the_line_of_the_first_foreign_letter_in_a_later_block(tmp_path: Path) -> None:
    text = "line\n" * 20_000 + "caf\u00e9\n" + "\u00e9\n" * 20_000
    (tmp_path / "a.txt").write_bytes(text.encode("cp1252"))
    found, (warning,) = content(tmp_path / "a.txt")
    assert found == text
    assert "from line 20,001 on" in warning
    # Letters of UTF-8 before it are read as what they are; bytes without a letter do not stop it.
    (tmp_path / "a.txt").write_bytes("\u03b2\n".encode() + b"\xe9\x81\n")
    assert content(tmp_path / "a.txt")[0] == "\u03b2\n\u00e9\x81\n"


def test_what_errors_and_warnings_call_a_file(tmp_path: Path) -> None:
    warnings: list[str] = []
    (tmp_path / "a.txt").write_bytes(b"\xe9")
    with open_text(tmp_path / "a.txt", warnings.append, name="theirs") as lines:
        assert (lines.read(), warnings) == ("\u00e9", [])  # told at the end
    assert warnings[0].startswith("'theirs' is not UTF-8 (from line 1 on)")
    with (
        pytest.raises(MissingFileError, match="no file 'theirs'"),
        open_text(tmp_path / "none", name="theirs"),
    ):
        pass


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"\xff\xfea", "is no utf-16.* text: .*Save it as UTF-8"),
        (b"a\0b\0\0d\0d", r"is no text \(a zero byte at 2\)"),
        (b"\0" + b"a" * 999, r"a zero byte at 1\)"),
        (b"\0" * 64, r"a zero byte at 1\)"),
        (b"<html>", "a web page"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"{\\rtf1", "rich text"),
        (b"%PDF-1", "a PDF"),
        (b"\x89HDF\r\n", "sesstore import"),
    ],
)
def test_what_else_is_no_text(tmp_path: Path, raw: bytes, told: str) -> None:
    (tmp_path / "a.csv").write_bytes(raw)
    with pytest.raises(InputError, match=told):
        content(tmp_path / "a.csv")


def test_a_stray_zero_is_left_to_who_reads_the_line(tmp_path: Path) -> None:
    text = "a" * 99 + "\0" + "b" * 99
    (tmp_path / "a.csv").write_text(text)
    assert content(tmp_path / "a.csv") == (text, [])


def test_a_damaged_member_of_an_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.csv", "seq,label\nMK,1\n")
    raw = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(raw.replace(b"MK,1", b"MK,2", 1))
    member = zipfile.Path(tmp_path / "a.zip", "a.csv")
    with (
        pytest.raises(InputError, match=r"a\.csv' is broken: .*Get the archive again"),
        open_text(member) as lines,
    ):
        lines.read()
    with (
        pytest.raises(MissingFileError, match=r"b\.csv"),
        open_text(zipfile.Path(tmp_path / "a.zip", "b.csv")),
    ):
        pass


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_a_file_of_someone_else_is_one_clear_error(tmp_path: Path) -> None:
    path = Path("/tmp") / f"sesstore-test-{os.getpid()}.csv"
    path.write_text("seq,label\nMK,1\n")
    path.chmod(0o600)
    try:
        child = os.fork()
        if child == 0:
            os.setuid(65534)
            try:
                content(path)
            except InputError as problem:
                os._exit(0 if "may not be read" in str(problem) else 1)
            os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        path.unlink()
