"""Tables hold every row as it was, whatever their format, or are not there."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from sesstore.errors import InputError, StoppedError
from sesstore.jobs.predicting import tables
from sesstore.jobs.predicting.tables import FORMATS, RowList, check_format, open_table

COLUMNS = {"id": "text", "length": "integer", "far": "flag", "score": "number",
           "labels": "texts", "chances": "numbers"}  # fmt: skip
ROWS = [
    {"id": "a,\t\"b\"", "length": 7, "far": False, "score": 0.5, "labels": ["é,x", "y"],
     "chances": [0.25, 0.75]},
    {"id": "蛋白", "length": 0, "far": True, "score": -1.5, "labels": [], "chances": [1.0]},
    {"id": "c", "length": 3, "far": None, "score": None, "labels": None, "chances": None},
]  # fmt: skip


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    if path.suffix == ".parquet":
        return pytest.importorskip("pyarrow.parquet").read_table(path).to_pylist()
    with path.open(encoding="utf-8", newline="") as file:
        delimiter = "\t" if path.suffix == ".tsv" else ","
        return [dict(row) for row in csv.DictReader(file, delimiter=delimiter)]


def as_text(row: dict[str, Any]) -> dict[str, str]:
    """A row as cells of CSV."""
    lists = {k: json.dumps(v, ensure_ascii=False) for k, v in row.items() if isinstance(v, list)}
    flags = {k: str(v) for k, v in row.items() if isinstance(v, bool)}
    return {k: "" if v is None else str(v) for k, v in {**row, **flags, **lists}.items()}


@pytest.mark.parametrize("suffix", FORMATS)
def test_rows_come_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_text("of before")
    with open_table(path, COLUMNS, {"encoder": "near"}) as table:
        table.write(ROWS[:2])
        assert path.read_text() == "of before"
        table.write(ROWS[2:])
    assert [child.name for child in tmp_path.iterdir()] == [path.name]
    back = read(path)
    if suffix in (".csv", ".tsv"):
        assert [list(row) for row in back] == [list(COLUMNS)] * 3
        assert [{k: v.lower() for k, v in row.items()} for row in back] == [
            {k: v.lower() for k, v in as_text(row).items()} for row in ROWS
        ]
    else:
        assert back == ROWS


def test_parquet_has_types_facts_and_groups(tmp_path: Path, monkeypatch) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(tables, "_CELLS", 16)
    path = tmp_path / "x.parquet"
    with open_table(path, COLUMNS, {"encoder": "near"}) as table:
        for row in (ROWS[0], ROWS[0], ROWS[0], ROWS[1], ROWS[2]):  # cells: 8, 8, 8, 6, 6
            table.write([row])
    file = parquet.ParquetFile(path)
    sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    assert sizes == [2, 3]
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    assert json.loads(file.schema_arrow.metadata[b"sesstore"]) == {"encoder": "near"}
    types = [str(field.type).replace("element: ", "item: ") for field in file.schema_arrow]
    assert types == ["string", "int64", "bool", "float", "list<item: string>", "list<item: float>"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_is_broken_off_leaves_what_was_there(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_text("of before")

    def write(error: Exception) -> None:
        with open_table(path, COLUMNS) as table:
            table.write(ROWS)
            raise error

    with pytest.raises(KeyError):
        write(KeyError("broken off"))
    assert [child.name for child in tmp_path.iterdir()] == [path.name]
    with pytest.raises(StoppedError, match=rf"stop\. The rows so far are in '.*{suffix}\.partial'"):
        write(StoppedError("stop"))
    assert path.read_text() == "of before"
    (tmp_path / f"x{suffix}.partial").rename(tmp_path / f"part{suffix}")
    assert len(read(tmp_path / f"part{suffix}")) == 3


def test_where_no_table_can_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.csv").mkdir()
    for name, said in (
        ("x.txt", "not '.txt'"), ("x.csv", "is a folder"), ("no/x.csv", "there is no folder"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=said):
            check_format(tmp_path / name)


def test_rows_in_memory() -> None:
    table = RowList()
    table.write(ROWS[:1])
    table.write(ROWS[1:])
    table.close()
    assert table.rows == ROWS
