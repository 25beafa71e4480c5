"""What the parts of a pull share: where from, into what, and what was done so far."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field
from typing import Any

from ..errors import StorageFullError
from ..progress import Progress
from ..store import Store, layout
from ..store.proteins import ProteinTable
from .reading import Reader


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
class Taking:
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

    def check_room(self, size: int, what: str) -> None:
        """Raise `StorageFullError` unless the store has room for `size` bytes."""
        free = shutil.disk_usage(self.store.path).free
        if size > free:
            raise StorageFullError(
                f"{size:,} bytes of {what} would come, {free:,} are free at {self.store.path}. "
                f"Free some space, or take less with --task, --ids, --plm or --source"
            )

    def lengths(self, digests: Iterable[bytes]) -> list[int]:
        """Number of residues of each sequence, -1 where it is not known here."""
        return ProteinTable(self.store.path / layout.PROTEINS).lengths(digests)


def in_batches(items: Iterable[Any], size: int = 64) -> Iterator[list[Any]]:
    """Cut a stream into lists of at most `size`."""
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
