"""Which residues of a file make up which protein chain, and in which order.

A file that states sequences has decided (mmCIF's ``label_seq_id``). Otherwise geometry does, where
names and numbers leave it open: residues that a peptide bond joins are of one chain, whatever TER
or numbers say between them. Residues that none joins begin a new chain where a segment changes,
where numbers fall to such as the chain has already, or, in a chain without an id, behind a TER and
where numbers fall at all. HETATM amino acids that are bound to the chain stand in their places in
it; those that are not are ligands.
"""

from __future__ import annotations

import string
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .atoms import AtomTable, Parsed
from .letters import STANDARD
from .notices import Remark

Rows = NDArray[np.int64]

_PEPTIDE_BOND = 2.5
"""Longest C-N distance of a peptide bond, in Angstrom, as DSSP has it."""

_NEXT_ALPHA = 4.3
"""Longest distance of neighbouring C-alphas, where C or N are absent."""

_ONE_ALPHA = 2.5
"""C-alphas farther apart than this are of two residues."""

_N, _CA, _C = 0, 1, 2

SPLIT = "chains told apart (by TER, segment, or numbers that begin anew)"
LIGANDS = "free amino acids left out as ligands"
NO_ALPHA = "residues without a C-alpha left out"


@dataclass(frozen=True, eq=False)
class Residues:
    """Residues of one model.

    Parameters
    ----------
    heads : AtomTable
        One atom of each.
    backbone : ndarray, shape=(n, 5, 3), dtype=float32
        N, CA, C, CB, O in Angstrom, NaN where absent.
    """

    heads: AtomTable
    backbone: NDArray[np.float32]

    def bonded(self, first: Rows, second: Rows) -> NDArray[np.bool_]:
        """Whether a peptide bond leads from residues to others; broadcasts."""
        with np.errstate(invalid="ignore"):
            bond = np.linalg.norm(self.backbone[first, _C] - self.backbone[second, _N], axis=-1)
            alpha = np.linalg.norm(self.backbone[first, _CA] - self.backbone[second, _CA], axis=-1)
            near: NDArray[np.bool_] = np.where(
                np.isnan(bond), alpha <= _NEXT_ALPHA, bond <= _PEPTIDE_BOND
            )
        return near


@dataclass(frozen=True)
class Piece:
    """One chain.

    Parameters
    ----------
    id, author : str
        Its id here, and the one in the file (several pieces may share it).
    rows : ndarray, dtype=int64
        Its residues, in order.
    alone : bool
        Whether it is the only chain of that id in the file.
    """

    id: str
    author: str
    rows: Rows
    alone: bool


def residue_numbers(atoms: AtomTable) -> Rows:
    """Residue of each atom, counted from 0 in the file's order."""
    changes = np.zeros(len(atoms), bool)
    for column in (
        atoms.model, atoms.part, atoms.chain, atoms.segment, atoms.number, atoms.insertion,
        atoms.position,
    ):  # fmt: skip
        changes[1:] |= column[1:] != column[:-1]
    # Another name is another residue, but for one modelled as two amino acids.
    renamed = atoms.residue_name[1:] != atoms.residue_name[:-1]
    changes[1:] |= renamed & (atoms.altloc[1:] == b"") & (atoms.altloc[:-1] == b"")
    residue = np.cumsum(changes)
    for row in _second_residues(atoms, residue):
        changes[row] = True
    return np.cumsum(changes)


def _second_residues(atoms: AtomTable, residue: Rows) -> Iterator[int]:
    """Rows at which another residue of the same number begins: its atom names come again."""
    alphas = np.flatnonzero(atoms.atom_name == b"CA")
    several = np.flatnonzero(residue[alphas][1:] == residue[alphas][:-1])
    for number in np.unique(residue[alphas][several]).tolist():
        rows = np.flatnonzero(residue == number)
        names: set[tuple[bytes, bytes]] = set()
        alpha: NDArray[np.float32] | None = None
        for row in rows.tolist():
            name = (atoms.atom_name[row], atoms.altloc[row])
            if name in names and _is_another(atoms, rows[rows >= row], alpha):
                names = set()
                yield row
            names.add(name)
            if name[0] == b"CA":
                alpha = atoms.xyz[row]


def _is_another(atoms: AtomTable, rows: Rows, alpha: NDArray[np.float32] | None) -> bool:
    """Whether the next C-alpha among rows lies apart from the last one."""
    alphas = rows[atoms.atom_name[rows] == b"CA"]
    if alpha is None or not len(alphas):
        return False
    return bool(np.linalg.norm(atoms.xyz[alphas[0]] - alpha) > _ONE_ALPHA)


def pieces(residues: Residues, parsed: Parsed) -> tuple[list[Piece], list[Remark]]:
    """Chains of the first model's residues, and what was decided about them.

    Parameters
    ----------
    residues : Residues
        Amino acids with a C-alpha, in the file's order.
    parsed : Parsed
        The file.
    """
    chains: list[Piece] = []
    remarks: list[Remark] = []
    heads = residues.heads
    authors = [name.decode("latin-1") for name in dict.fromkeys(heads.chain.tolist())]
    for author in authors:
        rows = np.flatnonzero(heads.chain == author.encode("latin-1"))
        rows = _without_alternates(heads, rows)
        if parsed.stated and (heads.position[rows] >= 0).all():
            parts = list(_by_position(heads, rows))
        else:
            polymer = _without_ligands(residues, rows, parsed.parts)
            behind = len(rows) == 1 and heads.part[rows[0]] > 0
            if behind and author not in parsed.sequences:
                polymer = rows[:0]  # a chain of its own, of one amino acid
            if len(polymer) < len(rows):
                names = _residue_list(heads, np.setdiff1d(rows, polymer))
                remarks.append(Remark(LIGANDS, f"chain {author or 'without id'}: {names}"))
            parts = _split(residues, _in_place(residues, polymer), author) if len(polymer) else []
        ids = _ids(author, len(parts), {*authors, *(piece.id for piece in chains)})
        alone = len(parts) == 1
        chains += [Piece(name, author, p, alone) for name, p in zip(ids, parts, strict=True)]
        if not alone and parts:
            sizes = ", ".join(f"{i} ({len(p)} residues)" for i, p in zip(ids, parts, strict=True))
            remarks.append(Remark(SPLIT, f"chain {author or 'without id'} became {sizes}"))
    return chains, remarks


def _ids(author: str, count: int, names: set[str]) -> list[str]:
    """Ids of the chains of one author's id: letters where there is none, else A, A-2, A-3."""
    if count <= 1:
        return [author] * count
    if author:
        return [author, *(f"{author}-{number}" for number in range(2, count + 1))]
    free = [letter for letter in string.ascii_uppercase if letter not in names]
    return [*free[:count], *(str(number) for number in range(len(free) + 1, count + 1))]


def _residue_list(heads: AtomTable, rows: Rows) -> str:
    names = [
        f"{heads.residue_name[row].decode('latin-1')} {heads.number[row]}" for row in rows.tolist()
    ]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _without_alternates(heads: AtomTable, rows: Rows) -> Rows:
    """Leave out alternate locations that stand apart from the residue they are of."""
    if (heads.altloc[rows] == b"").all():
        return rows
    keys: set[tuple[object, ...]] = set()
    rows_kept = []
    for row in rows.tolist():
        columns = (heads.segment, heads.number, heads.insertion, heads.position)
        key = tuple(column[row] for column in columns)
        if heads.altloc[row] == b"" or key not in keys:
            rows_kept.append(row)
        keys.add(key)
    return np.array(rows_kept, np.int64)


def _by_position(heads: AtomTable, rows: Rows) -> Iterator[Rows]:
    """Chains as the file states them: a segment each, in order, and each copy of it."""
    for segment in dict.fromkeys(heads.segment[rows].tolist()):
        segment_rows = rows[heads.segment[rows] == segment]
        segment_rows = segment_rows[np.argsort(heads.position[segment_rows], kind="stable")]
        places = heads.position[segment_rows]
        starts = np.flatnonzero(np.r_[True, places[1:] != places[:-1]])
        copy = np.arange(len(segment_rows)) - np.repeat(
            starts, np.diff(np.r_[starts, len(segment_rows)])
        )
        for number in range(int(copy.max()) + 1):
            yield np.sort(segment_rows[copy == number]) if number else segment_rows[copy == 0]


def _without_ligands(residues: Residues, rows: Rows, parts: int) -> Rows:
    """Residues of a chain without the amino acids that are not bound to it."""
    heads = residues.heads
    hetero = heads.hetero[rows]
    behind = heads.part[rows] > heads.part[rows[0]]
    doubtful = hetero | (behind & _single_parts(heads.part[rows]))
    if not doubtful.any():
        return rows
    places: list[int] = np.flatnonzero(doubtful).tolist()
    bound_to = {place: _bound_to(residues, rows, place) for place in places}
    if hetero.all():
        peptide: Rows = rows[np.array([len(bound_to[place]) > 0 for place in places])]
        return peptide
    chain = ~doubtful
    for place, partners in bound_to.items():
        chain[place] = not hetero[place] and len(partners) > 0
    numbers = heads.number[rows]
    lowest, highest = numbers[~hetero].min(), numbers[~hetero].max()
    between = (numbers > lowest) & (numbers < highest)
    modified = ~np.isin(heads.residue_name[rows], STANDARD)
    before_end = heads.part[rows] < parts
    chain |= hetero & ((between & (modified | ~behind)) | (modified & ~behind & before_end))
    # What is bound to the chain is of it, and so is what is bound to that.
    joined = chain.copy()
    while True:
        for place, partners in bound_to.items():
            joined[place] |= chain[partners].any()
        if (joined == chain).all():
            polymer: Rows = rows[chain]
            return polymer
        chain = joined.copy()


def _bound_to(residues: Residues, rows: Rows, place: int) -> Rows:
    """Places among rows of the residues that a peptide bond joins to one of them."""
    residue = rows[place : place + 1]
    bonds = residues.bonded(residue, rows) | residues.bonded(rows, residue)
    bonds[place] = False
    partners: Rows = np.flatnonzero(bonds)
    return partners


def _single_parts(part: Rows) -> NDArray[np.bool_]:
    """Residues that are alone between two TERs."""
    _, part_index, sizes = np.unique(part, return_inverse=True, return_counts=True)
    alone: NDArray[np.bool_] = sizes[part_index] == 1
    return alone


def _in_place(residues: Residues, rows: Rows) -> Rows:
    """Put HETATM residues that come late in the file where they belong in the chain."""
    heads = residues.heads
    numbers, hetero = heads.number[rows], heads.hetero[rows]
    if not hetero.any() or hetero.all():
        return rows
    highest = np.maximum.accumulate(np.where(hetero, np.iinfo(np.int64).min, numbers))
    late = hetero & (numbers < highest)
    order = rows[~late].tolist()
    for row in rows[late].tolist():
        order.insert(_place_of(residues, np.array(order), row), row)
    return np.array(order, np.int64)


def _place_of(residues: Residues, order: Rows, row: int) -> int:
    """Where in a chain a residue belongs: behind the one it is bound to, else by its number."""
    predecessors = np.flatnonzero(residues.bonded(order, np.array(row)))
    if len(predecessors):
        return int(predecessors[0]) + 1
    successors = np.flatnonzero(residues.bonded(np.array(row), order))
    if len(successors):
        return int(successors[0])
    higher = np.flatnonzero(residues.heads.number[order] > residues.heads.number[row])
    return int(higher[0]) if len(higher) else len(order)


def _split(residues: Residues, rows: Rows, author: str) -> list[Rows]:
    """Cut residues of one id where another chain begins."""
    heads = residues.heads
    loose = ~residues.bonded(rows[:-1], rows[1:])
    other_segment = heads.segment[rows][1:] != heads.segment[rows][:-1]
    other_part = heads.part[rows][1:] != heads.part[rows][:-1]
    numbers = heads.number[rows]
    falls = numbers[1:] < numbers[:-1]
    cuts = loose & (other_segment | (falls if author else falls | other_part))
    if author:
        repeats = _repeats_numbers(heads, rows, cuts)
        cuts &= other_segment | repeats
    starts = [0, *(np.flatnonzero(cuts) + 1).tolist(), len(rows)]
    return [rows[start:stop] for start, stop in pairwise(starts)]


def _repeats_numbers(heads: AtomTable, rows: Rows, cuts: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether behind a cut comes a number that the chain has already."""
    repeats = np.zeros(len(cuts), bool)
    places = np.flatnonzero(cuts)
    if not len(places):
        return repeats
    names = list(zip(heads.number[rows].tolist(), heads.insertion[rows].tolist(), strict=True))
    start = 0
    for place, stop in zip(places.tolist(), [*places[1:].tolist(), len(rows) - 1], strict=True):
        if set(names[start : place + 1]) & set(names[place + 1 : stop + 1]):
            repeats[place] = True
            start = place + 1
    return repeats
