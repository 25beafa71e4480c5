"""Whether the B-factors of a structure are pLDDT, and on which scale.

What the file states decides first: an experimental method (EXPDTA, ``_exptl``) makes them
B-factors, a declared metric (ModelCIF) makes them pLDDT or something else. Where it states nothing,
its source or its AlphaFold DB name does; a word in a title or a list of programs never does. A
column that is constant is a placeholder, and no pLDDT.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .atoms import Origin
from .chains import Chain
from .naming import alphafold_fragment
from .notices import Remark

_PREDICTORS = re.compile(
    r"(alpha_?fold|afdb|af[23]|esm_?fold|esm_?atlas|colab_?fold|omega_?fold|open_?fold"
    r"|rose?tta_?fold|boltz|chai|protenix|helix_?fold|uni_?fold)(db)?(?![a-z])[\w.-]*",
    re.IGNORECASE,
)
_ENOUGH = 5
"""Residues from which on one value for all is no coincidence."""

_HIGHEST = 100.5
"""Largest pLDDT, and what rounding may add to it."""

EXPERIMENT = "no pLDDT stored: the file says that it is experimental"
OTHER_METRIC = "no pLDDT stored: the file declares another metric"
CONSTANT = "no pLDDT stored: the confidence column is constant"
OUT_OF_RANGE = "no pLDDT stored: the B-factors are not within 0 and 100"


def is_predictor(source: str) -> bool:
    """Whether a source is named for a program whose models carry pLDDT."""
    return _PREDICTORS.fullmatch(source) is not None


def plddt(
    chains: Sequence[Chain], origin: Origin, source: str, path: Path
) -> tuple[list[NDArray[np.uint8] | None], list[Remark]]:
    """Confidence of the residues of each chain.

    Parameters
    ----------
    chains : sequence of Chain
        All chains of a file: they share a scale.
    origin : Origin
        What the file states.
    source : str
        Where it came from, such as ``"alphafold2"``.
    path : Path
        Its name.

    Returns
    -------
    values : list of ndarray, shape=(L,), dtype=uint8, or None
        0 to 100 for each chain, 0 where a residue has no value; None for a chain without pLDDT.
    remarks : list of Remark
        Why there is none, where one could expect it.
    """
    nothing: list[NDArray[np.uint8] | None] = [None] * len(chains)
    expected = is_predictor(source) or alphafold_fragment(path) is not None
    if origin.experiment:
        reason = Remark(EXPERIMENT, origin.experiment)
        return nothing, [reason] if expected or origin.confidence else []
    if origin.confidence is False:
        return nothing, [Remark(OTHER_METRIC, "")] if expected else []
    if not (expected or origin.confidence):
        return nothing, []
    bfactors = np.concatenate([chain.bfactors for chain in chains])
    stated = bfactors[~np.isnan(bfactors)]
    if not len(stated) or _is_constant(stated):
        value = f"all {stated[0]:.2f}" if len(stated) else "absent"
        return nothing, [Remark(CONSTANT, value)]
    if stated.min() < 0 or stated.max() > _HIGHEST:
        return nothing, [Remark(OUT_OF_RANGE, f"{stated.min():.2f} to {stated.max():.2f}")]
    scale = 100 if stated.max() <= 1 else 1
    values, remarks = nothing, []
    for place, chain in enumerate(chains):
        if _is_constant(chain.bfactors):
            detail = f"chain {chain.id}, all {chain.bfactors[0]:.2f}"
            remarks.append(Remark(CONSTANT, detail))
        else:
            values[place] = _rounded(chain.bfactors * scale)
    return values, remarks


def _rounded(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(np.clip(np.nan_to_num(values), 0, 100)).astype(np.uint8)


def _is_constant(values: NDArray[np.float32]) -> bool:
    enough = len(values) >= _ENOUGH
    return enough and bool(np.isnan(values).all() or (values == values[0]).all())
