"""Write what an encoder gives, each layer it keeps under a fingerprint of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from ...provenance import Provenance
from ...residues import Embedding
from ...store import Store


class LayerWriter:
    """A `SegmentWriter` for each layer; use it in a ``with`` block, as one of these.

    Parameters
    ----------
    store : Store
    provenances : sequence of Provenance
        Of each layer, in the order of the encoder's fingerprints.
    circumstances : mapping
        Of the run.
    """

    def __init__(
        self, store: Store, provenances: Sequence[Provenance], circumstances: Mapping[str, Any]
    ) -> None:
        self._writers = [store.writer(provenance, circumstances) for provenance in provenances]
        # A protein is encoded if any layer lacks it: others may have it, from a run of fewer layers
        # or an interrupted one. Of a single layer nothing comes that is stored.
        stored = {encoder.fingerprint for encoder in store.encoders()} if provenances[1:] else ()
        self._views = [
            store.embeddings(made.fingerprint) if made.fingerprint in stored else None
            for made in provenances
        ]
        self._open = ExitStack()

    def __enter__(self) -> LayerWriter:
        for writer in self._writers:
            self._open.enter_context(writer)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.__exit__(kind, error, trace)

    def add(self, embedding: Embedding) -> None:
        """Take one embedding, as `SegmentWriter.add`; what its layer has already is left out."""
        view = self._views[embedding.output]
        if view is None or embedding.digest not in view:
            self._writers[embedding.output].add(embedding)

    def commit(self) -> None:
        """Commit all that was added; as `SegmentWriter.commit`."""
        for writer in self._writers:
            writer.commit()

    def abort(self) -> None:
        """Drop the pending segments."""
        for writer in self._writers:
            writer.abort()
