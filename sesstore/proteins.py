"""Proteins, and the digest that is the key of everything stored.

Ids are labels people like; they are not keys. The key is the SHA-256 of the normalised sequence:
white space removed, upper case, one trailing ``*`` (stop codon) removed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

from .alphabets import AMINO_ACIDS
from .errors import InputError

DIGEST_BYTES = 32

_ALLOWED = set(AMINO_ACIDS.letters)


def normalise(sequence: str) -> str:
    """Bring an amino-acid sequence into the form that is hashed and encoded.

    Parameters
    ----------
    sequence : str
        One-letter amino acids, any case, white space anywhere, at most one trailing ``*``.

    Returns
    -------
    str
        Upper case, only the 20 amino acids and X U Z O B J.

    Raises
    ------
    InputError
        The sequence is empty or holds another letter; names the letter and its place, counted
        from 1 in the normalised sequence.
    """
    letters = "".join(sequence.split()).upper().removesuffix("*")
    if not letters:
        raise InputError("the sequence is empty. Remove the record or give its sequence")
    if not _ALLOWED.issuperset(letters):
        place, letter = next((i, c) for i, c in enumerate(letters) if c not in _ALLOWED)
        raise InputError(
            f"letter '{letter}' at position {place + 1} is no amino acid "
            f"(allowed: the 20 and X U Z O B J). Replace it with X if the residue is unknown"
        )
    return letters


def digest_of(sequence: str) -> bytes:
    """SHA-256 of a sequence that is already normalised: 32 bytes."""
    return hashlib.sha256(sequence.encode("ascii")).digest()


@dataclass(frozen=True)
class Protein:
    """A protein: a label and a normalised amino-acid sequence.

    Build one from raw text with `Protein.parse`; the plain constructor takes the sequence as it is.

    Parameters
    ----------
    id : str
        What people call it. Need not be unique.
    sequence : str
        Normalised, see `normalise`.
    """

    id: str
    sequence: str

    @classmethod
    def parse(cls, id: str, sequence: str) -> Protein:
        """Return a protein from raw text.

        Raises
        ------
        InputError
            See `normalise`.
        """
        return cls(id.strip(), normalise(sequence))

    @cached_property
    def digest(self) -> bytes:
        """The key of everything stored about this protein: 32 bytes."""
        return digest_of(self.sequence)

    def __len__(self) -> int:
        return len(self.sequence)
