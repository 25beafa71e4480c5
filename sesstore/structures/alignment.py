"""Place the residues of a structure on a sequence.

The file's own word first (mmCIF says which residue of the full sequence each one is), then
numbering: if the author's numbers, shifted by a constant, put the residues on their letters but for
mutations, that is it, because an alignment would tear a mutant apart beside a gap in a repeat.
Otherwise a global alignment with free ends (BLOSUM62, affine gaps; by biotite), of the full
sequence where the file states it. An X agrees with any letter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import StructureError
from .chains import Chain

IDENTITY = 0.9
"""Least share of placed residues that must be the sequence's."""

_GAP = (-11, -1)
_TRIMMED_PAIRS, _MOST_PAIRS = 4_000_000, 60_000_000
"""Pairs of residues from which on equal ends are cut off first, and that are too many to align (a
pair takes 13 bytes)."""

_MEANT = 30
"""Letters that two sequences do not begin alike with by chance."""

_SLIP = 4
"""Letters that an alignment must gain over numbers to show that the numbers slip."""

_UNKNOWN = ord("X")
Letters = NDArray[np.uint8]

_TO_STANDARD = str.maketrans("UOJ", "CKL")


def place(chain: Chain, sequence: str, name: str) -> NDArray[np.int64]:
    """Return for each residue of a sequence which residue of the chain it is.

    Parameters
    ----------
    chain : Chain
        Resolved residues.
    sequence : str, length L
        Normalised sequence of the protein.
    name : str
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
    index = _as_stated(chain, sequence, name)
    if index is None:
        index = _by_numbers(chain, sequence, name)
    if index is None:
        index = _through_sequence(chain, sequence, name)
    if index is None:
        index = _by_alignment(chain.residues, sequence, name)
    placed = index >= 0
    residues, letters = _letters(chain.residues), _letters(sequence)
    agreeing = int(_agree(residues[index[placed]], letters[placed]).sum())
    identical = int((residues[index[placed]] == letters[placed]).sum())
    too_few = 2 * placed.sum() < min(len(chain), len(sequence))
    if agreeing < IDENTITY * placed.sum() or 2 * identical < placed.sum() or too_few:
        raise StructureError(
            f"{name} is not the protein it should be: {agreeing} of {int(placed.sum())} aligned "
            f"residues agree.\n  structure: {_abridged(chain.residues)}\n  sequence:  "
            f"{_abridged(sequence)}\nGive the right sequence with --sequences, or leave the file "
            f"out"
        )
    return index


def _letters(text: str) -> Letters:
    return np.frombuffer(text.encode("ascii"), np.uint8)


def _agree(first: Letters, second: Letters) -> NDArray[np.bool_]:
    agree: NDArray[np.bool_] = (first == second) | (first == _UNKNOWN) | (second == _UNKNOWN)
    return agree


def _as_stated(chain: Chain, sequence: str, name: str) -> NDArray[np.int64] | None:
    """Place by the file's full sequence; None if it says none, or another protein's."""
    if chain.positions is None or chain.sequence is None:
        return None
    onto = _onto(chain.sequence, sequence, name)
    return None if onto is None else _invert(onto[chain.positions], len(sequence))


def _through_sequence(chain: Chain, sequence: str, name: str) -> NDArray[np.int64] | None:
    """Place on the file's full sequence, and that on the given one; None if they do not fit."""
    if chain.positions is not None or chain.sequence in (None, sequence):
        return None
    onto = _onto(chain.sequence, sequence, name)
    if onto is None:
        return None
    index = _by_numbers(chain, chain.sequence, name)
    if index is None:
        index = _by_alignment(chain.residues, chain.sequence, name)
    positions = _invert(index, len(chain))
    resolved = positions >= 0
    places = np.full(len(chain), -1, np.int64)
    places[resolved] = onto[positions[resolved]]
    return _invert(places, len(sequence))


def _onto(stated: str, sequence: str, name: str) -> NDArray[np.int64] | None:
    """Place of each letter of a full sequence in the given one, -1 outside; None if unlike."""
    if sequence in stated:  # the whole chain, or a part of the construct
        places = np.arange(len(stated)) - stated.index(sequence)
        return np.where(places < len(sequence), np.maximum(places, -1), -1)
    if stated in sequence:
        return np.arange(len(stated)) + sequence.index(stated)
    if len(stated) == len(sequence) and _fit_whole(stated, sequence):
        return np.arange(len(stated))
    places = _invert(_by_alignment(stated, sequence, name), len(stated))
    placed = places >= 0
    agreeing = _agree(_letters(stated)[placed], _letters(sequence)[places[placed]]).sum()
    enough = 2 * placed.sum() >= min(len(stated), len(sequence))
    return places if enough and agreeing >= IDENTITY * placed.sum() else None


def _fit_whole(stated: str, sequence: str) -> bool:
    return bool(_agree(_letters(stated), _letters(sequence)).mean() >= IDENTITY)


def _invert(places: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """What lies at each of some places, -1 where nothing does."""
    inverse = np.full(size, -1, np.int64)
    valid = (places >= 0) & (places < size)
    inverse[places[valid]] = np.flatnonzero(valid)
    return inverse


def _by_numbers(chain: Chain, sequence: str, name: str) -> NDArray[np.int64] | None:
    """Place by the author's numbers plus a constant; None if none fits but for mutations."""
    if (chain.insertions != "").any() or (np.diff(chain.numbers) <= 0).any():
        return None
    residues, letters = _letters(chain.residues), _letters(sequence)
    relative = chain.numbers - chain.numbers[0]
    last = len(sequence) - int(relative[-1])
    # Numbers count from 1 in the sequence more often than not: try that first.
    natural = int(chain.numbers[0]) - 1
    for shift in (natural, *range(last)):
        if 0 <= shift < last and np.array_equal(letters[relative + shift], residues):
            return _invert(relative + shift, len(sequence))
    shift = _nearly(residues, letters, relative, natural)
    if shift is None:
        return None
    index = _invert(relative + shift, len(sequence))
    mutations = int((~_agree(residues[index[index >= 0]], letters[index >= 0])).sum())
    if mutations >= _SLIP and len(residues) * len(letters) <= _TRIMMED_PAIRS:
        aligned = _by_alignment(chain.residues, sequence, name)
        fewer = _agreements(index, residues, letters) + max(_SLIP, mutations // 2)
        if _agreements(aligned, residues, letters) >= fewer:
            return None  # the numbers slip somewhere: an insertion they do not know of
    return index


def _agreements(index: NDArray[np.int64], residues: Letters, letters: Letters) -> int:
    placed = index >= 0
    return int(_agree(residues[index[placed]], letters[placed]).sum())


def _nearly(
    residues: Letters, letters: Letters, relative: NDArray[np.int64], natural: int
) -> int | None:
    """The shift that puts residues on their letters but for mutations; None if there is none.

    Numbers that count in the sequence may leave it at its ends (tags); those with another constant
    may not, or a few residues would fit anywhere.
    """
    count, agreeing = _fit(residues, letters, relative + natural)
    if agreeing >= max(IDENTITY * count, 1) and 2 * count >= len(residues):
        return natural
    slack = int((1 - IDENTITY) * len(residues))
    shifts = range(-slack, len(letters) - int(relative[-1]) + slack)
    if len(shifts) * len(residues) > _MOST_PAIRS:
        return None
    best = max(shifts, key=lambda shift: _fit(residues, letters, relative + shift)[1], default=None)
    if best is None or _fit(residues, letters, relative + best)[1] < IDENTITY * len(residues):
        return None
    return best


def _fit(residues: Letters, letters: Letters, places: NDArray[np.int64]) -> tuple[int, int]:
    """How many residues are inside of the sequence, and how many of them on their letter."""
    valid = (places >= 0) & (places < len(letters))
    agreeing = _agree(residues[valid], letters[places[valid]])
    return int(valid.sum()), int(agreeing.sum())


def _by_alignment(residues: str, sequence: str, name: str) -> NDArray[np.int64]:
    """Place by a global alignment; of long ones only what lies between equal ends is aligned."""
    index = np.full(len(sequence), -1, np.int64)
    head = tail = 0
    if len(residues) * len(sequence) > _TRIMMED_PAIRS:
        head = _equal_start(residues, sequence)
        tail = _equal_start(residues[head:][::-1], sequence[head:][::-1])
        index[:head] = np.arange(head)
        index[len(sequence) - tail :] = np.arange(len(residues) - tail, len(residues))
    middle, between = residues[head : len(residues) - tail], sequence[head : len(sequence) - tail]
    if len(middle) * len(between) > _MOST_PAIRS:
        raise StructureError(
            f"{name} has {len(residues):,} residues that fit the {len(sequence):,} of its sequence "
            f"neither by number nor at their ends: too many to align. Give the structure's own "
            f"sequence with --sequences, or number its residues as the sequence"
        )
    if middle and between:
        pairs = _align(middle, between)
        index[head + pairs[:, 1]] = head + pairs[:, 0]
    return index


def _equal_start(first: str, second: str) -> int:
    """Letters two strings begin alike with; 0 if they are too few to mean something."""
    pairs = enumerate(zip(first, second, strict=False))
    alike = next((i for i, (a, b) in pairs if a != b), min(len(first), len(second)))
    return alike if alike >= _MEANT else 0


def _align(residues: str, sequence: str) -> NDArray[np.int64]:
    """Pairs of aligned letters, shape=(n, 2)."""
    from biotite.sequence import ProteinSequence
    from biotite.sequence.align import SubstitutionMatrix, align_optimal

    first, second = (ProteinSequence(text.translate(_TO_STANDARD)) for text in (residues, sequence))
    matrix = SubstitutionMatrix.std_protein_matrix()
    alignment = align_optimal(
        first, second, matrix, gap_penalty=_GAP, terminal_penalty=False, max_number=1
    )[0]
    pairs: NDArray[np.int64] = alignment.trace[(alignment.trace >= 0).all(1)]
    return pairs


def _abridged(sequence: str) -> str:
    return sequence if len(sequence) <= 60 else f"{sequence[:57]}..."
