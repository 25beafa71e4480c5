"""One row a protein: the share of each amino acid in its sequence."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..alphabets import AMINO_ACIDS
from ..proteins import Protein
from ..store import Store

Compositions = Callable[[NDArray[np.uint8]], Tensor]
"""From digests, shape=(N, 32), dtype=uint8, to shares of amino acids; [N, `LETTERS`], float32."""

LETTERS = AMINO_ACIDS.size


def composition(sequence: str) -> Tensor:
    """Return the share of each letter of `AMINO_ACIDS`; shape=(LETTERS,), dtype=float32."""
    codes = torch.from_numpy(AMINO_ACIDS.encode(sequence)).long()
    return torch.bincount(codes, minlength=LETTERS).float() / len(codes)


def compositions(digests: NDArray[np.uint8], proteins: Iterable[Protein]) -> Tensor:
    """Composition of each digest, of proteins among which all of them are; see `Compositions`."""
    shares = {protein.digest: composition(protein.sequence) for protein in proteins}
    return torch.stack([shares[digest.tobytes()] for digest in digests])


class StoredCompositions:
    """Compositions of the proteins of a store; raises `NotStoredError` for others.

    Can be sent to another process, which opens the store for itself.

    Parameters
    ----------
    store : Store
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def __call__(self, digests: NDArray[np.uint8]) -> Tensor:
        """See `Compositions`."""
        return compositions(digests, self._store.proteins({row.tobytes() for row in digests}))

    def __reduce__(self) -> tuple[Any, ...]:
        return _open_store, (self._store.path.absolute(),)


def _open_store(path: Path) -> StoredCompositions:
    return StoredCompositions(Store.open(path))
