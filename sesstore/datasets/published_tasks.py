"""Rows of a published task from the files its benchmark publishes (`layouts`)."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from .annotated import fasta_files, read_annotated
from .fasta import is_fasta
from .groups import SPLIT_METHODS
from .layouts import Layout, layout_files
from .readers import all_records, open_text, read_first
from .recipes import Recipe, layout_folders
from .records import Record
from .splits import Rows, by_split
from .text import Readable, Warn
from .user_data import UserData


@dataclass(frozen=True)
class PublishedRows:
    """Rows as published.

    Parameters
    ----------
    rows : dict of str to list of Record
        By split; all in train where the files say no splits.
    notes : list of str
        Which files were read, and what was left out.
    split_by : str or None
        What keeps rows on one side of splits that have to be made.
    citation : str
        What to cite: the recipe's, and the file's own.
    """

    rows: Rows
    notes: list[str]
    split_by: str | None
    citation: str


def published_rows(
    recipe: Recipe, layout: Layout, data: Path, split_by: str | None, warn: Warn
) -> PublishedRows:
    """Read the files of a task.

    Parameters
    ----------
    recipe, layout : Recipe, Layout
        Which task, and how it is published.
    data : path
        See `layout_files`.
    split_by : str or None
        What the user says of splits that have to be made; else what the layout says.
    warn : callable
        Told what is odd and was read all the same.

    Raises
    ------
    MissingFileError, InputError, RecordError
        As `layout_files`, `all_records` and `read_annotated`.
    """
    files = layout_files(layout, data, recipe.name, layout_folders())
    reference = files.pop(layout.reference, None) if layout.reference else None
    citation = recipe.citation
    notes = [f"read {', '.join(map(str, files.values()))}"]
    if reference is not None:
        citation = _with_source(citation, reference, layout.files[""])
    if "" not in files:
        rows = {split: _records(file, layout, None, warn) for split, file in files.items()}
        return PublishedRows(rows, notes, split_by, citation)
    file = files[""]
    default_split = _published_groups(file, layout)
    records = _records(file, layout, split_by or default_split, warn)
    rows, omissions = by_split(records, drop_unassigned=True)
    split_by = split_by or (None if "valid" in rows else default_split)
    return PublishedRows(rows, [*notes, *omissions], split_by, citation)


def _records(file: Readable, layout: Layout, split_by: str | None, warn: Warn) -> list[Record]:
    if is_fasta(file):
        records, notes = read_annotated(fasta_files(file), warn)
        for note in notes:
            warn(note)
        return records
    columns = UserData(columns=layout.columns, split_by=split_by).all_columns
    return all_records(file, columns, warn, gaps=layout.gaps)


def _published_groups(file: Readable, layout: Layout) -> str | None:
    """What makes splits of a file's rows where it does not say any."""
    if not layout.split_by or is_fasta(file):
        return None
    header = read_first(file, layout.columns)
    return next((way for way in layout.split_by if way in header or way in SPLIT_METHODS), None)


def _with_source(citation: str, reference: Readable, name: str) -> str:
    """Add to a citation what the benchmark's own table says of a file (ProteinGym's columns)."""
    with open_text(reference) as lines:
        for row in csv.DictReader(lines):
            if row.get("DMS_id") == name and row.get("jo"):
                return f"{citation}; {row['first_author']} et al. {row['year']}, doi:{row['jo']}"
    return citation
