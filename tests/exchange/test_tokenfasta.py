"""FASTA of tokens, and SaProt's strings."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from sesstore.alphabets import DSSP, FOLDSEEK
from sesstore.errors import InputError, RecordError, UnknownNameError
from sesstore.exchange.tokenfasta import read_saprot, read_token_fasta


def test_strings_are_read_in_either_case_and_over_lines(tmp_path: Path) -> None:
    path = tmp_path / "ss.fasta.gz"
    path.write_bytes(gzip.compress(b">AF-P1-F1-model_v4 x\r\nDVQ\r\npL#\r\n\n>two\nd\n"))
    one, two = read_token_fasta(path, "foldseek")
    assert (one.labels[0], FOLDSEEK.decode(one.codes["foldseek"][0])) == ("P1", "DVQPL#")
    assert two.codes["foldseek"].shape == (1, 1)


def test_blanks_of_dssp_are_coils(tmp_path: Path) -> None:
    path = tmp_path / "ss.fa"
    path.write_text(">one\n HHT P-C\n")
    (one,) = read_token_fasta(path, "dssp")
    assert DSSP.decode(one.codes["dssp"][0]) == "LHHTLLLL"


def test_wrong_records_are_listed_and_the_others_read(tmp_path: Path) -> None:
    path = tmp_path / "ss.fa"
    path.write_text(">one\nDV1\n>two\n>three\nDD\n")
    one, two, three = read_token_fasta(path, "foldseek")
    assert one.reason.startswith(f"{path}, line 1 (one): letter '1' at position 3")
    assert "line 3 (two): the record is empty" in two.reason
    assert three.labels == ("three",)


def test_other_files_are_said(tmp_path: Path) -> None:
    path = tmp_path / "x.fa"
    path.write_text("DDD\n")
    with pytest.raises(RecordError, match="Is this FASTA"):
        list(read_token_fasta(path, "foldseek"))
    path.write_text("")
    with pytest.raises(InputError, match="holds no FASTA record"):
        list(read_token_fasta(path, "foldseek"))
    path.write_text(">\nDD\n")
    with pytest.raises(RecordError, match="header has no id"):
        list(read_token_fasta(path, "foldseek"))
    with pytest.raises(UnknownNameError):
        list(read_token_fasta(path, "3di"))


def test_saprots_strings_are_taken_apart(tmp_path: Path) -> None:
    path = tmp_path / "s.fa"
    path.write_text(">one\nMdEv#p\nK#\n>two\nMdE\n>three\nMDEV\n>four\nMdBz\n>five\nmdvv\n")
    one, two, three, four, five = read_saprot(path)
    assert one.chain.residues == "MEXK"
    assert FOLDSEEK.decode(one.codes["foldseek"][0]) == "DVP#"
    for failure in (two, three, five):
        assert "upper and 3Di states in lower case by turns" in failure.reason
    assert "letter 'Z' at position 2 is not in alphabet foldseek" in four.reason
