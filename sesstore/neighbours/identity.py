"""Sequence identity of a pair, from a global alignment: tells a lookalike from a relative.

Gotoh's algorithm (1982, doi:10.1016/0022-2836(82)90398-9) in biotite, BLOSUM62, gaps of 10 and 1,
those at the ends free. Memory grows with the product of the lengths, so pairs beyond `MOST_CELLS`
are not aligned.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

MOST_CELLS = 10_000_000
"""Product of the lengths of a pair up to which it is aligned: about 200 MB of tables."""
_GAPS = (-10, -1)
_RARE = str.maketrans("UOJ", "CKL")
"""Letters BLOSUM62 lacks, as their nearest standard ones."""


@dataclass(frozen=True)
class Identity:
    """How alike two aligned sequences are.

    Parameters
    ----------
    identity : float
        Equal pairs over aligned pairs of residues, 0 to 1.
    coverage : float
        Aligned pairs over the length of the longer sequence: high identity over a short stretch
        says little.
    """

    identity: float
    coverage: float


def align_identity(query: str, hit: str) -> Identity | None:
    """Identity of two sequences; None where they are too long to align.

    Parameters
    ----------
    query, hit : str
        Normalised sequences.
    """
    if query == hit:
        return Identity(1.0, 1.0)
    if len(query) * len(hit) > MOST_CELLS:
        return None
    from biotite.sequence import ProteinSequence
    from biotite.sequence.align import align_optimal

    first, second = (ProteinSequence(text.translate(_RARE)) for text in (query, hit))
    alignment = align_optimal(
        first, second, _blosum62(), gap_penalty=_GAPS, terminal_penalty=False, max_number=1
    )[0]
    aligned = alignment.trace[(alignment.trace >= 0).all(1)]
    if not len(aligned):
        return Identity(0.0, 0.0)
    equal = sum(query[i] == hit[j] for i, j in aligned.tolist())
    return Identity(equal / len(aligned), len(aligned) / max(len(query), len(hit)))


@cache
def _blosum62() -> Any:
    from biotite.sequence.align import SubstitutionMatrix

    return SubstitutionMatrix.std_protein_matrix()
