"""What a tokenising run reports, and the lists it writes beside the tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...proteins import Protein
from ...store.atomic_files import write_reasons

_EXAMPLES = 10
"""Remarks of a kind that are told in full."""

REPLACED = "proteins whose tokens of an earlier run were replaced"
ALTERNATIVES = "proteins with several structures: one was taken"

_SHARES = (
    ("all", 1.0, float("inf")),
    ("90 % or more", 0.9, 1.0),
    ("50 to 90 %", 0.5, 0.9),
    ("less than 50 %", 0.0, 0.5),
)
"""Rows of the coverage table: name, and share of resolved residues from and below."""


@dataclass
class TokenReport:
    """What a tokenising run did; the keys of ``tokens --json``.

    Parameters
    ----------
    source : str
        Where the structures come from.
    structures, already_stored : int
        Files named (entries of an import), and those of them that were stored before.
    chains, residues : int
        Chains with tokens, and residues of their sequences; those of an earlier run among them. Of
        several files of one protein the best counts.
    passed_over : int
        Chains that do not count, because another file has a better one of their protein.
    plddt : int
        Chains with a pLDDT, of all of them.
    sequences, new_sequences : int
        Different sequences of the chains, and those of them the store did not know.
    failed : dict of str to str
        File, or file and chain, to reason.
    failed_list : str or None
        Where the list of failures was written, see `write_failures`.
    known_proteins, known_covered : int
        Proteins in the store before the run, and given to it; and those of them that have tokens of
        the source now.
    known_example : str
        The name of one of them.
    unmatched : dict of str to str
        Chain to why it is none of those proteins: it brought its own sequence, or was left out.
    unmatched_list : str or None
        Where that list was written, see `write_unmatched`.
    conformers : int
        Most models (NMR, frames of a trajectory) of a chain tokenised now.
    coverage : float
        Share of residues that are resolved.
    remarks : dict of str to dict
        What was decided about files and chains, by kind: ``count``, and the first ``examples``.
    table : list of dict
        By how much of a chain is resolved: ``resolved``, ``chains``, ``residues``, ``masked``.
    proteins : sequence of Protein
        Of the chains.
    """

    source: str
    structures: int = 0
    already_stored: int = 0
    chains: int = 0
    residues: int = 0
    passed_over: int = 0
    plddt: int = 0
    sequences: int = 0
    new_sequences: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    failed_list: str | None = None
    known_proteins: int = 0
    known_covered: int = 0
    known_example: str = ""
    unmatched: dict[str, str] = field(default_factory=dict)
    unmatched_list: str | None = None
    conformers: int = 0
    coverage: float = 0.0
    remarks: dict[str, dict[str, Any]] = field(default_factory=dict)
    table: list[dict[str, str | int]] = field(default_factory=list)
    seconds: float = 0.0
    proteins: Sequence[Protein] = ()

    def to_json(self) -> dict[str, Any]:
        """As plain values; the proteins stay out."""
        return {key: value for key, value in vars(self).items() if key != "proteins"}

    def remark(self, kind: str, detail: str) -> None:
        """Count a remark, and keep its detail if it is among the first."""
        about = self.remarks.setdefault(kind, {"count": 0, "examples": []})
        about["count"] += 1
        if len(about["examples"]) < _EXAMPLES:
            about["examples"].append(detail)

    def write_failures(self, path: Path) -> None:
        """Write file (and chain) and reason of each failure, a line each.

        Where there are none, the list of an earlier run is removed.
        """
        self.failed_list = write_reasons(path, "structure", self.failed)

    def write_unmatched(self, path: Path) -> None:
        """Write the list of chains that are no known protein, as `write_failures` does."""
        self.unmatched_list = write_reasons(path, "structure", self.unmatched)


def coverage_table(lengths: ArrayLike) -> list[dict[str, str | int]]:
    """Chains by how much of them is resolved.

    Parameters
    ----------
    lengths : array_like of int, shape=(n, 2)
        Resolved residues and all residues of each chain.
    """
    rows: list[dict[str, str | int]] = []
    resolved, sizes = np.asarray(lengths, np.int64).reshape(-1, 2).T
    share = resolved / np.maximum(sizes, 1)
    for label, lower, upper in _SHARES:
        in_range = (lower <= share) & (share < upper)
        residues = int(sizes[in_range].sum())
        masked = residues - int(resolved[in_range].sum())
        rows.append(
            {
                "resolved": label,
                "chains": int(in_range.sum()),
                "residues": residues,
                "masked": masked,
            }
        )
    return rows
