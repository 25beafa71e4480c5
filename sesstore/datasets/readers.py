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
from ..file_names import data_suffix
from ..memory import available_memory
from .columns import COLUMN_NAMES, Columns, find_columns
from .delimited import delimited_rows, opened_table
from .jsonrows import json_rows
from .nucleotides import NucleotideCheck
from .records import Record, record_from
from .text import Readable, Warn, ignored, open_text
from .wording import counted
from .workbook import workbook_rows

__all__ = [
    "SUFFIXES",
    "all_records",
    "open_text",
    "read_first",
    "read_records",
    "read_rows",
]

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


def read_records(
    path: Readable,
    *,
    allow_partial: bool = False,
    columns: Columns | None = None,
    warn: Warn = ignored,
    byte_limit: int | None = None,
    gaps: str = "",
) -> Iterator[Record]:
    """Read the records of a labelled file.

    Parameters
    ----------
    path : path
        One of `SUFFIXES`; tables have a header. ``.gz`` may follow.
    allow_partial : bool
        See `record_from`.
    columns : Columns, optional
        Columns the user named; the others are found by their names.
    warn : callable, optional
        Told what is odd and was read all the same.
    byte_limit : int, optional
        Bytes of text from which a file is refused, for readers that keep all records.
    gaps : str
        Letters in sequences that stand for no residue: left out, and counted in a warning.

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
    columns_by_header: dict[tuple[str, ...], Columns] = {}
    previous_line, repeats, gapped_rows = 0, 0, 0
    for line, row in read_rows(path, columns, warn, byte_limit):
        # JSON may hold all rows in one line.
        previous_line, repeats = line, repeats + 1 if line == previous_line else 0
        header = tuple(map(str, row))
        if header not in columns_by_header:
            try:
                columns_by_header[header] = find_columns(header, columns, row)
            except InputError as problem:
                raise RecordError(str(problem), path, line) from None
        name = f"{path.name}:{line}.{repeats + 1}" if repeats else f"{path.name}:{line}"
        roles = columns_by_header[header]
        gapped_rows += _without(row, roles.sequence, gaps)
        yield record_from(row, roles, path, line, name, allow_partial=allow_partial)
    if gapped_rows:
        warn(f"'{gaps}' stands for no residue: left out of {counted(gapped_rows, 'sequence')}")


def room_for_text() -> int:
    """Bytes of text whose records fit in memory: these are several times as large."""
    return available_memory() // 4


def all_records(
    path: Readable,
    columns: Columns,
    warn: Warn,
    *,
    allow_partial: bool = False,
    gaps: str = "",
) -> list[Record]:
    """Read all records of a file into memory, no more than there is room for; as `read_records`."""
    nucleotides = NucleotideCheck(path)
    records = list(
        read_records(
            path,
            allow_partial=allow_partial,
            columns=columns,
            warn=warn,
            byte_limit=room_for_text(),
            gaps=gaps,
        )
    )
    for record in records:
        nucleotides.look(record.protein)
    nucleotides.report(warn)
    return records


def _without(row: dict[str, Any], column: str | None, letters: str) -> bool:
    """Take letters out of a row's sequence, and say whether there were any."""
    sequence = row.get(column) if column is not None else None
    if not isinstance(sequence, str) or not set(letters).intersection(sequence):
        return False
    row[str(column)] = sequence.translate(dict.fromkeys(map(ord, letters)))
    return True


def read_first(path: Readable, columns: Columns | None = None) -> dict[str, Any]:
    """First row of a labelled file by column; raises as `read_records`."""
    return next(
        {str(column): value for column, value in row.items()} for _, row in read_rows(path, columns)
    )


def delimiter_of(path: Readable, columns: Columns | None = None) -> str | None:
    """Delimiter of a table of text; None for other kinds of files."""
    if data_suffix(path) not in _TABLES:
        return None
    with open_text(path) as lines:
        return opened_table(lines, path, _sequence_names(columns)).delimiter


def read_rows(
    path: Readable,
    columns: Columns | None = None,
    warn: Warn = ignored,
    byte_limit: int | None = None,
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Read the rows of a labelled file by column, with their lines; raises as `read_records`."""
    suffix = data_suffix(path)
    if suffix not in SUFFIXES:
        instead = _INSTEAD.get(suffix, f"Labelled data end in {', '.join(SUFFIXES)}")
        raise InputError(f"'{path}' cannot be read. {instead}")
    empty = True
    for row in _rows(path, suffix, columns, warn, byte_limit):
        empty = False
        yield row
    if empty:
        raise InputError(f"'{path}' holds no record")


def _rows(
    path: Readable, suffix: str, columns: Columns | None, warn: Warn, byte_limit: int | None
) -> Iterator[tuple[int, dict[str, Any]]]:
    if suffix == ".xlsx":
        if not isinstance(path, Path):
            raise InputError(f"'{path}' is an Excel file in an archive. Unpack it first")
        yield from workbook_rows(path, warn)
        return
    names = _sequence_names(columns)
    with open_text(path, warn, byte_limit=byte_limit) as lines:
        if suffix in _JSON:
            yield from json_rows(lines, path, names)
        else:
            yield from delimited_rows(lines, path, names, warn)


def _sequence_names(columns: Columns | None) -> set[str]:
    """What a column of sequences may be called, in lower case."""
    names = (
        [] if columns is None or columns.sequence is None else [columns.sequence.strip().lower()]
    )
    return {*COLUMN_NAMES["sequence"], *names}
