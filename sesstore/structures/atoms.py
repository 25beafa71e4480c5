"""The atoms of a structure file as columns, and the reader of PDB files.

`AtomTable` is what every format becomes: one entry an atom, in the file's order, all models one
after the other. Columns are read as arrays, so a file of 10,000 atoms takes milliseconds; nothing
is left out or chosen here (see `chains`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .letters import one_letter

Bytes = NDArray[np.bytes_]


@dataclass(frozen=True, eq=False)
class AtomTable:
    """One entry an atom.

    Parameters
    ----------
    model : ndarray, shape=(n,), dtype=int64
        Number of the model, not falling.
    chain, residue_name, atom_name, insertion, altloc, element : ndarray, shape=(n,), dtype=bytes
        As the file has them, blanks removed; ``b""`` where it says nothing.
    number : ndarray, shape=(n,), dtype=int64
        Author's residue number.
    position : ndarray, shape=(n,), dtype=int64
        Place of the residue in its chain's full sequence, from 0; -1 where the file does not say.
    polymer : ndarray, shape=(n,), dtype=bool
        Whether the atom may belong to a polymer (False for ligands and waters, where known).
    xyz : ndarray, shape=(n, 3), dtype=float32
        Angstrom.
    bfactor, occupancy : ndarray, shape=(n,), dtype=float32
    """

    model: NDArray[np.int64]
    chain: Bytes
    residue_name: Bytes
    atom_name: Bytes
    insertion: Bytes
    altloc: Bytes
    element: Bytes
    number: NDArray[np.int64]
    position: NDArray[np.int64]
    polymer: NDArray[np.bool_]
    xyz: NDArray[np.float32]
    bfactor: NDArray[np.float32]
    occupancy: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.model)

    def __getitem__(self, rows: Any) -> AtomTable:
        """Some of the atoms: a mask, a slice or an array of rows."""
        return AtomTable(**{name: column[rows] for name, column in vars(self).items()})


@dataclass(frozen=True, eq=False)
class Parsed:
    """What a reader of one format finds.

    Parameters
    ----------
    atoms : AtomTable
        All atoms.
    sequences : dict of str to str
        Full sequence of a chain, by the author's chain id, where the file states it.
    predicted : bool
        Whether the file says that it is a predicted model.
    begins : dict of str to int
        Place in the database sequence (from 0) where a chain begins, by chain id, where stated.
    """

    atoms: AtomTable
    sequences: dict[str, str] = field(default_factory=dict)
    predicted: bool = False
    begins: dict[str, int] = field(default_factory=dict)


_HYBRID = re.compile(rb"[A-Za-z][0-9A-Za-z]{3}")
_PDB_WIDTH = 80
_COORDINATES_END = 54
_MODELLERS = (b"ALPHAFOLD", b"ESMFOLD", b"COLABFOLD", b"OMEGAFOLD", b"ROSETTAFOLD", b"BOLTZ")


def read_pdb(raw: bytes) -> Parsed:
    """Atoms, sequences and origin of a PDB file.

    Raises
    ------
    InputError
        A line is cut short or a column is no number; names the line.
    """
    lines = raw.splitlines()
    kept, numbers, models, after_end = _coordinate_lines(lines)
    _check_cut(raw, lines)
    table = np.array(kept, dtype=f"S{_PDB_WIDTH}") if kept else np.zeros(0, f"S{_PDB_WIDTH}")
    letters = table.view("S1").reshape(len(kept), _PDB_WIDTH)

    def column(start: int, stop: int) -> Bytes:
        joined = np.ascontiguousarray(letters[:, start:stop]).view(f"S{stop - start}")
        return np.char.strip(joined.reshape(-1))

    def decimals(start: int, stop: int, blank: float | None = None) -> NDArray[np.float32]:
        return _numbers(column(start, stop), numbers, start, blank)

    atoms = AtomTable(
        model=np.asarray(models, np.int64),
        chain=column(21, 22),
        residue_name=column(17, 20),
        atom_name=column(12, 16),
        insertion=column(26, 27),
        altloc=column(16, 17),
        element=column(76, 78),
        number=_residue_numbers(column(22, 26), numbers),
        position=np.full(len(kept), -1, np.int64),
        polymer=~np.asarray(after_end, bool),
        xyz=np.stack([decimals(30, 38), decimals(38, 46), decimals(46, 54)], axis=-1),
        bfactor=decimals(60, 66, 0.0),
        occupancy=decimals(54, 60, 1.0),
    )
    header = b"\n".join(lines[:60]).upper()
    predicted = any(name in header for name in _MODELLERS)
    return Parsed(atoms, _seqres(lines), predicted, _dbref(lines))


def _coordinate_lines(
    lines: Sequence[bytes],
) -> tuple[list[bytes], list[int], list[int], list[bool]]:
    """Atom lines, their line numbers, their models, and whether they are ligands after TER."""
    kept: list[bytes] = []
    numbers: list[int] = []
    models: list[int] = []
    after_end: list[bool] = []
    model, opened, ended = 1, 0, set[bytes]()
    for number, line in enumerate(lines, 1):
        if line.startswith(b"ATOM  "):
            after_end.append(False)
        elif line.startswith(b"HETATM"):
            after_end.append(line[21:22] in ended)
        else:
            if line.startswith(b"MODEL "):
                opened += 1
                model, ended = opened, set()
            elif line.startswith(b"TER") and kept:
                ended.add(kept[-1][21:22])
            continue
        kept.append(line)
        numbers.append(number)
        models.append(model)
    return kept, numbers, models, after_end


def _check_cut(raw: bytes, lines: Sequence[bytes]) -> None:
    """Raise if the file ends in the middle of an atom."""
    for number, line in enumerate(lines, 1):
        if line[:6] in (b"ATOM  ", b"HETATM") and len(line) < _COORDINATES_END:
            raise InputError(f"line {number} is cut short")
    if len(lines) > 1 and not raw.endswith((b"\n", b"\r")):
        last, before = lines[-1], lines[-2]
        if last[:6] == before[:6] == b"ATOM  " and len(last) < len(before.rstrip()):
            raise InputError(f"the file is cut short in line {len(lines)}")


def _numbers(
    column: Bytes, lines: Sequence[int], start: int, blank: float | None
) -> NDArray[np.float32]:
    if blank is not None:
        column = np.where(column == b"", str(blank).encode(), column)
    try:
        with np.errstate(over="ignore"):  # what is beyond all bounds is found later, as not finite
            return column.astype(np.float32)
    except ValueError:
        for line, text in zip(lines, column.tolist(), strict=True):
            try:
                float(text)
            except ValueError:
                shown = text.decode("latin-1")
                raise InputError(
                    f"line {line} has no number at column {start + 1} but '{shown}'"
                ) from None
        raise


def _residue_numbers(column: Bytes, lines: Sequence[int]) -> NDArray[np.int64]:
    """Residue numbers; beyond 9,999 as hybrid-36 writes them."""
    try:
        return column.astype(np.int64)
    except ValueError:
        from biotite.structure.io.pdb.hybrid36 import decode_hybrid36

        values = np.empty(len(column), np.int64)
        for row, text in enumerate(column.tolist()):
            try:
                values[row] = _whole_number(text, decode_hybrid36)
            except ValueError:
                shown = text.decode("latin-1")
                raise InputError(
                    f"line {lines[row]} has no residue number at column 23 but '{shown}'"
                ) from None
        return values


def _whole_number(text: bytes, decode: Callable[[str], int]) -> int:
    """Whole number, or four hybrid-36 digits; raises ValueError."""
    return decode(text.decode("ascii")) if _HYBRID.fullmatch(text) else int(text)


def _seqres(lines: Iterable[bytes]) -> dict[str, str]:
    names: dict[str, list[str]] = {}
    for line in lines:
        if line.startswith(b"SEQRES"):
            chain = line[11:12].decode("latin-1").strip()
            names.setdefault(chain, []).extend(line[19:70].decode("latin-1").split())
    return {chain: "".join(map(one_letter, residues)) for chain, residues in names.items()}


def _dbref(lines: Iterable[bytes]) -> dict[str, int]:
    """Where a chain begins in its database sequence, from DBREF records."""
    begins: dict[str, int] = {}
    for line in lines:
        if line.startswith(b"DBREF ") and line[55:60].strip().isdigit():
            begins.setdefault(line[12:13].decode("latin-1").strip(), int(line[55:60]) - 1)
    return begins
