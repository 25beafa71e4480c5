"""Protein chains of coordinate files: PDB, mmCIF, BinaryCIF and Foldcomp, plain or gzipped.

One parse a file. Of alternate locations (and of residues modelled as two amino acids) the one with
the highest occupancy counts, but for 3Di, where Foldseek's rule does: the last one of the file.
Models become conformers; nucleic acids, ligands and waters are left out. Shapes: M models, L
residues with a C-alpha; atoms that are missing are NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, MissingFileError, StructureError
from .atoms import AtomTable, Bytes, Parsed, read_pdb
from .damage import check_geometry, checked_text, unpacked
from .letters import is_amino_acid, one_letter

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
        Author's chain id.
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
        Protein atoms of the first model.
    predicted : bool
        Whether the file says that it is a predicted model.
    """

    path: Path
    chains: list[Chain]
    table: AtomTable
    predicted: bool

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


def structure_suffix(path: Path) -> str:
    """Suffix of a file, ``.gz`` aside, in lower case."""
    return Path(path.name.lower().removesuffix(".gz")).suffix


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
        raise MissingFileError(f"there is no structure file '{path}'")
    return parse_structure(path, path.read_bytes())


def parse_structure(path: Path, raw: bytes) -> Structure:
    """Read the protein chains in the bytes of a file; raises as `read_structure`."""
    suffix = structure_suffix(path)
    if suffix not in READERS:
        raise StructureError(f"'{path}' is none of {', '.join(SUFFIXES)} (.gz may follow)")
    raw = unpacked(path, raw)
    if suffix not in _BINARY:
        raw = checked_text(path, raw, mmcif="cif" in suffix)
    try:
        parsed = READERS[suffix](raw)
        chains, table = _protein_chains(parsed)
    except StructureError as problem:
        raise StructureError(f"'{path}' {problem}") from None
    except _BROKEN as problem:
        raise StructureError(
            f"'{path}' cannot be read as a structure: {_reason(problem)}. Get the file again"
        ) from None
    return Structure(path, chains, table, parsed.predicted)


_BROKEN = (
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
    said = str(problem).strip().splitlines()
    return said[0].rstrip(".") if said and said[0] else type(problem).__name__


def _protein_chains(parsed: Parsed) -> tuple[list[Chain], AtomTable]:
    """Chains of all models, and the protein atoms of the first."""
    every, residue_of_every = _protein(parsed.atoms)
    located = _best_location(every, residue_of_every)
    atoms, residue = every[located], residue_of_every[located]
    if not len(atoms):
        raise StructureError(
            "holds no protein residue with a C-alpha (nucleic acids, ligands and waters are not "
            "tokenised). Leave it out, or name another file"
        )
    if not np.isfinite(atoms.xyz).all():
        raise StructureError("has coordinates that are not numbers. Get the file again")
    first_model = atoms.model == atoms.model[0]
    starts = np.flatnonzero(np.r_[True, residue[1:] != residue[:-1]])
    heads = atoms[starts]
    rows = np.flatnonzero(heads.model == heads.model[0])
    backbone = _stacked(_backbone(atoms, residue, len(starts)), heads, len(rows))
    check_geometry(heads[rows], backbone)
    bfactors = np.zeros(len(starts), np.float32)
    alphas = atoms.atom_name == b"CA"
    bfactors[residue[alphas]] = atoms.bfactor[alphas]
    chains = _split(heads[rows], backbone, bfactors[rows], parsed)
    if not located.all():
        of_last = _stacked(_backbone(every, residue_of_every, len(starts)), heads, len(rows))
        chains = _with_last(chains, of_last, heads.chain[rows])
    return chains, atoms[first_model]


def _with_last(chains: list[Chain], last: NDArray[np.float32], names: Bytes) -> list[Chain]:
    return [replace(one, last=last[:, names == one.id.encode("latin-1")]) for one in chains]


def _protein(atoms: AtomTable) -> tuple[AtomTable, NDArray[np.int64]]:
    """Atoms of amino acids with a C-alpha, and each atom's residue from 0."""
    alpha = (atoms.atom_name == b"CA") & (atoms.element != b"CA") & atoms.polymer
    residue = _residues(atoms)
    with_alpha = np.zeros(int(residue[-1]) + 1 if len(residue) else 0, bool)
    with_alpha[residue[alpha]] = True
    kept = with_alpha[residue] & _is_amino_acid(atoms, residue)
    atoms = atoms[kept]
    return atoms, _residues(atoms)


def _residues(atoms: AtomTable) -> NDArray[np.int64]:
    """Number of the residue of each atom, from 0, in the file's order."""
    changes = np.zeros(len(atoms), bool)
    for column in (atoms.model, atoms.chain, atoms.number, atoms.insertion):
        changes[1:] |= column[1:] != column[:-1]
    return np.cumsum(changes)


def _is_amino_acid(atoms: AtomTable, residue: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether an atom's residue is an amino acid: by its name, or by N, CA and C in a polymer."""
    names, which = np.unique(atoms.residue_name, return_inverse=True)
    by_name = np.array([is_amino_acid(name.decode("latin-1")) for name in names.tolist()], bool)
    known = by_name[which] if len(names) else np.zeros(0, bool)
    if known.all():
        return known
    complete = np.ones(int(residue[-1]) + 1, bool)
    for name in (b"N", b"CA", b"C"):
        has = np.zeros(len(complete), bool)
        has[residue[(atoms.atom_name == name) & atoms.polymer]] = True
        complete &= has
    return known | complete[residue]


def _best_location(atoms: AtomTable, residue: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Atoms without alternate locations, or of their residue's most occupied one."""
    alternate = atoms.altloc != b""
    if not alternate.any():
        return np.ones(len(atoms), bool)
    letters, which = np.unique(atoms.altloc[alternate], return_inverse=True)
    occupancy = np.full((int(residue[-1]) + 1, len(letters)), -1.0)
    np.maximum.at(occupancy, (residue[alternate], which), 0.0)
    np.add.at(occupancy, (residue[alternate], which), atoms.occupancy[alternate])
    # Of equals the last.
    best = len(letters) - 1 - occupancy[:, ::-1].argmax(1)
    chosen = np.ones(len(atoms), bool)
    chosen[alternate] = which == best[residue[alternate]]
    return chosen


def _backbone(atoms: AtomTable, residue: NDArray[np.int64], size: int) -> NDArray[np.float32]:
    backbone = np.full((size, len(BACKBONE), 3), np.nan, np.float32)
    for place, name in enumerate(BACKBONE):
        rows = np.flatnonzero(atoms.atom_name == name.encode())
        backbone[residue[rows], place] = atoms.xyz[rows]
    return backbone


def _stacked(backbone: NDArray[np.float32], heads: AtomTable, length: int) -> NDArray[np.float32]:
    """Stack the models on the residues of the first: [M, L, 5, 3]; what others lack is NaN."""
    models, sizes = np.unique(heads.model, return_counts=True)
    keys = [heads.chain, heads.number, heads.insertion]
    if (sizes == length).all() and all(
        (key.reshape(len(models), -1) == key[:length]).all() for key in keys
    ):
        return backbone.reshape(len(models), length, *backbone.shape[1:])
    stacked = np.full((len(models), length, *backbone.shape[1:]), np.nan, np.float32)
    named = list(zip(*(key.tolist() for key in keys), strict=True))
    places = {key: row for row, key in enumerate(named[:length])}
    for row, (model, key) in enumerate(
        zip(np.searchsorted(models, heads.model).tolist(), named, strict=True)
    ):
        if key in places:
            stacked[model, places[key]] = backbone[row]
    return stacked


def _split(
    heads: AtomTable, backbone: NDArray[np.float32], bfactors: NDArray[np.float32], parsed: Parsed
) -> list[Chain]:
    letters = [one_letter(name.decode("latin-1")) for name in heads.residue_name.tolist()]
    insertions = np.char.decode(heads.insertion, "latin-1")
    chains = []
    for name in dict.fromkeys(heads.chain.tolist()):
        rows = np.flatnonzero(heads.chain == name)
        label = name.decode("latin-1")
        sequence = parsed.sequences.get(label) or None
        positions = heads.position[rows]
        stated = sequence is not None and positions.min() >= 0
        chains.append(
            Chain(
                id=label,
                residues="".join(letters[row] for row in rows.tolist()),
                numbers=heads.number[rows],
                insertions=insertions[rows],
                backbone=backbone[:, rows],
                bfactors=bfactors[rows],
                sequence=sequence,
                positions=positions if stated and positions.max() < len(sequence or "") else None,
                begin=parsed.begins.get(label),
            )
        )
    return chains
