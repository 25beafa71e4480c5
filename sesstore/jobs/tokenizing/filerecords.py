"""Which structure files a store has tokenised, so that nobody does them again.

One text file a source, ``tokens/<source>.files.jsonl``: a line a model that was tokenised in full,
appended after its tokens are stored. A line counts only as long as the file's place, size and time
of change, the tools and the chosen chain are the same; one that is broken, or lost with the whole
file, costs the time to tokenise that file again and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path

from ...name_index import ProteinLookup
from ...provenance import canonical_json
from ...store import Store
from ...store.layout import TOKENS
from ...structures.structure_files import StructureFile
from ...structures.tokenise import TokenisedModel


@dataclass(frozen=True)
class ChainRecord:
    """One tokenised chain.

    Parameters
    ----------
    id : str
        Of its protein.
    digest, own : str
        Digest (hexadecimal) of the sequence it was aligned to, and of the structure's own.
    length, resolved : int
        Residues of the protein, and those of them that are resolved.
    plddt : bool
        Whether its residues have a pLDDT.
    remarks : list of list of str
        Kind and detail of what was decided about it.
    """

    id: str
    digest: str
    own: str
    length: int
    resolved: int
    plddt: bool = False
    remarks: list[list[str]] = field(default_factory=list)


class FileRecords:
    """The records of one source.

    Parameters
    ----------
    store : Store
        Whose tokens they are about.
    source : str
        Where the structures came from.
    settings : sequence
        What else decides the tokens, as plain values.
    """

    def __init__(self, store: Store, source: str, settings: Sequence[object]) -> None:
        self.path = store.path / TOKENS / f"{source}.files.jsonl"
        self._tokens = store.tokens(source) if source in store.sources() else None
        self._settings = settings
        self._known = _read(self.path)

    def done(
        self, model: tuple[StructureFile, ...], sequences: ProteinLookup
    ) -> list[ChainRecord] | None:
        """Return the chains of a model whose tokens are stored; None if it has to be done.

        Parameters
        ----------
        model : tuple of StructureFile
        sequences : ProteinLookup
            Finds the sequence a chain would be aligned to now.
        """
        chains = self._known.get(self._key(model)) if self._known else None
        if chains is None or self._tokens is None:
            return None
        for chain in chains:
            protein = sequences.find([chain.id])
            if (protein.digest.hex() if protein else chain.own) != chain.digest:
                return None
        has = self._tokens.has(bytes.fromhex(chain.digest) for chain in chains)
        return chains if has.all() else None

    def add(self, models: Iterable[TokenisedModel]) -> None:
        """Record models whose tokens were stored; those with a failure stay to be done."""
        lines = [
            canonical_json({"key": self._key(model.files), "chains": _records(model)}) + "\n"
            for model in models
            if model.chains and not model.failures
        ]
        if lines:
            # One write, at the end of the file: two processes may record at once.
            with self.path.open("ab", buffering=0) as file:
                file.write(("\n" + "".join(lines)).encode())

    def _key(self, model: tuple[StructureFile, ...]) -> str:
        about = [*self._settings, *(identity(file) for file in model)]
        return sha256(canonical_json(about).encode()).hexdigest()[:32]


def _records(model: TokenisedModel) -> list[dict[str, object]]:
    return [
        asdict(
            ChainRecord(
                chain.protein.id,
                chain.protein.digest.hex(),
                chain.structure_protein.digest.hex(),
                len(chain.protein),
                round(chain.coverage * len(chain.protein)),
                chain.tokens.plddt is not None,
                [[remark.kind, remark.detail] for remark in chain.remarks],
            )
        )
        for chain in model.chains
    ]


def identity(file: StructureFile) -> list[object]:
    """Place, size and time of change: of the archive for a member."""
    outer = file.archive or file.path
    return [str(outer.absolute()), str(file.path.name), file.start, *_state(outer)]


def _state(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError:
        return -1, -1
    return stat.st_size, stat.st_mtime_ns


def _read(path: Path) -> dict[str, list[ChainRecord]]:
    records = {}
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return {}
    for line in lines:
        try:
            record = json.loads(line)
            records[record["key"]] = [ChainRecord(**chain) for chain in record["chains"]]
        except (ValueError, KeyError, TypeError):
            continue
    return records
