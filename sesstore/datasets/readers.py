"""Read labelled records, one at a time, from CSV, TSV, Excel, JSON lines or JSON.

Columns are found by the names people use (`columns`): those of the SES-Adapter data sets
(``aa_seq``, ``name``, ``foldseek_seq``, ``ss8_seq``, ``label``, ``split``) and of FLIP among them.
Everything that is wrong with a record is a `RecordError` that names file, line and record.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import InputError, RecordError
from .columns import KNOWN, Columns, find_columns
from .delimited import delimited_rows, opened_table
from .jsonrows import json_rows
from .records import Record, record_from
from .text import Warn, ignored, open_text
from .workbook import workbook_rows

__all__ = ["SUFFIXES", "data_suffix", "open_text", "read_header", "read_records", "read_rows"]

_TABLES = (".csv", ".tsv", ".tab", ".txt")
_JSON = (".jsonl", ".json", ".ndjson")
SUFFIXES = (*_JSON, *_TABLES, ".xlsx")
"""What a labelled file may end in; ``.gz`` may follow, but for Excel."""

_INSTEAD = {
    ".xls": "Save it as .xlsx or CSV",
    ".xlsb": "Save it as .xlsx or CSV",
    ".ods": "Save it as .xlsx or CSV",
    ".parquet": "Write it as CSV or JSON lines",
    ".a3m": "It is an alignment: take the gaps out and write FASTA",
    ".sto": "It is an alignment: take the gaps out and write FASTA",
    ".aln": "It is an alignment: take the gaps out and write FASTA",
    ".gb": "Get it as FASTA",
    ".gp": "Get it as FASTA",
    ".zip": "Unpack it first",
}


def data_suffix(path: Path) -> str:
    """Suffix of a file, ``.gz`` aside, in lower case."""
    return Path(path.name.lower().removesuffix(".gz")).suffix


def read_records(
    path: Path,
    *,
    allow_partial: bool = False,
    named: Columns | None = None,
    warn: Warn = ignored,
    most: int | None = None,
) -> Iterator[Record]:
    """Read the records of a labelled file.

    Parameters
    ----------
    path : path
        One of `SUFFIXES`; tables have a header. ``.gz`` may follow.
    allow_partial : bool
        See `record_from`.
    named : Columns, optional
        Columns the user named; the others are found by their names.
    warn : callable, optional
        Told what is odd and was read all the same.
    most : int, optional
        Bytes of text from which a file is refused, for readers that keep all records.

    Yields
    ------
    Record

    Raises
    ------
    MissingFileError
        There is no such file.
    RecordError
        A record is wrong.
    InputError
        The file is of another kind, or holds no record.
    """
    known: dict[tuple[str, ...], Columns] = {}
    before, again = 0, 0
    for line, row in read_rows(path, named, warn, most):
        # JSON may hold all rows in one line.
        before, again = line, again + 1 if line == before else 0
        header = tuple(map(str, row))
        if header not in known:
            try:
                known[header] = find_columns(header, named)
            except InputError as problem:
                raise RecordError(str(problem), path, line) from None
        name = f"{path.name}:{line}.{again + 1}" if again else f"{path.name}:{line}"
        yield record_from(row, known[header], path, line, name, allow_partial=allow_partial)


def read_header(path: Path, named: Columns | None = None) -> tuple[str, ...]:
    """Names of the columns of a labelled file; raises as `read_records`."""
    return next(tuple(map(str, row)) for _, row in read_rows(path, named))


def delimiter_of(path: Path, named: Columns | None = None) -> str | None:
    """Delimiter of a table of text; None for other kinds of files."""
    if data_suffix(path) not in _TABLES:
        return None
    with open_text(path) as lines:
        return opened_table(lines, path, _sequence_names(named)).delimiter


def read_rows(
    path: Path,
    named: Columns | None = None,
    warn: Warn = ignored,
    most: int | None = None,
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Read the rows of a labelled file by column, with their lines; raises as `read_records`."""
    suffix = data_suffix(path)
    if suffix not in SUFFIXES:
        instead = _INSTEAD.get(suffix, f"Labelled data end in {', '.join(SUFFIXES)}")
        raise InputError(f"'{path}' cannot be read. {instead}")
    empty = True
    for row in _rows(path, suffix, named, warn, most):
        empty = False
        yield row
    if empty:
        raise InputError(f"'{path}' holds no record")


def _rows(
    path: Path, suffix: str, named: Columns | None, warn: Warn, most: int | None
) -> Iterator[tuple[int, dict[str, Any]]]:
    if suffix == ".xlsx":
        yield from workbook_rows(path, warn)
        return
    names = _sequence_names(named)
    with open_text(path, warn, most=most) as lines:
        if suffix in _JSON:
            yield from json_rows(lines, path, names)
        else:
            yield from delimited_rows(lines, path, names, warn)


def _sequence_names(named: Columns | None) -> set[str]:
    """What a column of sequences may be called, in lower case."""
    mine = [] if named is None or named.sequence is None else [named.sequence.strip().lower()]
    return {*KNOWN["sequence"], *mine}
