"""Find the structures of a few proteins among files that may be many.

Files whose names say that they are of one of the proteins are read first, and reading stops when
every protein has its structure. A file's chains are matched as `structures.matching` says: by their
sequence, then by name; the first file of a protein counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import StructureError
from ..progress import SILENT, Progress
from ..proteins import Protein
from ..structures.matching import PlacedChain, ProteinMatcher
from ..structures.structure_files import StructureFile, structure_files
from .structure_view import ViewedStructure


@dataclass
class StructureSearch:
    """What a search brought.

    Parameters
    ----------
    structures : dict of bytes to ViewedStructure
        By digest of the protein.
    files : int
        That could have been read.
    failed : dict of str to str
        File, or file and chain, to why it is of no use.
    """

    structures: dict[bytes, ViewedStructure] = field(default_factory=dict)
    files: int = 0
    failed: dict[str, str] = field(default_factory=dict)

    def notes(self) -> tuple[str, ...]:
        """What failed, in a sentence."""
        if not self.failed:
            return ()
        name, reason = next(iter(self.failed.items()))
        first = reason.splitlines()[0]
        return (
            f"{len(self.failed):,} structures could not be used, the first of them {name}: {first}",
        )


def search_structures(
    paths: Sequence[Path], proteins: Sequence[Protein], progress: Progress = SILENT
) -> StructureSearch:
    """Find a structure for each of some proteins.

    Parameters
    ----------
    paths : sequence of path
        Files, folders and tar files of structures.
    proteins : sequence of Protein
        Under the ids that files may be named for.
    progress : Progress
        Told about files as they are read.

    Raises
    ------
    MissingFileError
        A path does not exist, or has no structure.
    """
    matcher = ProteinMatcher(proteins)
    files = sorted(structure_files(paths), key=lambda file: not matcher.is_named(file.path))
    wanted = {protein.digest for protein in proteins}
    search = StructureSearch(files=len(files))
    with progress.stage("looking for structures", len(files), "files") as bar:
        for file in files:
            if wanted <= search.structures.keys():
                break
            _read(file, matcher, search)
            bar.advance()
    return search


def _read(file: StructureFile, matcher: ProteinMatcher, search: StructureSearch) -> None:
    try:
        structure = file.parse()
    except StructureError as problem:
        search.failed[str(file.path)] = str(problem)
        return
    chains: dict[bytes, list[PlacedChain]] = {}
    for chain in structure.chains:
        try:
            placed = matcher.match(structure, chain)
        except StructureError as problem:
            search.failed[f"{file.path}, chain {chain.id}"] = str(problem)
            continue
        if placed is not None:
            chains.setdefault(placed.protein.digest, []).append(placed)
    for digest, copies in chains.items():
        search.structures.setdefault(digest, ViewedStructure(structure, copies))
