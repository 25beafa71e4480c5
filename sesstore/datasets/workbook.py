"""Excel workbooks (.xlsx): the rows of the first sheet that has any, read row by row by openpyxl.

Cells hold numbers, not their spelling, so decimal commas and thousands do not matter here. A
formula counts with the value Excel last stored. A date is refused where it would be read: Excel
makes dates of names such as ``SEPT2``, and what they were is lost.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator
from datetime import date, time
from pathlib import Path
from typing import Any

from ..errors import InputError, MissingExtraError, MissingFileError, RecordError
from .delimited import columns_of
from .text import Warn

MOST_UNPACKED = 4 << 30
"""Bytes of the parts of a workbook: Excel's largest sheet has 1,048,576 rows."""


def workbook_rows(path: Path, warn: Warn) -> Iterator[tuple[int, dict[str, Any]]]:
    """Read the rows of a workbook by column.

    Parameters
    ----------
    path : path
        The file.
    warn : callable
        Told about other sheets and about rows that are left out.

    Yields
    ------
    int, dict
        Row of the sheet, and its values by column: text, numbers, truth values; ``""`` for none.

    Raises
    ------
    MissingExtraError
        openpyxl is not installed.
    MissingFileError
        There is no such file.
    RecordError
        Two columns have one name, or a cell is a date.
    InputError
        It is no workbook, or has no rows.
    """
    try:
        from openpyxl import load_workbook  # type: ignore[import-untyped]
    except ImportError:
        raise MissingExtraError(
            f"reading the Excel file '{path}' (or save it as CSV)", "excel"
        ) from None
    _check(path)
    try:
        with warnings.catch_warnings():  # openpyxl warns of styles it does not keep
            warnings.simplefilter("ignore")
            book = load_workbook(path, read_only=True, data_only=True)
    except (KeyError, ValueError, OSError, zipfile.BadZipFile, SyntaxError) as problem:
        raise InputError(
            f"'{path}' is no workbook openpyxl can read ({problem}). Save it anew, or as CSV"
        ) from None
    try:
        yield from _sheet_rows(book, path, warn)
    finally:
        book.close()


def _sheet_rows(book: Any, path: Path, warn: Warn) -> Iterator[tuple[int, dict[str, Any]]]:
    filled = [sheet for sheet in book.worksheets if any(map(_any, sheet.values))]
    if not filled:
        raise InputError(f"'{path}' has no sheet with values")
    sheet, *ignored_sheets = filled
    if ignored_sheets:
        names = ", ".join(f"'{other.title}'" for other in ignored_sheets)
        warn(f"'{path}': sheet '{sheet.title}' is read, not {names}")
    rows = ((n, cells) for n, cells in enumerate(sheet.values, 1) if _any(cells))
    first, header = next(rows)
    columns = columns_of(["" if cell is None else str(cell) for cell in header], path, first)
    empty = True
    for number, cells in rows:
        row = {name: _value(cells[place], name, path, number) for place, name in columns.items()}
        if any(value != "" for value in row.values()):
            empty = False
            yield number, row
    if empty:
        raise InputError(
            f"'{path}', sheet '{sheet.title}' has a header ({', '.join(columns.values())}) and no "
            f"rows"
        )


def _value(cell: Any, column: str, path: Path, row: int) -> Any:
    if isinstance(cell, date | time):
        raise RecordError(
            f"column {column}: Excel took the value for a date ({cell}). Write it as text in a "
            f"column formatted as text, or name the other columns in a copy without this one",
            path,
            row,
        )
    return "" if cell is None else cell


def _any(cells: tuple[Any, ...]) -> bool:
    return any(cell is not None and str(cell).strip() for cell in cells)


def _check(path: Path) -> None:
    """Refuse what is no workbook, or would unpack to more than any workbook holds."""
    if not path.is_file():
        raise MissingFileError(f"there is no file '{path}'")
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, PermissionError) as problem:
        raise InputError(
            f"'{path}' is no Excel workbook ({problem}). Save it as .xlsx or CSV"
        ) from None
    if size > MOST_UNPACKED:
        raise InputError(f"'{path}' unpacks to {size / 1e9:.0f} GB. Save the table as CSV")
