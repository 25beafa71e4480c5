"""From a file's name to a protein's id, by rule and never by substring.

=============================  ===========  =================================
file                           chain        id
=============================  ===========  =================================
``AF-P12345-F1-model_v4.cif``  its only     ``P12345``
``1abc.pdb``                   A of several ``1abc_A``
``1abc_A.cif.gz``              A            ``1abc_A``
``anything.pdb``               its only     ``anything``
=============================  ===========  =================================
"""

from __future__ import annotations

import re
from pathlib import Path

_ALPHAFOLD = re.compile(r"AF-([A-Za-z0-9]+)-F(\d+)(-model_v\d+)?")


def stem(path: Path) -> str:
    """Name of a structure file without ``.gz`` and its suffix."""
    return Path(path.name.removesuffix(".gz")).stem


def is_alphafold_name(path: Path) -> bool:
    """Whether a file is named as AlphaFold DB names its models."""
    return _ALPHAFOLD.fullmatch(stem(path)) is not None


def protein_id(path: Path, chain: str, n_chains: int) -> str:
    """Id of the protein of one chain.

    Parameters
    ----------
    path : path
        The structure file.
    chain : str
        The chain's id.
    n_chains : int
        How many protein chains the file has.
    """
    name = stem(path)
    if found := _ALPHAFOLD.fullmatch(name):
        return found[1]
    if n_chains == 1 or name.endswith(f"_{chain}"):
        return name
    return f"{name}_{chain}"
