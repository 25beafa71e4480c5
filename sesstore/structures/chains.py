"""Read protein chains from coordinate files: PDB and mmCIF, plain or gzipped.

One parse a file, by biotite. Of alternate locations the one with the highest occupancy counts;
models become conformers; nucleic acids, ligands and waters are left out. Shapes: M models, L
residues with a C-alpha; atoms that are missing are NaN.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import biotite
import biotite.structure as struc
import numpy as np
from biotite.structure import info
from biotite.structure.io import pdb, pdbx
from numpy.typing import NDArray

from ..alphabets import AMINO_ACIDS
from ..errors import InputError, MissingFileError, StructureError

SUFFIXES = (".pdb", ".ent", ".cif", ".mmcif")
"""What a structure file may end in; ``.gz`` may follow."""

BACKBONE = ("N", "CA", "C", "CB", "O")
"""Atoms kept of each residue, in this order."""

_BROKEN = (
    biotite.InvalidFileError,
    struc.BadStructureError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    OSError,
    EOFError,
    zlib.error,
)
"""What biotite and gzip raise for files that are not what they say."""


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
    """

    id: str
    residues: str
    numbers: NDArray[np.int64]
    insertions: NDArray[np.str_]
    backbone: NDArray[np.float32]
    bfactors: NDArray[np.float32]
    sequence: str | None

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
    atoms : biotite AtomArray
        Protein atoms of the first model.
    predicted : bool
        Whether the file says that it is a predicted model.
    """

    path: Path
    chains: list[Chain]
    atoms: struc.AtomArray
    predicted: bool


def structure_suffix(path: Path) -> str:
    """Suffix of a file, ``.gz`` aside, in lower case."""
    return Path(path.name.lower().removesuffix(".gz")).suffix


def read_structure(path: Path) -> Structure:
    """Read the protein chains of a file.

    Parameters
    ----------
    path : path
        ``.pdb``, ``.ent``, ``.cif`` or ``.mmcif``; ``.gz`` may follow.

    Raises
    ------
    MissingFileError
        There is no such file.
    StructureError
        It cannot be read, or holds no protein; names the file.
    """
    suffix = structure_suffix(path)
    if suffix not in SUFFIXES:
        raise StructureError(f"'{path}' is none of {', '.join(SUFFIXES)} (.gz may follow)")
    text = _text(path)
    try:
        parts = _read_cif(text) if suffix in (".cif", ".mmcif") else _read_pdb(text)
    except InputError:
        raise
    except _BROKEN as problem:
        reason = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        raise StructureError(
            f"'{path}' cannot be read as a structure: {reason}. Get the file again"
        ) from None
    models, sequences, predicted = parts
    models = _protein(models)
    if models.array_length() == 0:
        raise StructureError(
            f"'{path}' holds no protein residue with a C-alpha (nucleic acids, ligands and waters "
            f"are not tokenised). Leave it out, or name another file"
        )
    if not np.isfinite(models.coord).all():
        raise StructureError(f"'{path}' has coordinates that are not numbers. Get the file again")
    return Structure(path, _chains(models, sequences), models[0], predicted)


def _text(path: Path) -> str:
    if not path.is_file():
        raise MissingFileError(f"there is no structure file '{path}'")
    raw = path.read_bytes()
    try:
        if path.name.lower().endswith(".gz"):
            raw = gzip.decompress(raw)
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise StructureError(f"'{path}' is not text. Is it what its name says?") from None
    except (OSError, EOFError, zlib.error) as problem:
        raise StructureError(f"'{path}' is a broken gzip file: {problem}. Get it again") from None
    if not text.strip():
        raise StructureError(f"'{path}' is empty. Get the file again")
    return text


_ATOM_KEY = ("chain_id", "res_id", "ins_code", "res_name", "atom_name")

Parsed = tuple[struc.AtomArrayStack, dict[str, str], bool]


def _read_pdb(text: str) -> Parsed:
    file = pdb.PDBFile.read(io.StringIO(text))
    fields = ["b_factor", "occupancy"]
    try:
        models = pdb.get_structure(file, altloc="occupancy", extra_fields=fields)
    except biotite.InvalidFileError:  # models of unequal atoms
        models = _common_atoms(
            pdb.get_structure(file, model=number, altloc="occupancy", extra_fields=fields)
            for number in range(1, file.get_model_count() + 1)
        )
    names: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("SEQRES"):
            names.setdefault(line[11].strip(), []).extend(line[19:70].split())
    sequences = {chain: _one_letter(residues) for chain, residues in names.items()}
    predicted = "ALPHAFOLD" in text[:2000].upper() or "ESMFOLD" in text[:2000].upper()
    return models, sequences, predicted


def _read_cif(text: str) -> Parsed:
    file = pdbx.CIFFile.read(io.StringIO(text))
    fields = ["b_factor", "occupancy"]
    present = set(file.block["atom_site"].keys())
    known = [
        f
        for f, column in zip(fields, ("B_iso_or_equiv", "occupancy"), strict=True)
        if column in present
    ]
    altloc = "occupancy" if "occupancy" in known else "first"
    try:
        models = pdbx.get_structure(file, altloc=altloc, extra_fields=known)
    except biotite.InvalidFileError:  # models of unequal atoms
        models = _common_atoms(
            pdbx.get_structure(file, model=number, altloc=altloc, extra_fields=known)
            for number in range(1, pdbx.get_model_count(file) + 1)
        )
    if "b_factor" not in known:
        models.set_annotation("b_factor", np.zeros(models.array_length(), np.float32))
    return models, _entity_sequences(file), "ma_qa_metric" in file.block


def _entity_sequences(file: pdbx.CIFFile) -> dict[str, str]:
    """Full sequence of each chain, by the author's chain id."""
    if "entity_poly" not in file.block:
        return {}
    poly = file.block["entity_poly"]
    if not {"pdbx_strand_id", "pdbx_seq_one_letter_code_can"} <= set(poly.keys()):
        return {}
    found = {}
    codes = poly["pdbx_seq_one_letter_code_can"].as_array(str)
    for strands, code in zip(poly["pdbx_strand_id"].as_array(str), codes, strict=True):
        sequence = "".join(c if c in AMINO_ACIDS.letters else "X" for c in "".join(code.split()))
        for strand in strands.split(","):
            found[strand.strip()] = sequence
    return found


def _common_atoms(models: Iterable[struc.AtomArray]) -> struc.AtomArrayStack:
    """Stack models whose atoms differ, by the atoms that all of them have."""
    arrays = list(models)
    keyed = [
        {
            key: index
            for index, key in enumerate(zip(*(m.get_annotation(a) for a in _ATOM_KEY), strict=True))
        }
        for m in arrays
    ]
    common = [key for key in keyed[0] if all(key in other for other in keyed[1:])]
    return struc.stack(
        [model[[keys[key] for key in common]] for model, keys in zip(arrays, keyed, strict=True)]
    )


def _protein(models: struc.AtomArrayStack) -> struc.AtomArrayStack:
    """Amino-acid residues that have a C-alpha."""
    models = models[..., struc.filter_amino_acids(models)]
    if models.array_length() == 0:
        return models
    alpha = (models.atom_name == "CA") & (models.element != "CA")
    has_alpha = struc.apply_residue_wise(models, alpha, np.any)
    return models[..., struc.spread_residue_wise(models, has_alpha)]


def _chains(models: struc.AtomArrayStack, sequences: dict[str, str]) -> list[Chain]:
    starts = struc.get_residue_starts(models, add_exclusive_stop=True)
    residue = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    first = starts[:-1]
    backbone = np.full((models.stack_depth(), len(first), len(BACKBONE), 3), np.nan, np.float32)
    bfactors = np.zeros(len(first), np.float32)
    for place, name in enumerate(BACKBONE):
        atoms = np.flatnonzero(models.atom_name == name)
        backbone[:, residue[atoms], place] = models.coord[:, atoms]
        if name == "CA":
            bfactors[residue[atoms]] = models.b_factor[atoms]
    ids = models.chain_id[first]
    letters = np.array(list(_one_letter(models.res_name[first])))
    return [
        Chain(
            id=str(chain),
            residues="".join(letters[rows := np.flatnonzero(ids == chain)]),
            numbers=models.res_id[first][rows].astype(np.int64),
            insertions=models.ins_code[first][rows],
            backbone=backbone[:, rows],
            bfactors=bfactors[rows],
            sequence=sequences.get(str(chain)) or None,
        )
        for chain in dict.fromkeys(ids.tolist())
    ]


def _one_letter(names: Any) -> str:
    return "".join(_letter(str(name)) for name in names)


@cache
def _letter(name: str) -> str:
    """One letter of a residue; modified ones are their parent's, as the CCD says."""
    letter = info.one_letter_code(name)
    return letter if letter and letter in AMINO_ACIDS.letters else "X"
