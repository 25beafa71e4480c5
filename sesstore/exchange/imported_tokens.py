"""Structure tokens other tools made: what their readers yield, and how their names are read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..alphabets import Codes
from ..structures.chains import SUFFIXES, Chain
from ..structures.naming import alphafold_fragment, protein_id, stem

_FILE = re.compile(
    rf"(?P<file>.+?(?i:{'|'.join(map(re.escape, SUFFIXES))})(?i:\.gz)?)"
    r"(?:_MODEL_(?P<model>[0-9]+))?(?:_(?P<chain>[^_]+))?"
)
_MODEL = re.compile(r"(?P<file>.+?)_MODEL_(?P<model>[0-9]+)(?:_(?P<chain>[^_]+))?")
"""Without a suffix, as the databases of the PDB have them, only a model's number tells a chain."""


@dataclass(frozen=True, eq=False)
class ForeignTokens:
    """Tokens of one chain, as a foreign file has them.

    Parameters
    ----------
    labels : tuple of str
        Ids its protein may have, the best first.
    location : str
        File and entry, for errors.
    codes : mapping of str to ndarray, shape=(M, L), dtype=uint8 | uint16
        Codes of each alphabet, one a residue.
    chain : Chain, optional
        The residues they belong to, to be aligned to a sequence; without coordinates. None where
        the file has tokens only.
    """

    labels: tuple[str, ...]
    location: str
    codes: Mapping[str, Codes]
    chain: Chain | None = None


@dataclass(frozen=True)
class EntryName:
    """A structure's name as Foldseek writes it.

    Parameters
    ----------
    labels : tuple of str
        Ids by rule (see `structures.naming`), the best first, then the name itself.
    model : str
        Number of the model; empty if it has only one.
    """

    labels: tuple[str, ...]
    model: str


def entry_name(name: str) -> EntryName:
    """Read a name such as ``AF-P12345-F1-model_v4``, ``1l2y.cif.gz_MODEL_3_A``, ``1l2y_MODEL_3_A``.

    A later fragment of an AlphaFold DB model (F2, ...) is not its protein: it keeps its own name.
    """
    words = name.split()
    name = words[0] if words else ""
    match = _FILE.fullmatch(name) or _MODEL.fullmatch(name)
    file = Path(match["file"] if match else f"{name}.pdb")
    if match and match.re is _MODEL:
        file = Path(f"{file}.pdb")
    model, chain = (match["model"] or "", match["chain"] or "") if match else ("", "")
    ids = [protein_id(file, chain, 2)] if chain else []
    accession, fragment = alphafold_fragment(file) or (stem(file), 1)
    # A later fragment is not its protein, nor is a range ("P12345/12-60") what its end says.
    ids = [name] if fragment > 1 or "/" in name else [*ids, accession, name]
    return EntryName(tuple(dict.fromkeys(ids)), model)


def observed_chain(
    residues: str,
    numbers: NDArray[np.int64] | None = None,
    insertions: NDArray[np.str_] | None = None,
    name: str = "",
) -> Chain:
    """Chain without coordinates, to be aligned; numbered from 1 by default."""
    size = len(residues)
    return Chain(
        id=name,
        residues=residues,
        numbers=np.arange(1, size + 1) if numbers is None else numbers,
        insertions=np.full(size, "") if insertions is None else insertions,
        backbone=np.zeros((0, size, 5, 3), np.float32),
        bfactors=np.zeros(size, np.float32),
        sequence=None,
    )
