"""A store: proteins, embeddings by encoder, tokens by source, tasks; a folder on disk.

Opening reads one small file; everything else is opened when it is asked for. Any number of
processes may read and write at once (see the modules of this room for how), readers see only what
was committed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..alphabets import Alphabet
from ..batches import batches
from ..durable_files import make_folder
from ..errors import (
    InputError,
    MissingFileError,
    StoreFormatError,
    UnknownNameError,
)
from ..proteins import Protein
from ..provenance import Fingerprint, Provenance, circumstances
from ..residues import StructureTokens
from ..tasks import Task
from . import layout
from .access import is_there
from .alphabet_files import declare_stored, store_alphabet, stored_alphabets
from .atomic_files import replace_file
from .digest_index import as_rows
from .embeddings import Embeddings
from .encoder_lookup import find_encoder, stored_encoders
from .protein_table import ProteinTable
from .segment_writer import SEGMENT_BYTES, SEGMENT_SECONDS, SegmentWriter, check_same_storage
from .task_files import read_task, write_task
from .tokens import Tokens


class Store:
    """A store on disk. Get one by `Store.open` or `Store.create`.

    Parameters
    ----------
    path : path
        Its folder.
    attributes : dict
        The root group's ``sesstore`` attribute.
    """

    def __init__(self, path: Path, attributes: dict[str, Any]) -> None:
        self.path, self.attributes = path, attributes
        self._proteins = ProteinTable(path / layout.PROTEINS)
        declare_stored(path)

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r})"

    @classmethod
    def create(cls, path: Path | str) -> Store:
        """Make an empty store, or open the one that is there.

        Raises
        ------
        StoreFormatError
            The folder holds something else.
        """
        path = Path(path)
        root = path / layout.METADATA
        if not root.exists():
            if path.exists() and _is_something_else(path):
                raise StoreFormatError(
                    f"'{path}' holds other things than a store. Name a new or an empty folder"
                )
            make_folder(path)
            attributes = {"format": layout.FORMAT, "kind": "store", "made": circumstances()}
            replace_file(root, layout.group_metadata(attributes))
        layout.make_group(path / layout.EMBEDDINGS, {"kind": "embeddings"})
        return cls.open(path)

    @classmethod
    def open(cls, path: Path | str, *, create: bool = False) -> Store:
        """Open a store.

        Parameters
        ----------
        path : path
            Its folder.
        create : bool
            Make it if there is none.

        Raises
        ------
        MissingFileError
            There is no store.
        StoreFormatError
            It is of a format this version does not read.
        CorruptStoreError
            Its metadata are not what was written.
        """
        path = Path(path)
        root = path / layout.METADATA
        if not is_there(root):
            if create:
                return cls.create(path)
            raise MissingFileError(
                f"there is no store at '{path}'. Name one with --store or SESSTORE_STORE, or make "
                f"one with `sesstore add` or `sesstore embed`"
            )
        attributes = layout.read_group(root)
        layout.check_format(attributes, path)
        return cls(path, attributes)

    def flush(self) -> None:
        """Make visible to other readers what was added; on disk it is already."""

    # Proteins

    def add_proteins(self, proteins: Iterable[Protein]) -> int:
        """Store sequences and ids; return how many sequences were new."""
        return self._proteins.add(proteins)

    def protein(self, digest: bytes) -> Protein:
        """Return a protein, under the first id it came with; raises `NotStoredError`."""
        return self._proteins.get(digest)

    def proteins(self, digests: Iterable[bytes] | None = None) -> Iterator[Protein]:
        """Yield the proteins of some digests, in their order, or all; raises `NotStoredError`."""
        return iter(self._proteins) if digests is None else self._proteins.get_all(digests)

    def count_proteins(self) -> int:
        """Return how many sequences the store knows."""
        return len(self._proteins)

    def knows(self, digests: Iterable[bytes]) -> list[bool]:
        """Whether the store knows the sequences of some digests."""
        return [length >= 0 for length in self._proteins.lengths(digests)]

    def find_digests(self, start: str, limit: int = 20) -> list[bytes]:
        """Digests of the sequences whose hexadecimal digest starts so, at most `limit`."""
        return self._proteins.find_digests(start, limit)

    def find_id(self, id: str) -> list[bytes]:
        """Digests of the sequences that came under an id; empty if there are none."""
        return self._proteins.find_id(id)

    def names(self) -> Iterator[tuple[str, bytes]]:
        """Yield every id the store knows, with the digest of its sequence."""
        return self._proteins.names()

    # Embeddings

    def encoders(self) -> list[Provenance]:
        """Provenance of every encoder that has a folder here."""
        return [provenance for _, provenance in stored_encoders(self.path)]

    def residue_encoders(self) -> list[Provenance]:
        """Provenance of every encoder there are embeddings of residues by, not only means."""
        return [encoder for encoder in self.encoders() if not encoder.fingerprint.reduction]

    def provenance_of(self, fingerprint: Fingerprint) -> Provenance | None:
        """Provenance of what is stored under a fingerprint; None if nothing is."""
        return next((p for p in self.encoders() if p.fingerprint == fingerprint), None)

    def embeddings(self, encoder: Fingerprint | str | None = None) -> Embeddings:
        """Open a view of all committed embeddings of one encoder.

        Parameters
        ----------
        encoder : Fingerprint or str, optional
            A fingerprint; or an encoder's name or the start of it, or of a fingerprint; None if the
            store has only one.

        Raises
        ------
        NotStoredError
            The store has no such embeddings.
        FingerprintMismatchError
            Several encoders fit; says in what they differ.
        """
        folder, provenance = find_encoder(self.path, encoder)
        return Embeddings(folder, provenance)

    def has_embeddings(
        self, fingerprint: Fingerprint, digests: Iterable[bytes]
    ) -> NDArray[np.bool_]:
        """Whether each protein is embedded by an encoder, shape=(B,); False if there is none."""
        rows = as_rows(digests)
        if self.provenance_of(fingerprint) is None:
            return np.zeros(len(rows), bool)
        return self.embeddings(fingerprint).find(rows) >= 0

    def writer(
        self,
        provenance: Provenance,
        circumstances: Mapping[str, Any],
        *,
        segment_bytes: int = SEGMENT_BYTES,
        segment_seconds: float = SEGMENT_SECONDS,
    ) -> SegmentWriter:
        """Open a writer of embeddings; use it in a ``with`` block.

        Nothing is written before the first embedding.

        Raises
        ------
        InputError
            Embeddings cannot be stored in that type.
        FingerprintMismatchError
            The store has embeddings of this encoder in another type or width.
        """
        folder = self.path / layout.EMBEDDINGS / layout.encoder_folder(provenance)
        stored = [encoder for path, encoder in stored_encoders(self.path) if path == folder]
        check_same_storage(stored[0] if stored else provenance, provenance)
        return SegmentWriter(
            folder,
            provenance,
            circumstances,
            segment_bytes=segment_bytes,
            segment_seconds=segment_seconds,
        )

    def encoder_folder(self, encoder: Fingerprint | str | None = None) -> Path:
        """Return the folder of one encoder's segments; raises as `embeddings`."""
        return find_encoder(self.path, encoder)[0]

    # Tokens

    def sources(self) -> list[str]:
        """Names of the sources there are tokens from."""
        return [file.stem for file in layout.documents(self.path / layout.TOKENS, ".lmdb")]

    def tokens(self, source: str) -> Tokens:
        """Open the tokens of one source.

        Raises
        ------
        UnknownNameError
            The store has none of that name.
        """
        if source not in self.sources():
            raise UnknownNameError(
                "source of tokens in this store",
                source,
                self.sources(),
                "Add tokens with `sesstore tokens` or `sesstore add`.",
            )
        return Tokens(self._tokens_path(source))

    def add_tokens(
        self,
        items: Iterable[StructureTokens],
        circumstances: Mapping[str, Any],
        *,
        replace: bool = False,
    ) -> int:
        """Store tokens; return for how many proteins something was written.

        Parts that are stored already stay as they are unless `replace`.

        Raises
        ------
        InputError
            Tokens do not have one code a residue of their protein; or they would replace those an
            encoder has read (SaProt), whose embeddings would be of tokens that are gone.
        StorageFullError
            No space left; whole batches before it stay.
        """
        count = 0
        for source, batch in _by_source(items):
            lengths = self._proteins.lengths(item.digest for item in batch)
            for item, length in zip(batch, lengths, strict=True):
                if length not in (-1, len(item)):
                    raise InputError(
                        f"tokens of {self.protein(item.digest).id} from {source} have {len(item)} "
                        f"codes, the sequence has {length} residues. Tokenise the structure again"
                    )
            tokens = Tokens(self._tokens_path(source))
            if replace:
                self._check_unread(tokens, batch)
            count += tokens.add(batch, circumstances, replace=replace)
        return count

    def _check_unread(self, tokens: Tokens, items: Sequence[StructureTokens]) -> None:
        """Raise if tokens would change that an encoder of this store has read."""
        readers = [p.fingerprint for p in self.encoders() if p.fingerprint.structure]
        readers = [fingerprint for fingerprint in readers if fingerprint.structure == tokens.source]
        changing = tokens.changing(items) if readers else []
        for fingerprint in readers:
            count = int(self.has_embeddings(fingerprint, changing).sum()) if changing else 0
            if count:
                raise InputError(
                    f"tokens of {count:,} proteins from {tokens.source} would change, and "
                    f"{fingerprint.encoder} was run on those that are stored: its embeddings would "
                    f"be of tokens that are gone. Give the new ones a --source of their own"
                )

    def _tokens_path(self, source: str) -> Path:
        return self.path / layout.TOKENS / f"{layout.check_name('source', source)}.lmdb"

    # Alphabets

    def declare(self, alphabet: Alphabet) -> None:
        """Declare an alphabet of tokens, here and to this process.

        Raises
        ------
        InputError
            The store, or this process, knows another one by that name.
        """
        store_alphabet(self.path, alphabet)

    def alphabets(self) -> dict[str, Alphabet]:
        """Return the alphabets that were declared here, by name."""
        return stored_alphabets(self.path)

    # Tasks

    def add_task(self, task: Task) -> None:
        """Store a task, replacing one of the same name."""
        write_task(self._task_path(task.name), task)

    def task(self, name: str) -> Task:
        """Read a task.

        Raises
        ------
        UnknownNameError
            The store has none of that name.
        """
        if name not in self.tasks():
            raise UnknownNameError(
                "task of this store", name, self.tasks(), "Add it with `sesstore add`."
            )
        return read_task(self._task_path(name))

    def tasks(self) -> list[str]:
        """Names of the tasks."""
        return [file.stem for file in layout.documents(self.path / layout.TASKS, ".jsonl")]

    def _task_path(self, name: str) -> Path:
        return self.path / layout.TASKS / f"{layout.check_name('task', name)}.jsonl"


def _is_something_else(path: Path) -> bool:
    """Whether a path holds other things than a store, or one that is being made just now."""
    if not path.is_dir():
        return True
    beginning = f".{layout.METADATA}."  # the metadata, under the name they are written
    foreign = [file.name for file in path.iterdir() if not file.name.startswith(beginning)]
    return bool(foreign) and not (path / layout.METADATA).exists()


def _by_source(
    items: Iterable[StructureTokens], count: int = 1024
) -> Iterator[tuple[str, list[StructureTokens]]]:
    for source, group in groupby(items, key=attrgetter("source")):
        for batch in batches(group, count):
            yield source, batch
