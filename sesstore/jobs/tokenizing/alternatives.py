"""Which of several structures of one protein counts in a tokenising run.

The one in which most residues are resolved; of equals the best rank that a predictor wrote into its
name, relaxed before unrelaxed (see `structures.naming.rank_of`); of equals the first. Structures
that are passed over are not counted again; chains of one file that are copies of each other are.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...structures.naming import rank_of

_UNRANKED = (1, True)
"""What a name without a rank counts as: nothing is better."""

_EXAMPLES = 10
"""Proteins whose choice is told in full."""


class Alternatives:
    """The chains of a run, and which of them count.

    One number a chain and a few a protein are kept, so that a run may have millions.
    """

    def __init__(self) -> None:
        self._proteins: dict[bytes, int] = {}
        self._best = array("q")
        self._protein, self._file = array("q"), array("q")
        self._resolved, self._sizes = array("q"), array("q")
        self._files: list[str] = []

    def open(self, name: str) -> None:
        """Begin with the chains of a file, another than the last one if it has another name."""
        if not self._files or self._files[-1] != name:
            self._files.append(name)

    def add(self, digest: bytes, resolved: int, size: int) -> int:
        """Take a chain of the file into account, and return its number.

        Parameters
        ----------
        digest : bytes
            Of its protein.
        resolved, size : int
            Residues with tokens, and all of them.
        """
        chain, file = len(self._protein), len(self._files) - 1
        protein = self._proteins.setdefault(digest, len(self._best))
        self._protein.append(protein)
        self._file.append(file)
        self._resolved.append(resolved)
        self._sizes.append(size)
        if protein == len(self._best):
            self._best.append(chain)
        elif self._key(chain) > self._key(self._best[protein]):
            self._best[protein] = chain
        return chain

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._proteins

    def number(self, digest: bytes) -> int:
        """Number of a protein, in the order they were met."""
        return self._proteins[digest]

    def is_best(self, chain: int) -> bool:
        """Whether no chain of its protein is better so far."""
        return self._best[self._protein[chain]] == chain

    @property
    def proteins(self) -> int:
        """Number of different sequences."""
        return len(self._best)

    @property
    def passed_over(self) -> int:
        """Chains that do not count, because another file has a better one."""
        return int((~self._counts()).sum())

    def lengths(self) -> NDArray[np.int64]:
        """Resolved residues and all residues of each chain that counts, shape=(n, 2)."""
        counts = np.stack([self._column(self._resolved), self._column(self._sizes)], axis=1)
        return counts[self._counts()]

    def choices(self) -> Iterator[str]:
        """What was chosen and why, of the first proteins with several structures."""
        left_out = np.flatnonzero(~self._counts())
        proteins = self._column(self._protein)
        for protein in np.unique(proteins[left_out])[:_EXAMPLES].tolist():
            chains = np.flatnonzero(proteins == protein)
            best = self._best[protein]
            rivals = [c for c in chains.tolist() if self._file[c] != self._file[best]]
            files = dict.fromkeys(self._files[self._file[chain]] for chain in rivals)
            names = [Path(file).name for file in files]
            summary = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if names[3:] else "")
            yield f"{self._files[self._file[best]]} ({self._why(best, rivals)}), not {summary}"

    def _why(self, best: int, rivals: list[int]) -> str:
        resolved = self._resolved[best]
        if resolved > max(self._resolved[rival] for rival in rivals):
            return f"the most complete, {resolved} of {self._sizes[best]} residues"
        rank, relaxed = self._rank(best)
        if any(self._rank(rival) != (rank, relaxed) for rival in rivals):
            return f"rank {-rank}, relaxed" if relaxed else f"rank {-rank}"
        return "the first of equally complete ones"

    def _key(self, chain: int) -> tuple[int, int, bool]:
        return (self._resolved[chain], *self._rank(chain))

    def _rank(self, chain: int) -> tuple[int, bool]:
        """Rank, the better the higher, and whether it is relaxed."""
        rank = rank_of(Path(self._files[self._file[chain]]))
        return (-rank.rank, rank.relaxed) if rank else (-_UNRANKED[0], _UNRANKED[1])

    def _counts(self) -> NDArray[np.bool_]:
        file, best = self._column(self._file), self._column(self._best)
        counts: NDArray[np.bool_] = file == file[best[self._column(self._protein)]]
        return counts

    @staticmethod
    def _column(values: array[int]) -> NDArray[np.int64]:
        return np.frombuffer(values, np.int64) if len(values) else np.zeros(0, np.int64)
