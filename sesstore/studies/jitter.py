"""Tokens of structures whose coordinates were shaken: what a worse structure would have given.

Every backbone coordinate gets Gaussian noise of some Angstrom, then 3Di and DSSP are assigned anew
by the same code that tokenises files. The tokens are held in memory and never enter the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..name_index import KnownProteins
from ..progress import SILENT, Progress
from ..proteins import Protein
from ..residues import StructureTokens
from ..structures.chain_tokens import Settings, observed_chains
from ..structures.chains import Chain, Structure
from ..structures.notices import Failure
from ..structures.structure_files import StructureFile, structure_files
from ..structures.tokenise import on_protein, tool


class HeldTokens:
    """Tokens in memory, where the store's would stand; a `TokenRows`.

    Parameters
    ----------
    source : str
        What they are called.
    rows : mapping of bytes to StructureTokens
        By digest of the protein.
    """

    def __init__(self, source: str, rows: Mapping[bytes, StructureTokens]) -> None:
        self.source, self._rows = source, rows

    def get_all(self, digests: Iterable[bytes]) -> list[StructureTokens | None]:
        """Return the tokens of several proteins."""
        return [self._rows.get(digest) for digest in digests]

    def __len__(self) -> int:
        return len(self._rows)


def shaken_tokens(
    paths: Sequence[Path],
    proteins: Sequence[Protein],
    source: str,
    angstrom: float,
    *,
    seed: int = 0,
    progress: Progress = SILENT,
) -> tuple[HeldTokens, list[str]]:
    """Tokenise structure files with noise on their coordinates.

    Parameters
    ----------
    paths : sequence of path
        Files, folders, or tar files.
    proteins : sequence of Protein
        Whose structures are wanted, known by id or by sequence.
    source : str
        Where the structures come from.
    angstrom : float
        Standard deviation of the noise on each coordinate; 0 only tokenises.
    seed : int
        Of the noise; what a file gets does not depend on the others.
    progress : Progress
        Told about files.

    Returns
    -------
    tokens : HeldTokens
    failed : list of str
        What could not be used, and why.

    Raises
    ------
    MissingFileError
        A path does not exist, or a folder holds no structure.
    InputError
        The noise is negative.
    """
    if angstrom < 0:
        raise InputError(f"noise has a deviation of 0 Angstrom or more, not {angstrom}")
    index, digests = KnownProteins(proteins), {p.digest for p in proteins}
    files = structure_files(paths)
    tokens: dict[bytes, StructureTokens] = {}
    failed: list[str] = []
    with progress.stage(
        f"tokenising with {angstrom:g} Angstrom of noise", len(files), "files"
    ) as b:
        for file in files:
            chains, problems = _of_file(file, index, source, angstrom, seed)
            failed += problems
            tokens.update((t.digest, t) for t in chains if t.digest in digests)
            b.advance()
    return HeldTokens(f"{source}, coordinates ± {angstrom:g} Angstrom", tokens), failed


def _of_file(
    file: StructureFile, index: KnownProteins, source: str, angstrom: float, seed: int
) -> tuple[list[StructureTokens], list[str]]:
    try:
        structure = shaken(file.parse(), angstrom, seed)
        observed = observed_chains(structure, Settings(source))
    except InputError as problem:
        return [], [str(problem)]
    chains = [on_protein(chain, source, index, tool()) for chain in observed]
    failed = [f"{chain.name}: {chain.reason}" for chain in chains if isinstance(chain, Failure)]
    return [chain.tokens for chain in chains if not isinstance(chain, Failure)], failed


def shaken(structure: Structure, angstrom: float, seed: int) -> Structure:
    """Add Gaussian noise of a standard deviation in Angstrom to every backbone coordinate."""
    key = int.from_bytes(sha256(structure.path.name.encode()).digest()[:8], "little")
    rng = np.random.default_rng([seed, key])
    return replace(structure, chains=[_shaken(chain, angstrom, rng) for chain in structure.chains])


def _shaken(chain: Chain, angstrom: float, rng: np.random.Generator) -> Chain:
    noise = np.float32(angstrom) * rng.standard_normal(chain.backbone.shape).astype(np.float32)
    # 3Di reads the last of alternate locations, where there are any: it is moved alike.
    last = None if chain.last is None else chain.last + noise
    return replace(chain, backbone=chain.backbone + noise, last=last)
