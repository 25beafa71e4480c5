"""A protein of a job as people look at it: its sequence and structure, coloured by what counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..jobs.predicting.predictions import Row
from ..proteins import Protein
from ..reports.residues import NAMES
from ..reports.structure_view import (
    Colouring,
    StructureView,
    ViewedStructure,
    classes,
    numbers,
    plddt,
    token_mask,
)
from ..residues import StructureTokens
from ..structures.chains import Structure
from ..structures.matching import ProteinMatcher
from ..structures.structure_files import StructureFile
from ..tasks import Problem

ATTENTION = "attention"
_SURENESS = {
    "confidence": "Calibrated probability that the class of the residue is right.",
    "spread": "Standard deviation over adapters trained by several seeds.",
}
_ATTENTION_NOTE = "How often the mean weight each residue counts in what is pooled for the protein."


@dataclass(frozen=True, eq=False)
class ResidueColours:
    """What the residues of a run's proteins are coloured by.

    Parameters
    ----------
    problem : Problem
    names : sequence of str
        Of its classes; of values what they are.
    """

    problem: Problem
    names: tuple[str, ...]

    @property
    def title(self) -> str:
        """What the values are."""
        if not self.problem.per_residue:
            return ATTENTION
        if self.problem.is_regression:
            return self.names[0]
        return f"probability of {self.names[1]}" if len(self.names) == 2 else "class"

    def colouring(self, values: NDArray[np.float64]) -> Colouring:
        """Colours of values: weights, predicted values, probabilities, or numbers of classes."""
        if not self.problem.per_residue:
            return numbers(self.title, values, 0.0, note=_ATTENTION_NOTE)
        if self.problem.is_regression:
            return numbers(self.title, values, note="What the run predicts.")
        if len(self.names) == 2:
            return numbers(self.title, values, 0.0, 1.0, note="What the run predicts.")
        return classes(self.title, values.astype(np.int64), self.names, "What the run predicts.")


@dataclass(frozen=True)
class UploadedStructure(StructureFile):
    """The structure of a job: a file in memory, parsed once to be tokenised and to be drawn.

    Parameters
    ----------
    data : bytes
        Its contents; the path names it, and its kind.
    """

    data: bytes = b""

    def read(self) -> bytes:
        """Return its contents."""
        return self.data

    def parse(self) -> Structure:
        """Read its protein chains, the first time."""
        return self._structure

    @cached_property
    def _structure(self) -> Structure:
        return super().parse()

    def chains_of(self, protein: Protein) -> ViewedStructure | None:
        """The chains of it that are a protein; None if there are none."""
        structure, matcher = self.parse(), ProteinMatcher([protein])
        placed = [matcher.match(structure, chain) for chain in structure.chains]
        chains = [chain for chain in placed if chain is not None]
        return ViewedStructure(structure, chains) if chains else None


def protein_view(
    protein: Protein,
    colours: ResidueColours,
    values: NDArray[np.float64] | None,
    row: Row,
    tokens: StructureTokens | None,
    letters: Mapping[str, str],
    structure: UploadedStructure | None,
) -> StructureView:
    """Return what is to be seen of a protein.

    Parameters
    ----------
    protein : Protein
    colours : ResidueColours
    values : ndarray, shape=(L,), or None
        See `ResidueColours.colouring`.
    row : Row
        Its prediction; of residues with how sure each is.
    tokens : StructureTokens or None
        That may have a pLDDT.
    letters : mapping of str to str
        Structure tokens that were read, as letters, by alphabet.
    structure : UploadedStructure, optional
    """
    lines = {NAMES.get(name, name): text for name, text in letters.items()}
    colourings = [] if values is None else [colours.colouring(values)]
    for name, note in _SURENESS.items():
        if isinstance(row.get(name), list):
            high = 1.0 if name == "confidence" else None
            colourings.append(numbers(name, np.array(row[name]), 0.0, high, note))
    if tokens is not None and tokens.plddt is not None:
        colourings.append(plddt(tokens.plddt))
    colourings += [token_mask(name, text) for name, text in lines.items()]
    viewed = None if structure is None else structure.chains_of(protein)
    return StructureView(protein.id, protein.sequence, colourings, lines, viewed)
