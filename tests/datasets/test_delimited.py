"""Tables as spreadsheets, R and people write them."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sesstore.datasets.columns import Columns
from sesstore.datasets.readers import delimiter_of, read_records, read_rows
from sesstore.errors import InputError, RecordError

sequences = st.text("ACDEFGHIKLMNPQRSTVWY", min_size=1, max_size=30)
words = st.text(st.characters(codec="cp1252", exclude_categories=["Cc"]), max_size=12)
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252")


def rows_of(path: Path) -> tuple[list[dict[str, object]], list[str]]:
    warnings: list[str] = []
    return [row for _, row in read_rows(path, warn=warnings.append)], warnings


def written(folder: Path, text: str, name: str = "a.csv") -> Path:
    (folder / name).write_bytes(text.encode())
    return folder / name


@settings(max_examples=settings.default.max_examples * 3 // 5)
@given(
    st.lists(st.tuples(sequences, words, words), min_size=1, max_size=8),
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(ENCODINGS),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["a.csv", "a.tsv", "a.txt"]),
)
def test_any_dialect_holds_the_same(
    tmp_path: Path,
    rows: list[tuple[str, str, str]],
    delimiter: str,
    end: str,
    encoding: str,
    quoting: int,
    name: str,
) -> None:
    if encoding == "cp1252":
        # Other letters may stand beside each other as a letter of UTF-8 does in bytes.
        plain = lambda word: "".join(c if c.isascii() else "\u00e9" for c in word)  # noqa: E731
        rows = [(a, plain(b), plain(c)) for a, b, c in rows]
    text = io.StringIO(newline="")
    table = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting)
    table.writerows([("Entry", "Sequence", "Notes")])
    table.writerows((f"P{n} {b}", a, c) for n, (a, b, c) in enumerate(rows))
    (tmp_path / name).write_bytes(text.getvalue().encode(encoding))
    found, _ = rows_of(tmp_path / name)
    assert found == [
        {"Entry": f"P{n} {b}", "Sequence": a, "Notes": c} for n, (a, b, c) in enumerate(rows)
    ]


def test_a_line_of_excel_names_the_delimiter(tmp_path: Path) -> None:
    text = "sep=|\r\nseq|Tm;unit\r\nMK|40,5\r\n"
    assert rows_of(written(tmp_path, text))[0] == [{"seq": "MK", "Tm;unit": "40,5"}]


@pytest.mark.parametrize(
    "first", ["sep=;", 'sep=;"', '"sep=;"', "SEP=;", "sep=; ", "\ufeffsep=;", "\n\nsep=;"]
)
def test_the_line_that_names_the_delimiter_in_any_spelling(tmp_path: Path, first: str) -> None:
    """Commas would win without it: they cut the header and all rows into more columns."""
    path = written(tmp_path, f"{first}\nseq,a,b;y,c\nMK,1,2;3,4\n")
    assert rows_of(path)[0] == [{"seq,a,b": "MK,1,2", "y,c": "3,4"}]
    assert delimiter_of(path) == ";"
    tabs = written(tmp_path, "sep=\t\nseq,a\ty,c\nMK,1\t3,4\n")
    assert rows_of(tabs)[0] == [{"seq,a": "MK,1", "y,c": "3,4"}]
    (names,), _ = rows_of(written(tmp_path, "sep=seq,y\nMK,1\n"))
    assert names == {"sep=seq": "MK", "y": "1"}


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("seq;Tm, in \u00b0C\nMK;40,5\nMV;41,2\n", ";"),
        ("Entry\tSequence\tGO\nP1\tMK\ta, b; c\n", "\t"),
        ("id|sequence|y\np|MK|1,2\n", "|"),
        ("my proteins;a,b\nMK;1,2\nMV;1,3\n", ";"),
        ("sequence\nMK\nMV\n", ","),
        ("a,b,seq\n1;2,3;4,MK\n", ","),
        ("a;b,c;d\n1;2,3;4\n1;2;3,4\n1;2,3;4\n", ";"),
        ("a;b;c,d\n1;2;3,4\n", ";"),
        ('seq;y\nMK;"a\n' + "b;c;d\n" * 60 + '"\n', ";"),
        ("", ","),
        ("what (a,b,c);y\nMK;1\nMV;2\n", ";"),
        ("a,b,c;d\n" + "1,2,3;4\n" * 40 + '1,"x;y\n' + "u;v\n" * 30 + 'w",3;4\n', ","),
    ],
)
def test_the_delimiter_is_told_from_the_file(tmp_path: Path, text: str, delimiter: str) -> None:
    named = Columns(sequence=" My proteins ")
    for name in ("a.csv", "a.txt"):
        assert delimiter_of(written(tmp_path, text, name), named) == delimiter


@pytest.mark.parametrize(
    ("name", "delimiter"),
    [("a.tsv", "\t"), ("A.TSV.gz", "\t"), ("a.tab", "\t"), ("a.csv", ","), ("a.txt", ",")],
)
def test_a_name_decides_where_the_content_does_not(
    tmp_path: Path, name: str, delimiter: str
) -> None:
    assert delimiter_of(written(tmp_path, "a\tb,c\n1\t2,3\n", name)) == delimiter
    assert delimiter_of(written(tmp_path, "seq\nMK\n", name)) == delimiter
    assert delimiter_of(written(tmp_path, '{"seq": "M"}', "a.jsonl")) is None
    assert delimiter_of(tmp_path / "a.xlsx") is None


def test_what_spreadsheets_leave_behind_is_left_out_and_said(tmp_path: Path) -> None:
    text = "\n\nseq,y,,\nMK,1,,\n,,,\nMV,2,,\n,,,\n,,,\n"
    rows, warnings = rows_of(written(tmp_path, text))
    assert rows == [{"seq": "MK", "y": "1"}, {"seq": "MV", "y": "2"}]
    assert ["3 rows without any value: left out" in warning for warning in warnings] == [True]
    rows, (warning,) = rows_of(written(tmp_path, ",seq,y\n0,MK,1\n1,MV,2\n"))
    assert rows == [{"seq": "MK", "y": "1"}, {"seq": "MV", "y": "2"}]
    assert "column 1 has no name, and 2 values: not read" in warning


def test_blank_lines_and_cells_without_a_column_are_no_rows(tmp_path: Path) -> None:
    rows = [{"seq": "MK", "y": "1"}, {"seq": "MV", "y": "2"}]
    assert rows_of(written(tmp_path, "seq,y\nMK,1\n\n\nMV,2\n\n")) == (rows, [])
    assert rows_of(written(tmp_path, "seq,y\nMK,1,, \nMV,2,\n")) == (rows, [])
    assert rows_of(written(tmp_path, "seq,y,,\nMK,1\nMV,2,\n")) == (rows, [])
    found, (first, last) = rows_of(written(tmp_path, ",seq,,y,\n0,MK, ,1,\n,MV,,2,x\n,,,,\n"[:-6]))
    assert found == rows
    assert "column 1 has no name, and 1 value: not read" in first
    assert "column 5 has no name, and 1 value: not read" in last
    _, (empty,) = rows_of(written(tmp_path, "seq,y\nMK,1\n,\n\n ,\t\n"))
    assert "2 rows without any value: left out" in empty


def test_a_table_longer_than_the_sample_is_read_whole(tmp_path: Path) -> None:
    lines = [f"MK,{n}" for n in range(130)]
    text = "\n".join(["", "sep=,", "seq,y", *lines]) + "\nMV,1,2\n"
    path = written(tmp_path, text)
    rows = read_rows(path)
    assert [(next(rows)) for _ in range(130)] == [
        (n + 4, {"seq": "MK", "y": str(n)}) for n in range(130)
    ]
    with pytest.raises(RecordError, match="line 134: has 3 values"):
        next(rows)


def test_lines_are_those_rows_begin_in(tmp_path: Path) -> None:
    text = 'sep=,\nseq,y\n"MK\nVL",1\n\n"M",2\nM7,3\n'
    assert [line for line, _ in read_rows(written(tmp_path, text))] == [3, 6, 7]
    with pytest.raises(RecordError, match=r"a\.csv, line 7 .*column seq: letter '7'"):
        list(read_records(tmp_path / "a.csv"))


def test_labels_of_a_titin_fit_into_a_cell(tmp_path: Path) -> None:
    values = ";".join(["0.1234"] * 36_000)
    (row,), _ = rows_of(written(tmp_path, f"seq,y\n{'M' * 36_000},{values}\n"))
    assert row == {"seq": "M" * 36_000, "y": values}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seq,y\n", r"a header \(seq, y\) and no rows"),
        ("\n \n", "holds no record"),
        ("seq,y\nMK,1,2\n", r"line 2: has 3 values, the header 2 columns \(seq, y\)"),
        ("seq,y\nMK,1\nMV\n", "line 3: has 1 value, the header 2"),
        ('seq,y\nMK,"1\nMV,2\nMW,3\n', "opened and not closed"),
        ('\n\nsep=,\nseq,y\nMK,"1\nMV,2\n', "line 6: broken table .*opened and not closed"),
        ("seq,y,seq\nMK,1,MK\n", "line 1: columns 1 and 3 are both called 'seq'"),
        ("Label,seq,label\n1,MK,1\n", "'Label' and 'label' differ in case alone"),
        (">P1\nMKVL\n", "is FASTA. Rename it"),
        ("P1,MKVLAAGIVGLCAKAYLERA\nP2,MKVLAAGIVGLCAKAYLERA\n", "the header is missing"),
        ("seq,protein2,y\nMK,MV,1\n", "second sequence a row, in column protein2"),
        ('seq,id\nMK,"a\nb"\n', r"line 2.*control character \(U\+000A\)"),
        ("seq,id\nMK,a\0b\n", "zero byte at 12"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=rf"(?s)a\.csv.*{said}"):
        list(read_records(written(tmp_path, text)))


def test_one_of_a_pair_is_read_where_it_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, "protein_1,protein_2,y\nMK,MV,1\n")
    (record,) = read_records(path, columns=Columns(sequence="protein_2"))
    assert record.protein.sequence == "MV"
