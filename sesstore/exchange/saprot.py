"""SaProt's structure-aware strings: amino acid and 3Di state of each residue, by turns.

``MdEvVp...``: upper case the amino acid, lower case the state, ``#`` for what is unknown or masked
(Su et al. 2024, doi:10.1101/2023.10.01.560349). As FASTA, one string a record.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..alphabets import FOLDSEEK, MASK_LETTER
from ..datasets.fasta import read_entries
from ..errors import InputError
from ..proteins import normalise
from ..structures.failure import Failure
from .imported_tokens import ForeignTokens, entry_name, observed_chain


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
