"""A store's embeddings as a map-style data set: plain numpy, and what a torch ``DataLoader`` takes.

Item i is a dictionary: ``id``, ``embedding`` (float32 [L, d], a copy the caller owns), and with a
task its ``label``. Torch needs no base class of it; a worker process opens the store again by
itself. To train adapters use `sesstore.streaming`, which packs and never pads.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import NotStoredError
from ..provenance import Fingerprint
from ..store import Embeddings, Store


class StoredProteins:
    """Embeddings of one encoder, by number.

    Parameters
    ----------
    store : Store
        Where they are.
    which : Fingerprint or str, optional
        The encoder; may be left out if the store has one.
    task, split : str, optional
        Rows of a task's split; every protein of the encoder without.

    Raises
    ------
    NotStoredError
        There is no such encoder, or a protein of the split has no embedding.
    """

    def __init__(
        self,
        store: Store,
        encoder: Fingerprint | str | None = None,
        *,
        task: str | None = None,
        split: str = "train",
    ) -> None:
        self._path: Path = store.path
        self._fingerprint = store.embeddings(encoder).provenance.fingerprint
        self._rows = store.task(task).split(split) if task is not None else None
        if self._rows is not None and (self._view.find(self._rows.digests) < 0).any():
            raise NotStoredError(
                f"proteins of {task}/{split} have no embedding. Make them with `sesstore embed`"
            )

    def __len__(self) -> int:
        return len(self._view if self._rows is None else self._rows)

    def __getitem__(self, number: int) -> dict[str, Any]:
        if not -len(self) <= number < len(self):
            raise IndexError(number)
        if self._rows is None:
            digest = self._view.digests[number].tobytes()
            row: dict[str, Any] = {"id": self._store.protein(digest).id}
        else:
            digest = self._rows.digests[number].tobytes()
            row = {"id": self._rows.ids[number], "label": self._rows.labels[number]}
        return {**row, "embedding": self._view.get(digest).astype(np.float32)}

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k not in ("_store", "_view")}

    @cached_property
    def _store(self) -> Store:
        return Store.open(self._path)

    @cached_property
    def _view(self) -> Embeddings:
        return self._store.embeddings(self._fingerprint)
