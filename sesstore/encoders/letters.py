"""Sequences to token ids, for models whose vocabulary comes with their weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import WeightsError
from .catalogue import Reading
from .folders import vocabulary


class Letters:
    """One token a residue, between the model's own before and after.

    Parameters
    ----------
    path : path
        Model folder with the vocabulary.
    reading : Reading
        Tokens around every sequence, and letters that become X.

    Raises
    ------
    WeightsError
        The vocabulary lacks a token this needs.
    """

    def __init__(self, path: Path, reading: Reading) -> None:
        known, before, after = vocabulary(path), reading.before, reading.after
        needed = [*before, *after, "X", "A"]
        if missing := [token for token in needed if token not in known]:
            raise WeightsError(
                f"the vocabulary in '{path}' lacks {', '.join(missing)}. Is it the right model's?"
            )
        self.before, self.after = len(before), len(after)
        self._before = [known[token] for token in before]
        self._after = [known[token] for token in after]
        self._ids = np.full(128, known["X"], np.int64)
        for letter in map(chr, range(ord("A"), ord("Z") + 1)):
            if letter in known and letter not in reading.as_x:
                self._ids[ord(letter)] = known[letter]

    def __call__(self, sequence: str) -> NDArray[np.int64]:
        """Token ids of a normalised sequence."""
        letters = np.frombuffer(sequence.encode("ascii"), np.uint8)
        return np.concatenate([self._before, self._ids[letters], self._after]).astype(np.int64)
