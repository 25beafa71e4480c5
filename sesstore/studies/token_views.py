"""Tokens as they would be if structures were worse, or fewer: views that change what is read.

A view stands where the store's `Tokens` would, is never written, and names what it does in its
source, so that runs trained on it say so. What is drawn at random depends on seed and protein only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..alphabets import alphabet
from ..errors import InputError
from ..residues import StructureTokens
from ..store import Tokens
from ..streaming.splittokens import TokenRows

Agreement = dict[str, tuple[int, int]]
"""Residues with the same letter, and residues with one in both; by alphabet."""


class TokenView:
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
        stored = self._tokens.get_all(digests)
        return [None if item is None else self._change(item) for item in stored]


def noisy(tokens: Tokens, rate: float, seed: int = 0) -> TokenView:
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

    return TokenView(tokens, f"noise {rate:g}", change)


def masked(tokens: Tokens) -> TokenView:
    """Tokens that are all masked: the adapter's attention to tokens, without any structure."""
    return _controlled(
        tokens, "masked", lambda item, name: np.full_like(item.codes[name], _mask(name))
    )


def constant(tokens: Tokens) -> TokenView:
    """Tokens that are the alphabet's first letter at every residue that has any."""

    def codes(item: StructureTokens, name: str) -> NDArray[Any]:
        stored = item.codes[name]
        return np.where(stored == _mask(name), stored, np.zeros_like(stored))

    return _controlled(tokens, "constant", codes)


def shuffled(tokens: Tokens, seed: int = 0) -> TokenView:
    """Tokens in another order within each protein: its composition of tokens, at no residue.

    All alphabets and conformers of a protein are in the same order.
    """

    def codes(item: StructureTokens, name: str) -> NDArray[Any]:
        order = np.random.default_rng([seed, *item.digest]).permutation(len(item))
        return item.codes[name][:, order]

    return _controlled(tokens, "shuffled", codes)


CONTROLS: Mapping[str, Callable[[Tokens], TokenView]] = {
    "masked": masked, "shuffled": shuffled, "constant": constant,
}  # fmt: skip
"""What real tokens are held against, because an adapter that reads tokens has further layers.

Real minus masked is what structure adds, real minus shuffled what its order along the chain adds.
"""


def agreement(first: TokenRows, second: TokenRows, digests: Sequence[bytes]) -> Agreement:
    """Count where two sources have the same letter, in their first conformers.

    Parameters
    ----------
    first, second : TokenRows
    digests : sequence of bytes
        Proteins to look at; those that a source lacks count for nothing.

    Returns
    -------
    dict of str to (int, int)
        For each alphabet that both have: residues with the same letter, and residues that have one
        in both.
    """
    counts: Agreement = {}
    pairs = zip(first.get_all(digests), second.get_all(digests), strict=True)
    for tokens, others in pairs:
        if tokens is None or others is None:
            continue
        for name in sorted(tokens.codes.keys() & others.codes.keys()):
            letters, rivals = tokens.codes[name][0], others.codes[name][0]
            unmasked = (letters != _mask(name)) & (rivals != _mask(name))
            equal, residues = counts.get(name, (0, 0))
            equal += int((letters == rivals)[unmasked].sum())
            counts[name] = equal, residues + int(unmasked.sum())
    return counts


def first_conformer(tokens: Tokens) -> TokenView:
    """Tokens of each protein's first conformer alone."""

    def change(item: StructureTokens) -> StructureTokens:
        return replace(item, codes={name: codes[:1] for name, codes in item.codes.items()})

    return TokenView(tokens, "first conformer", change)


def _controlled(
    tokens: Tokens, name: str, codes: Callable[[StructureTokens, str], NDArray[Any]]
) -> TokenView:
    def change(item: StructureTokens) -> StructureTokens:
        return replace(item, codes={alphabet: codes(item, alphabet) for alphabet in item.codes})

    return TokenView(tokens, name, change)


def _mask(name: str) -> int:
    return alphabet(name).mask


def _replaced(
    codes: NDArray[Any], name: str, rate: float, rng: np.random.Generator
) -> NDArray[Any]:
    mask = _mask(name)
    replacements = rng.integers(0, mask, codes.shape).astype(codes.dtype)
    hit = (rng.random(codes.shape) < rate) & (codes != mask)
    return np.where(hit, replacements, codes)
