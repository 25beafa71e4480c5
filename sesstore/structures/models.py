"""Put the models of a file on the residues of the first."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from ..errors import StructureError
from .atoms import AtomTable

_UNLIKE = 100
"""How many times more places than residues the models of a file may take together."""


def stacked(backbone: NDArray[np.float32], heads: AtomTable, length: int) -> NDArray[np.float32]:
    """Stack the models of a file on the residues of the first.

    Parameters
    ----------
    backbone : ndarray, shape=(n, 5, 3), dtype=float32
        Of all residues of all models.
    heads : AtomTable
        One atom of each.
    length : int
        Residues of the first model, L.

    Returns
    -------
    ndarray, shape=(M, L, 5, 3), dtype=float32
        What a model lacks is NaN.

    Raises
    ------
    StructureError
        The models are so unlike that stacking them would take far more memory than the file.
    """
    models, sizes = np.unique(heads.model, return_counts=True)
    keys = [heads.chain, heads.segment, heads.number, heads.insertion]
    if (sizes == length).all() and all(
        (key.reshape(len(models), -1) == key[:length]).all() for key in keys
    ):
        return backbone.reshape(len(models), length, *backbone.shape[1:])
    if len(models) * length > _UNLIKE * len(heads):
        raise StructureError(
            f"has {len(models):,} models that hardly have a residue in common with its first one. "
            f"Write each to a file of its own"
        )
    together = np.full((len(models), length, *backbone.shape[1:]), np.nan, np.float32)
    times: Counter[tuple[object, ...]] = Counter()
    places: dict[tuple[object, ...], int] = {}
    columns = zip(
        np.searchsorted(models, heads.model).tolist(), *(k.tolist() for k in keys), strict=True
    )
    for row, key in enumerate(columns):
        model, *residue = key
        times[key] += 1  # a number may come several times: residues are told apart by their order
        name = (*residue, times[key])
        if row < length:
            places[name] = row
        if name in places:
            together[model, places[name]] = backbone[row]
    return together
