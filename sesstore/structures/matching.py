"""Which of some proteins each chain of a structure is, and where its residues are in the chain.

A chain is the protein whose sequence it has, resolved or as the file states it; else the one its
file's name says, by the rules of `naming` and `identifiers`, onto which it must then align. What
fits none, or several, is left alone: nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..name_index import NameIndex
from ..proteins import Protein, digest_of, normalise
from .alignment import place
from .chains import Chain, Structure
from .naming import other_ids, protein_id


@dataclass(frozen=True, eq=False)
class PlacedChain:
    """A chain of a structure, on the sequence of its protein.

    Parameters
    ----------
    chain : Chain
    protein : Protein
        Of L residues.
    index : ndarray, shape=(L,), dtype=int64
        For each residue of the protein which one of the chain it is, -1 where it is unresolved.
    """

    chain: Chain
    protein: Protein
    index: NDArray[np.int64]

    @property
    def unresolved(self) -> int:
        """Residues of the protein that the chain has no coordinates of."""
        return int((self.index < 0).sum())

    @property
    def places(self) -> NDArray[np.int64]:
        """For each residue of the chain its place in the protein, -1 where it is not in it."""
        places = np.full(len(self.chain), -1, np.int64)
        resolved = self.index >= 0
        places[self.index[resolved]] = np.flatnonzero(resolved)
        return places

    def values(self, values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Values of the protein's residues for those of the chain; NaN where there is none."""
        places = self.places
        return np.where(places >= 0, values[places], np.nan).astype(np.float64)


class ProteinMatcher:
    """Finds the protein of a chain.

    Parameters
    ----------
    proteins : iterable of Protein
        Those there are; one sequence may stand under several ids.
    """

    def __init__(self, proteins: Iterable[Protein]) -> None:
        every = list(proteins)
        self._proteins = {protein.digest: protein for protein in reversed(every)}
        self._names = NameIndex((protein.id, protein.digest) for protein in every)

    def match(self, structure: Structure, chain: Chain) -> PlacedChain | None:
        """Place a chain of a structure; None where it is of none of the proteins.

        Raises
        ------
        StructureError
            The chain has the name of a protein, and is another one.
        """
        path, count = structure.path, len(structure.chains)
        digests = [digest_of(normalise(text)) for text in (chain.sequence, chain.residues) if text]
        names = (protein_id(path, chain.id, count), *other_ids(path, chain.id, count))
        by_name = self._names.find(names)
        candidates = digests + (by_name if len(by_name) == 1 else [])
        protein = next((self._proteins[d] for d in candidates if d in self._proteins), None)
        if protein is None:
            return None
        index = place(chain, protein.sequence, f"{path}, chain {chain.id}")
        return PlacedChain(chain, protein, index)

    def is_named(self, path: Path) -> bool:
        """Whether a file's name alone says that it is of one of the proteins."""
        return bool(self._names.find((protein_id(path, "", 1),), any_chain=True))
