"""Which column of a table is what: as the user says, else by the names people use.

Names are compared without regard to case, blanks, marks or units: ``Protein sequence (AA)`` is
``protein_sequence``. Where no name tells it, the only column that holds a sequence is that of the
sequences. Any other column nobody named is not read; what was taken for what is said
(`Columns.description`), so that a wrong guess is seen at once.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

from ..errors import InputError, UnknownNameError

COLUMN_NAMES = {
    "sequence": (
        "aa_seq",
        "sequence",
        "seq",
        "protein_sequence",
        "aa_sequence",
        "amino_acid_sequence",
        "protein",
        "mutated_sequence",
    ),
    "id": (
        "name",
        "id",
        "protein_id",
        "protein_name",
        "accession",
        "uniprot_id",
        "uniprot_accession",
        "uniprot",
        "entry",
        "mutant",
        "variant",
        "construct",
    ),
    "label": ("label", "labels", "target", "targets", "dms_score"),
    "split": ("split", "set", "partition", "stage", "subset"),
    "validation": ("validation",),
    "mask": ("mask", "resolved"),
}
"""What columns are called, the commonest first; the names of FLIP's, ProteinGym's, SES-Adapter's
and SaprotHub's files are among them."""

TOKENS = ("foldseek_seq", "ss8_seq", "ss3_seq")
"""Columns of SES-Adapter's files that are read as structure tokens, or follow from them."""

_SECOND = re.compile(r"(?:protein|sequence|seq|aa_?seq|sequence_aa)[_ ]?(?:2|b)")
_SEQUENCE = re.compile(r"[ACDEFGHIKLMNPQRSTVWYX]{15,}\*?")
_UNIT = re.compile(r"\s*[(\[][^()\[\]]*[)\]]\s*$")


@dataclass(frozen=True)
class Columns:
    """Names of columns; None where there is none.

    Parameters
    ----------
    sequence, id, label, split, validation, mask : str or None
        Amino acids; what people call the protein; what is predicted; train, valid or test; whether
        a train row is for validation (FLIP); which residues have a label.
    group : str or None
        What rows that belong on one side of a split have in common; only ever named by the user.
    """

    sequence: str | None = None
    id: str | None = None
    label: str | None = None
    split: str | None = None
    validation: str | None = None
    mask: str | None = None
    group: str | None = None

    def description(self, header: Iterable[str]) -> str:
        """Say which column is what, and which are not read."""
        roles = {field.name: getattr(self, field.name) for field in fields(self)}
        parts = [f"{role} = {column}" for role, column in roles.items() if column is not None]
        read = {*roles.values(), *TOKENS}
        ignored = [column for column in header if column not in read]
        return ", ".join(parts) + (f" (not read: {', '.join(ignored)})" if ignored else "")


def spellings(column: str) -> tuple[str, str]:
    """A column's name in lower case; and with ``_`` for blanks and marks, without a unit."""
    name = column.strip().lower()
    return name, re.sub(r"[\W_]+", "_", _UNIT.sub("", name) or name).strip("_")


def goes_by(column: str, names: Collection[str]) -> bool:
    """Whether a column is called by any of these names, in one of its `spellings`."""
    return not set(spellings(column)).isdisjoint(names)


def find_columns(
    header: Sequence[str],
    user_columns: Columns | None = None,
    row: Mapping[str, object] | None = None,
) -> Columns:
    """Find out which column is what.

    Parameters
    ----------
    header : sequence of str
        Names of a file's columns.
    user_columns : Columns, optional
        What the user said; None for what is to be found by its name.
    row : mapping, optional
        The first row by column: tells where the sequences are if no name does.

    Raises
    ------
    UnknownNameError
        There is no column the user named.
    InputError
        There are two of one name, but for case, or a second sequence a row; or the user named one
        for two.
    """
    exact = {spellings(column)[0]: column for column in reversed(header)}
    by_name = {spellings(column)[1]: column for column in reversed(header)} | exact
    _check_header(header, user_columns)
    named = {} if user_columns is None else _named_columns(user_columns, by_name, header)
    columns: dict[str, str | None] = {}
    for role, names in COLUMN_NAMES.items():
        # What the user named is none of the guessed ones; but rows may be grouped by their names.
        in_use = {
            column
            for other, column in {**columns, **named}.items()
            if (role, other) != ("id", "group")
        }
        guesses = (by_name[name] for name in names if name in by_name)
        columns[role] = next((guess for guess in guesses if guess not in in_use), None)
    columns |= named
    if columns["sequence"] is None and row is not None:
        columns["sequence"] = _only_sequence(row, {*columns.values(), *TOKENS})
    return Columns(**columns)


def _named_columns(
    user_columns: Columns, by_name: Mapping[str, str], header: Sequence[str]
) -> dict[str, str]:
    """The columns a user named, by what they are."""
    named: dict[str, str] = {}
    for field in fields(user_columns):
        choice = getattr(user_columns, field.name)
        if choice is None:
            continue
        column = next((by_name[n] for n in spellings(choice) if n in by_name), None)
        if column is None:
            raise UnknownNameError("column of the file", choice, header)
        for role, other in named.items():
            if column == other and (role, field.name) != ("id", "group"):
                raise InputError(
                    f"column '{column}' is named twice, as {role} and as {field.name}. Name "
                    f"another for one of them"
                )
        named[field.name] = column
    return named


def _only_sequence(row: Mapping[str, object], in_use: set[str | None]) -> str | None:
    """The only column of a row that holds a sequence; None if there are several, or none.

    None, too, if a name is a sequence: then the first row stands where the header should.
    """
    if any(map(_SEQUENCE.fullmatch, row)):
        return None
    candidates = [
        column
        for column, value in row.items()
        if column not in in_use and _SEQUENCE.fullmatch(str(value).strip().upper())
    ]
    return candidates[0] if len(candidates) == 1 else None


def _check_header(header: Sequence[str], user_columns: Columns | None) -> None:
    roles = {name for names in COLUMN_NAMES.values() for name in names}
    by_lower_case: dict[str, str] = {}
    for column in header:
        lower = column.strip().lower()
        if lower in roles and lower in by_lower_case:
            raise InputError(
                f"columns '{by_lower_case[lower]}' and '{column}' differ in case alone. Rename one"
            )
        by_lower_case[lower] = column
        if _SECOND.fullmatch(lower) and (user_columns is None or user_columns.sequence is None):
            raise InputError(
                f"has a second sequence a row, in column {column}: sesstore trains on single "
                f"proteins, not on pairs. Name one of the columns with --sequence to read that one"
            )


def sequence_column(columns: Columns, header: Iterable[str]) -> str:
    """Return the column of the sequences.

    Raises
    ------
    InputError
        There is none; says which columns there are.
    """
    if columns.sequence is not None:
        return columns.sequence
    names = list(header)
    if any(_SEQUENCE.fullmatch(name.strip()) for name in names):
        raise InputError("the first line holds a sequence: the header is missing. Write one above")
    raise InputError(
        f"no column aa_seq, nor any other of sequences "
        f"({', '.join(COLUMN_NAMES['sequence'][1:])}). Name it with --sequence COLUMN. "
        f"Found: {', '.join(names) or 'nothing'}"
    )


def label_column(columns: Columns, header: Sequence[str]) -> str:
    """Return the column of the labels: the one known, or the only one that is left.

    Raises
    ------
    InputError
        It cannot be told; says which columns it could be.
    """
    if columns.label is not None:
        return columns.label
    roles = {getattr(columns, field.name) for field in fields(columns)} | set(TOKENS)
    candidates = [column for column in header if column not in roles]
    if len(candidates) == 1:
        return candidates[0]
    raise InputError(
        f"which column is the label? Name it with --label: "
        f"{', '.join(candidates) or 'none is left'}"
    )


def taken_as(row: Mapping[str, object], column: str | None) -> object:
    """Return what a row has in a column; None where it has none, or an empty one."""
    value = row.get(column) if column is not None else None
    return None if value == "" else value
