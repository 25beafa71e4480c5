"""Frames of a molecular dynamics trajectory as conformers, through mdtraj.

Only backbones are read, some frames at a time, so solvent costs nothing and memory is bounded by
the tokens. Chains that a periodic box cuts are made whole along their bonds first, and brought
together. Where a topology has no chains, one begins where residue numbers fall.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import string
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mdtraj
import numpy as np
from numpy.typing import NDArray

from ..errors import MissingFileError, StructureError
from .chain_tokens import ObservedChain, Settings, codes_of
from .chains import BACKBONE, SUFFIXES, Chain, structure_suffix
from .letters import is_amino_acid, one_letter
from .naming import protein_id

_FRAMES = 256
"""Frames in memory at a time."""

_READ_ERRORS = (OSError, ValueError, RuntimeError, TypeError, KeyError, IndexError, AttributeError)
"""What mdtraj raises for files it cannot read."""

_BONDS = ((0, 1), (1, 2), (2, 4), (1, 3))
"""Bonds inside a residue, by places among `BACKBONE`, from N outward."""


_Placed = tuple[Chain, NDArray[np.int64]]
"""A chain, and the numbers of its backbone's atoms [L, 5], -1 where absent."""


@dataclass(frozen=True)
class Trajectory:
    """A trajectory and what its atoms are.

    Parameters
    ----------
    path : Path
        ``.xtc``, ``.trr``, ``.dcd``, ``.nc``, ``.h5`` or what else mdtraj reads.
    topology : Path, optional
        ``.pdb``, ``.gro``, ``.prmtop``, ``.psf``, ...; not needed where the trajectory says it.
    stride : int
        Only every so many frames.
    """

    path: Path
    topology: Path | None = None
    stride: int = 1


def observe_frames(trajectory: Trajectory, settings: Settings) -> list[ObservedChain]:
    """Tokenise the protein chains of a trajectory; each frame is a conformer.

    Raises
    ------
    MissingFileError
        A file does not exist.
    StructureError
        A file cannot be read, they do not belong together, or there is no protein.
    """
    for path in (trajectory.path, trajectory.topology):
        if path is not None and not path.is_file():
            raise MissingFileError(f"there is no file '{path}'. Check its name")
    if structure_suffix(trajectory.path) in SUFFIXES:
        raise StructureError(
            f"'{trajectory.path}' is a structure file, whose models are conformers anyway: name it "
            f"without --trajectory"
        )
    chains: list[Chain] = []
    parts: list[list[dict[str, NDArray[np.uint8]]]] = []
    for chains in _blocks(trajectory):
        parts.append(codes_of(chains, settings.mkdssp))
    if not parts:
        raise StructureError(f"'{trajectory.path}' has no frame. Write it again")
    observed = []
    for place, chain in enumerate(chains):
        codes = {
            name: np.concatenate([block[place][name] for block in parts])
            for name in parts[0][place]
        }
        if settings.chain in (None, chain.id):
            name = f"{trajectory.path} chain {chain.id}"
            protein = protein_id(trajectory.path, chain.id, len(chains))
            observed.append(ObservedChain(chain, protein, name, codes, None))
    if not observed:
        raise StructureError(
            f"'{trajectory.path}' has no protein chain '{settings.chain}', only "
            f"{', '.join(chain.id for chain in chains)}. Name one of these with --chain"
        )
    return observed


def _blocks(trajectory: Trajectory) -> Iterator[list[Chain]]:
    """Chains with the backbones of some frames, until the end."""
    path = trajectory.path
    try:
        with _quiet():
            topology = mdtraj.load_topology(str(trajectory.topology or path))
    except ImportError:
        raise StructureError(
            f"mdtraj reads '{path}' with the package tables only. Install it with: pip install "
            f"tables; or convert the trajectory to .xtc"
        ) from None
    except _READ_ERRORS as problem:
        hint = "Get it again" if trajectory.topology else "Name its topology with --topology"
        raise StructureError(
            f"'{trajectory.topology or path}' gives no topology: {_first_line(problem)}. {hint}"
        ) from None
    chains = _chains(topology)
    if not chains:
        raise StructureError(
            f"'{trajectory.topology or path}' has no protein residue. "
            f"Name the topology of the protein with --topology"
        )
    atoms = np.unique(np.concatenate([rows[rows >= 0] for _, rows in chains]))
    options: dict[str, Any] = {"chunk": _FRAMES, "stride": trajectory.stride}
    if trajectory.topology is not None and path.suffix.lower() not in (".h5", ".hdf5", ".lh5"):
        options["top"] = topology
    try:
        # All atoms of one frame: with chosen ones mdtraj would not notice another topology.
        with _quiet():
            mdtraj.load_frame(str(path), 0, **{k: v for k, v in options.items() if k == "top"})
        blocks = mdtraj.iterload(str(path), atom_indices=atoms, **options)
        while True:
            with _quiet():
                block = next(blocks, None)
            if block is None:
                return
            yield _with_frames(chains, atoms, block)
    except _READ_ERRORS as problem:
        raise StructureError(
            f"'{path}' cannot be read: {_first_line(problem)}. Get it again, and name "
            f"the topology that belongs to it"
        ) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Send what mdtraj's readers print to standard error: standard output holds results."""
    sys.stdout.flush()
    stdout_copy = os.dup(1)
    try:
        os.dup2(2, 1)
        yield
    finally:
        ctypes.CDLL(None).fflush(None)
        os.dup2(stdout_copy, 1)
        os.close(stdout_copy)


def _chains(topology: mdtraj.Topology) -> list[_Placed]:
    """Protein chains, and the atom numbers of their backbones [L, 5] (-1 where absent)."""
    chains: list[_Placed] = []
    names = {_name(chain) for chain in topology.chains}
    for residues in _stretches(topology):
        rows = np.full((len(residues), len(BACKBONE)), -1, np.int64)
        for row, residue in enumerate(residues):
            for atom in residue.atoms:
                if atom.name in BACKBONE:
                    rows[row, BACKBONE.index(atom.name)] = atom.index
        name, ids = _name(residues[0].chain), {chain.id for chain, _ in chains}
        chain = Chain(
            id=name if name and name not in ids else _free_name(names | ids),
            residues="".join(one_letter(residue.name) for residue in residues),
            numbers=np.array([residue.resSeq for residue in residues], np.int64),
            insertions=np.full(len(residues), ""),
            backbone=np.zeros((0, len(residues), len(BACKBONE), 3), np.float32),
            bfactors=np.zeros(len(residues), np.float32),
            sequence=None,
        )
        chains.append((chain, rows))
    return chains


def _stretches(topology: mdtraj.Topology) -> Iterator[list[Any]]:
    """Protein residues of each chain; a chain ends where its numbers fall."""
    for chain in topology.chains:
        residues = [
            residue
            for residue in chain.residues
            if is_amino_acid(residue.name) and any(atom.name == "CA" for atom in residue.atoms)
        ]
        starts = [i for i, r in enumerate(residues) if i == 0 or r.resSeq < residues[i - 1].resSeq]
        # None of a chain of waters or lipids: it has no start.
        for start, stop in itertools.pairwise([*starts, len(residues)]):
            yield residues[start:stop]


def _name(chain: Any) -> str:
    """What a topology calls a chain; nothing where it does not say."""
    return str(getattr(chain, "chain_id", None) or "").strip()


def _free_name(names: set[str]) -> str:
    """First letter that is no chain's name, of any of the topology; beyond Z a number from 27."""
    candidates = itertools.chain(string.ascii_uppercase, map(str, itertools.count(27)))
    return next(name for name in candidates if name not in names)


def _with_frames(
    chains: list[tuple[Chain, NDArray[np.int64]]],
    atoms: NDArray[np.int64],
    block: mdtraj.Trajectory,
) -> list[Chain]:
    """Chains with the backbones of some frames, in Angstrom."""
    places = [np.where(rows >= 0, np.searchsorted(atoms, rows), -1) for _, rows in chains]
    if block.unitcell_lengths is not None:
        bonds = np.concatenate([_bonds(place) for place in places])
        if len(bonds):
            block.make_molecules_whole(inplace=True, sorted_bonds=bonds.astype(np.int32))
        _gather(block, [place[place >= 0] for place in places])
    framed = []
    for (chain, _), place in zip(chains, places, strict=True):
        backbone = np.where(
            (place >= 0)[None, :, :, None], block.xyz[:, place] * 10, np.float32(np.nan)
        )
        fields = {**vars(chain), "backbone": backbone.astype(np.float32)}
        framed.append(Chain(**fields))
    return framed


def _gather(block: mdtraj.Trajectory, chains: list[NDArray[np.int64]]) -> None:
    """Move chains to their periodic image nearest to the first: strands pair across chains."""
    first = block.xyz[:, chains[0]].mean(1)
    cell = block.unitcell_vectors  # [M, 3, 3], a vector a row
    for chain in chains[1:]:
        apart = first - block.xyz[:, chain].mean(1)
        cells = np.rint(np.linalg.solve(cell.transpose(0, 2, 1), apart[..., None])[..., 0])
        shift = np.einsum("mi,mij->mj", cells, cell)
        block.xyz[:, chain] += shift[:, None].astype(np.float32)


def _bonds(places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pairs of a chain's atoms to be brought near each other, in order, the second to the first."""
    pairs: list[tuple[int, int]] = []
    for row, residue in enumerate(places.tolist()):
        if row and places[row - 1, 2] >= 0 and residue[0] >= 0:
            pairs.append((int(places[row - 1, 2]), residue[0]))
        pairs += [(residue[a], residue[b]) for a, b in _BONDS if min(residue[a], residue[b]) >= 0]
    return np.array(pairs, np.int64).reshape(-1, 2)


def _first_line(problem: Exception) -> str:
    lines = str(problem).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(problem).__name__
