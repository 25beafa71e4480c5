"""Read labelled records, one at a time, from JSON lines, CSV or TSV, plain or gzipped.

Columns are found by the names people use (`columns`): those of the SES-Adapter data sets
(``aa_seq``, ``name``, ``foldseek_seq``, ``ss8_seq``, ``label``, ``split``) and of FLIP among them.
Everything that is wrong with a record is a `RecordError` that names file, line and record.
"""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from ..errors import InputError, MissingFileError, RecordError
from .columns import Columns, find_columns
from .records import Record, record_from

SUFFIXES = (".jsonl", ".json", ".csv", ".tsv")
"""What a labelled file may end in; ``.gz`` may follow."""


def data_suffix(path: Path) -> str:
    """Suffix of a file, ``.gz`` aside, in lower case."""
    return Path(path.name.lower().removesuffix(".gz")).suffix


def read_records(
    path: Path, *, allow_partial: bool = False, named: Columns | None = None
) -> Iterator[Record]:
    """Read the records of a labelled file.

    Parameters
    ----------
    path : path
        ``.jsonl`` or ``.json`` (one object a line), ``.csv`` or ``.tsv`` (with a header); ``.gz``
        may follow.
    allow_partial : bool
        See `record_from`.
    named : Columns, optional
        Columns the user named; the others are found by their names.

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
        The file is of another kind, is not UTF-8, or holds no record.
    """
    known: dict[tuple[str, ...], Columns] = {}
    for line, row in read_rows(path):
        header = tuple(map(str, row))
        if header not in known:
            try:
                known[header] = find_columns(header, named)
            except InputError as problem:
                raise RecordError(str(problem), path, line) from None
        yield record_from(row, known[header], path, line, allow_partial=allow_partial)


def read_header(path: Path) -> tuple[str, ...]:
    """Names of the columns of a labelled file; raises as `read_records`."""
    return next(tuple(map(str, row)) for _, row in read_rows(path))


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Read the rows of a labelled file by column, with their lines; raises as `read_records`."""
    suffix = data_suffix(path)
    if suffix not in SUFFIXES:
        raise InputError(f"'{path}' is none of {', '.join(SUFFIXES)} (.gz may follow)")
    with open_text(path) as lines:
        rows = _csv_rows(lines, path) if suffix in (".csv", ".tsv") else _json_rows(lines, path)
        empty = True
        for row in rows:
            empty = False
            yield row
    if empty:
        raise InputError(f"'{path}' holds no record")


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """Open a file as UTF-8 text, gunzipped where its name ends in ``.gz``.

    Raises
    ------
    MissingFileError
        There is no such file.
    InputError
        While reading: it is not UTF-8 or a broken gzip file.
    """
    if not path.is_file():
        raise MissingFileError(f"there is no file '{path}'")
    try:
        if path.suffix.lower() == ".gz":
            with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as text:
                yield text
        else:
            with path.open(encoding="utf-8-sig", newline="") as text:
                yield text
    except UnicodeDecodeError as problem:
        raise InputError(f"'{path}' is not UTF-8 text: {problem.reason}") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as problem:
        raise InputError(f"'{path}' is a broken gzip file: {problem}. Get it again") from None


def _json_rows(lines: TextIO, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as problem:
            raise RecordError(f"broken JSON ({problem}). One object a line", path, number) from None
        if not isinstance(row, dict):
            raise RecordError("is no JSON object. One object a line", path, number)
        yield number, row


def _csv_rows(lines: TextIO, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    table = csv.DictReader(lines, delimiter="\t" if data_suffix(path) == ".tsv" else ",")
    try:
        header = list(table.fieldnames or ())
        if len(set(header)) != len(header):
            raise RecordError("two columns of the header have one name. Rename one", path, 1)
        for row in table:
            if None in row or None in row.values():
                raise RecordError(
                    f"has not the {len(table.fieldnames or ())} columns of the header",
                    path,
                    table.line_num,
                )
            yield table.line_num, row
    except csv.Error as problem:
        raise RecordError(f"broken CSV ({problem})", path, table.line_num) from None
