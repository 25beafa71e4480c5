"""What a pull is asked for, and what its parts share: the selection, the stores and the report."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ..errors import NotStoredError, StorageFullError, UnknownNameError
from ..progress import Progress
from ..proteins import DIGEST_BYTES
from ..provenance import named_encoders
from ..store import Store, layout
from ..store.protein_table import ProteinTable
from ..tasks import Task
from .bundle_records import id_number, read_id, read_protein
from .bundles import Footer
from .fetch import Reader, rows_by_key, rows_of
from .share_index import EncoderEntry, Index


@dataclass(frozen=True)
class Selection:
    """What to take; nothing named means everything.

    Parameters
    ----------
    tasks : tuple of str
        Only these tasks, and the proteins in them.
    ids : tuple of str
        Only the proteins of these ids or digests (64 hexadecimal digits).
    plms : tuple of str, optional
        Only these encoders, by name or the start of it or of a fingerprint; ``()`` for none.
    sources : tuple of str, optional
        Only tokens of these sources; ``()`` for none.
    """

    tasks: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    plms: tuple[str, ...] | None = None
    sources: tuple[str, ...] | None = None

    @property
    def everything(self) -> bool:
        """Whether all proteins are meant."""
        return not self.tasks and not self.ids


@dataclass
class PullReport:
    """What a pull did.

    Parameters
    ----------
    source : str
        Where it came from.
    bytes : int
        What came over the wire, index and footers too.
    proteins, tokens, embeddings : int
        Sequences, proteins with tokens, and embeddings that are new here.
    segments, partial_segments : int
        Segments that came whole, and segments that came in part.
    tasks : list of str
        Tasks that are new here.
    conflicts : list of str
        Tasks and tokens that are different here, and stay as they are here.
    missing : int
        Wanted proteins there are no embeddings of (for the encoder that lacks most).
    """

    source: str
    bytes: int = 0
    proteins: int = 0
    tokens: int = 0
    embeddings: int = 0
    segments: int = 0
    partial_segments: int = 0
    tasks: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    missing: int = 0

    @property
    def anything(self) -> bool:
        """Whether anything was new."""
        return bool(self.proteins or self.tokens or self.embeddings or self.tasks)

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class PullContext:
    """One pull while it runs.

    Parameters
    ----------
    store : Store
        Where things go.
    reader : Reader
        Where they come from.
    pool : Executor
        Fetches several things at once.
    progress : Progress
    report : PullReport
        What was done so far.
    """

    store: Store
    reader: Reader
    pool: Executor
    progress: Progress
    report: PullReport

    def check_room(self, size: int, contents: str) -> None:
        """Raise `StorageFullError` unless the store has room for `size` bytes."""
        free = shutil.disk_usage(self.store.path).free
        if size > free:
            raise StorageFullError(
                f"{size:,} bytes of {contents} would come, {free:,} are free at {self.store.path}. "
                f"Free some space, or take less with --task, --ids, --plm or --source"
            )

    def lengths(self, digests: Iterable[bytes]) -> list[int]:
        """Number of residues of each sequence, -1 where it is not known here."""
        return ProteinTable(self.store.path / layout.PROTEINS).lengths(digests)


def select_encoders(index: Index, plms: Iterable[str] | None) -> dict[str, EncoderEntry]:
    """Encoders that are meant; raises `UnknownNameError` for one that is not there."""
    if plms is None:
        return index.encoders
    encoders = {}
    for plm in plms:
        matches = match_encoders(index, plm)
        if not matches:
            encoder_names = [e.provenance.fingerprint.encoder for e in index.encoders.values()]
            raise UnknownNameError("encoder of the shared store", plm, encoder_names)
        encoders.update(matches)
    return encoders


def match_encoders(index: Index, plm: str) -> dict[str, EncoderEntry]:
    """Encoders that a name may mean, with all their layers if none is named; see `named_encoders`.

    None if there are none.
    """
    fingerprints = [encoder.provenance.fingerprint for encoder in index.encoders.values()]
    candidates = named_encoders(fingerprints, plm)
    return {f: e for f, e in index.encoders.items() if e.provenance.fingerprint in candidates}


def select_names(kind: str, names: Iterable[str], selection: Iterable[str] | None) -> list[str]:
    """Tasks or sources that are meant; raises `UnknownNameError` for one that is not there."""
    names = list(names)
    if selection is None:
        return names
    for name in selection:
        if name not in names:
            raise UnknownNameError(f"{kind} of the shared store", name, names)
    return list(selection)


def digests_of_tasks(tasks: Iterable[Task]) -> set[bytes]:
    """Digests of the proteins in some tasks."""
    splits = [split.digests for task in tasks for split in task.splits.values()]
    return {row.tobytes() for rows in splits for row in np.unique(rows, axis=0)}


def digests_of_ids(reader: Reader, index: Index, ids: Iterable[str], pool: Executor) -> set[bytes]:
    """Find the proteins that go by some ids.

    Raises
    ------
    NotStoredError
        Nothing there goes by one of them.
    """
    names = set(ids)
    digests = {name: digest for name in names if (digest := _digest(name)) is not None}
    keys = {id_number(name) for name in names - digests.keys()}
    matches, matched_names = set[bytes](), set[str]()
    for kind in ("proteins", "ids") if names else ():
        for sha, bundle in index.of_kind(kind):
            footer = reader.footer(sha, bundle)
            matched_names |= _names_of_digests(footer, digests) if kind == "proteins" else set()
            rows = rows_by_key(footer, keys)
            for records in reader.records(sha, bundle, rows, pool):
                for record in records:
                    name = read_protein(record).id if kind == "proteins" else read_id(record)
                    if name in names:
                        matches.add(record.digest)
                        matched_names.add(name)
    if missing := sorted(names - matched_names):
        remainder = f" and {len(missing) - 5:,} more" if len(missing) > 5 else ""
        raise NotStoredError(
            f"{reader.remote.url} has no protein called {', '.join(missing[:5])}{remainder}. "
            f"Take them out of the list"
        )
    return matches | set(digests.values())


def _names_of_digests(footer: Footer, digests: Mapping[str, bytes]) -> set[str]:
    """Those of some digests, by name, that a bundle has a sequence of."""
    if not digests:
        return set()
    stored = {footer.digests[row].tobytes() for row in rows_of(footer, set(digests.values()))}
    return {name for name, digest in digests.items() if digest in stored}


def _digest(text: str) -> bytes | None:
    try:
        return bytes.fromhex(text) if len(text) == 2 * DIGEST_BYTES else None
    except ValueError:
        return None
