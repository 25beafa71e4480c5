"""One row a protein: the mean of its residues' embeddings, read once in the order of storage."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .plan import plan_in_order
from .reader import EmbeddingRows, gather_rows

RESIDUES = 65536
"""Residues that are read at once."""


def mean_embeddings(view: EmbeddingRows, rows: NDArray[np.int64]) -> Tensor:
    """Mean embedding of each protein.

    Parameters
    ----------
    view : EmbeddingRows
        Under one encoder.
    rows : ndarray, shape=(N,), dtype=int64
        Rows of the view; repeats are read once.

    Returns
    -------
    Tensor, shape=(N, d), dtype=float32
    """
    unique, place = np.unique(rows, return_inverse=True)
    segments, starts, _ = view.locate(unique)
    order = np.lexsort((starts, segments))
    means = torch.empty(len(unique), view.dim)
    for batch in plan_in_order(view.lengths[unique[order]], RESIDUES).batches:
        proteins = order[batch]
        lengths = view.lengths[unique[proteins]].tolist()
        parts = torch.split(gather_rows(view, unique[proteins]), lengths)
        means[torch.from_numpy(proteins)] = torch.stack([part.mean(0) for part in parts])
    return means[torch.from_numpy(place.reshape(-1))]
