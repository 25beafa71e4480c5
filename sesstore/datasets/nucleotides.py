"""Sequences that are DNA or RNA by their letters: A, C, G and T stand for amino acids, too.

Nothing is refused for it; the reader of a file says in its end how many looked so.
"""

from __future__ import annotations

from ..proteins import Protein
from .text import Readable, Warn
from .wording import counted

SHORTEST = 20
"""Letters below which nothing is said."""

SHARE = 0.95
"""Of bases among the letters; `SHARE_AMONG_CODES` where the others are codes for several bases."""

SHARE_AMONG_CODES = 0.8
_BASES = "ACGTUN"
_CODES = frozenset("ACGTUNRYSWKMBDHV")
"""The letters of IUPAC for nucleotides."""


def looks_like_nucleotides(sequence: str) -> bool:
    """Whether nearly all letters of a sequence are bases, and at least three of them occur.

    No protein of UniProt's length and variety is so; runs of one or two amino acids are.
    """
    if len(sequence) < SHORTEST:
        return False
    counts = [sequence.count(base) for base in _BASES]
    share = SHARE_AMONG_CODES if _CODES.issuperset(sequence) else SHARE
    return sum(counts) >= share * len(sequence) and sum(map(bool, counts[:5])) >= 3


class NucleotideCheck:
    """Counts the sequences of a file that look like DNA or RNA.

    Parameters
    ----------
    path : path
        The file.
    """

    def __init__(self, path: Readable) -> None:
        self._path, self._count, self._total, self._first = path, 0, 0, ""

    def look(self, protein: Protein) -> None:
        """Look at a sequence."""
        self._total += 1
        if looks_like_nucleotides(protein.sequence):
            self._first = self._first or protein.id
            self._count += 1

    def report(self, warn: Warn) -> None:
        """Say how many looked like nucleotides, if any did."""
        if self._count:
            warn(
                f"'{self._path}': {self._count:,} of {counted(self._total, 'sequence')} look like "
                f"DNA or RNA, not protein ({self._first} is the first). Translate them, or leave "
                f"them out"
            )
