"""One labelled record of a file, checked, with where it came from, and the tokens it brought."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..alphabets import DSSP, FOLDSEEK
from ..errors import InputError, RecordError
from ..proteins import Protein, checked_id, normalise
from ..residues import StructureTokens
from ..tasks import SPLITS
from .columns import Columns, sequence_column, taken_as
from .text import Readable

TOKEN_COLUMNS = {"foldseek_seq": FOLDSEEK, "ss8_seq": DSSP}
"""Columns of SES-Adapter files that hold structure tokens. ``ss3_seq`` follows from ``ss8_seq`` and
is not read."""

SPLIT_NAMES = {
    **{name: name for name in SPLITS},
    "training": "train",
    "validation": "valid",
    "val": "valid",
    "dev": "valid",
    "testing": "test",
}
"""What files and split columns call the splits."""


@dataclass(frozen=True, eq=False)
class Record:
    """One protein of a file, with its label and tokens as far as the file has them.

    Parameters
    ----------
    protein : Protein
        Named after the record, or after its line where it has no name.
    label : object
        As the file has it; None where there is none.
    tokens : mapping of str to ndarray, shape=(L,), dtype=uint8
        Codes by alphabet.
    partial : tuple of str
        Alphabets whose tokens had the wrong length and are masked.
    split : str or None
        What the file says it belongs to, unchecked; a train row for validation is ``valid``.
    path, line : Path, int
        Where it stands.
    mask : object
        Which residues have a label, as the file has it; None for all.
    column : str or None
        Column of the label.
    group : str or None
        What it has in common with the rows that belong on its side of a split.
    """

    protein: Protein
    label: Any
    tokens: Mapping[str, NDArray[np.uint8]]
    partial: tuple[str, ...]
    split: str | None
    path: Readable
    line: int
    mask: Any = None
    column: str | None = None
    group: str | None = None

    def error(self, problem: object) -> RecordError:
        """Return an error that says where the record stands."""
        return RecordError(str(problem), self.path, self.line, self.protein.id)


def record_from(
    row: Mapping[str, Any],
    columns: Columns,
    path: Readable,
    line: int,
    unnamed: str,
    *,
    allow_partial: bool = False,
) -> Record:
    """Check one row of a file.

    Parameters
    ----------
    row : mapping
        Values by column; besides those of `columns`, any of `TOKEN_COLUMNS`.
    columns : Columns
        Which column is what.
    path, line : Path, int
        Where it stands.
    unnamed : str
        Id of its protein where it has none.
    allow_partial : bool
        Mask tokens whose number is not that of the residues, instead of refusing them.

    Raises
    ------
    RecordError
        The sequence is missing or holds another letter, or tokens do.
    """
    name = taken_as(row, columns.id)
    name = unnamed if name is None or not str(name).strip() else str(name)
    try:
        column = sequence_column(columns, map(str, row))
        sequence = row.get(column)
        if not isinstance(sequence, str):
            raise InputError(f"column {column} holds {_kind(sequence)}, not a sequence")
        with _in_column(column):
            letters = normalise(sequence)
        protein = Protein(checked_id(name), letters)
        tokens, partial = _tokens(row, protein, allow_partial)
        split = split_said(taken_as(row, columns.split), taken_as(row, columns.validation))
    except InputError as problem:
        raise RecordError(str(problem), path, line, name) from None
    label = row.get(columns.label) if columns.label else None
    mask, group = taken_as(row, columns.mask), taken_as(row, columns.group)
    group = None if group is None else str(group).strip()
    return Record(protein, label, tokens, partial, split, path, line, mask, columns.label, group)


@contextmanager
def _in_column(column: str) -> Iterator[None]:
    try:
        yield
    except InputError as problem:
        raise InputError(f"column {column}: {problem}") from None


def _kind(value: object) -> str:
    return "nothing" if value is None else f"{type(value).__name__} {str(value)[:20]}"


def split_named(word: str) -> str | None:
    """Return the split a word of a file means; None if it means none.

    Words that begin with ``test`` are test sets of their own.
    """
    word = word.strip().lower()
    if word in SPLIT_NAMES or not word.startswith("test"):
        return SPLIT_NAMES.get(word)
    return re.sub(r"[^a-z0-9_.-]+", "_", word)


def split_said(split: object, validation: object = None) -> str | None:
    """Return what a record says it belongs to; FLIP marks validation rows among the train rows.

    Raises
    ------
    InputError
        A row is for validation and for testing.
    """
    text = str(split).strip() if split is not None else None
    if str(validation).strip().lower() not in ("true", "1", "1.0", "yes"):
        return text
    if text is not None and (split_named(text) or "").startswith("test"):
        raise InputError("is for validation and for testing. A row can be only one of these")
    return "valid"


def _tokens(
    row: Mapping[str, Any], protein: Protein, allow_partial: bool
) -> tuple[dict[str, NDArray[np.uint8]], tuple[str, ...]]:
    tokens, partial = {}, []
    for column, alphabet in TOKEN_COLUMNS.items():
        text = row.get(column)
        if text is None or text == "":
            continue
        if not isinstance(text, str):
            raise InputError(f"{column} is {type(text).__name__}, not text")
        with _in_column(column):
            codes = alphabet.encode(text)
        if len(codes) != len(protein):
            if not allow_partial:
                raise InputError(
                    f"{column} has {len(codes)} letters, aa_seq {len(protein)}. Re-tokenise the "
                    f"structure, or pass --allow-partial to mask its tokens"
                )
            codes = np.full(len(protein), alphabet.mask, np.uint8)
            partial.append(alphabet.name)
        tokens[alphabet.name] = codes
    return tokens, tuple(partial)


def tokens_of(
    records: list[Record], source: str | None, task: str
) -> tuple[list[StructureTokens], list[str]]:
    """Return the tokens of each sequence once, and what is odd about them, in sentences.

    Parameters
    ----------
    records : list of Record
    source : str or None
        Where the structures behind the tokens come from.
    task : str
        What the tokens came with.

    Raises
    ------
    InputError
        There are tokens, and no source.
    """
    tokens_by_digest: dict[bytes, StructureTokens] = {}
    differing = 0
    partial = sum(bool(record.partial) for record in records)
    for record in records:
        if not record.tokens:
            continue
        if source is None:
            raise InputError(
                f"{record.path.name} brings structure tokens. Say where the structures come from: "
                f"--source alphafold2, esmfold, ..."
            )
        tool = f"came with {task}"
        tokens = StructureTokens(record.protein.digest, source, record.tokens, tool=tool)
        differing += _differ(tokens_by_digest.setdefault(record.protein.digest, tokens), tokens)
    warnings = []
    if differing:
        warnings.append(
            f"rows that repeat a sequence with other tokens (the first count): {differing:,}"
        )
    if partial:
        warnings.append(f"rows whose tokens have the wrong length and are masked: {partial:,}")
    return list(tokens_by_digest.values()), warnings


def _differ(a: StructureTokens, b: StructureTokens) -> bool:
    return a.codes.keys() != b.codes.keys() or any(
        not np.array_equal(a.codes[name], b.codes[name]) for name in a.codes
    )
