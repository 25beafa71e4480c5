"""What a structure file's name says: a protein's id, and the rank of a predictor's model.

By rule and never by substring.

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

====================================================  ====  =======
file                                                  rank  relaxed
====================================================  ====  =======
``P1_relaxed_rank_001_alphafold2_ptm_model_3.pdb``    1     yes
``P1_unrelaxed_rank_002_alphafold2_ptm_model_5.pdb``  2     no
``P1/ranked_0.pdb`` (AlphaFold 2)                     1     yes
``fold_p1_model_0.cif`` (AlphaFold 3, Boltz, ...)     1     no
``p1/seed-1_sample-0/model.cif`` (AlphaFold 3)        last  no
====================================================  ====  =======
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ..file_names import unpacked_name
from ..identifiers import identify

_ALPHAFOLD = re.compile(r"AF-([A-Za-z0-9]+(?:-\d+)?)-F(\d+)(?:-(?:model_)?v\d+)?")


def stem(path: Path) -> str:
    """Name of a structure file without ``.gz`` and its suffix."""
    return Path(unpacked_name(path.name)).stem


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


_BY_RANK = re.compile(r".+?(?:_(?P<state>un|)relaxed)?_(?:.*_)?rank_(?P<rank>\d+)(?:_.*)?")
_BY_PLACE = re.compile(r".+?[._](?:model|sample|model_idx)[_-](?P<place>\d+)")
_IN_FOLDER = re.compile(r"ranked_(?P<place>\d+)")
_WITHOUT_RANK = re.compile(r"(?P<state>un|)relaxed_model_\d.*")
_SAMPLE = re.compile(r"(?:.*_)?seed-\d+_sample-\d+(?:_model)?")
_LAST = 1_000_000
"""Rank of models whose name says that they are one of many, and not which."""


@dataclass(frozen=True)
class Rank:
    """What a model's name says of it.

    Parameters
    ----------
    rank : int
        From 1, the best.
    relaxed : bool
        Whether its side chains were relaxed by a force field.
    """

    rank: int
    relaxed: bool


def rank_of(path: Path) -> Rank | None:
    """Rank of a model by its file's name; None where the name says none."""
    name = stem(path)
    if alphafold_fragment(path):
        return None
    if match := _BY_RANK.fullmatch(name):
        return Rank(int(match["rank"]), match["state"] == "")
    if match := _IN_FOLDER.fullmatch(name):
        return Rank(int(match["place"]) + 1, relaxed=True)
    if match := _WITHOUT_RANK.fullmatch(name):
        return Rank(_LAST, match["state"] == "")
    if _SAMPLE.fullmatch(name) or _SAMPLE.fullmatch(path.parent.name):
        return Rank(_LAST, relaxed=False)
    if match := _BY_PLACE.fullmatch(name):
        return Rank(int(match["place"]) + 1, relaxed=False)
    return None
