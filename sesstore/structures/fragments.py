"""Join the overlapping fragments AlphaFold DB cuts long proteins into (F1, F2, ...).

Fragments are 1,400 residues long and begin 200 apart. A residue takes its tokens from the fragment
in which it lies deepest, so that no token comes from an artificial end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..errors import StructureError
from .chains import Chain

_LONGEST = 1_000_000
"""Residues no protein reaches."""

STEP = 200
"""Residues from the beginning of one fragment to the next."""


@dataclass(frozen=True, eq=False)
class Fragment:
    """A fragment with its tokens.

    Parameters
    ----------
    number : int
        From 1, as in the file's name.
    chain : Chain
        Its only chain.
    codes : mapping of str to ndarray, shape=(1, L), dtype=uint8
        Tokens of each alphabet.
    """

    number: int
    chain: Chain
    codes: Mapping[str, NDArray[np.uint8]]

    @property
    def begin(self) -> int:
        """Place of its first residue in the protein: as the file states, else by its number."""
        # A file may state no place, or 0 for any fragment.
        return self.chain.begin or STEP * (self.number - 1)


def join(fragments: Sequence[Fragment], label: str) -> tuple[Chain, dict[str, NDArray[np.uint8]]]:
    """Join fragments into one chain with its tokens.

    Parameters
    ----------
    fragments : sequence of Fragment
        Of one protein, any order.
    label : str
        What an error calls them.

    Returns
    -------
    chain : Chain
        All residues; ``sequence`` has X where no fragment reaches. Its backbone is empty.
    codes : dict of str to ndarray, shape=(1, L), dtype=uint8

    Raises
    ------
    StructureError
        Fragments that overlap differ in their letters.
    """
    places = [f.begin + _offsets(f.chain) for f in fragments]
    length = max(int(place[-1]) + 1 for place in places)
    if length > _LONGEST:
        raise StructureError(
            f"{label}: a fragment begins at residue {length:,}, where no protein reaches. Get the "
            f"files again"
        )
    letters = np.full(length, "X")
    depth = np.full(length, -1, np.int64)
    bfactors = np.zeros(length, np.float32)
    codes = {name: np.zeros((1, length), np.uint8) for name in fragments[0].codes}
    for fragment, place in zip(fragments, places, strict=True):
        fragment_letters = np.array(list(fragment.chain.residues))
        overlap = depth[place] >= 0
        if (letters[place][overlap] != fragment_letters[overlap]).any():
            raise StructureError(
                f"{label}: fragment F{fragment.number} differs from the others where they overlap. "
                f"Get all fragments of one version"
            )
        deep = _depth(place, length)
        better = deep > depth[place]
        rows = place[better]
        letters[rows], depth[rows] = fragment_letters[better], deep[better]
        bfactors[rows] = fragment.chain.bfactors[better]
        for name, values in fragment.codes.items():
            codes[name][:, rows] = values[:1, better]
    covered = np.flatnonzero(depth >= 0)
    chain = replace(
        fragments[0].chain,
        residues="".join(letters[covered]),
        numbers=covered + 1,
        insertions=np.full(len(covered), ""),
        backbone=np.zeros((0, len(covered), 5, 3), np.float32),
        bfactors=bfactors[covered],
        sequence="".join(letters),
        positions=covered,
        begin=0,
    )
    return chain, {name: values[:, covered] for name, values in codes.items()}


def _offsets(chain: Chain) -> NDArray[np.int64]:
    if chain.positions is not None:
        return chain.positions
    offsets: NDArray[np.int64] = chain.numbers - chain.numbers[0]
    return offsets


def _depth(place: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Distance to the nearer cut of the fragment; the protein's own ends are no cuts."""
    from_start = place - place[0] if place[0] else np.full(len(place), length)
    from_end = place[-1] - place if place[-1] < length - 1 else np.full(len(place), length)
    nearer: NDArray[np.int64] = np.minimum(from_start, from_end)
    return nearer
