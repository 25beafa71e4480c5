"""The proteins of a store nearest to those that are predicted for, with what is known of them.

Of a run whose task is in the store these are the task's proteins with their true labels; else all
proteins that have a mean under the run's encoder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from ...encoders.base import Encoder
from ...errors import UnwritableError
from ...neighbours.lookup import Lookup
from ...progress import SILENT, Progress
from ...proteins import Protein
from ...store import Store
from ...store.atomic_files import check_writable
from ...streaming.means import mean_embeddings
from ...tasks import Task, first_labels, readable_label
from ..inputs import task_proteins
from ..proteinfiles import proteins_of
from .embedding_source import InMemoryEmbeddings
from .loaded_run import LoadedRun
from .neighbour_search import digests_of, make_means


class KnownProteins:
    """Proteins of a store that can be near. Get one by `known_proteins`.

    Parameters
    ----------
    lookup : Lookup
        Searches their means.
    task : Task or None
        Whose labels are told.
    """

    def __init__(self, lookup: Lookup, task: Task | None) -> None:
        self._lookup, self._task = lookup, task
        is_labelled = task is not None and not task.problem.per_residue
        self._labels = first_labels(task) if task is not None and is_labelled else {}

    def __len__(self) -> int:
        return len(self._lookup)

    def nearest(
        self, proteins: Sequence[Protein], embeddings: InMemoryEmbeddings, count: int
    ) -> Iterator[list[dict[str, Any]]]:
        """Yield the proteins nearest to each, the nearest first.

        Parameters
        ----------
        proteins : sequence of Protein
        embeddings : InMemoryEmbeddings
            That hold them, by the run's encoder.
        count : int

        Yields
        ------
        list of dict
            The fields of `Hit`; of a task's proteins also ``split`` and the true ``label``, a
            class, a list of classes or a value.
        """
        vectors = mean_embeddings(embeddings, embeddings.find(digests_of(proteins))).numpy()
        for hits in self._lookup.search(proteins, vectors, count):
            yield [hit.to_json() | self._label(hit.digest) for hit in hits]

    def _label(self, digest: str) -> dict[str, Any]:
        key = bytes.fromhex(digest)
        if self._task is None or key not in self._labels:
            return {}
        split, label = self._labels[key]
        return {"split": split, "label": readable_label(label, self._task)}


def known_proteins(
    store: Store, loaded: LoadedRun, where: str | None = None, *, progress: Progress = SILENT
) -> KnownProteins | None:
    """Make ready to search the proteins that a store knows.

    Means that these proteins lack are made first, and kept, where the store can be written.

    Parameters
    ----------
    store : Store
    loaded : LoadedRun
    where : str, optional
        A task or a file of sequences; by default the run's task if the store has it, else all.
    progress : Progress
        Told what is made, and what cannot be.

    Returns
    -------
    KnownProteins or None
        None if no protein has a mean by the run's encoder.

    Raises
    ------
    UnknownNameError, MissingFileError, RecordError
        There is no such task or file, or a record of it is wrong.
    """
    fingerprint, name = loaded.run.fingerprint.of_residues, where or loaded.run.task["name"]
    task = store.task(name) if name in store.tasks() else None
    members: list[Protein] | None = None
    if task is not None:
        members = list(task_proteins(store, task))
    elif where is not None:
        members = list(proteins_of(store, where, progress.note))
    if members is not None:
        try:
            check_writable(store.path)
        except UnwritableError:
            progress.note(f"'{store.path}' cannot be written: proteins without a mean stay unknown")
        else:
            make_means(store, fingerprint, partial(_encoder, loaded), members, progress)
    if store.provenance_of(fingerprint.of_means) is None:
        return None
    means = store.embeddings(fingerprint.of_means)
    digests = None if members is None else digests_of(members)
    lookup = Lookup(store, means, digests)
    return KnownProteins(lookup, task) if len(lookup) else None


def _encoder(loaded: LoadedRun) -> Encoder:
    return loaded.encoder
