"""Which column of a table is what: as the user says, else by the names people use.

Names are compared without regard to case. A column nobody named and nobody knows is not read; what
was taken for what is said (`Columns.said`), so that a wrong guess is seen at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

from ..errors import InputError, UnknownNameError

KNOWN = {
    "sequence": ("aa_seq", "sequence", "seq", "protein_sequence", "aa_sequence", "protein"),
    "id": ("name", "id", "protein_id", "accession", "uniprot_id", "uniprot", "entry"),
    "label": ("label", "labels", "target", "targets"),
    "split": ("split", "set", "partition"),
    "validation": ("validation",),
    "mask": ("mask", "resolved"),
}
"""What columns are called, the commonest first; FLIP's and SES-Adapter's names are among them."""

TOKENS = ("foldseek_seq", "ss8_seq", "ss3_seq")
"""Columns of SES-Adapter's files that are read as structure tokens, or follow from them."""


@dataclass(frozen=True)
class Columns:
    """Names of columns; None where there is none.

    Parameters
    ----------
    sequence, id, label, split, validation, mask : str or None
        Amino acids; what people call the protein; what is predicted; train, valid or test; whether
        a train row is for validation (FLIP); which residues have a label.
    """

    sequence: str | None = None
    id: str | None = None
    label: str | None = None
    split: str | None = None
    validation: str | None = None
    mask: str | None = None

    def said(self, header: Iterable[str]) -> str:
        """Say which column is what, and which are not read."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        parts = [f"{role} = {column}" for role, column in found.items() if column is not None]
        used = {*found.values(), *TOKENS}
        rest = [column for column in header if column not in used]
        return ", ".join(parts) + (f" (not read: {', '.join(rest)})" if rest else "")


def find_columns(header: Sequence[str], named: Columns | None = None) -> Columns:
    """Find out which column is what.

    Parameters
    ----------
    header : sequence of str
        Names of a file's columns.
    named : Columns, optional
        What the user said; None for what is to be found by its name.

    Raises
    ------
    UnknownNameError
        There is no column the user named.
    """
    by_name = {column.strip().lower(): column for column in reversed(header)}
    found: dict[str, str | None] = {}
    for role, names in KNOWN.items():
        asked = getattr(named, role) if named else None
        if asked is not None and asked.lower() not in by_name:
            raise UnknownNameError("column of the file", asked, header)
        taken = {column for column in found.values() if column}
        wanted = (asked.lower(),) if asked is not None else names
        found[role] = next(
            (by_name[n] for n in wanted if n in by_name and by_name[n] not in taken), None
        )
    return Columns(**found)


def sequence_column(columns: Columns, header: Iterable[str]) -> str:
    """Return the column of the sequences.

    Raises
    ------
    InputError
        There is none; says which columns there are.
    """
    if columns.sequence is None:
        raise InputError(
            f"no column aa_seq, nor any other of sequences ({', '.join(KNOWN['sequence'][1:])}). "
            f"Name it with --sequence COLUMN. Found: {', '.join(header) or 'nothing'}"
        )
    return columns.sequence


def label_column(columns: Columns, header: Sequence[str]) -> str:
    """Return the column of the labels: the one known, or the only one that is left.

    Raises
    ------
    InputError
        It cannot be told; says which columns it could be.
    """
    if columns.label is not None:
        return columns.label
    used = {getattr(columns, field.name) for field in fields(columns)} | set(TOKENS)
    left = [column for column in header if column not in used]
    if len(left) == 1:
        return left[0]
    raise InputError(
        f"which column is the label? Name it with --label: {', '.join(left) or 'none is left'}"
    )


def taken_as(row: Mapping[str, object], column: str | None) -> object:
    """Return what a row has in a column; None where it has none, or an empty one."""
    value = row.get(column) if column is not None else None
    return None if value == "" else value
