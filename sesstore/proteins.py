"""Proteins, and the digest that is the key of everything stored.

Ids are labels people like; they are not keys. The key is the SHA-256 of the normalised sequence:
white space removed, upper case, one trailing ``*`` (stop codon) removed.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property

from .alphabets import AMINO_ACIDS
from .errors import InputError

DIGEST_BYTES = 32

_ALLOWED = set(AMINO_ACIDS.letters)
_SAPROT = re.compile(r"(?:[A-Z#][a-z#]){3,}")
"""Amino acid and 3Di by turns; three pairs, so that a sequence with a small letter is none."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""What ids must not hold: line ends, tabs, zeros, and halves of characters."""

_UNKNOWN = "Replace it with X if the residue is unknown"
_GAP = "Take out the gaps of the alignment"
_NUMBER = "Numbers between lines are GenBank's: get the sequence as FASTA"
_ADVICE = {
    "-": _GAP,
    ".": _GAP,
    "*": "A stop within a protein: keep what comes before it, or write X",
    "#": "A masked residue: write X",
    **dict.fromkeys("0123456789", _NUMBER),
}


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
    LetterError
        It holds another letter; names it and its place, counted from 1, white space left out.
    InputError
        The sequence is empty, or SaProt's string of amino acids and 3Di states.
    """
    compact = "".join(sequence.split()).removesuffix("*")
    if not compact:
        raise InputError("the sequence is empty. Remove the record or give its sequence")
    # Capitals of letters beyond ASCII may lie within it, such as those of the Turkish dotless i.
    letters = compact.upper() if compact.isascii() else "".join(map(_ascii_upper, compact))
    if _SAPROT.fullmatch(compact):
        raise InputError(
            f"'{compact[:8]}...' is amino acids and 3Di states by turns, as SaProt writes them. "
            f"Take its tokens in with `sesstore tokens FILE --import saprot --source S`, and give "
            f"the amino acids alone here"
        )
    if not _ALLOWED.issuperset(letters):
        place, letter = next((i, c) for i, c in enumerate(letters) if c not in _ALLOWED)
        raise LetterError(letter, place)
    return letters


def _ascii_upper(letter: str) -> str:
    return letter.upper() if letter.isascii() else letter


class LetterError(InputError):
    """A sequence holds a letter that is no amino acid.

    Parameters
    ----------
    letter : str
        Which.
    place : int
        Where, counted from 0, white space left out.
    """

    def __init__(self, letter: str, place: int) -> None:
        label = letter if letter.isprintable() else f"U+{ord(letter):04X}"
        super().__init__(
            f"letter '{label}' at position {place + 1} is no amino acid "
            f"(allowed: the 20 and X U Z O B J). {_ADVICE.get(letter, _UNKNOWN)}"
        )
        self.letter, self.place = letter, place

    def __reduce__(self) -> tuple[type[LetterError], tuple[str, int]]:
        return type(self), (self.letter, self.place)


def checked_id(id: str) -> str:
    """Return an id without white space around it.

    Raises
    ------
    InputError
        It holds a control character, such as a line end.
    """
    name = id.strip()
    control = _CONTROL.search(name)
    if control is not None:
        raise InputError(
            f"the id {name[:40]!r} holds a control character (U+{ord(control[0]):04X}), which no "
            f"table or FASTA can keep. Take it out"
        )
    return name


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
            See `normalise`; or the id holds a control character, such as a line end.
        """
        return cls(checked_id(id), normalise(sequence))

    @cached_property
    def digest(self) -> bytes:
        """The key of everything stored about this protein: 32 bytes."""
        return digest_of(self.sequence)

    def __len__(self) -> int:
        return len(self.sequence)
