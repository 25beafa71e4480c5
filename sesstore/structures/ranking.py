"""Ranks that predictors write into the names of several models of one protein.

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

from .naming import alphafold_fragment, stem

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
