"""Rows of JSON: one object a line, an array of objects, or what pandas' ``df.to_json()`` writes."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from itertools import chain
from typing import Any, TextIO

from ..errors import RecordError
from ..memory import available_memory
from .columns import goes_by
from .text import Readable

_LINES = "Write one object a line"
_SHAPES = f"{_LINES}, or an array of objects"
_MEMORY_A_LETTER = 8
"""Bytes, at most: four a letter of text with any beyond Latin, and what is made of it."""
_BLANK = "\ufeff \t\r\n"
_GAP = re.compile(r"[\s,]*")
_decoder = json.JSONDecoder()

Row = dict[str, Any]


def json_rows(
    lines: TextIO, path: Readable, sequence_names: Collection[str]
) -> Iterator[tuple[int, Row]]:
    """Read rows, with the lines they begin in.

    A file of one object a line is read line by line, any other shape as a whole.

    Parameters
    ----------
    lines : text stream
    path : path
        What errors call it.
    sequence_names : collection of str
        What a column of sequences may be called, in lower case.

    Raises
    ------
    RecordError
        It is broken, or a row is no object; says where.
    """
    number, first = next(((n, t) for n, t in enumerate(lines, 1) if t.strip(_BLANK)), (0, ""))
    if not number:
        return
    row = _whole_object(first.strip(_BLANK))
    if row is None:
        text = first + lines.read(available_memory() // _MEMORY_A_LETTER)
        if lines.read(1):
            raise RecordError(f"is too large to be read as a whole. {_LINES}", path, number)
        yield from _document(text, path, number, sequence_names)
        return
    second = next(lines, "")
    columns = _by_column(row, sequence_names) if not second.strip() else None
    if columns is not None:
        yield from ((number, values) for values in columns)
        return
    yield number, row
    for number, line in enumerate(chain([second], lines), number + 1):  # noqa: B020
        if line.strip():
            yield number, _object(line, path, number)


def _whole_object(line: str) -> Row | None:
    """The object a line holds; None if it holds something else, or part of it."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _object(text: str, path: Readable, line: int) -> Row:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise RecordError(f"broken JSON ({problem}). {_SHAPES}", path, line) from None
    if not isinstance(row, dict):
        raise RecordError(f"is no JSON object. {_SHAPES}", path, line)
    return row


def _document(
    text: str, path: Readable, line: int, sequence_names: Collection[str]
) -> Iterator[tuple[int, Row]]:
    text = text.lstrip(_BLANK)
    if text.startswith("["):
        yield from _array(text, path, line)
        return
    rows = _by_column(_object(text, path, line), sequence_names)
    if rows is None:
        raise RecordError(f"is one JSON object, not rows. {_SHAPES}", path, line)
    yield from ((line, row) for row in rows)


def _array(text: str, path: Readable, line: int) -> Iterator[tuple[int, Row]]:
    """Rows of an array, object by object, so that each has its line."""
    place, counted = 1, 0
    while True:
        gap = _GAP.match(text, place)
        place = gap.end() if gap else place
        line, counted = line + text.count("\n", counted, place), place
        if text.startswith("]", place):
            return
        try:
            row, place = _decoder.raw_decode(text, place)
        except (ValueError, RecursionError) as problem:
            raise RecordError(f"broken JSON ({problem}). {_SHAPES}", path, line) from None
        if not isinstance(row, dict):
            raise RecordError(f"is no JSON object. {_SHAPES}", path, line)
        yield line, row


def _by_column(value: Row, sequence_names: Collection[str]) -> list[Row] | None:
    """Rows of an object that holds them by column, by key, or under "data"; None if it does not."""
    if isinstance(value.get("data"), list) and value.keys() <= {
        "columns",
        "index",
        "data",
        "schema",
    }:
        return _under_data(value.get("columns"), value["data"])
    columns = list(value.values())
    if columns and all(isinstance(column, list) for column in columns):
        if len({len(column) for column in columns}) > 1 or not _any_in(value, sequence_names):
            return None
        return [dict(zip(value, cells, strict=True)) for cells in zip(*columns, strict=True)]
    if not columns or not all(isinstance(column, dict) for column in columns):
        return None
    if any(column.keys() != columns[0].keys() for column in columns):
        return None
    if _any_in(value, sequence_names):
        return [{name: column[key] for name, column in value.items()} for key in columns[0]]
    if _any_in(columns[0], sequence_names):
        return [{"id": key, **row} for key, row in value.items()]
    return None


def _under_data(columns: object, data: list[Any]) -> list[Row] | None:
    if columns is None:
        return data if all(isinstance(row, dict) for row in data) else None
    if not isinstance(columns, list):
        return None
    if not all(isinstance(row, list) and len(row) == len(columns) for row in data):
        return None
    return [dict(zip(map(str, columns), row, strict=True)) for row in data]


def _any_in(names: Collection[str], sequence_names: Collection[str]) -> bool:
    return any(goes_by(name, sequence_names) for name in names)
