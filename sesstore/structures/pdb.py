"""Reader of PDB files, in what writers make of the format.

Columns are read as arrays, so a file of 10,000 atoms takes milliseconds. Numbers beyond four digits
are read as hybrid-36, as VMD's hexadecimal, or with their fifth digit in the next column; those of
waters and ligands matter to nobody and may be anything. Where no MODEL is, END separates copies of
one structure, which become models, or further chains.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, StructureError
from .atoms import AtomTable, Bytes, Origin, Parsed
from .letters import is_amino_acid, one_letter

_HYBRID = re.compile(rb"[A-Z][0-9A-Z]{3}|[a-z][0-9a-z]{3}")
_HEXADECIMAL = re.compile(rb"[0-9a-f]{4}|[0-9A-F]{4}")
_PDB_WIDTH = 80
_COORDINATES_END = 54
_ATOMS = (b"ATOM  ", b"HETATM")
_SHARED = 0.5
"""Share of a copy's residues that an END must repeat to be the end of a model."""

EXPERIMENTS = re.compile(
    r"DIFFRACTION|CRYSTALLOGRAPHY|X-?RAY|NMR|MICROSCOPY|NEUTRON|SCATTERING|\bEPR\b|SPECTROSCOPY|"
    r"FLUORESCENCE|FIBER"
)
"""What an experimental method's name holds (EXPDTA and ``_exptl.method`` have the same names)."""


def read_pdb(raw: bytes) -> Parsed:
    """Atoms, sequences and origin of a PDB file.

    Raises
    ------
    InputError
        A line is cut short or a column is no number; names the line.
    """
    lines = raw.splitlines()
    places = _places(lines)
    _check_cut(raw, lines)
    records = [lines[number - 1] for number in places.lines]
    table = np.array(records, dtype=f"S{_PDB_WIDTH}") if records else np.zeros(0, f"S{_PDB_WIDTH}")
    letters = table.view("S1").reshape(len(records), _PDB_WIDTH)

    def column(start: int, stop: int) -> Bytes:
        joined = np.ascontiguousarray(letters[:, start:stop]).view(f"S{stop - start}")
        return np.char.strip(joined.reshape(-1))

    def decimals(start: int, stop: int, blank: float | None = None) -> NDArray[np.float32]:
        return _decimals(column(start, stop), places.lines, start, blank)

    names, insertion = column(17, 20), column(26, 27)
    fifth = np.char.isdigit(insertion) & (np.char.str_len(column(22, 26)) == 4)
    number = np.where(fifth, column(22, 27), column(22, 26))
    model, part = _models(places, records)
    atoms = AtomTable(
        model=model,
        chain=column(21, 22),
        segment=column(72, 76),
        part=part,
        residue_name=names,
        atom_name=column(12, 16),
        insertion=np.where(fifth, b"", insertion),
        altloc=column(16, 17),
        element=column(76, 78),
        number=_residue_numbers(number, names, places.lines),
        position=np.full(len(records), -1, np.int64),
        polymer=np.ones(len(records), bool),
        hetero=column(0, 6) == b"HETATM",
        xyz=np.stack([decimals(30, 38), decimals(38, 46), decimals(46, 54)], axis=-1),
        bfactor=decimals(60, 66, np.nan),
        occupancy=decimals(54, 60, 1.0),
    )
    return Parsed(atoms, _seqres(lines), Origin(_experiment(lines)), _dbref(lines), places.parts)


@dataclass
class _Places:
    """Where atoms stand: an entry an atom, and what stood before it.

    Parameters
    ----------
    lines : list of int
        Their lines, from 1.
    models, parts_before, ends : list of int
        MODEL records before it; TER and END records of its model; END or ENDMDL records.
    parts : int
        `part` behind the last TER of the first model.
    """

    lines: list[int] = field(default_factory=list)
    models: list[int] = field(default_factory=list)
    parts_before: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    parts: int = 0


def _places(lines: Sequence[bytes]) -> _Places:
    places = _Places()
    model = part = end = 0
    for number, line in enumerate(lines, 1):
        if line.startswith(_ATOMS):
            places.lines.append(number)
            places.models.append(model)
            places.parts_before.append(part)
            places.ends.append(end)
        elif line.startswith(b"MODEL "):
            model, part = model + 1, 0
        elif line.startswith(b"TER") or line[:6].rstrip() in (b"END", b"ENDMDL"):
            part += 1
            end += line.startswith(b"END")
            if model <= 1 and line.startswith(b"TER"):
                places.parts = part
    return places


def _models(places: _Places, records: Sequence[bytes]) -> tuple[NDArray[np.int64], ...]:
    """Model and part of each atom; without MODEL records, END separates copies of one structure."""
    models, parts = np.array(places.models, np.int64), np.array(places.parts_before, np.int64)
    ends = np.array(places.ends, np.int64)
    if not len(models) or models.any() or not ends.any():
        return models, parts
    starts = np.flatnonzero(np.r_[True, ends[1:] != ends[:-1]])
    stops = np.r_[starts[1:], len(ends)]
    first: set[bytes] = set()
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        residues = {record[17:27] for record in records[start:stop]}
        if first and len(residues & first) >= _SHARED * len(residues):
            models[start:] += 1
            parts[start:stop] -= parts[start]
        elif not first:
            first = residues
    return models, parts


def _check_cut(raw: bytes, lines: Sequence[bytes]) -> None:
    """Raise if the file ends in the middle of an atom."""
    for number, line in enumerate(lines, 1):
        if line[:6] in _ATOMS and len(line) < _COORDINATES_END:
            raise InputError(f"line {number} is cut short")
    if len(lines) > 1 and not raw.endswith((b"\n", b"\r")):
        last, previous = lines[-1], lines[-2]
        if last[:6] == previous[:6] == b"ATOM  " and len(last) < len(previous.rstrip()):
            raise InputError(f"the file is cut short in line {len(lines)}")


def _decimals(
    column: Bytes, lines: Sequence[int], start: int, blank: float | None
) -> NDArray[np.float32]:
    if blank is not None:
        column = np.where(column == b"", str(blank).encode(), column)
    try:
        with np.errstate(over="ignore"):  # what is beyond all bounds is noticed later, not finite
            return column.astype(np.float32)
    except ValueError:
        for line, text in zip(lines, column.tolist(), strict=True):
            try:
                float(text)
            except ValueError:
                word = text.decode("latin-1")
                raise InputError(
                    f"line {line} has no number at column {start + 1} but '{word}'"
                ) from None
        raise


def _residue_numbers(
    column: Bytes, residue_names: Bytes, lines: Sequence[int]
) -> NDArray[np.int64]:
    """Residue numbers; those that cannot be read are 0 where no amino acid has them."""
    try:
        return column.astype(np.int64)
    except ValueError:
        pass
    from biotite.structure.io.pdb.hybrid36 import decode_hybrid36

    values = np.zeros(len(column), np.int64)
    decode = _hexadecimal if _counts_in_hexadecimal(column) else decode_hybrid36
    previous, value = b"", 0
    for row, text in enumerate(column.tolist()):
        try:
            if text != previous:
                value = _whole_number(text, value, decode)
            previous, values[row] = text, value
        except ValueError:
            if not is_amino_acid(residue_names[row].decode("latin-1")):
                continue
            word = text.decode("latin-1")
            raise StructureError(
                f"has no residue number in line {lines[row]} at column 23 but '{word}'. Number "
                f"its residues, or write it as mmCIF"
            ) from None
    return values


def _counts_in_hexadecimal(column: Bytes) -> bool:
    """Whether 9999 is followed by 2710, as VMD counts on."""
    return bool(((column[:-1] == b"9999") & (column[1:] == b"2710")).any())


def _hexadecimal(text: str) -> int:
    return int(text, 16)


def _whole_number(text: bytes, previous: int, decode: Callable[[str], int]) -> int:
    """Whole number, or four digits of another system; raises ValueError."""
    if decode is _hexadecimal and previous >= 9999 and _HEXADECIMAL.fullmatch(text):
        return int(text, 16)
    return decode(text.decode("ascii")) if _HYBRID.fullmatch(text) else int(text)


def _experiment(lines: Iterable[bytes]) -> str:
    """The experimental method of EXPDTA; empty where there is none, or a theoretical model."""
    stated = b" ".join(line[10:79].strip() for line in lines if line.startswith(b"EXPDTA"))
    method = stated.decode("latin-1").upper()
    return method if EXPERIMENTS.search(method) else ""


def _seqres(lines: Iterable[bytes]) -> dict[str, str]:
    """Full sequences; none for a chain whose SEQRES begins anew with another sequence."""
    blocks: dict[str, list[list[str]]] = {}
    for line in lines:
        if line.startswith(b"SEQRES"):
            chain = line[11:12].decode("latin-1").strip()
            repeats = blocks.setdefault(chain, [])
            if not repeats or line[7:10].strip() == b"1":
                repeats.append([])
            repeats[-1].extend(line[19:70].decode("latin-1").split())
    return {
        chain: "".join(map(one_letter, repeats[0]))
        for chain, repeats in blocks.items()
        if all(block == repeats[0] for block in repeats)
    }


def _dbref(lines: Iterable[bytes]) -> dict[str, int]:
    """Where a chain begins in its database sequence, from DBREF records."""
    begins: dict[str, int] = {}
    for line in lines:
        if line.startswith(b"DBREF ") and line[55:60].strip().isdigit():
            begins.setdefault(line[12:13].decode("latin-1").strip(), int(line[55:60]) - 1)
    return begins
