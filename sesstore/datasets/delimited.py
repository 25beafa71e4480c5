"""Tables of text: CSV, TSV and what Excel calls CSV, with the delimiter told from the file.

The delimiter is the one under which the first lines have the same number of columns and a column of
sequences; ``sep=;``, the line Excel understands, settles it. Rows without any value, and trailing
columns without a name or a value, are what spreadsheets leave behind: they are left out.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, TextIO

from ..errors import InputError, RecordError
from .columns import goes_by
from .text import LONGEST_LINE, Readable, Warn
from .wording import counted

DELIMITERS = ("\t", ";", ",", "|")
_SAMPLE = 50
_BLANK = "\ufeff \t\r\n"

csv.field_size_limit(LONGEST_LINE)  # Python's own limit is 131,072: less than the labels of titin


def delimited_rows(
    lines: TextIO, path: Readable, sequence_names: Collection[str], warn: Warn
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Read the rows of a table by column.

    Parameters
    ----------
    lines : text stream
        Opened with its line ends kept.
    path : path
        What errors call it; its suffix decides where the content does not.
    sequence_names : collection of str
        What a column of sequences may be called, in lower case.
    warn : callable
        Told about rows that are left out.

    Yields
    ------
    int, dict of str to str
        Line where the row begins, and its values by column.

    Raises
    ------
    RecordError
        A quote is never closed, two columns have one name, or a row has other columns.
    InputError
        There is a header and nothing else, or FASTA.
    """
    text = opened_table(lines, path, sequence_names)
    table = csv.reader(text.lines, delimiter=text.delimiter, strict=True)
    try:
        yield from _rows(table, path, text.skipped, warn)
    except csv.Error as problem:
        raise RecordError(
            f'broken table ({problem}). Is a " opened and not closed in this row or before?',
            path,
            text.skipped + table.line_num,
        ) from None


@dataclass(frozen=True)
class OpenedTable:
    """A table whose delimiter is known.

    Parameters
    ----------
    lines : iterable of str
        From the header on.
    skipped : int
        Lines before it.
    delimiter : str
        Between columns.
    """

    lines: Iterable[str]
    skipped: int
    delimiter: str


def opened_table(lines: TextIO, path: Readable, sequence_names: Collection[str]) -> OpenedTable:
    """Tell the delimiter of a table; raises `InputError` for FASTA. Arguments as above."""
    sample = list(islice(lines, _SAMPLE))
    skipped = next((i for i, line in enumerate(sample) if line.strip(_BLANK)), len(sample))
    sample = sample[skipped:]
    delimiter = _declared(sample[0]) if sample else None
    if delimiter is not None:
        sample, skipped = sample[1:], skipped + 1
    if sample and sample[0].startswith(">"):
        raise InputError(f"'{path}' is FASTA. Rename it to end in .fasta")
    delimiter = delimiter or sniffed(sample, path.name, sequence_names)
    return OpenedTable(chain(sample, lines), skipped, delimiter)


def sniffed(sample: Sequence[str], name: str, sequence_names: Collection[str]) -> str:
    """Tell the delimiter of a table from its first lines.

    Parameters
    ----------
    sample : sequence of str
        Lines, the header first.
    name : str
        The file's: ``.tsv`` means tabs where nothing else tells.
    sequence_names : collection of str
        What a column of sequences may be called, in lower case.
    """
    usual = "\t" if ".tsv" in name.lower() or ".tab" in name.lower() else ","
    scores = {}
    for delimiter in DELIMITERS:
        # The sample may end within a quoted value: its last row does not count.
        rows = list(csv.reader(sample, delimiter=delimiter))
        header, *body = [row for row in rows if row] or [[]]
        body = body[: max(len(body) - 1, 1)]
        if len(header) < 2:
            continue
        widths = Counter(len(row) for row in body)
        scores[delimiter] = (
            any(goes_by(column, sequence_names) for column in header),
            widths[len(header)] / max(len(body), 1),
            len(header),
            delimiter == usual,
        )
    return max(scores, key=scores.__getitem__) if scores else usual


def _declared(line: str) -> str | None:
    """The delimiter of Excel's ``sep=;``."""
    text = line.strip("\ufeff\r\n ").strip('"')
    return text[4:5] or None if text.lower().startswith("sep=") and len(text) <= 5 else None


def _rows(
    table: Any, path: Readable, skipped: int, warn: Warn
) -> Iterator[tuple[int, dict[str, Any]]]:
    header: list[str] = next(table, [])
    names, last, empty, unnamed = columns_of(header, path, skipped + 1), 0, 0, Counter[int]()
    width = max(names, default=-1) + 1
    line = skipped + table.line_num + 1
    for cells in table:
        begins, line = line, skipped + table.line_num + 1
        if not any(cell.strip() for cell in cells):
            empty += bool(cells)
            continue
        last = begins
        if len(cells) < width or any(cell.strip() for cell in cells[len(header) :]):
            raise RecordError(
                f"has {counted(len(cells), 'value')}, the header {counted(len(names), 'column')} "
                f"({', '.join(names.values())}). Is a delimiter missing, or a value to be quoted?",
                path,
                begins,
            )
        unnamed.update(i for i, c in enumerate(cells) if i not in names and c.strip())
        yield begins, {name: cells[place] for place, name in names.items()}
    if not last:
        raise InputError(
            f"'{path}' has a header ({', '.join(names.values())}) and no rows"
            if names
            else f"'{path}' holds no record"
        )
    if empty:
        warn(f"'{path}' has {counted(empty, 'row')} without any value: left out")
    for place, count in unnamed.items():
        warn(f"'{path}', column {place + 1} has no name, and {counted(count, 'value')}: not read")


def columns_of(header: Sequence[str], path: Readable, line: int) -> dict[int, str]:
    """Names of the columns by place; those without a name are left out.

    Raises
    ------
    RecordError
        Two have one name; says which.
    """
    names: dict[int, str] = {}
    for place, cell in enumerate(header):
        name = cell.strip(_BLANK)
        if name in names.values():
            first = next(place for place, title in names.items() if title == name)
            raise RecordError(
                f"columns {first + 1} and {place + 1} are both called '{name}'. Rename one",
                path,
                line,
            )
        if name:
            names[place] = name
    return names
