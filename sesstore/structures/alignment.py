"""Place the residues of a structure on a sequence.

The file's own word first (mmCIF says which residue of the full sequence each one is), then
numbering: if shifting the author's numbers by a constant puts every residue on its letter, that is
it. Otherwise a global alignment with free ends (BLOSUM62, affine gaps; by biotite).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import StructureError
from .chains import Chain

IDENTITY = 0.9
"""Least share of placed residues that must be the sequence's."""

_GAP = (-11, -1)
_MANY, _MOST = 4_000_000, 60_000_000
"""Pairs of residues from which on equal ends are cut off first, and that are too many to align (a
pair takes 13 bytes)."""

_MEANT = 30
"""Letters that two sequences do not begin alike with by chance."""

_TO_STANDARD = str.maketrans("UOJ", "CKL")


def place(chain: Chain, sequence: str, what: str) -> NDArray[np.int64]:
    """Return for each residue of a sequence which residue of the chain it is.

    Parameters
    ----------
    chain : Chain
        Resolved residues.
    sequence : str, length L
        Normalised sequence of the protein.
    what : str
        What an error calls the chain.

    Returns
    -------
    ndarray, shape=(L,), dtype=int64
        Index into the chain, -1 where unresolved.

    Raises
    ------
    StructureError
        They are not the same protein: less than 90 % of the placed residues agree, or less than
        half of the chain could be placed; shows both. Or they are too long to be aligned.
    """
    found = _as_stated(chain, sequence)
    if found is None:
        found = _by_numbers(chain, sequence)
    if found is None:
        found = _by_alignment(chain.residues, sequence, what)
    placed = found >= 0
    letters = np.array(list(chain.residues))[found[placed]]
    same = int((letters == np.array(list(sequence))[placed]).sum())
    if same < IDENTITY * placed.sum() or 2 * placed.sum() < min(len(chain), len(sequence)):
        raise StructureError(
            f"{what} is not the protein it should be: {same} of {int(placed.sum())} aligned "
            f"residues agree.\n  structure: {_shown(chain.residues)}\n  sequence:  "
            f"{_shown(sequence)}\nGive the right sequence with --sequences, or leave the file out"
        )
    return found


def _as_stated(chain: Chain, sequence: str) -> NDArray[np.int64] | None:
    """Place by the file's full sequence; None if it says none, or another than the given one."""
    if chain.positions is None or chain.sequence is None:
        return None
    found = np.full(len(sequence), -1, np.int64)
    if sequence in chain.sequence:  # the whole chain, or a part of the construct
        places = chain.positions - chain.sequence.index(sequence)
    elif chain.sequence in sequence:
        places = chain.positions + sequence.index(chain.sequence)
    else:
        return None
    inside = (places >= 0) & (places < len(sequence))
    found[places[inside]] = np.flatnonzero(inside)
    return found


def _by_numbers(chain: Chain, sequence: str) -> NDArray[np.int64] | None:
    """Place by the author's numbers plus a constant; None if no constant fits every residue."""
    if (chain.insertions != "").any() or (np.diff(chain.numbers) <= 0).any():
        return None
    letters = np.frombuffer(sequence.encode("ascii"), np.uint8)
    observed = np.frombuffer(chain.residues.encode("ascii"), np.uint8)
    relative = chain.numbers - chain.numbers[0]
    last = len(sequence) - int(relative[-1])
    # Numbers count from 1 in the sequence more often than not: try that first.
    shifts = [int(chain.numbers[0]) - 1, *range(last)]
    for shift in shifts:
        if 0 <= shift < last and np.array_equal(letters[relative + shift], observed):
            found = np.full(len(sequence), -1, np.int64)
            found[relative + shift] = np.arange(len(observed))
            return found
    return None


def _by_alignment(residues: str, sequence: str, what: str) -> NDArray[np.int64]:
    """Place by a global alignment; of long ones only what lies between equal ends is aligned."""
    found = np.full(len(sequence), -1, np.int64)
    head = tail = 0
    if len(residues) * len(sequence) > _MANY:
        head = _equal_start(residues, sequence)
        tail = _equal_start(residues[head:][::-1], sequence[head:][::-1])
        found[:head] = np.arange(head)
        found[len(sequence) - tail :] = np.arange(len(residues) - tail, len(residues))
    one, two = residues[head : len(residues) - tail], sequence[head : len(sequence) - tail]
    if len(one) * len(two) > _MOST:
        raise StructureError(
            f"{what} has {len(residues):,} residues that fit the {len(sequence):,} of its sequence "
            f"neither by number nor at their ends: too many to align. Give the structure's own "
            f"sequence with --sequences, or number its residues as the sequence"
        )
    if one and two:
        pairs = _aligned(one, two)
        found[head + pairs[:, 1]] = head + pairs[:, 0]
    return found


def _equal_start(one: str, two: str) -> int:
    """Letters two strings begin alike with; 0 if they are too few to mean something."""
    pairs = enumerate(zip(one, two, strict=False))
    alike = next((i for i, (a, b) in pairs if a != b), min(len(one), len(two)))
    return alike if alike >= _MEANT else 0


def _aligned(residues: str, sequence: str) -> NDArray[np.int64]:
    """Pairs of aligned letters, shape=(n, 2)."""
    from biotite.sequence import ProteinSequence
    from biotite.sequence.align import SubstitutionMatrix, align_optimal

    one, two = (ProteinSequence(text.translate(_TO_STANDARD)) for text in (residues, sequence))
    matrix = SubstitutionMatrix.std_protein_matrix()
    alignment = align_optimal(
        one, two, matrix, gap_penalty=_GAP, terminal_penalty=False, max_number=1
    )[0]
    pairs: NDArray[np.int64] = alignment.trace[(alignment.trace >= 0).all(1)]
    return pairs


def _shown(sequence: str) -> str:
    return sequence if len(sequence) <= 60 else f"{sequence[:57]}..."
