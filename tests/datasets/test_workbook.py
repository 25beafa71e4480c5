"""Excel workbooks."""

from __future__ import annotations

import datetime
import io
import zipfile
from pathlib import Path
from typing import Any

import psutil
import pytest

from sesstore.datasets.load import load_own
from sesstore.datasets.readers import read_rows
from sesstore.datasets.user_data import UserData
from sesstore.datasets.workbook import workbook_rows
from sesstore.errors import InputError, MissingFileError

openpyxl = pytest.importorskip("openpyxl", reason="openpyxl is not installed")
HEADER = ("Entry", "Sequence", "Tm", None, None)


def workbook(path: Path, sheets: dict[str, list[tuple[Any, ...]]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_values_as_excel_holds_them(tmp_path: Path) -> None:
    rows = [
        (None,),
        HEADER,
        ("P1", "MK", 40.5),
        ("P2", "MV", "40,5"),
        (None, None),
        (3, "MW", True),
        (None, None, None, "aside"),
        ("P5", "MY"),
    ]
    path = workbook(tmp_path / "a.xlsx", {"empty": [], "data": rows, "more": [("x", 1)]})
    warnings: list[str] = []
    assert list(read_rows(path, warn=warnings.append)) == [
        (3, {"Entry": "P1", "Sequence": "MK", "Tm": 40.5}),
        (4, {"Entry": "P2", "Sequence": "MV", "Tm": "40,5"}),
        (6, {"Entry": 3, "Sequence": "MW", "Tm": True}),
        (8, {"Entry": "P5", "Sequence": "MY", "Tm": ""}),
    ]
    assert warnings == [f"'{path}': sheet 'data' is read, not 'more'"]


def test_a_task_of_a_workbook(tmp_path: Path) -> None:
    letters = "ACDEFGHIKLMNPQRSTVWY"
    rows = [
        (f"p{n}", letter * 9, n / 2, "train" if n % 3 else "test")
        for n, letter in enumerate(letters)
    ]
    path = workbook(tmp_path / "mine.xlsx", {"s": [("id", "seq", "y", "split"), *rows]})
    task = load_own(path, UserData()).task
    assert (task.name, task.problem, task.classes) == ("mine", "regression", ("y",))
    assert task.splits["test"].labels[1] == 1.5
    path = workbook(
        tmp_path / "mine.xlsx",
        {"s": [("id", "seq", "y", "split"), ("p", "MK", "#N/A", "train"), *rows]},
    )
    with pytest.raises(
        InputError, match=r"mine\.xlsx, column y, line 2: 1 of 21 rows has no label"
    ):
        load_own(path, UserData())


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([HEADER, ("P1", "MK", datetime.datetime(2026, 9, 2))], "line 2: column Tm: Excel took"),
        ([HEADER, ("P1", "MK", datetime.time(9, 2))], "line 2: column Tm: Excel took"),
        ([HEADER], r"'s' has a header \(Entry, Sequence, Tm\) and no rows"),
        ([], "no sheet with values"),
        ([("seq", "seq"), ("MK", "MK")], "columns 1 and 2 are both called 'seq'"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, rows: list[tuple[Any, ...]], said: str) -> None:
    with pytest.raises(InputError, match=said):
        list(read_rows(workbook(tmp_path / "a.xlsx", {"s": rows})))


def test_what_is_no_workbook(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_text("seq,label\nMK,1\n")
    with pytest.raises(InputError, match="is no Excel workbook"):
        list(read_rows(tmp_path / "a.xlsx"))
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("a.txt", "x")
    (tmp_path / "a.xlsx").write_bytes(other.getvalue())
    with pytest.raises(InputError, match="no workbook openpyxl can read"):
        list(read_rows(tmp_path / "a.xlsx"))
    with pytest.raises(MissingFileError, match=r"there is no file .*none\.xlsx"):
        list(read_rows(tmp_path / "none.xlsx"))


def test_a_formula_counts_with_the_value_excel_stored(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", {"s": [("seq", 2024), ("MK", "=1+2")]})
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    (sheet,) = (name for name in parts if "worksheets/sheet" in name)
    assert parts[sheet].count(b"<f>1+2</f><v") == 1
    for empty in (b"<v></v>", b"<v />", b"<v/>"):
        parts[sheet] = parts[sheet].replace(b"<f>1+2</f>" + empty, b"<f>1+2</f><v>3</v>")
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    assert list(read_rows(path)) == [(2, {"seq": "MK", "2024": 3})]


def test_what_unpacks_to_more_than_a_workbook_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = workbook(tmp_path / "a.xlsx", {"s": [("seq", "y"), ("MK", 1)]})
    with zipfile.ZipFile(path) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    monkeypatch.setattr("sesstore.datasets.workbook.MOST_UNPACKED", size)
    assert len(list(read_rows(path))) == 1
    monkeypatch.setattr("sesstore.datasets.workbook.MOST_UNPACKED", size - 1)
    with pytest.raises(InputError, match=r"a\.xlsx' unpacks to 0 GB"):
        list(read_rows(path))


def test_a_workbook_is_closed_when_its_reader_stops(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", {"s": [("seq", "y"), ("MK", 1), ("MV", 2)]})
    rows = workbook_rows(path, lambda _: None)
    next(rows)
    process = psutil.Process()
    assert str(path.resolve()) in [file.path for file in process.open_files()]
    rows.close()
    assert str(path.resolve()) not in [file.path for file in process.open_files()]


def test_a_workbook_nobody_may_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = workbook(tmp_path / "a.xlsx", {"s": [("seq", "y"), ("MK", 1)]})

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(zipfile, "ZipFile", refuse)
    with pytest.raises(InputError, match=r"is no Excel workbook .*Permission denied"):
        list(read_rows(path))
