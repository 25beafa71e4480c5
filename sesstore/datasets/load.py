"""From files to a task: find columns, kind and splits, and check every record.

Nothing is returned unless everything is right, so a caller that stores what `load_task` or
`load_own` returns never stores half a data set. Rows are kept as published; what looks odd is
counted in `warnings`, what was decided is said in `notes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ..errors import InputError, MissingFileError, RecordError, UnknownNameError
from ..proteins import Protein
from ..residues import StructureTokens
from ..tasks import Split, Task
from .annotated import FastaFiles, flip_files, read_annotated
from .checklabels import check_labels
from .checkrows import check_rows
from .checksequences import check_sequences
from .columns import Columns, find_columns, label_column, sequence_column
from .fasta import is_fasta
from .findings import Finding
from .labels import LabelReader
from .missing import labelled_rows
from .notation import notation_of
from .published_tasks import published_rows
from .readers import all_records, delimiter_of, read_first
from .recipes import Recipe
from .records import Record, tokens_of
from .splits import Completed, Rows, by_split, completed, split_files
from .text import Warn
from .user_data import UserData, own_recipe, task_name


@dataclass(frozen=True, eq=False)
class LoadedTask:
    """A task and what came with it.

    Parameters
    ----------
    task : Task
        Splits and labels.
    proteins : list of Protein
        Each sequence once, under its first id.
    tokens : list of StructureTokens
        Tokens that came with the data, one a sequence.
    warnings : list of str
        What was odd in the files and was read all the same.
    notes : list of str
        What was found out or decided: columns, kind, splits.
    findings : list of Finding
        What of rows, sequences and labels would bias a result, or is good to know; the doctor says
        the same.
    created_splits : tuple of str
        Splits that were made, as the files have none.
    """

    task: Task
    proteins: list[Protein]
    tokens: list[StructureTokens]
    warnings: list[str]
    notes: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    created_splits: tuple[str, ...] = ()


def load_task(
    recipe: Recipe,
    data: Path | None,
    source: str | None = None,
    *,
    allow_partial: bool = False,
    seed: int = 0,
    drop_unlabelled: bool = False,
    split_by: str | None = None,
) -> LoadedTask:
    """Read a published task from local files.

    Parameters
    ----------
    recipe : Recipe
        Which task.
    data : path
        A folder with train, valid (validation, val, dev) and test files, or one file, with a
        ``split`` column or without; the benchmark's folder or zip archive, where the recipe knows
        how it is published.
    source : str, optional
        Where the structures behind the tokens in the files come from; needed if there are any.
    allow_partial : bool
        Mask tokens of the wrong length instead of refusing the record.
    seed : int
        Of splits that have to be made.
    drop_unlabelled : bool
        Leave rows out whose label is missing.
    split_by : str, optional
        What keeps rows on one side of splits that have to be made, see `UserData`.

    Raises
    ------
    MissingFileError
        Files are missing.
    RecordError
        A record is wrong; names file, line and record.
    InputError
        Tokens without a source, or no splits can be made.
    """
    if data is None:
        kinds = "a folder with train, valid and test files, or one file with a split column"
        general = f"Give {kinds}: --data PATH"
        advice = recipe.layout.advice(recipe.name) if recipe.layout else general
        raise InputError(f"where are the files of '{recipe.name}'? {advice}")
    warnings: list[str] = []
    if recipe.layout is not None:
        read = published_rows(recipe, recipe.layout, data, split_by, warnings.append)
        recipe = replace(recipe, citation=read.citation)
        rows, notes, split_by = read.rows, read.notes, read.split_by
    else:
        columns = UserData(split_by=split_by).all_columns
        rows, notes = _table_rows(data, columns, allow_partial, warnings.append)
    if drop_unlabelled:
        rows, dropped = labelled_rows(rows, recipe.problem, drop=True)
        notes = [*notes, *dropped]
    complete = completed(_with_labels(recipe, rows), seed, split_by=split_by)
    return _loaded(recipe, complete, source, notes, warnings)


def load_own(
    path: Path,
    user_data: UserData,
    source: str | None = None,
    *,
    allow_partial: bool = False,
) -> LoadedTask:
    """Read the user's own data.

    Parameters
    ----------
    path : path
        A table (JSON lines, CSV, TSV), a folder of tables by split, a FASTA file with labels in
        its headers (biotrainer), or FLIP's FASTA files of sequences and labels, or their folder.
    user_data : UserData
        What the user says about it.
    source, allow_partial
        As for `load_task`.

    Raises
    ------
    MissingFileError, RecordError, InputError
        As `load_task`; and where columns or kind cannot be told.
    """
    if not path.exists():
        raise MissingFileError(f"there is no file or folder '{path}'")
    name, warnings = task_name(path, user_data.name), list[str]()
    read = _own_rows(path, user_data, allow_partial, warnings.append)
    rows, dropped, notation = _plain_labels(read, user_data)
    records = [record for split in rows.values() for record in split]
    recipe, kind = own_recipe(name, records, user_data, read.label)
    complete = completed(_with_labels(recipe, rows), user_data.seed, split_by=user_data.split_by)
    omissions = [*read.left, *dropped]
    loaded = _loaded(recipe, complete, source, omissions, warnings)
    return replace(loaded, notes=[*read.columns, *omissions, kind, *notation, *complete.notes])


@dataclass(frozen=True)
class _OwnRows:
    """Rows by split, what is predicted, which column is what, what was left out."""

    rows: Rows
    label: str
    columns: list[str]
    left: list[str]
    semicolons: bool = False


def _own_rows(path: Path, user_data: UserData, allow_partial: bool, warn: Warn) -> _OwnRows:
    files = (
        FastaFiles(path, user_data.targets, user_data.mask) if is_fasta(path) else flip_files(path)
    )
    if files is not None:
        if user_data.all_columns.group is not None:
            raise InputError(
                f"FASTA has no column '{user_data.all_columns.group}' to split by. Put the "
                f"data into a table, or say --split-by cluster, random or position"
            )
        records, notes = read_annotated(files, warn)
        rows, omissions = by_split(records)
        label = (files.targets or path).name.split(".")[0]
        return _OwnRows(rows, label, [], [*notes, *omissions])
    first = path if path.is_file() else split_files(path)["train"]
    row = read_first(first, user_data.all_columns)
    header = list(row)
    try:
        columns = find_columns(header, user_data.all_columns, row)
        sequence_column(columns, header)
        columns = replace(columns, label=label_column(columns, header))
    except UnknownNameError:
        raise
    except InputError as problem:
        raise RecordError(str(problem), first) from None
    columns_by_role = replace(user_data.all_columns, label=columns.label)
    rows, omissions = _table_rows(path, columns_by_role, allow_partial, warn)
    columns_note = f"columns of {first.name}: {columns.description(header)}"
    semicolons = delimiter_of(first, user_data.all_columns) == ";"
    return _OwnRows(rows, columns.label or "", [columns_note], omissions, semicolons)


def _table_rows(
    data: Path, columns: Columns, allow_partial: bool, warn: Warn
) -> tuple[Rows, list[str]]:
    def records(file: Path) -> list[Record]:
        return all_records(file, columns, warn, allow_partial=allow_partial)

    if data.is_file():
        return by_split(records(data))
    return {name: records(file) for name, file in split_files(data).items()}, []


def _plain_labels(read: _OwnRows, user_data: UserData) -> tuple[Rows, list[str], list[str]]:
    """Rows with labels as lists, numbers and names; what was left out, and how they are written."""
    rows, dropped = labelled_rows(read.rows, user_data.problem, drop=user_data.drop_unlabelled)
    records = [record for split in rows.values() for record in split]
    labels, lengths = [r.label for r in records], [len(r.protein) for r in records]
    try:
        notation = notation_of(labels, user_data.problem, lengths, semicolons=read.semicolons)
    except InputError as problem:
        first = records[0]
        raise RecordError(f"{_column(first)}{problem}", first.path) from None

    def plain(record: Record) -> Record:
        try:
            return replace(record, label=notation.plain(record.label))
        except InputError as problem:
            raise record.error(problem) from None

    rows = {name: [plain(record) for record in split] for name, split in rows.items()}
    # Lists of nothing but missing labels show only now.
    rows, empty_lists = labelled_rows(rows, user_data.problem, drop=user_data.drop_unlabelled)
    return rows, [*dropped, *empty_lists], list(notation.notes)


def _loaded(
    recipe: Recipe,
    complete: Completed,
    source: str | None,
    omissions: Sequence[str],
    warnings: Sequence[str],
) -> LoadedTask:
    rows, notes = complete.rows, [*omissions, *complete.notes]
    task = replace(_task(recipe, rows, notes, source), split_by=complete.split_by)
    records = [record for split in rows.values() for record in split]
    # Of equal sequences the first id counts.
    proteins = list({r.protein.digest: r.protein for r in reversed(records)}.values())[::-1]
    tokens, odd = tokens_of(records, source, recipe.name)
    sequences = {protein.digest: protein.sequence for protein in proteins}
    findings = [*check_rows(task), *check_sequences(task, sequences), *check_labels(task)]
    return LoadedTask(task, proteins, tokens, [*warnings, *odd], notes, findings, complete.created)


def _task(recipe: Recipe, rows: Rows, notes: Sequence[str], source: str | None) -> Task:
    return Task(
        name=recipe.name,
        problem=recipe.problem,
        classes=recipe.classes,
        splits={name: _split(records) for name, records in rows.items()},
        metrics=recipe.metrics,
        monitor=recipe.monitor,
        citation=recipe.citation,
        notes=tuple(notes),
        source=source,
    )


def _with_labels(recipe: Recipe, rows: Rows) -> Rows:
    """Return the records with the labels as the task holds them."""
    reader = LabelReader(recipe.problem, recipe.classes)
    return {name: [_labelled(record, reader) for record in split] for name, split in rows.items()}


def _labelled(record: Record, reader: LabelReader) -> Record:
    try:
        label = reader.read(record.label, len(record.protein), record.mask)
    except InputError as problem:
        raise record.error(f"{_column(record)}{problem}") from None
    return replace(record, label=label)


def _column(record: Record) -> str:
    return f"column {record.column}: " if record.column else ""


def _split(records: list[Record]) -> Split:
    digests = np.frombuffer(b"".join(r.protein.digest for r in records), np.uint8)
    ids = tuple(record.protein.id for record in records)
    groups = tuple(record.group for record in records if record.group is not None)
    return Split(
        ids,
        digests.reshape(-1, 32),
        [record.label for record in records],
        groups if len(groups) == len(records) else (),
    )
