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
from ..memory import available_memory
from ..proteins import Protein
from ..residues import StructureTokens
from ..tasks import Split, Task
from .annotated import FastaFiles, flip_files, read_annotated
from .checklabels import check_labels
from .checkrows import check_rows
from .checksequences import check_sequences
from .columns import Columns, find_columns, label_column
from .fasta import is_fasta
from .findings import Finding
from .labels import LabelReader
from .missing import labelled_rows
from .notation import notation_of
from .nucleotides import NucleotideCheck
from .own import OwnData, own_recipe, task_name
from .readers import delimiter_of, read_header, read_records
from .recipes import Recipe
from .records import Record
from .recordtokens import tokens_of
from .splits import Completed, Rows, by_split, completed, split_files
from .text import Warn


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
    made : tuple of str
        Splits that were made, as the files have none.
    """

    task: Task
    proteins: list[Protein]
    tokens: list[StructureTokens]
    warnings: list[str]
    notes: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    made: tuple[str, ...] = ()


def load_task(
    recipe: Recipe,
    data: Path | None,
    source: str | None = None,
    *,
    allow_partial: bool = False,
    seed: int = 0,
    drop_unlabelled: bool = False,
) -> LoadedTask:
    """Read a published task from local files.

    Parameters
    ----------
    recipe : Recipe
        Which task.
    data : path
        A folder with train, valid (validation, val, dev) and test files, or one file, with a
        ``split`` column or without.
    source : str, optional
        Where the structures behind the tokens in the files come from; needed if there are any.
    allow_partial : bool
        Mask tokens of the wrong length instead of refusing the record.
    seed : int
        Of splits that have to be made.
    drop_unlabelled : bool
        Leave rows out whose label is missing.

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
        raise InputError(
            f"where are the files of '{recipe.name}'? Give a folder with train, valid and test "
            f"files, or one file with a split column: --data PATH"
        )
    warnings: list[str] = []
    rows, notes = _table_rows(data, Columns(), allow_partial, warnings.append)
    if drop_unlabelled:
        rows, dropped = labelled_rows(rows, recipe.problem, drop=True)
        notes = [*notes, *dropped]
    return _loaded(recipe, completed(_with_labels(recipe, rows), seed), source, notes, warnings)


def load_own(
    path: Path,
    own: OwnData,
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
    own : OwnData
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
    name, warnings = task_name(path, own.name), list[str]()
    read = _own_rows(path, own, allow_partial, warnings.append)
    rows, dropped, written = _plain_labels(read, own)
    records = [record for split in rows.values() for record in split]
    recipe, kind = own_recipe(name, records, own, read.label)
    whole = completed(_with_labels(recipe, rows), own.seed, split_by=own.split_by)
    left = [*read.left, *dropped]
    loaded = _loaded(recipe, whole, source, left, warnings)
    return replace(loaded, notes=[*read.columns, *left, kind, *written, *whole.notes])


@dataclass(frozen=True)
class _OwnRows:
    """Rows by split, what is predicted, which column is what, what was left out."""

    rows: Rows
    label: str
    columns: list[str]
    left: list[str]
    semicolons: bool = False


def _own_rows(path: Path, own: OwnData, allow_partial: bool, warn: Warn) -> _OwnRows:
    files = FastaFiles(path, own.targets, own.mask) if is_fasta(path) else flip_files(path)
    if files is not None:
        if own.named.group is not None:
            raise InputError(
                f"FASTA has no column '{own.named.group}' to split by. Put the data into a table, "
                f"or say --split-by cluster, random or position"
            )
        records, notes = read_annotated(files, warn)
        rows, left = by_split(records)
        label = (files.targets or path).name.split(".")[0]
        return _OwnRows(rows, label, [], [*notes, *left])
    first = path if path.is_file() else split_files(path)["train"]
    header = read_header(first, own.named)
    try:
        columns = find_columns(header, own.named)
        columns = replace(columns, label=label_column(columns, header))
    except UnknownNameError:
        raise
    except InputError as problem:
        raise RecordError(str(problem), first) from None
    named = replace(own.named, label=columns.label)
    rows, left = _table_rows(path, named, allow_partial, warn)
    said = f"columns of {first.name}: {columns.said(header)}"
    semicolons = delimiter_of(first, own.named) == ";"
    return _OwnRows(rows, columns.label or "", [said], left, semicolons)


def _table_rows(
    data: Path, named: Columns, allow_partial: bool, warn: Warn
) -> tuple[Rows, list[str]]:
    # Records are several times as large as their text.
    most = available_memory() // 4

    def records(file: Path) -> list[Record]:
        read = read_records(file, allow_partial=allow_partial, named=named, warn=warn, most=most)
        nucleotides = NucleotideCheck(file)
        rows = []
        for record in read:
            nucleotides.look(record.protein)
            rows.append(record)
        nucleotides.report(warn)
        return rows

    if data.is_file():
        return by_split(records(data))
    return {name: records(file) for name, file in split_files(data).items()}, []


def _plain_labels(read: _OwnRows, own: OwnData) -> tuple[Rows, list[str], list[str]]:
    """Rows with labels as lists, numbers and names; what was left out, and how they are written."""
    rows, dropped = labelled_rows(read.rows, own.problem, drop=own.drop_unlabelled)
    records = [record for split in rows.values() for record in split]
    labels, lengths = [r.label for r in records], [len(r.protein) for r in records]
    try:
        notation = notation_of(labels, own.problem, lengths, semicolons=read.semicolons)
    except InputError as problem:
        first = records[0]
        raise RecordError(f"column {first.column}: {problem}", first.path) from None

    def plain(record: Record) -> Record:
        try:
            return replace(record, label=notation.plain(record.label))
        except InputError as problem:
            raise record.error(problem) from None

    rows = {name: [plain(record) for record in split] for name, split in rows.items()}
    # Lists of nothing but missing labels show only now.
    rows, more = labelled_rows(rows, own.problem, drop=own.drop_unlabelled)
    return rows, [*dropped, *more], list(notation.notes)


def _loaded(
    recipe: Recipe,
    whole: Completed,
    source: str | None,
    left: Sequence[str],
    warnings: Sequence[str],
) -> LoadedTask:
    rows, notes = whole.rows, [*left, *whole.notes]
    task = replace(_task(recipe, rows, notes, source), split_by=whole.split_by)
    records = [record for split in rows.values() for record in split]
    # Of equal sequences the first id counts.
    proteins = list({r.protein.digest: r.protein for r in reversed(records)}.values())[::-1]
    tokens, odd = tokens_of(records, source, recipe.name)
    sequences = {protein.digest: protein.sequence for protein in proteins}
    findings = [*check_rows(task), *check_sequences(task, sequences), *check_labels(task)]
    return LoadedTask(task, proteins, tokens, [*warnings, *odd], notes, findings, whole.made)


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
        where = f"column {record.column}: " if record.column else ""
        raise record.error(f"{where}{problem}") from None
    return replace(record, label=label)


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
