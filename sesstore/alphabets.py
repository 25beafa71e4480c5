"""Letters to uint8 codes and back: the only place of sesstore that knows letters.

An alphabet numbers its letters 0, 1, 2, ... in their order; the number after the last letter is the
*mask*, the code of a residue that is unresolved or has no structure. Codes are sesstore's own and
never the ids of some PLM's tokenizer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .errors import InputError, UnknownNameError

MASK_LETTER = "#"
"""How a masked residue is written in text (as SaProt writes it)."""

_UNKNOWN = 255


@dataclass(frozen=True)
class Alphabet:
    """An ordered set of one-letter states.

    Parameters
    ----------
    name : str
        Name in stores and on the command line, such as ``"foldseek"``.
    letters : str
        The states; the code of a letter is its place.
    aliases : dict of str to str, optional
        Letters other tools write, with the letter of ours each becomes.
    """

    name: str
    letters: str
    aliases: dict[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if len(set(self.letters)) != len(self.letters) or MASK_LETTER in self.letters:
            raise InputError(
                f"alphabet '{self.name}': letters must differ, and '{MASK_LETTER}' is the mask"
            )
        if not 1 <= len(self.letters) < _UNKNOWN:
            raise InputError(f"alphabet '{self.name}': 1 to {_UNKNOWN - 1} letters are possible")

    @property
    def mask(self) -> int:
        """Code of a masked residue: one past the last letter."""
        return len(self.letters)

    @property
    def size(self) -> int:
        """Number of codes, the mask among them: rows of an embedding table."""
        return len(self.letters) + 1

    @cached_property
    def _to_code(self) -> NDArray[np.uint8]:
        table = np.full(256, _UNKNOWN, np.uint8)
        for code, letter in enumerate(self.letters + MASK_LETTER):
            table[ord(letter)] = code
        for alias, letter in self.aliases.items():
            table[ord(alias)] = table[ord(letter)]
        return table

    @cached_property
    def _to_letter(self) -> NDArray[np.uint8]:
        return np.frombuffer((self.letters + MASK_LETTER).encode("ascii"), np.uint8)

    def encode(self, text: str) -> NDArray[np.uint8]:
        """Codes of a string.

        Parameters
        ----------
        text : str
            One letter a residue; ``#`` is the mask.

        Returns
        -------
        ndarray, shape=(L,), dtype=uint8

        Raises
        ------
        InputError
            A letter is not of this alphabet; names the letter and its place, counted from 1.
        """
        raw = np.frombuffer(text.encode("latin-1", "replace"), np.uint8)
        codes = self._to_code[raw]
        wrong = np.flatnonzero(codes == _UNKNOWN)
        if len(wrong):
            place = int(wrong[0])
            raise InputError(
                f"letter '{text[place]}' at position {place + 1} is not in alphabet {self.name} "
                f"({self.letters}, {MASK_LETTER} for masked)"
            )
        return codes

    def decode(self, codes: NDArray[np.uint8]) -> str:
        """String of some codes, the inverse of `encode`.

        Parameters
        ----------
        codes : ndarray, shape=(L,), dtype=uint8

        Raises
        ------
        InputError
            A code is larger than the mask.
        """
        codes = np.asarray(codes, np.uint8)
        if codes.size and int(codes.max()) > self.mask:
            raise InputError(f"code {int(codes.max())} is not in the {self.name} alphabet")
        return self._to_letter[codes].tobytes().decode("ascii")


FOLDSEEK = Alphabet("foldseek", "ACDEFGHIKLMNPQRSTVWY", {"X": MASK_LETTER})
"""The 20 3Di states of FoldSeek (van Kempen et al. 2024, doi:10.1038/s41587-023-01773-0)."""

DSSP = Alphabet("dssp", "HBEGITSL", {"P": "L", " ": "L", "-": "L", "C": "L", "X": MASK_LETTER})
"""The 8 states of DSSP (Kabsch & Sander 1983); DSSP 4's P (kappa helix) and blanks become L."""

SS3 = Alphabet("ss3", "HEC", {"L": "C", "-": "C", " ": "C", "X": MASK_LETTER})
"""Secondary structure in 3 states: helix, strand, coil. Imported; DSSP's 8 are what we assign."""

AMINO_ACIDS = Alphabet("amino_acids", "ACDEFGHIKLMNPQRSTVWYXUZOBJ")
"""The 20 amino acids and the letters X U Z O B J of sequence databases."""

ALPHABETS = {alphabet.name: alphabet for alphabet in (FOLDSEEK, DSSP, SS3)}
"""The structure alphabets, by name."""


def alphabet(name: str) -> Alphabet:
    """Return the structure alphabet of that name.

    Raises
    ------
    UnknownNameError
        There is none.
    """
    try:
        return ALPHABETS[name]
    except KeyError:
        raise UnknownNameError("structure alphabet", name, ALPHABETS) from None
