"""From a file's name to a protein's id, by rule and never by substring.

=============================  ============ =============================================
file                           chain        id
=============================  ============ =============================================
``AF-P12345-F1-model_v4.cif``  its only     ``P12345``
``AF-P12345-2-F1.pdb.gz``      its only     ``P12345-2`` (an isoform)
``1abc.pdb``                   A of several ``1abc_A``
``pdb1abc.ent.gz``             A of several ``1abc_A`` (also ``1abc-assembly1.cif``)
``1abc_A.cif.gz``              A            ``1abc_A``
``anything.pdb``               its only     ``anything``
=============================  ============ =============================================
"""

from __future__ import annotations

import re
from pathlib import Path

from ..identifiers import identify

_ALPHAFOLD = re.compile(r"AF-([A-Za-z0-9]+(?:-\d+)?)-F(\d+)(?:-(?:model_)?v\d+)?")


def stem(path: Path) -> str:
    """Name of a structure file without ``.gz`` and its suffix."""
    name = path.name
    return Path(name[:-3] if name.lower().endswith(".gz") else name).stem


def alphafold_fragment(path: Path) -> tuple[str, int] | None:
    """Accession and fragment number of a file named as AlphaFold DB names its models, else None."""
    match = _ALPHAFOLD.fullmatch(stem(path))
    return (match[1], int(match[2])) if match else None


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
    name = _entry(stem(path))
    if n_chains == 1 and (fragment := alphafold_fragment(path)):
        return fragment[0]
    if n_chains == 1 or name.endswith(f"_{chain}"):
        return name
    return f"{name}_{chain}"


def other_ids(path: Path, chain: str, n_chains: int) -> tuple[str, ...]:
    """Ids under which a data set may know the only chain of a file, beside `protein_id`.

    ``1abc_A`` for ``1abc.pdb``, and the whole name of an AlphaFold DB model.
    """
    if n_chains != 1:
        return ()
    name = _entry(stem(path))
    if alphafold_fragment(path):
        return (name,)
    return (f"{name}_{chain}",) if chain and not name.endswith(f"_{chain}") else ()


def _entry(name: str) -> str:
    """A PDB entry's id for a name that mirrors of the PDB make of it; any other name as it is."""
    revised = name.lower().endswith(("_updated", "_final"))
    for part in map(identify, (name, *(identify(name).aliases if revised else ()))):
        if part.chainless and part.identity != name.lower():
            return part.identity
    return name


def twin(chain: str, second: str) -> bool:
    """Whether two chains of a file have names that differ in case only."""
    return chain != second and chain.casefold() == second.casefold()
