"""FASTA of token strings: one letter a residue, in one alphabet.

Blanks inside a line of DSSP states mean a coil and are kept; no other tool's line breaks matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..alphabets import alphabet
from ..datasets.fasta import read_entries
from ..errors import InputError
from ..structures.failure import Failure
from .imported_tokens import ForeignTokens, entry_name


def read_token_fasta(path: Path, name: str) -> Iterator[ForeignTokens | Failure]:
    """Read token strings.

    Parameters
    ----------
    path : path
        The file; ``.gz`` may follow.
    name : str
        Alphabet of its letters, such as ``"foldseek"`` (in either case) or ``"dssp"``.

    Yields
    ------
    ForeignTokens or Failure
        A failure for a record with letters that are not of the alphabet.

    Raises
    ------
    MissingFileError, RecordError, InputError
        As `datasets.fasta.read_entries`.
    """
    letters = alphabet(name)
    upper = letters.letters.isupper()
    for entry in read_entries(path):
        labels, text = entry_name(entry.id).labels, entry.blanks
        location = f"{path}, line {entry.line} ({labels[-1]})"
        try:
            codes = letters.encode(text.upper() if upper else text)
        except InputError as problem:
            yield Failure(location, f"{location}: {problem}")
            continue
        if len(codes):
            yield ForeignTokens(labels, location, {name: codes[None]})
        else:
            yield Failure(location, f"{location}: the record is empty")
