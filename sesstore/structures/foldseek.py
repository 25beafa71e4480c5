"""3Di states (van Kempen et al. 2024, doi:10.1038/s41587-023-01773-0), through mini3di.

Like Foldseek, residues that were observed count as neighbours whatever lies between them, of an
atom's alternate locations the last one counts, and residues without a defined state (the ends of a
chain among them) get D; unlike it, a residue that lacks N, CA or C is masked.
"""

from __future__ import annotations

from functools import cache

import mini3di
import numpy as np
from numpy.typing import NDArray

from ..alphabets import FOLDSEEK
from .chains import Chain

_UNDEFINED = FOLDSEEK.letters.index("D")


@cache
def _encoder() -> mini3di.Encoder:
    return mini3di.Encoder()


def tokens_3di(chain: Chain) -> NDArray[np.uint8]:
    """3Di codes of a chain.

    Parameters
    ----------
    chain : Chain

    Returns
    -------
    ndarray, shape=(M, L), dtype=uint8
        For each model, one code a resolved residue.
    """
    backbone = chain.backbone if chain.last is None else chain.last
    return np.stack([_one_model(model) for model in backbone])


def _one_model(model: NDArray[np.float32]) -> NDArray[np.uint8]:
    complete = np.isfinite(model[:, :3]).all((1, 2))
    codes = np.full(len(model), FOLDSEEK.mask, np.uint8)
    if len(model) < 3 or not complete.any():
        codes[complete] = _UNDEFINED
        return codes
    n, ca, c, cb = (model[:, place].astype(np.float64) for place in range(4))
    with np.errstate(invalid="ignore", divide="ignore"):
        states = _encoder().encode_atoms(ca=ca, cb=cb, n=n, c=c)
    states = np.ma.filled(states, _UNDEFINED).astype(np.uint8)
    codes[complete] = states[complete]
    return codes
