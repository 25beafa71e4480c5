"""PDB files written from chains that were read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sesstore.structures.chains import BACKBONE, Chain
from sesstore.structures.letters import one_letter

_NAMES = (
    "ALA", "ARG", "ASN", "ASP", "CYS", "GLN", "GLU", "GLY", "HIS", "ILE",
    "LEU", "LYS", "MET", "PHE", "PRO", "SER", "THR", "TRP", "TYR", "VAL",
)  # fmt: skip
NAMES = {one_letter(name): name for name in _NAMES}


def _pdb_text(
    chain: Chain,
    rows: slice = slice(None),
    *,
    begin: int | None = None,
    atoms: tuple[str, ...] = BACKBONE,
) -> str:
    """PDB text of some residues; with `begin`, what place in a database sequence they start at."""
    lines = []
    if begin is not None:
        lines.append(
            f"DBREF  XXXX A    1  {len(chain):4d}  UNP    P99999   XXXX_XXXXX"
            f"   {begin:>8d}  {begin + len(chain):4d}"
        )
        lines[0] = f"{lines[0][:55]}{begin:>5d} {begin + len(chain):>5d}"
    for number, row in enumerate(range(len(chain))[rows], 1):
        for place, name in enumerate(BACKBONE):
            xyz = chain.backbone[0, row, place]
            if name in atoms and np.isfinite(xyz).all():
                x, y, z = xyz.tolist()
                lines.append(
                    f"ATOM  {1:5d}  {name:<3} {NAMES[chain.residues[row]]} A{number:4d}    "
                    f"{x:8.3f}{y:8.3f}{z:8.3f}{1:6.2f}{chain.bfactors[row]:6.2f}          "
                    f"{name[0]:>2}  "
                )
    return "\n".join([*lines, "END", ""])


@pytest.fixture(scope="session")
def pdb_text() -> Callable[..., str]:
    """`_pdb_text`, for tests."""
    return _pdb_text


@pytest.fixture(scope="session")
def heavy(shared_structures: Path) -> Chain:
    """A chain of 434 residues."""
    from sesstore.structures.chains import read_structure

    return read_structure(shared_structures / "1igy.cif").chains[1]
