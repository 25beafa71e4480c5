"""Protein chains of coordinate files: PDB, mmCIF, BinaryCIF and Foldcomp, plain or gzipped.

One parse a file. Of alternate locations (and of residues modelled as two amino acids) the one with
the highest occupancy counts, but for 3Di, where Foldseek's rule does: the last one of the file.
Models become conformers; nucleic acids, ligands and waters are left out. Shapes: M models, L
residues with a C-alpha; atoms that are missing are NaN.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, MissingFileError, StructureError
from ..file_names import data_suffix
from .aminoacids import best_location, protein_atoms
from .atoms import AtomTable, Origin, Parsed
from .letters import one_letter
from .models import stacked
from .notices import Remark
from .pdb import read_pdb
from .polymer import NO_ALPHA, Piece, Residues, residue_numbers
from .polymer import pieces as protein_pieces
from .validation import check_geometry, check_text, unpack

if TYPE_CHECKING:
    from biotite.structure import AtomArray

BACKBONE = ("N", "CA", "C", "CB", "O")
"""Atoms kept of each residue, in this order."""


@dataclass(frozen=True, eq=False)
class Chain:
    """One protein chain.

    Parameters
    ----------
    id : str
        Author's chain id; of several chains that share one, the second is ``A-2``.
    residues : str, length L
        One-letter amino acids of the residues with coordinates; modified residues as their parent.
    numbers : ndarray, shape=(L,), dtype=int64
        Author's residue numbers.
    insertions : ndarray, shape=(L,), dtype=str
        Insertion codes, mostly empty.
    backbone : ndarray, shape=(M, L, 5, 3), dtype=float32
        N, CA, C, CB, O in Angstrom.
    bfactors : ndarray, shape=(L,), dtype=float32
        Of the C-alpha: pLDDT in predicted models.
    sequence : str or None
        The full sequence the file states (SEQRES, entity_poly), unresolved residues among it.
    positions : ndarray, shape=(L,), dtype=int64, or None
        Place of each residue in `sequence`, where the file states it.
    begin : int or None
        Place in the database's sequence where `sequence` begins, where the file states it.
    last : ndarray, shape=(M, L, 5, 3), dtype=float32, or None
        As `backbone`, with the last of alternate locations; None where there are none.
    segment : str
        Second name of the chain (mmCIF's ``label_asym_id``), where the file has one.
    """

    id: str
    residues: str
    numbers: NDArray[np.int64]
    insertions: NDArray[np.str_]
    backbone: NDArray[np.float32]
    bfactors: NDArray[np.float32]
    sequence: str | None
    positions: NDArray[np.int64] | None = None
    begin: int | None = None
    last: NDArray[np.float32] | None = None
    segment: str = ""

    def __len__(self) -> int:
        return len(self.residues)


@dataclass(frozen=True, eq=False)
class Structure:
    """What one file holds.

    Parameters
    ----------
    path : Path
        The file.
    chains : list of Chain
        Protein chains, in the file's order.
    table : AtomTable
        Protein atoms of the first model, chain by chain.
    residue : ndarray, shape=(atoms,), dtype=int64
        Place of each atom's residue in its chain. Numbers and insertion codes do not tell: two
        residues may share them.
    origin : Origin
        What the file states about experiment and prediction.
    remarks : list of Remark
        What was decided about its chains.
    """

    path: Path
    chains: list[Chain]
    table: AtomTable
    residue: NDArray[np.int64]
    origin: Origin = field(default_factory=Origin)
    remarks: list[Remark] = field(default_factory=list)

    def rows(self, chain: Chain) -> NDArray[np.int64]:
        """Rows of the table that are a chain's atoms."""
        return np.flatnonzero(self.table.chain == chain.id.encode("latin-1"))

    @cached_property
    def atoms(self) -> AtomArray:
        """Protein atoms of the first model, as biotite has them."""
        from biotite.structure import AtomArray

        atoms, table = AtomArray(len(self.table)), self.table
        atoms.coord = table.xyz
        atoms.chain_id = table.chain.astype(str)
        atoms.res_id, atoms.ins_code = table.number, table.insertion.astype(str)
        atoms.res_name, atoms.atom_name = (
            table.residue_name.astype(str),
            table.atom_name.astype(str),
        )
        atoms.element = np.char.upper(table.element.astype(str))
        return atoms


def _read_mmcif(raw: bytes) -> Parsed:
    from .mmcif import read_mmcif

    return read_mmcif(raw)


def _read_fcz(raw: bytes) -> Parsed:
    from .foldcomp import read_fcz

    return read_fcz(raw)


def _read_bcif(raw: bytes) -> Parsed:
    from .mmcif import read_bcif

    return read_bcif(raw)


READERS: dict[str, Callable[[bytes], Parsed]] = {
    ".pdb": read_pdb,
    ".ent": read_pdb,
    ".cif": _read_mmcif,
    ".mmcif": _read_mmcif,
    ".bcif": _read_bcif,
    ".fcz": _read_fcz,
}
"""Reader of each suffix; ``.gz`` may follow."""

SUFFIXES = tuple(READERS)
_BINARY = (".bcif", ".fcz")
_ASSEMBLY = re.compile(r"\.pdb\d+")


def structure_suffix(path: Path) -> str:
    """Suffix of a file, ``.gz`` aside, in lower case; the PDB's assemblies (``.pdb1``) are PDB."""
    suffix = data_suffix(path)
    return ".pdb" if _ASSEMBLY.fullmatch(suffix) else suffix


def read_structure(path: Path) -> Structure:
    """Read the protein chains of a file.

    Parameters
    ----------
    path : path
        ``.pdb``, ``.ent``, ``.cif``, ``.mmcif``, ``.bcif`` or ``.fcz``; ``.gz`` may follow.

    Raises
    ------
    MissingFileError
        There is no such file.
    StructureError
        It cannot be read, or holds no protein; names the file.
    """
    if not path.is_file():
        raise MissingFileError(f"there is no structure file '{path}'. Check its name")
    return parse_structure(path, path.read_bytes())


def parse_structure(path: Path, raw: bytes) -> Structure:
    """Read the protein chains in the bytes of a file; raises as `read_structure`."""
    suffix = structure_suffix(path)
    if suffix not in READERS:
        raise StructureError(
            f"'{path}' is none of {', '.join(SUFFIXES)} (.gz may follow). Name it as what it is, "
            f"or convert it to mmCIF"
        )
    raw = unpack(path, raw)
    if suffix not in _BINARY:
        raw = check_text(path, raw, mmcif="cif" in suffix)
    try:
        parsed = READERS[suffix](raw)
        chains, table, places, remarks = _protein_chains(parsed)
    except StructureError as problem:
        raise StructureError(f"'{path}' {problem}") from None
    except _READ_ERRORS as problem:
        raise StructureError(
            f"'{path}' cannot be read as a structure: {_reason(problem)}. Get the file again"
        ) from None
    return Structure(path, chains, table, places, parsed.origin, remarks)


_READ_ERRORS = (
    InputError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    EOFError,
    OverflowError,
    OSError,
)
"""What the parsers raise for files that are not what they say (biotite's errors among them)."""


def _reason(problem: Exception) -> str:
    lines = str(problem).strip().splitlines()
    return lines[0].rstrip(".") if lines and lines[0] else type(problem).__name__


def _protein_chains(
    parsed: Parsed,
) -> tuple[list[Chain], AtomTable, NDArray[np.int64], list[Remark]]:
    """Chains of all models, the protein atoms of the first (and their residues' places), and what
    was decided about them.
    """
    candidates, lacking = protein_atoms(parsed.atoms)
    candidate_residue = residue_numbers(candidates)
    located = best_location(candidates, candidate_residue)
    atoms, residue = candidates[located], candidate_residue[located]
    if not len(atoms):
        raise StructureError(_NO_PROTEIN)
    if not np.isfinite(atoms.xyz).all():
        raise StructureError("has coordinates that are not numbers. Get the file again")
    starts = np.flatnonzero(np.r_[True, residue[1:] != residue[:-1]])
    heads = atoms[starts]
    first = heads[heads.model == heads.model[0]]
    backbone = stacked(_backbone(atoms, residue, len(starts)), heads, len(first))
    pieces, remarks = protein_pieces(Residues(first, backbone[0]), parsed)
    if not pieces:
        raise StructureError(_NO_PROTEIN)
    _check_copies(pieces, first, backbone[0])
    rows = np.concatenate([piece.rows for piece in pieces])
    check_geometry(first[rows], backbone[:, rows])
    bfactors = np.full(len(starts), np.nan, np.float32)
    alphas = atoms.atom_name == b"CA"
    bfactors[residue[alphas]] = atoms.bfactor[alphas]
    last = None
    if not located.all():
        last = stacked(_backbone(candidates, candidate_residue, len(starts)), heads, len(first))
    chains = [
        _chain(piece, first, (backbone, last), bfactors, _sequence(piece, pieces, first, parsed))
        for piece in pieces
    ]
    chains = [
        replace(chain, begin=parsed.begins.get(piece.author))
        for chain, piece in zip(chains, pieces, strict=True)
    ]
    remarks += [
        Remark(NO_ALPHA, f"chain {name}: {residues} of {count + residues} have one")
        for name, count, residues in _counted(lacking, chains, pieces)
    ]
    return chains, *_table(atoms, residue, pieces), remarks


_CLASH = 2.0
"""Angstrom between C-alphas that are of copies, not of two chains."""

_NO_PROTEIN = (
    "holds no protein residue with a C-alpha (nucleic acids, ligands and waters are not "
    "tokenised). Leave it out, or name another file"
)


def _check_copies(pieces: list[Piece], heads: AtomTable, backbone: NDArray[np.float32]) -> None:
    """Raise if copies of a chain lie on top of each other: they are models without a number."""
    for first, second in pairwise(pieces):
        if first.author != second.author or _letters(heads, first.rows) != _letters(
            heads, second.rows
        ):
            continue
        apart = np.linalg.norm(backbone[first.rows, 1] - backbone[second.rows, 1], axis=-1)
        if np.median(apart) < _CLASH:
            raise StructureError(
                f"holds copies of chain '{first.author}' on top of each other. Number them as "
                f"models (MODEL and ENDMDL, pdbx_PDB_model_num), or write each to a file of its own"
            )


def _counted(
    lacking: dict[str, int], chains: list[Chain], pieces: list[Piece]
) -> Iterator[tuple[str, int, int]]:
    """Author's chain id, residues without a C-alpha and with one, of chains that lack some."""
    for name, count in lacking.items():
        size = sum(len(c) for c, p in zip(chains, pieces, strict=True) if p.author == name)
        if size:
            yield name, count, size


def _backbone(atoms: AtomTable, residue: NDArray[np.int64], size: int) -> NDArray[np.float32]:
    backbone = np.full((size, len(BACKBONE), 3), np.nan, np.float32)
    for place, name in enumerate(BACKBONE):
        rows = np.flatnonzero(atoms.atom_name == name.encode())
        backbone[residue[rows], place] = atoms.xyz[rows]
    return backbone


def _sequence(piece: Piece, pieces: list[Piece], heads: AtomTable, parsed: Parsed) -> str | None:
    """Full sequence the file states for a chain; none where it may be of another one."""
    stated = parsed.sequences.get(piece.author) or None
    if piece.alone or stated is None:
        return stated
    siblings = {
        _letters(heads, sibling.rows) for sibling in pieces if sibling.author == piece.author
    }
    return stated if len(siblings) == 1 else None


def _letters(heads: AtomTable, rows: NDArray[np.int64]) -> str:
    """Letters of some residues."""
    names = heads.residue_name[rows].tolist()
    return "".join(one_letter(name.decode("latin-1")) for name in names)


def _chain(
    piece: Piece,
    heads: AtomTable,
    backbones: tuple[NDArray[np.float32], NDArray[np.float32] | None],
    bfactors: NDArray[np.float32],
    sequence: str | None,
) -> Chain:
    rows, (backbone, last) = piece.rows, backbones
    positions = heads.position[rows]
    placed = sequence is not None and positions.min() >= 0 and positions.max() < len(sequence)
    return Chain(
        id=piece.id,
        residues=_letters(heads, rows),
        numbers=heads.number[rows],
        insertions=np.char.decode(heads.insertion[rows], "latin-1"),
        backbone=backbone[:, rows],
        bfactors=bfactors[rows],
        sequence=sequence,
        positions=positions if placed else None,
        last=None if last is None else last[:, rows],
        segment=heads.segment[rows[0]].decode("latin-1"),
    )


def _table(
    atoms: AtomTable, residue: NDArray[np.int64], pieces: list[Piece]
) -> tuple[AtomTable, NDArray[np.int64]]:
    """Protein atoms of the first model, chain by chain, under the chains' ids, and the place of
    each one's residue in its chain.
    """
    starts = np.searchsorted(residue, np.arange(int(residue[-1]) + 2))
    rows, ids, places = [], [], []
    for piece in pieces:
        piece_atoms = [np.arange(starts[row], starts[row + 1]) for row in piece.rows.tolist()]
        rows += piece_atoms
        counts = [len(residue_atoms) for residue_atoms in piece_atoms]
        ids += [piece.id.encode("latin-1")] * sum(counts)
        places.append(np.repeat(np.arange(len(counts)), counts))
    table = atoms[np.concatenate(rows)]
    return replace(table, chain=np.array(ids, np.bytes_)), np.concatenate(places)
