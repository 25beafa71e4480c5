"""What one worker of an embedding run does, wherever it runs: encode work items, commit segments.

It loads its encoder once and keeps segments open over work items; it commits them now and then, and
when told to. Until then writing overlaps with the next work item. `EmbedWorker.stop` and
`EmbedWorker.progress` are called from another thread while `EmbedWorker.work` runs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...proteins import Protein
from ...provenance import Provenance
from ...sharing.bucket import open_store
from ..embedding.background_writer import BackgroundWriter
from ..embedding.embed import device_of, failure_reasons
from ..embedding.layer_writer import LayerWriter
from .work_items import Outcome

if TYPE_CHECKING:
    from ...encoders.base import Encoder  # imports torch, which not every encoder needs

COMMIT_SECONDS = 45.0
"""Less than `SEGMENT_SECONDS`, so that segments end with work items where work items are short."""


@dataclass(frozen=True)
class EmbedOrder:
    """What all workers of a run have in common.

    Parameters
    ----------
    location : str
        The store: a folder that is there on every machine, or a URL.
    make_encoder : callable
        Makes the encoder ready.
    provenances : tuple of Provenance
        What the encoder must turn out to be, layer by layer, and how embeddings are stored.
    circumstances : mapping
        Of the run; each worker adds the device it has.
    commit_seconds : float
        How long what is encoded may wait to be committed.
    """

    location: str
    make_encoder: Callable[[], Encoder]
    provenances: tuple[Provenance, ...]
    circumstances: Mapping[str, Any]
    commit_seconds: float = COMMIT_SECONDS


class EmbedWorker:
    """Encodes work items and writes segments of its own.

    Parameters
    ----------
    order : EmbedOrder
    """

    def __init__(self, order: EmbedOrder) -> None:
        self._order = order
        self._stop = threading.Event()
        self._residues = 0
        self._pending: list[int] = []
        self._since = 0.0
        self._open = ExitStack()

    def prepare(self) -> None:
        """Open the store and load the encoder.

        Raises
        ------
        MissingFileError
            The store is not there on this machine.
        FingerprintMismatchError
            The encoder here is not the driver's; says in what it differs.
        """
        order, enter = self._order, self._open.enter_context
        store = enter(open_store(order.location, create=False))
        self._encoder = order.make_encoder()
        for ordered, own in zip(order.provenances, self._encoder.fingerprints, strict=True):
            ordered.fingerprint.check_same(own)
        circumstances = {**order.circumstances, "device": device_of(self._encoder)}
        self._writer = enter(LayerWriter(store, order.provenances, circumstances))
        self._background = enter(BackgroundWriter(self._writer, order.provenances[0].dtype))

    def work(self, number: int, sequences: Sequence[str]) -> Outcome:
        """Encode a work item; ends early once `stop` was called.

        Raises
        ------
        StorageFullError
            No space left; all segments committed before stay.
        """
        self._residues = 0
        self._since = self._since if self._pending else time.monotonic()
        proteins = [Protein("", sequence) for sequence in sequences]
        lengths = {protein.digest: len(protein) for protein in proteins}
        encoded: set[bytes] = set()
        for embedding in self._encoder.encode(proteins):
            self._background.write(embedding)
            if embedding.output < len(self._order.provenances) - 1:
                continue
            encoded.add(embedding.digest)
            self._residues += lengths[embedding.digest]
            if self._stop.is_set():
                break
        if self._stop.is_set() and len(encoded) < len(proteins):
            return Outcome(False, [])
        self._pending.append(number)
        due = time.monotonic() - self._since >= self._order.commit_seconds
        return Outcome(
            True, self.commit() if due else [], failure_reasons(self._encoder, proteins, encoded)
        )

    def commit(self) -> list[int]:
        """Commit what is in hand; return the work items that are in the store by that.

        Raises
        ------
        StorageFullError
            No space left; all segments committed before stay.
        """
        self._background.flush()
        self._writer.commit()
        settled, self._pending = self._pending, []
        return settled

    def close(self) -> None:
        """Drop what is in hand, and end."""
        self._background.flush()
        self._writer.abort()
        self._open.close()

    def stop(self) -> None:
        """Let `work` end after the protein in hand."""
        self._stop.set()

    def progress(self) -> int:
        """Residues of the work item in hand that are encoded."""
        return self._residues
