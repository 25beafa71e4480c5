"""Tables written row by row: CSV, TSV, JSON lines, Parquet.

A table grows under the name ``<file>.partial`` beside its place and is renamed when it is complete,
so a file of the final name is whole. What a stop leaves under the partial name is readable, and
said; after any other failure nothing is left.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

from ...cells import cell
from ...durable_files import rename_durably
from ...errors import InputError, MissingExtraError, StoppedError
from ...store.atomic_files import saying_when_full

FORMATS = (".csv", ".tsv", ".jsonl", ".parquet")
"""What a table may end in."""

_CELLS = 500_000
"""Cells of a row group of Parquet: some tens of megabytes in memory."""


class Table(Protocol):
    """Takes rows."""

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append rows; each has the table's columns."""

    def close(self) -> None:
        """Write what is still in hand."""


class CsvTable:
    """A table with a header; lists are JSON in their cell.

    Parameters
    ----------
    file : text stream
        Open for writing; not closed.
    columns : mapping of str to str
        Name to kind, see `predictions.columns`.
    delimiter : str
        Between cells.
    """

    def __init__(self, file: IO[str], columns: Mapping[str, str], delimiter: str = ",") -> None:
        self._table = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        self._columns = list(columns)
        self._table.writerow(map(cell, self._columns))

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append rows."""
        for row in rows:
            self._table.writerow([_cell(row[name]) for name in self._columns])

    def close(self) -> None:
        """Nothing is in hand."""


class JsonTable:
    """One JSON object a line.

    Parameters
    ----------
    file : text stream
        Open for writing; not closed.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append rows."""
        self._file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)

    def close(self) -> None:
        """Nothing is in hand."""


class RowList:
    """A table in memory."""

    def __init__(self) -> None:
        self.rows: list[Mapping[str, Any]] = []

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append rows."""
        self.rows += rows

    def close(self) -> None:
        """Nothing is in hand."""


class ParquetTable:
    """A Parquet file with typed columns, compressed with zstd; rows gather into groups.

    Parameters
    ----------
    path : path
        The file.
    columns : mapping of str to str
        Name to kind.
    about : mapping
        Facts that are true of all rows, kept as JSON in the schema's metadata ``sesstore``.

    Raises
    ------
    MissingExtraError
        pyarrow is not installed.
    """

    def __init__(self, path: Path, columns: Mapping[str, str], about: Mapping[str, Any]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        types = {"text": pa.string(), "integer": pa.int64(), "flag": pa.bool_()}
        types |= {"number": pa.float32()}
        types |= {"texts": pa.list_(pa.string()), "numbers": pa.list_(pa.float32())}
        schema = pa.schema([(name, types[kind]) for name, kind in columns.items()])
        self._schema = schema.with_metadata({"sesstore": json.dumps(dict(about))})
        self._to_table = pa.Table.from_pylist
        self._file = pq.ParquetWriter(path, self._schema, compression="zstd")
        self._rows: list[Mapping[str, Any]] = []
        self._cells = 0

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append rows."""
        for row in rows:
            self._rows.append(row)
            self._cells += sum(len(v) if isinstance(v, list) else 1 for v in row.values())
        if self._cells >= _CELLS:
            self._flush()

    def close(self) -> None:
        """Write the last group, and the footer without which the file is none."""
        if self._rows:
            self._flush()
        self._file.close()

    def _flush(self) -> None:
        self._file.write_table(self._to_table(self._rows, schema=self._schema))
        self._rows, self._cells = [], 0


def check_format(out: Path) -> None:
    """Raise unless a table can be written to a file of that name.

    Raises
    ------
    InputError
        Its suffix is none of `FORMATS`, or its folder does not exist.
    MissingExtraError
        It is Parquet, and pyarrow is not installed.
    """
    if out.suffix not in FORMATS:
        raise InputError(
            f"predictions are written as {', '.join(FORMATS)}, not '{out.suffix}'. Name a file "
            f"that ends in one of these"
        )
    if not out.parent.is_dir():
        raise InputError(
            f"there is no folder '{out.parent}' to write '{out.name}' into. Make it first, or name "
            f"a file elsewhere"
        )
    if out.is_dir():
        raise InputError(f"'{out}' is a folder. Name a file to write")
    if out.suffix == ".parquet":
        try:
            import pyarrow  # noqa: F401 - is it there?
        except ImportError:
            raise MissingExtraError("writing Parquet", "parquet") from None


@contextmanager
def open_table(
    out: Path, columns: Mapping[str, str], about: Mapping[str, Any] | None = None
) -> Iterator[Table]:
    """Open a table to be written; it takes its name when the block ends well.

    Parameters
    ----------
    out : path
        The file; its suffix says the format. A file of that name is replaced.
    columns : mapping of str to str
        Name to kind.
    about : mapping, optional
        What Parquet's metadata are to say.

    Raises
    ------
    StoppedError
        The block was stopped; says where the rows so far are.
    StorageFullError
        No space left.
    InputError, MissingExtraError
        See `check_format`.
    """
    check_format(out)
    partial = out.with_name(f"{out.name}.partial")
    try:
        with (
            saying_when_full(out.parent),
            _open_format(partial, out.suffix, columns, about) as table,
        ):
            yield table
    except StoppedError as stopped:
        raise StoppedError(f"{stopped}. The rows so far are in '{partial}'") from None
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    with saying_when_full(out.parent):
        rename_durably(partial, out)


@contextmanager
def _open_format(
    path: Path, suffix: str, columns: Mapping[str, str], about: Mapping[str, Any] | None
) -> Iterator[Table]:
    if suffix == ".parquet":
        table = ParquetTable(path, columns, about or {})
        try:
            yield table
        finally:
            table.close()
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        delimiter = "\t" if suffix == ".tsv" else ","
        yield JsonTable(file) if suffix == ".jsonl" else CsvTable(file, columns, delimiter)


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else cell(value)
