"""Find digests among very many: one sort, then binary search over the first eight bytes.

SHA-256 digests are as good as random, so their first eight bytes almost always tell them apart;
whole digests are compared in the end, so a collision costs time and never a wrong answer.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError


class DigestIndex:
    """Rows by digest; of equal digests the first row counts.

    Parameters
    ----------
    digests : ndarray, shape=(P, 32), dtype=uint8
    """

    def __init__(self, digests: NDArray[np.uint8]) -> None:
        self._digests = digests
        keys = keys_of(digests)
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]

    def find(self, digests: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the row of each digest, -1 where there is none.

        Parameters
        ----------
        digests : ndarray, shape=(B, 32), dtype=uint8

        Returns
        -------
        ndarray, shape=(B,), dtype=int64
        """
        digests = np.ascontiguousarray(digests, np.uint8).reshape(-1, 32)
        rows = np.full(len(digests), -1, np.int64)
        if not len(self._keys) or not len(digests):
            return rows
        queries = keys_of(digests)
        places = np.searchsorted(self._keys, queries)
        places[places == len(self._keys)] = (
            0  # beyond all keys: the first one does not match either
        )
        candidates = self._order[places]
        same_key = self._keys[places] == queries
        matches = same_key & (self._digests[candidates] == digests).all(1)
        rows[matches] = candidates[matches]
        for lost in np.flatnonzero(same_key & ~matches):  # two digests that share eight bytes
            rows[lost] = self._scan(int(places[lost]), digests[lost])
        return rows

    def firsts(self) -> NDArray[np.bool_]:
        """Whether each row is the first of its digest, shape=(P,)."""
        first = np.ones(len(self._keys), bool)
        equal = self._keys[1:] == self._keys[:-1]
        shared = np.zeros(len(self._keys), bool)
        shared[1:] |= equal
        shared[:-1] |= equal
        previous: set[bytes] = set()
        for row in np.sort(self._order[shared]):
            digest = self._digests[row].tobytes()
            first[row] = digest not in previous
            previous.add(digest)
        return first

    def _scan(self, place: int, digest: NDArray[np.uint8]) -> int:
        key = self._keys[place]
        while place < len(self._keys) and self._keys[place] == key:
            if (self._digests[self._order[place]] == digest).all():
                return int(self._order[place])
            place += 1
        return -1


def keys_of(digests: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """First eight bytes of each digest as a number, shape=(B,)."""
    return np.ascontiguousarray(digests[:, :8]).view(">u8").reshape(-1).astype(np.uint64)


def as_rows(digests: NDArray[np.uint8] | Iterable[bytes]) -> NDArray[np.uint8]:
    """Digests as an array [B, 32], from such an array, or from a sequence of 32-byte strings."""
    if isinstance(digests, np.ndarray):
        return digests.astype(np.uint8, copy=False).reshape(-1, 32)
    byte_strings = list(digests)
    if any(len(digest) != 32 for digest in byte_strings):
        raise InputError("a digest is 32 bytes. Take it from `Protein.digest`")
    return np.frombuffer(b"".join(byte_strings), np.uint8).reshape(-1, 32)
