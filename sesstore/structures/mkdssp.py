"""DSSP states by the program mkdssp (Debian: ``dssp``), for those who need its own states.

The program gets the backbone that was read, as a PDB file, and gives its classic output: so any
format serves, and residues correspond one to one. Its side chains would only change the surface,
which is no state. It takes one model a run.
"""

from __future__ import annotations

import re
import shutil
import string
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..alphabets import DSSP
from ..errors import MissingFileError, StructureError
from .chains import Chain

_NAMES = string.ascii_uppercase + string.ascii_lowercase + string.digits
_ATOMS = ((0, "N"), (1, "CA"), (2, "C"), (4, "O"))
_HEAD = (
    "HEADER    SESSTORE                                01-JAN-00   XXXX              \n"
    "CRYST1    1.000    1.000    1.000  90.00  90.00  90.00 P 1           1          \n"
)
_MOST_RESIDUES = 9999
_STATE = 16
"""Column of the state in the classic output."""


def find_mkdssp(name: str = "mkdssp") -> str:
    """Path of the program.

    Raises
    ------
    MissingFileError
        It is not installed.
    """
    path = shutil.which(name)
    if path is None:
        raise MissingFileError(
            f"the program '{name}' is not installed. Install it (Debian and Ubuntu: apt install "
            f"dssp; conda: conda install -c conda-forge dssp), or leave out --dssp: mdtraj assigns "
            f"the same states"
        )
    return path


@cache
def mkdssp_version(program: str) -> str:
    """Version the program says it is, such as ``"4.2.2"``."""
    answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    version = re.search(r"\d+(?:\.\d+)+", answer.stdout + answer.stderr)
    return version[0] if version else "of unknown version"


def mkdssp_states(chains: Sequence[Chain], program: str) -> list[NDArray[np.uint8]]:
    """DSSP codes of all chains of a structure, by the program.

    Parameters
    ----------
    chains : sequence of Chain
        With equally many models.
    program : str
        See `find_mkdssp`.

    Returns
    -------
    list of ndarray, shape=(M, L), dtype=uint8
        As `tokens_dssp` gives them.

    Raises
    ------
    StructureError
        The program fails, or the structure is too large for a PDB file.
    """
    codes = [np.full(chain.backbone.shape[:2], DSSP.mask, np.uint8) for chain in chains]
    if len(chains) > len(_NAMES) or max(map(len, chains)) > _MOST_RESIDUES:
        raise StructureError(
            f"has {len(chains)} chains of up to {max(map(len, chains)):,} residues; --dssp "
            f"mkdssp takes {len(_NAMES)} of {_MOST_RESIDUES:,}. Leave the option out"
        )
    for model in range(len(chains[0].backbone)):
        text = "".join(_pdb_lines(chains, model))
        if not text:
            continue
        for chain, residue, state in _run(program, _HEAD + text + "END\n"):
            codes[chain][model, residue] = state
    return codes


def _pdb_lines(chains: Sequence[Chain], model: int) -> Iterator[str]:
    """Backbones of the complete residues, numbered by their place from 1."""
    for name, chain in zip(_NAMES, chains, strict=False):
        xyz = chain.backbone[model]
        complete = np.isfinite(xyz[:, [0, 1, 2, 4]]).all((1, 2))
        for row in np.flatnonzero(complete).tolist():
            residue = "PRO" if chain.residues[row] == "P" else "ALA"
            for place, atom in _ATOMS:
                x, y, z = xyz[row, place].tolist()
                yield (
                    f"ATOM  {1:5d}  {atom:<3} {residue} {name}{row + 1:4d}    "
                    f"{x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00           {atom[0]}  \n"
                )


def _run(program: str, text: str) -> Iterator[tuple[int, int, int]]:
    """Chain, residue and code of each residue the program assigns."""
    with tempfile.TemporaryDirectory(prefix="sesstore-dssp-") as folder:
        pdb_file, dssp_file = Path(folder) / "in.pdb", Path(folder) / "out.dssp"
        pdb_file.write_text(text, encoding="ascii")
        process = subprocess.run(
            [program, "--output-format", "dssp", str(pdb_file), str(dssp_file)],
            capture_output=True,
            text=True,
            check=False,
        )
        if process.returncode or not dssp_file.is_file():
            message = (process.stderr.strip() or "it says nothing").splitlines()[-1]
            raise StructureError(
                f"makes {program} fail: {message}. Leave out --dssp to use mdtraj instead"
            )
        lines = dssp_file.read_text(encoding="latin-1").splitlines()
    begin = next((i for i, line in enumerate(lines) if line.startswith("  #  RESIDUE")), len(lines))
    for number, line in enumerate(lines[begin + 1 :], begin + 2):
        try:
            if line[13] == "!":  # a break of the chain
                continue
            (code,) = DSSP.encode(line[_STATE]).tolist()
            yield _NAMES.index(line[11]), int(line[5:10]) - 1, code
        except (IndexError, ValueError):
            raise StructureError(
                f"makes {program} write a line {number} that is cut short or no residue's. Leave "
                f"out --dssp to use mdtraj instead"
            ) from None
