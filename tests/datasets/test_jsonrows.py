"""JSON in the shapes pandas and people write it in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sesstore.datasets.columns import Columns
from sesstore.datasets.readers import read_records, read_rows
from sesstore.errors import RecordError

ROWS = [{"id": f"p{n}", "seq": "MKV" * (n + 1), "label": n} for n in range(3)]
COLUMNS = {name: [row[name] for row in ROWS] for name in ROWS[0]}
SPLIT = {"columns": list(COLUMNS), "index": [0, 1, 2], "data": [list(r.values()) for r in ROWS]}


def lines_and_rows(folder: Path, text: str) -> tuple[list[int], list[dict[str, Any]]]:
    (folder / "a.json").write_text(text, "utf-8")
    pairs = list(read_rows(folder / "a.json"))
    return [line for line, _ in pairs], [row for _, row in pairs]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("\n".join(map(json.dumps, ROWS)), [1, 2, 3]),
        ("\n\r\n" + "\r\n\n".join(map(json.dumps, ROWS)), [3, 5, 7]),
        (json.dumps(ROWS), [1, 1, 1]),
        ("\ufeff" + json.dumps(ROWS, indent=1), [2, 7, 12]),
        (json.dumps(COLUMNS), [1, 1, 1]),
        (json.dumps(COLUMNS, indent=1), [1, 1, 1]),
        (json.dumps({k: dict(enumerate(v)) for k, v in COLUMNS.items()}), [1, 1, 1]),
        (json.dumps(SPLIT), [1, 1, 1]),
        (json.dumps({"schema": {}, "data": ROWS}), [1, 1, 1]),
    ],
)
def test_all_shapes_hold_the_same(tmp_path: Path, text: str, lines: list[int]) -> None:
    assert lines_and_rows(tmp_path, text) == (lines, ROWS)


def test_rows_by_key_have_it_as_their_id(tmp_path: Path) -> None:
    by_key = {row["id"]: {"seq": row["seq"], "label": row["label"]} for row in ROWS}
    assert lines_and_rows(tmp_path, json.dumps(by_key))[1] == ROWS


def test_one_row_of_lists_is_a_row(tmp_path: Path) -> None:
    row = {"seq": "MK", "label": [0, 1]}
    assert lines_and_rows(tmp_path, json.dumps(row)) == ([1], [row])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[{"seq": "MK"},\n {"seq": }]', "line 2: broken JSON"),
        ('[{"seq": "MK"},\n 7]', "line 2: is no JSON object"),
        ('[{"seq": "MK"}', "line 1: broken JSON"),
        ('{"seq": "MK"}\n{"seq": ', "line 2: broken JSON"),
        ('{"a": {\n"x": 1}, "b": 2}', "one JSON object, not rows. Write one object a line"),
        ('{"seq": ["MK"],\n "label": [1, 2]}', "one JSON object, not rows"),
        ("[" * 100_000, "broken JSON"),
        ('{"seq": "MK", "label": ' + "9" * 5000 + "}", "broken JSON"),
        ('{"seq": 7, "id": "p"}', r"line 1 \(p\): column seq holds int 7, not a sequence"),
        ('{"seq": null, "id": "p"}', "column seq holds nothing"),
        ('{"seq": "MK", "id": "a\\u0000b"}', r"control character \(U\+0000\)"),
        ('{"seq": "MK", "id": "a\\ud800b"}', r"control character \(U\+D800\)"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(RecordError, match=said):
        list(read_records(tmp_path / "a.json"))


def test_a_long_array_is_read_in_one_go(tmp_path: Path) -> None:
    rows = [{"seq": "MK", "label": n} for n in range(20_000)]
    assert lines_and_rows(tmp_path, json.dumps(rows, indent=0))[1] == rows


@pytest.mark.parametrize(
    ("document", "rows"),
    [
        ({"data": [["MK", 1]], "columns": ["seq", 7]}, [{"seq": "MK", "7": 1}]),
        ({"data": [{"seq": "MK"}], "index": [0]}, [{"seq": "MK"}]),
        ({"seq": ["MK", "MV"], "y": [1, None]}, [{"seq": "MK", "y": 1}, {"seq": "MV", "y": None}]),
        ({"Sequence (AA)": ["MK"]}, [{"Sequence (AA)": "MK"}]),
        ({"P1": {"seq": "MK", "id": "x"}}, [{"id": "x", "seq": "MK"}]),
        ({"seq": {"b": "MK", "a": "MV"}, "y": {"a": 1, "b": 2}}, [
            {"seq": "MK", "y": 2}, {"seq": "MV", "y": 1},
        ]),
        ({"my": ["MK", "MV"], "y": [1, 2]}, [{"my": "MK", "y": 1}, {"my": "MV", "y": 2}]),
    ],
)  # fmt: skip
def test_rows_by_column_or_key(
    tmp_path: Path, document: dict[str, Any], rows: list[dict[str, Any]]
) -> None:
    for indent in (None, 1):
        (tmp_path / "a.json").write_text(json.dumps(document, indent=indent))
        read = list(read_rows(tmp_path / "a.json", Columns(sequence="My")))
        assert [row for _, row in read] == rows


@pytest.mark.parametrize(
    "row",
    [
        {"data": ["MK", 1], "seq": "MK"},
        {"data": [["MK", 1]], "columns": ["seq"]},
        {"data": [["MK", 1]], "columns": "seq"},
        {"data": ["MK"], "columns": ["seq", "y"]},
        {"data": [["MK", 1]]},
        {"seq": {"a": "MK"}, "y": {"b": 1}},
        {"seq": {"a": "MK"}, "y": 1},
        {"a": [1, 2], "b": [1, 2]},
        {},
    ],
)
def test_another_object_is_one_row(tmp_path: Path, row: dict[str, Any]) -> None:
    assert lines_and_rows(tmp_path, json.dumps(row)) == ([1], [row])
    two = json.dumps(COLUMNS) + "\n" + json.dumps(row)  # lines are rows, whatever they hold
    assert lines_and_rows(tmp_path, two) == ([1, 2], [COLUMNS, row])


def test_a_document_too_large_for_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = json.dumps(ROWS, indent=1)
    later = len(text) - len("[\n")  # what is read after the first line
    (tmp_path / "a.json").write_text(text)
    monkeypatch.setattr("sesstore.datasets.jsonrows.available_memory", lambda: 8 * later)
    assert len(list(read_rows(tmp_path / "a.json"))) == 3
    monkeypatch.setattr("sesstore.datasets.jsonrows.available_memory", lambda: 8 * later - 1)
    with pytest.raises(RecordError, match="line 1: is too large to be read as a whole"):
        list(read_rows(tmp_path / "a.json"))
    lines = "\n".join(map(json.dumps, ROWS))  # row by row there is no such bound
    assert lines_and_rows(tmp_path, lines) == ([1, 2, 3], ROWS)
