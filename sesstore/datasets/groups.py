"""Which rows belong on one side of a split: similar sequences, one position, one value of a column.

A split is a claim: that what is tested was not seen. For proteins of many families whole clusters
of similar sequences keep it; for variants of one protein, which are all alike, whole positions; and
what else makes rows relatives (a family, a laboratory, a year) may stand in a column. Rows of equal
sequences are together in any case.

Clusters are MMseqs2's where it is installed (Steinegger & Soeding 2017, doi:10.1038/nbt.3988; down
to 30 % identity), else by shared k-mers (to about 60 %); the result says which.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .similarity import ALIKE, alike_pairs, identity_of, joined

CLUSTER, RANDOM, POSITION = "cluster", "random", "position"
SPLIT_METHODS = (CLUSTER, RANDOM, POSITION)
"""What rows may be grouped by; anything else is the name of a column."""

WILD_TYPE = "wild type"
RELATED = 0.5
"""Share of its residues that a variant has in common with the consensus at least."""


@dataclass(frozen=True, eq=False)
class Groups:
    """Rows in groups.

    Parameters
    ----------
    of : ndarray, shape=(N,), dtype=int64
        Number of each row's group, from 0 on.
    names : tuple of str, length N
        What each row's group is called; empty where a group is one sequence.
    kind : str
        What one is called, in the singular.
    method : str
        How rows were grouped, in words.
    caution : str
        What one has to know of that, in a sentence.
    """

    of: NDArray[np.int64]
    names: tuple[str, ...]
    kind: str
    method: str
    caution: str

    def __len__(self) -> int:
        return int(self.of.max()) + 1 if len(self.of) else 0


def group_rows(
    sequences: Sequence[str], split_by: str = CLUSTER, values: Sequence[str] = ()
) -> Groups:
    """Group the rows of a data set.

    Parameters
    ----------
    sequences : sequence of str, length N
        Of each row.
    split_by : str
        One of `SPLIT_METHODS`, or the name of a column.
    values : sequence of str, length N
        What the column says of each row.

    Returns
    -------
    Groups

    Raises
    ------
    InputError
        Positions were asked for, and the sequences are not substitutions of one protein.
    """
    if split_by == CLUSTER:
        return _by_cluster(sequences)
    if split_by == RANDOM:
        return Groups(
            joined_rows(sequences),
            (),
            "sequence",
            "at random",
            "Similar proteins may stand on both sides",
        )
    if split_by == POSITION:
        names = positions(sequences)
        caution = "Substitutions at one position, or tied to it by a variant of both, are together"
        return Groups(joined_rows(sequences, names), names, POSITION, "by whole positions", caution)
    return Groups(
        joined_rows(sequences, values),
        tuple(values),
        "group",
        f"by whole groups of column {split_by}",
        "Similar proteins of two groups may stand on both sides",
    )


def joined_rows(*keys: Sequence[object]) -> NDArray[np.int64]:
    """Number the groups of rows that are tied by an equal key, shape=(N,).

    Parameters
    ----------
    keys : sequence, length N
        Rows with an equal key are of one group, whatever their other keys.
    """
    from scipy.cluster.hierarchy import DisjointSet  # on use: half a second to import

    rows = DisjointSet(range(len(keys[0])))
    for column in keys:
        first: dict[object, int] = {}
        for row, key in enumerate(column):
            rows.merge(first.setdefault(key, row), row)
    roots = [rows[row] for row in range(len(keys[0]))]
    return np.unique(roots, return_inverse=True)[1].astype(np.int64)


def positions(sequences: Sequence[str]) -> tuple[str, ...]:
    """Name the position each variant of one protein differs at from the consensus, from 1 on.

    A variant with several substitutions ties their positions together; the group is called after
    the first of them.

    Raises
    ------
    InputError
        Sequences differ in length, or in more than substitutions.
    """
    lengths = sorted({len(sequence) for sequence in sequences})
    instead = "Split them by cluster, at random, or by a column: --split-by"
    if len(lengths) > 1:
        raise InputError(
            f"positions are those of substitutions in one protein, and these sequences have "
            f"{lengths[0]:,} to {lengths[-1]:,} residues. {instead}"
        )
    letters = np.array([np.frombuffer(s.encode("ascii"), np.uint8) for s in sequences])
    consensus = np.array([np.bincount(column).argmax() for column in letters.T])
    differs = letters != consensus
    if differs.mean() > 1 - RELATED:
        raise InputError(
            f"positions are those of substitutions in one protein, and these sequences differ at "
            f"{differs.mean():.0%} of their residues. {instead}"
        )
    from scipy.cluster.hierarchy import DisjointSet  # on use: half a second to import

    tied = DisjointSet(range(letters.shape[1]))
    changes = [np.flatnonzero(row).tolist() for row in differs]
    for places in changes:
        for place in places[1:]:
            tied.merge(places[0], place)
    return tuple(
        str(min(tied.subset(places[0])) + 1) if places else WILD_TYPE for places in changes
    )


def _by_cluster(sequences: Sequence[str]) -> Groups:
    distinct = list(dict.fromkeys(sequences))
    clusters = cluster(distinct)
    number = dict(zip(distinct, clusters.of.tolist(), strict=True))
    of = np.array([number[sequence] for sequence in sequences], np.int64)
    method = "by whole clusters of similar sequences"
    names = tuple(map(str, of.tolist()))
    return Groups(of, names, CLUSTER, method, f"Clusters by {clusters.made_by}")


MMSEQS_IDENTITY = 0.3
MMSEQS_COVERAGE = 0.8
_ALIKE = ("--min-seq-id", str(MMSEQS_IDENTITY), "-c", str(MMSEQS_COVERAGE))


@dataclass(frozen=True, eq=False)
class Clusters:
    """Sequences in groups.

    Parameters
    ----------
    of : ndarray, shape=(N,), dtype=int64
        Number of each sequence's cluster, from 0 on.
    made_by : str
        What made them, and how alike the sequences of one cluster are.
    kind : str
        What one is called.
    """

    of: NDArray[np.int64]
    made_by: str
    kind: str = "cluster"

    def __len__(self) -> int:
        return int(self.of.max()) + 1 if len(self.of) else 0


def cluster(sequences: Sequence[str]) -> Clusters:
    """Put similar sequences into one cluster.

    Parameters
    ----------
    sequences : sequence of str
        Distinct.

    Raises
    ------
    InputError
        MMseqs2 is installed and fails; says what it said.
    """
    program = shutil.which("mmseqs")
    if program is not None:
        return _by_mmseqs(sequences, program)
    numbers = joined(len(sequences), alike_pairs(sequences, ALIKE))
    identity = identity_of(ALIKE)
    return Clusters(
        numbers,
        f"shared 4-mers (MinHash), from about {identity:.0%} identity on; MMseqs2, once installed, "
        f"clusters from {MMSEQS_IDENTITY:.0%} on",
    )


def _by_mmseqs(sequences: Sequence[str], program: str) -> Clusters:
    with tempfile.TemporaryDirectory(prefix="sesstore-mmseqs-") as name:
        folder = Path(name)
        text = "".join(f">{place}\n{sequence}\n" for place, sequence in enumerate(sequences))
        (folder / "in.fasta").write_text(text, "ascii")
        _run(
            [program, "easy-cluster", "in.fasta", "out", "tmp", "-v", "1", *_ALIKE],
            folder,
        )
        lines = (folder / "out_cluster.tsv").read_text("ascii").splitlines()
    heads = np.full(len(sequences), -1, np.int64)
    for line in lines:
        head, member = line.split("\t")
        heads[int(member)] = int(head)
    if (heads < 0).any():
        raise InputError(f"{program} left {int((heads < 0).sum()):,} sequences out. Update it")
    version = _run([program, "version"], None).strip()
    return Clusters(
        np.unique(heads, return_inverse=True)[1].astype(np.int64),
        f"MMseqs2 {version} ({MMSEQS_IDENTITY:.0%} identity over {MMSEQS_COVERAGE:.0%} of both)",
    )


def _run(command: list[str], folder: Path | None) -> str:
    process = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if process.returncode:
        messages = (process.stderr + process.stdout).strip().splitlines()
        raise InputError(
            f"{command[0]} fails: {messages[-1] if messages else f'status {process.returncode}'}. "
            f"Update it, or take it off the PATH to have clusters made by k-mers"
        )
    return process.stdout
