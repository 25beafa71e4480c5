"""A store in object storage, to be written to through a scratch folder. See `bucket`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..alphabets import Alphabet
from ..errors import InputError
from ..progress import Progress
from ..proteins import DIGEST_BYTES, Protein
from ..provenance import Fingerprint, Provenance
from ..residues import StructureTokens
from ..store import Embeddings, SegmentWriter, Store, Tokens, layout
from ..store.digest_index import DigestIndex, as_rows
from ..store.segment_writer import SEGMENT_BYTES, SEGMENT_SECONDS, check_same_storage
from ..tasks import Task
from .commits import fold, published_index
from .fetch import Reader
from .object_storage import BucketRemote
from .pull import pull
from .pull_context import Selection
from .share_index import Index
from .uploads import UploadingWriter, claim_encoder, send_records, task_conflicts

_AT_ONCE = 16


class BucketStore(Store):
    """A store in object storage, to be written to. Get one by `open_store`.

    Parameters
    ----------
    scratch : Store
        An empty store of this machine.
    target : BucketRemote
        The published store.
    progress : Progress
        Told about records that are fetched and sent.
    """

    def __init__(self, scratch: Store, target: BucketRemote, progress: Progress) -> None:
        super().__init__(scratch.path, scratch.attributes)
        self._target, self._progress = target, progress
        self._index = published_index(target)
        self._fetches: set[str] = set()
        self._digests: dict[tuple[str, str], NDArray[np.uint8]] = {}
        self._changed = False

    def __repr__(self) -> str:
        return f"BucketStore({self._target.url!r})"

    def flush(self) -> None:
        """Send the sequences, tokens and tasks that are new, and make them visible in one step.

        Raises
        ------
        StoreError
            The target cannot be reached.
        InputError
            Somebody else added another task of the same name meanwhile (all else was sent), or
            declared an alphabet with other states (and nothing was).
        """
        if self._changed:
            plain = Store(self.path, self.attributes)
            self._index = send_records(plain, self._target, progress=self._progress)
            self._changed = False
            if conflicts := task_conflicts(plain, self._target, self._index):
                raise InputError(". ".join(conflicts))

    def close(self) -> None:
        """Send what is left, and take commit records into the index."""
        self.flush()
        fold(self._target)

    @property
    def unsent(self) -> bool:
        """Whether the scratch folder holds anything that was not sent."""
        folders = layout.encoder_folders(self.path)
        return self._changed or any(layout.segment_folders(folder) for folder in folders)

    # Proteins

    def add_proteins(self, proteins: Iterable[Protein]) -> int:
        """Store sequences and ids; how many are new to this run (the rest is not sent again)."""
        self._changed = True
        return super().add_proteins(proteins)

    def protein(self, digest: bytes) -> Protein:
        """Return a protein; raises `NotStoredError`."""
        return next(self.proteins([digest]))

    def proteins(self, digests: Iterable[bytes] | None = None) -> Iterator[Protein]:
        """Yield the proteins of some digests, in their order, or all; raises `NotStoredError`."""
        if digests is None:
            self._fetch_proteins()
            return super().proteins()
        digest_list = list(digests)
        if -1 in self._proteins.lengths(digest_list):
            self._fetch_proteins()
        return super().proteins(digest_list)

    def count_proteins(self) -> int:
        """Return how many sequences the store knows."""
        self._fetch_proteins()
        return super().count_proteins()

    def knows(self, digests: Iterable[bytes]) -> list[bool]:
        """Whether the store knows the sequences of some digests."""
        self._fetch_proteins()
        return super().knows(digests)

    def find_id(self, id: str) -> list[bytes]:
        """Digests of the sequences that came under an id; empty if there are none."""
        self._fetch_proteins()
        return super().find_id(id)

    def find_digests(self, start: str, limit: int = 20) -> list[bytes]:
        """Digests of the sequences whose hexadecimal digest starts so, at most `limit`."""
        self._fetch_proteins()
        return super().find_digests(start, limit)

    def names(self) -> Iterator[tuple[str, bytes]]:
        """Yield every id with the digest of its sequence."""
        self._fetch_proteins()
        return super().names()

    def _fetch_proteins(self) -> None:
        self._fetch("proteins", Selection(plms=(), sources=()))

    def _fetch(self, contents: str, selection: Selection) -> None:
        """Fetch something into the scratch folder, once."""
        if contents not in self._fetches and (self._index.bundles or self._index.tasks):
            plain = Store(self.path, self.attributes)
            pull(plain, self._target.url, selection, progress=self._progress)
        self._fetches.add(contents)

    # Embeddings

    def encoders(self) -> list[Provenance]:
        """Provenance of every encoder there."""
        return [encoder.provenance for encoder in self._index.encoders.values()]

    def embeddings(self, encoder: Fingerprint | str | None = None) -> Embeddings:
        """Refuse: values in object storage are read through a copy."""
        raise InputError(
            f"embeddings in {self._target.url} are read from a copy of what is needed: give the "
            f"URL to `sesstore train`, or take them with `sesstore pull`"
        )

    def has_embeddings(
        self, fingerprint: Fingerprint, digests: Iterable[bytes]
    ) -> NDArray[np.bool_]:
        """Whether each protein is embedded there now; fetches the digests, not the values."""
        rows = as_rows(digests)
        reader, index = Reader(self._target), published_index(self._target)
        places = [
            (folder, name)
            for folder, encoder in index.encoders.items()
            if encoder.provenance.fingerprint == fingerprint
            for name in encoder.segments
        ]
        new = [place for place in places if place not in self._digests]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            fetched = pool.map(lambda place: reader.digests(index, *place), new)
            self._digests.update(zip(new, fetched, strict=True))
        parts = [self._digests[place] for place in places]
        stored = np.concatenate(parts) if parts else np.empty((0, DIGEST_BYTES), np.uint8)
        return DigestIndex(stored).find(rows) >= 0

    def writer(
        self,
        provenance: Provenance,
        circumstances: Mapping[str, Any],
        *,
        segment_bytes: int = SEGMENT_BYTES,
        segment_seconds: float = SEGMENT_SECONDS,
    ) -> SegmentWriter:
        """Open a writer of embeddings, whose segments are sent as they are committed.

        Raises
        ------
        InputError
            Embeddings cannot be stored in that type.
        FingerprintMismatchError
            The store has embeddings of this encoder in another type or width.
        """
        check_same_storage(provenance, provenance)
        self.flush()
        claim_encoder(self._target, provenance)
        return UploadingWriter(
            self._target,
            self.path / layout.EMBEDDINGS / layout.encoder_folder(provenance),
            provenance,
            circumstances,
            segment_bytes=segment_bytes,
            segment_seconds=segment_seconds,
        )

    # Tokens

    def sources(self) -> list[str]:
        """Names of the sources there are tokens from."""
        return sorted({*self._index.sources(), *super().sources()})

    def tokens(self, source: str) -> Tokens:
        """Fetch and open the tokens of one source; raises `UnknownNameError`."""
        self._fetch_tokens(source)
        return super().tokens(source)

    def add_tokens(
        self,
        items: Iterable[StructureTokens],
        circumstances: Mapping[str, Any],
        *,
        replace: bool = False,
    ) -> int:
        """Store tokens; parts that are stored there already stay as they are unless `replace`."""
        self._changed, listed = True, list(items)
        for source in {item.source for item in listed}:
            self._fetch_tokens(source)
        return super().add_tokens(listed, circumstances, replace=replace)

    def _fetch_tokens(self, source: str) -> None:
        if source in self._index.sources():
            self._fetch(f"tokens {source}", Selection(plms=(), sources=(source,)))

    # Alphabets

    def declare(self, alphabet: Alphabet) -> None:
        """Declare an alphabet of tokens, which goes there with the first tokens in it.

        Raises
        ------
        InputError
            The store, or this process, knows another one by that name.
        """
        self._index.check(Index(alphabets={alphabet.name: alphabet}))
        super().declare(alphabet)

    def alphabets(self) -> dict[str, Alphabet]:
        """Return the alphabets that were declared there, or here, by name."""
        return {**self._index.alphabets, **super().alphabets()}

    # Tasks

    def tasks(self) -> list[str]:
        """Names of the tasks."""
        return sorted({*self._index.tasks, *super().tasks()})

    def task(self, name: str) -> Task:
        """Fetch a task with its proteins; raises `UnknownNameError`."""
        self._fetch_task(name)
        return super().task(name)

    def add_task(self, task: Task) -> None:
        """Store a task.

        Raises
        ------
        InputError
            There is another one of that name; published tasks are not replaced.
        """
        self._fetch_task(task.name)
        if task.name in self.tasks():
            if super().task(task.name).data_digest != task.data_digest:
                raise InputError(
                    f"{self._target.url} has another task '{task.name}', and what is shared is not "
                    f"replaced. Add it to a store of its own"
                )
            return
        self._changed = True
        super().add_task(task)

    def _fetch_task(self, name: str) -> None:
        if name in self._index.tasks:
            self._fetch(f"task {name}", Selection(tasks=(name,), plms=(), sources=()))
