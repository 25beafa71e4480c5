"""FASTA of token strings: one letter a residue in one alphabet, or SaProt's structure-aware ones.

Blanks inside a line of DSSP states mean a coil and are kept; no other tool's line breaks matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..alphabets import FOLDSEEK, MASK_LETTER, alphabet
from ..datasets.fasta import read_entries
from ..errors import InputError
from ..proteins import normalise
from ..structures.notices import Failure
from .imported_tokens import ForeignTokens, entry_name, observed_chain


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


def read_saprot(path: Path) -> Iterator[ForeignTokens | Failure]:
    """Read a FASTA file of structure-aware strings.

    Yields
    ------
    ForeignTokens or Failure
        A failure for a record that is no such string.

    Raises
    ------
    MissingFileError, RecordError, InputError
        As `datasets.fasta.read_entries`.
    """
    for entry in read_entries(path):
        labels = entry_name(entry.id).labels
        location = f"{path}, line {entry.line} ({labels[-1]})"
        try:
            residues, states = _split_letters("".join(entry.text.split()))
            chain = observed_chain(normalise(residues.replace(MASK_LETTER, "X")))
            codes = FOLDSEEK.encode(states.upper())
        except InputError as problem:
            yield Failure(location, f"{location}: {problem}")
        else:
            yield ForeignTokens(labels, location, {"foldseek": codes[None]}, chain)


def _split_letters(text: str) -> tuple[str, str]:
    """Amino acids and states."""
    residues, states = text[::2], text[1::2]
    if len(text) % 2 or residues != residues.upper() or states != states.lower():
        raise InputError(
            "it is not amino acids in upper and 3Di states in lower case by turns, as SaProt has "
            "them. Write both letters of each residue, # for an unknown state"
        )
    return residues, states
