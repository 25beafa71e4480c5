"""Which sequences are alike, by the k-mers they share; no alignment, no pair compared in vain.

Each sequence is the set of its 4-mers. MinHash signatures (Broder 1997; datasketch's) are cut into
bands; what agrees in a band is a candidate, compared with the first and the previous of its group
only, so that the work grows with the number of sequences, not with its square, even when all are
variants of one. Candidates are then compared by all their k-mers: what is said to be alike is.
Pairs that agree in no band are missed: about none at 90 % identity, three in ten at 70 %.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from datasketch import MinHash
from numpy.typing import NDArray

K = 4
PERMUTATIONS = 128
BAND = 2
"""Hashes a band: a pair of Jaccard index J agrees in one of 64 bands with 1 - (1 - J^2)^64."""

ALIKE = 0.07
"""Jaccard index of 4-mers from which sequences go into one cluster: about 60 % identity. Unrelated
proteins have 0.02 at most (999 pairs of 1,000)."""

NEARLY_EQUAL = 0.488
"""Jaccard index of 4-mers of sequences of 90 % identity (see `identity_of`)."""


@dataclass(frozen=True)
class Pair:
    """Two sequences that are alike.

    Parameters
    ----------
    first, second : int
        Their places.
    jaccard : float
        Share of their 4-mers that both have.
    """

    first: int
    second: int
    jaccard: float


def identity_of(jaccard: float) -> float:
    """Identity that a Jaccard index of k-mers stands for, 0 to 1.

    With a share p of equal residues p^k of the k-mers are common, J = p^k / (2 - p^k); solved for
    p. The same model as Mash's (Ondov et al. 2016, doi:10.1186/s13059-016-0997-x).
    """
    return math.pow(2 * jaccard / (1 + jaccard), 1 / K)


def kmers(sequence: str) -> NDArray[np.uint32]:
    """4-mers of a sequence as numbers, sorted, each once; of a shorter one itself."""
    letters = np.frombuffer(sequence.ljust(K, "[").encode("ascii"), np.uint8).astype(np.uint32) - 65
    count = len(letters) - K + 1
    numbers = np.zeros(count, np.uint32)
    for place in range(K):
        numbers = numbers * 27 + letters[place : place + count]
    return np.unique(numbers)


def alike_pairs(sequences: Sequence[str], threshold: float) -> Iterator[Pair]:
    """Find sequences that are alike.

    Parameters
    ----------
    sequences : sequence of str
        Distinct.
    threshold : float
        Jaccard index of 4-mers a pair must have.

    Yields
    ------
    Pair
        Each once. Of a group of many that are alike not every pair, but enough to join them.
    """
    sets = [kmers(sequence) for sequence in sequences]
    pairs: set[tuple[int, int]] = set()
    for group in _groups(_signatures(sets)):
        for place, member in enumerate(group[1:].tolist()):
            for partner in {int(group[0]), int(group[place])}:
                pair = (min(partner, member), max(partner, member))
                if pair in pairs:
                    continue
                pairs.add(pair)
                jaccard = _jaccard(sets[partner], sets[member])
                if jaccard >= threshold:
                    yield Pair(*pair, jaccard)


def joined(count: int, pairs: Iterator[Pair]) -> NDArray[np.int64]:
    """Number the clusters that pairs join, shape=(count,); alone is a cluster too."""
    from scipy.cluster.hierarchy import DisjointSet  # on use: half a second to import

    sets = DisjointSet(range(count))
    for pair in pairs:
        sets.merge(pair.first, pair.second)
    roots = [sets[place] for place in range(count)]
    return np.unique(roots, return_inverse=True)[1].astype(np.int64)


def _signatures(sets: Sequence[NDArray[np.uint32]]) -> NDArray[np.uint64]:
    blank = MinHash(num_perm=PERMUTATIONS, hashfunc=int)
    rows = np.empty((len(sets), PERMUTATIONS), np.uint64)
    for row, words in enumerate(sets):
        signature = blank.copy()
        signature.update_batch(words.tolist())
        rows[row] = signature.hashvalues
    return rows


def _groups(signatures: NDArray[np.uint64]) -> Iterator[NDArray[np.int64]]:
    """Places of the sequences that agree in a band, band by band, in ascending order."""
    for start in range(0, PERMUTATIONS, BAND):
        columns = signatures[:, start : start + BAND]
        order = np.lexsort(columns.T[::-1])
        sorted_ = columns[order]
        edges = np.flatnonzero((sorted_[1:] != sorted_[:-1]).any(1)) + 1
        yield from (group for group in np.split(order, edges) if len(group) > 1)


def _jaccard(a: NDArray[np.uint32], b: NDArray[np.uint32]) -> float:
    common = len(np.intersect1d(a, b, assume_unique=True))
    return common / (len(a) + len(b) - common)
