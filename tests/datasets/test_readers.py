from __future__ import annotations

import csv
import gzip
import json
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sesstore.alphabets import DSSP, FOLDSEEK
from sesstore.datasets.columns import Columns
from sesstore.datasets.readers import (
    all_records,
    read_first,
    read_records,
    room_for_text,
)
from sesstore.errors import InputError, MissingFileError, RecordError

ROW = {
    "name": "P1",
    "aa_seq": "MKVL",
    "foldseek_seq": "DVCP",
    "ss8_seq": "LHHE",
    "ss3_seq": "CHHE",
    "label": 1,
}

sequences = st.text("ACDEFGHIKLMNPQRSTVWY", min_size=1, max_size=30)


def written(folder: Path, text: str, name: str = "train.jsonl") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def test_every_column(tmp_path: Path) -> None:
    (record,) = read_records(written(tmp_path, json.dumps(ROW)))
    assert (record.protein.id, record.protein.sequence) == ("P1", "MKVL")
    assert (record.label, record.line, record.partial) == (1, 1, ())
    assert FOLDSEEK.decode(record.tokens["foldseek"]) == "DVCP"
    assert DSSP.decode(record.tokens["dssp"]) == "LHHE"


def test_a_record_without_a_name_is_called_by_its_line(tmp_path: Path) -> None:
    path = written(tmp_path, '{"aa_seq": "MK"}\n\n{"aa_seq": "MV"}\n')
    assert [r.protein.id for r in read_records(path)] == ["train.jsonl:1", "train.jsonl:3"]
    path = written(tmp_path, '[{"aa_seq": "MK"}, {"aa_seq": "MV", "id": " "}]', "train.json")
    assert [r.protein.id for r in read_records(path)] == ["train.json:1", "train.json:1.2"]


@given(st.lists(st.tuples(sequences, st.integers(0, 9)), min_size=1, max_size=8))
def test_all_formats_hold_the_same(tmp_path: Path, rows: list[tuple[str, int]]) -> None:
    lines = [{"name": f"p{i}", "aa_seq": s, "label": v} for i, (s, v) in enumerate(rows)]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    paths = [written(tmp_path, text), tmp_path / "train.json.gz"]
    paths[1].write_bytes(gzip.compress(text.encode()))
    for name, delimiter in (("train.csv", ","), ("train.tsv", "\t")):
        with (tmp_path / name).open("w", newline="") as file:
            table = csv.DictWriter(file, list(lines[0]), delimiter=delimiter)
            table.writeheader()
            table.writerows(lines)
        paths.append(tmp_path / name)
    for path in paths:
        found = list(read_records(path))
        assert [(r.protein.sequence, int(r.label)) for r in found] == rows


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.jsonl", '{"aa_seq": "MK"}\n{"aa_seq": ', r"a\.jsonl.* line 2.*broken JSON"),
        ("a.jsonl", '["MK"]', "line 1.*is no JSON object"),
        ("a.jsonl", '{"letters": "MK"}', "line 1.*no column aa_seq.*--sequence.*Found: letters"),
        ("a.jsonl", '{"name": "P9", "aa_seq": "MK7"}', "P9.*'7'"),
        ("a.jsonl", '{"aa_seq": ""}', "line 1"),
        ("a.jsonl", '{"aa_seq": "MKV", "ss8_seq": "LH"}', "ss8_seq has 2 letters, aa_seq 3"),
        ("a.jsonl", '{"aa_seq": "MK", "ss8_seq": "L?"}', r"line 1.*'\?'"),
        ("a.jsonl", '{"aa_seq": "MK", "foldseek_seq": 7}', "foldseek_seq is int"),
        ("a.jsonl", "", "holds no record"),
        ("a.csv", "name,letters\nP1,MK\n", "line 2.*no column aa_seq.*Found: name, letters"),
        ("a.csv", "seq,seq\nMK,MK\n", "line 1.*columns 1 and 2 are both called 'seq'"),
        ("a.csv", "name,aa_seq\nP1,MK,extra\n", "line 2.*the header 2 columns"),
        ("a.csv", "name,aa_seq\nP1\n", "line 2.*the header 2 columns"),
        ("a.parquet", "x", "cannot be read. Write it as CSV"),
        ("a.data", "x", r"Labelled data end in \.jsonl"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    with pytest.raises(InputError, match=f"(?s){said}"):
        list(read_records(written(tmp_path, text, name)))


def test_record_errors_name_file_and_line(tmp_path: Path) -> None:
    path = written(tmp_path, '{"aa_seq": "MK"}\n{"name": "P2", "aa_seq": "M1"}\n')
    with pytest.raises(RecordError) as caught:
        list(read_records(path))
    assert (caught.value.path, caught.value.line, caught.value.record) == (str(path), 2, "P2")


def test_files_that_are_not_what_they_say(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="there is no file"):
        list(read_records(tmp_path / "none.jsonl"))
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(b'{"aa_seq": "MK"}\n' * 99)[:-12])
    with pytest.raises(InputError, match="broken gzip"):
        list(read_records(tmp_path / "cut.jsonl.gz"))


def test_tokens_of_the_wrong_length_are_masked_when_that_is_allowed(tmp_path: Path) -> None:
    path = written(tmp_path, json.dumps({**ROW, "ss8_seq": "LH"}))
    (record,) = read_records(path, allow_partial=True)
    assert record.partial == ("dssp",)
    assert (record.tokens["dssp"] == DSSP.mask).all()
    assert len(record.tokens["dssp"]) == 4


def test_columns_are_found_anew_where_rows_have_others(tmp_path: Path) -> None:
    rows = [{"seq": "MK", "y": 1, "id": "a"}, {"protein": "MV", "y": 2}, {"seq": "ML", "id": "c"}]
    path = written(tmp_path, "\n".join(map(json.dumps, rows)))
    named = read_records(path, columns=Columns(label="id"))
    first = next(named)
    assert (first.protein.sequence, first.label, first.protein.id) == ("MK", "a", "train.jsonl:1")
    with pytest.raises(RecordError, match=r"line 2: no column of the file is called 'id'"):
        next(named)
    read = [(r.protein.id, r.protein.sequence) for r in read_records(path)]
    assert read == [("a", "MK"), ("train.jsonl:2", "MV"), ("c", "ML")]


def test_letters_that_are_no_residues_are_taken_out_and_counted(tmp_path: Path) -> None:
    path = written(tmp_path, "seq,y\nM*K**V,1\nMV,**\nM-*K,3\n", "a.csv")
    warnings: list[str] = []
    read = all_records(path, Columns(label="y"), warnings.append, gaps="*-")
    assert [(r.protein.sequence, r.label) for r in read] == [
        ("MKV", "1"),
        ("MV", "**"),
        ("MK", "3"),
    ]
    assert warnings == ["'*-' stands for no residue: left out of 2 sequences"]
    assert list(read_records(path.parent / written(tmp_path, "seq\nMV\n", "b.csv").name, gaps="*"))
    with pytest.raises(RecordError, match=r"letter '\*'"):
        all_records(path, Columns(), warnings.append)


def test_a_file_is_no_larger_than_memory_has_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, '{"seq": "MK", "ss8_seq": "H"}\n' * 10)
    size = path.stat().st_size
    monkeypatch.setattr("sesstore.datasets.readers.available_memory", lambda: 4 * size)
    assert room_for_text() == size
    assert len(all_records(path, Columns(), print, allow_partial=True)) == 10
    with pytest.raises(RecordError, match="ss8_seq has 1 letters"):
        all_records(path, Columns(), print)
    monkeypatch.setattr("sesstore.datasets.readers.available_memory", lambda: 4 * size - 4)
    with pytest.raises(InputError, match="holds more than"):
        all_records(path, Columns(), print, allow_partial=True)
    assert len(list(read_records(path, allow_partial=True))) == 10  # one at a time


def test_the_first_row_of_a_file(tmp_path: Path) -> None:
    path = written(tmp_path, '{"seq": "MK", "7": 1}\n{"seq": "MV"}')
    assert read_first(path) == {"seq": "MK", "7": 1}


@pytest.mark.parametrize(
    ("name", "instead"),
    [("a.xls", "as .xlsx or CSV"), ("a.a3m", "take the gaps out"), ("a.gb.gz", "Get it as FASTA"),
     ("a.zip", "Unpack it first"), ("a", "Labelled data end in")],
)  # fmt: skip
def test_what_to_do_with_other_files(tmp_path: Path, name: str, instead: str) -> None:
    with pytest.raises(InputError, match=rf"{name}' cannot be read\. .*{instead}"):
        next(read_records(tmp_path / name))


def test_members_of_an_archive_are_read_but_for_workbooks(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("d/a.csv", "seq,y\nMK,1\nMV,\n")
        archive.writestr("a.xlsx", b"")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        records = list(read_records(zipfile.Path(archive, "d/a.csv")))
        assert [(r.protein.id, r.line) for r in records] == [("a.csv:2", 2), ("a.csv:3", 3)]
        with pytest.raises(InputError, match=r"Excel file in an archive\. Unpack it first"):
            list(read_records(zipfile.Path(archive, "a.xlsx")))


def test_what_is_odd_is_said_once_for_a_file(tmp_path: Path) -> None:
    """DNA, a column without a name, and letters of Windows-1252."""
    dna = "ACGT" * 9
    (tmp_path / "a.csv").write_bytes(f",seq,id\n0,{dna},caf\u00e9\n1,MKV,b\n".encode("cp1252"))
    warnings: list[str] = []
    read = all_records(tmp_path / "a.csv", Columns(), warnings.append)
    assert [r.protein.id for r in read] == ["caf\u00e9", "b"]
    assert [
        next(word for word in ("no name", "Windows-1252", "1 of 2 sequences look") if word in told)
        for told in warnings
    ] == ["no name", "Windows-1252", "1 of 2 sequences look"]


@given(st.binary(max_size=200))
def test_any_bytes_are_records_or_a_clear_error(tmp_path: Path, raw: bytes) -> None:
    for name in ("any.jsonl", "any.csv", "any.tsv.gz"):
        (tmp_path / name).write_bytes(raw)
        said = name
        try:
            list(read_records(tmp_path / name))
        except InputError as problem:
            said = str(problem)
        assert name in said
