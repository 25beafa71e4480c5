"""What a job gives: rows as `sesstore predict` writes them, and what stands beside each.

As JSON and CSV here, as a page in `pages`.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..jobs.predicting.predictions import Row
from ..jobs.predicting.tables import CsvTable

_RESIDUE_BYTES = 200
"""Of a row of lists with an entry a residue, as Python keeps them."""


@dataclass(frozen=True, eq=False)
class ProteinResult:
    """What is predicted of one protein.

    Parameters
    ----------
    row : Row
        See `predictions.columns`.
    sequence : str, length L
    tokens : mapping of str to str, length L
        Structure tokens that were read, as letters, by alphabet.
    values : ndarray, shape=(L,), or None
        What `JobResult.value_title` names.
    neighbours : list of dict
        See `KnownProteins.nearest`.
    markup : str
        Its view on a page, see `protein_view`.
    in_3d : bool
        Whether that has a structure.
    """

    row: Row
    sequence: str
    tokens: Mapping[str, str]
    values: NDArray[np.float64] | None
    neighbours: list[dict[str, Any]]
    markup: str
    in_3d: bool

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            **self.row,
            "sequence": self.sequence,
            "tokens": dict(self.tokens),
            "residue_values": None if self.values is None else np.round(self.values, 6).tolist(),
            "nearest": self.neighbours,
        }


@dataclass(frozen=True, eq=False)
class JobResult:
    """What a job gives.

    Parameters
    ----------
    about : mapping
        ``task``, ``encoder``, ``fingerprint`` and ``adapters`` of the run.
    columns : mapping of str to str
        Of the rows: name to kind.
    proteins : list of ProteinResult
        In the order of what was sent.
    value_title : str
        What the residues' values are; empty where there are none.
    failed : mapping of str to str
        Id to why it has no prediction.
    notes : tuple of str
        What to know of all of it.
    """

    about: Mapping[str, Any]
    columns: Mapping[str, str]
    proteins: list[ProteinResult]
    value_title: str = ""
    failed: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @cached_property
    def bytes(self) -> int:
        """What it takes in memory, about."""
        residues = sum(len(protein.sequence) for protein in self.proteins)
        return sum(len(protein.markup) for protein in self.proteins) + _RESIDUE_BYTES * residues

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            **self.about,
            "columns": dict(self.columns),
            "residue_values_are": self.value_title or None,
            "notes": list(self.notes),
            "failed": dict(self.failed),
            "proteins": [protein.to_json() for protein in self.proteins],
        }

    def to_csv(self) -> str:
        """The rows as `sesstore predict` writes them."""
        text = io.StringIO(newline="")
        table = CsvTable(text, self.columns)
        table.write([protein.row for protein in self.proteins])
        return text.getvalue()
