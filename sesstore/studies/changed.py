"""Tokens as they would be if structures were worse, or fewer: views that change what is read.

A view stands where the store's `Tokens` would, is never written, and names what it does in its
source, so that runs trained on it say so. What is drawn at random depends on seed and protein only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..alphabets import alphabet
from ..errors import InputError
from ..residues import StructureTokens
from ..store import Tokens


class ChangedTokens:
    """A view of a source's tokens, each protein's changed when it is read; a `TokenRows`.

    Parameters
    ----------
    tokens : Tokens
        The source.
    name : str
        Added to the source's name.
    change : callable
        From a protein's tokens to what is read instead.
    """

    def __init__(
        self, tokens: Tokens, name: str, change: Callable[[StructureTokens], StructureTokens]
    ) -> None:
        self.source = f"{tokens.source}, {name}"
        self._tokens, self._change = tokens, change

    def get_all(self, digests: Iterable[bytes]) -> list[StructureTokens | None]:
        """Return the changed tokens of several proteins."""
        found = self._tokens.get_all(digests)
        return [None if item is None else self._change(item) for item in found]


def noisy(tokens: Tokens, rate: float, seed: int = 0) -> ChangedTokens:
    """Tokens of which a share is replaced by a letter drawn from the whole alphabet.

    The letter may be the one that was there, so at rate 1 tokens are random; masked residues stay
    masked.

    Parameters
    ----------
    tokens : Tokens
    rate : float
        Chance of each token, 0 to 1.
    seed : int
        Of the draws.

    Raises
    ------
    InputError
        The rate is no share.
    """
    if not 0 <= rate <= 1:
        raise InputError(f"a rate of noise is a share from 0 to 1, not {rate}")

    def change(item: StructureTokens) -> StructureTokens:
        rng = np.random.default_rng([seed, *item.digest])
        codes = {name: _replaced(item.codes[name], name, rate, rng) for name in sorted(item.codes)}
        return replace(item, codes=codes)

    return ChangedTokens(tokens, f"noise {rate:g}", change)


def first_conformer(tokens: Tokens) -> ChangedTokens:
    """Tokens of each protein's first conformer alone."""

    def change(item: StructureTokens) -> StructureTokens:
        return replace(item, codes={name: codes[:1] for name, codes in item.codes.items()})

    return ChangedTokens(tokens, "first conformer", change)


def _replaced(
    codes: NDArray[Any], name: str, rate: float, rng: np.random.Generator
) -> NDArray[Any]:
    mask = alphabet(name).mask
    drawn = rng.integers(0, mask, codes.shape).astype(codes.dtype)
    hit = (rng.random(codes.shape) < rate) & (codes != mask)
    return np.where(hit, drawn, codes)
