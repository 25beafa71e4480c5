"""Search a store's means for the proteins nearest to a query, and transfer a task's labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..progress import SILENT, Progress
from ..proteins import Protein
from ..store import Embeddings, Store
from ..tasks import Problem, Split, Task, readable_label
from .approximate import approximate_index
from .cosine import MeanRows, Nearest, nearest
from .identity import align_identity
from .label_transfer import Calibration, Transfer, calibrate, is_right, transfer

COUNTS = (1, 3, 5, 10)
"""Numbers of neighbours that are tried on valid."""


@dataclass(frozen=True)
class Hit:
    """A protein near a query.

    Parameters
    ----------
    id : str
        First id it came with.
    digest : str
        Hexadecimal.
    length : int
    similarity : float
        Cosine of the means.
    identity, coverage : float or None
        Of the alignment with the query, see `identity.Identity`; None where it was not made.
    """

    id: str
    digest: str
    length: int
    similarity: float
    identity: float | None = None
    coverage: float | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


class Lookup:
    """Proteins that are searched.

    Parameters
    ----------
    store : Store
        Knows their sequences.
    means : Embeddings
        View of their means.
    digests : ndarray, shape=(N, 32), dtype=uint8, optional
        Which of them; all by default. Those without a mean are not searched.
    approximate : bool
        Search by an index, see `approximate`, that is built if there is none.
    progress : Progress
        Told about that.
    """

    def __init__(
        self,
        store: Store,
        means: Embeddings,
        digests: NDArray[np.uint8] | None = None,
        *,
        approximate: bool = False,
        progress: Progress = SILENT,
    ) -> None:
        rows = None
        if digests is not None:
            rows = np.unique(means.find(digests))
            rows = rows[rows >= 0]
        self._store, self._rows = store, MeanRows(means, rows)
        self._index = None
        if approximate and len(self._rows):
            self._index = approximate_index(self._rows, progress)

    def __len__(self) -> int:
        return len(self._rows)

    def search(
        self, queries: Sequence[Protein], vectors: NDArray[Any], count: int, *, align: bool = True
    ) -> Iterator[list[Hit]]:
        """Yield the nearest proteins of each query, the nearest first.

        Parameters
        ----------
        queries : sequence of Protein, length Q
        vectors : ndarray, shape=(Q, d)
            Their means by the same encoder.
        count : int
        align : bool
            Align each pair.
        """
        if self._index is None:
            hits = nearest(vectors, [self._rows], count)
        else:
            hits = self._index.nearest(vectors, count)
        for place, query in enumerate(queries):
            rows = hits.rows[place]
            digests = [self._rows.digests[row].tobytes() for row in rows[rows >= 0]]
            cosines = hits.similarity[place, : len(digests)]
            pairs = zip(self._store.proteins(digests), cosines, strict=True)
            yield [_hit(query, protein, float(cosine), align) for protein, cosine in pairs]


def _hit(query: Protein, protein: Protein, similarity: float, align: bool) -> Hit:
    pair = align_identity(query.sequence, protein.sequence) if align else None
    return Hit(
        protein.id,
        protein.digest.hex(),
        len(protein),
        round(similarity, 5),
        None if pair is None else round(pair.identity, 4),
        None if pair is None else round(pair.coverage, 4),
    )


class LabelledLookup:
    """A task's training proteins as what labels are transferred from.

    How many neighbours count is what does best on valid, and what an index is worth is learned
    there; without valid it is one neighbour, and no worth is known.

    Parameters
    ----------
    means : Embeddings
        View of the means of the task's proteins.
    task : Task

    Raises
    ------
    InputError
        The task labels residues, or has no training rows with a mean.
    """

    def __init__(self, means: Embeddings, task: Task) -> None:
        if task.problem.per_residue:
            raise InputError(
                f"'{task.name}' labels residues, and means have none. Train an adapter instead"
            )
        self.task, self._means = task, means
        split = task.split("train")
        rows = means.find(split.digests)
        labelled = np.flatnonzero(rows >= 0)
        if not len(labelled):
            raise InputError(
                f"no training protein of '{task.name}' has a mean. Make them with "
                f"`sesstore embed {task.name} --reduce mean`"
            )
        self._rows = MeanRows(means, rows[labelled])
        self._labels = [split.labels[place] for place in labelled[self._rows.order].tolist()]
        self._rows_of = Counter(row.tobytes() for row in self._rows.digests)
        self.neighbours = COUNTS[0]
        """How many count."""
        self.calibration: Calibration | None = None
        """What an index is worth."""
        if "valid" in task.splits and len(task.splits["valid"]):
            self.neighbours, self.calibration = self._calibrated(task.splits["valid"])

    def __len__(self) -> int:
        return len(self._rows)

    def transfer(
        self, digests: NDArray[np.uint8], vectors: NDArray[Any]
    ) -> list[tuple[Transfer, float | None]]:
        """Transfer labels to some proteins, with what each is worth.

        Parameters
        ----------
        digests : ndarray, shape=(Q, 32), dtype=uint8
            Of the queries: a query that is a training protein itself does not count for itself.
        vectors : ndarray, shape=(Q, d)
            Their means.
        """
        hits = self._nearest(digests, vectors, self.neighbours)
        transfers = [self._transfer(hits, place, self.neighbours) for place in range(len(digests))]
        worth = self.calibration
        return [(t, None if worth is None else worth(t.reliability)) for t in transfers]

    def evaluate(self, split: Split) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Reliability of each row of a split, and whether it was right; see `is_right`."""
        rows = self._means.find(split.digests)
        places = np.flatnonzero(rows >= 0)
        transfers = self.transfer(split.digests[places], self._vectors(rows[places]))
        return self._outcomes(split, places, [prediction for prediction, _ in transfers])

    def describe(self, prediction: Transfer, worth: float | None) -> dict[str, Any]:
        """What `transfer` gave, as people and tables read it."""
        return {
            "label": readable_label(prediction.label, self.task),
            "reliability": round(prediction.reliability, 4),
            "worth": None if worth is None else round(worth, 4),
        }

    def _calibrated(self, valid: Split) -> tuple[int, Calibration | None]:
        rows = self._means.find(valid.digests)
        places = np.flatnonzero(rows >= 0)
        if not len(places):
            return COUNTS[0], None
        falling = self.task.problem.is_regression
        hits = self._nearest(valid.digests[places], self._vectors(rows[places]), max(COUNTS))
        outcomes = {}
        for count in COUNTS:
            transfers = [self._transfer(hits, place, count) for place in range(len(places))]
            outcomes[count] = self._outcomes(valid, places, transfers)
        sign = 1 if falling else -1
        best = min(COUNTS, key=lambda count: sign * outcomes[count][1].mean())
        return best, calibrate(*outcomes[best], falling=falling)

    def _outcomes(
        self, split: Split, places: NDArray[np.int64], transfers: Sequence[Transfer]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        labels = [split.labels[place] for place in places.tolist()]
        right = [
            is_right(prediction, label, self.task.problem)
            for prediction, label in zip(transfers, labels, strict=True)
        ]
        return np.array([t.reliability for t in transfers]), np.array(right, np.float64)

    def _nearest(self, digests: NDArray[np.uint8], vectors: NDArray[Any], count: int) -> Nearest:
        # So many more than are needed as a query may have rows among those that are searched.
        own = max((self._rows_of[row.tobytes()] for row in digests), default=0)
        return _without_self(
            nearest(vectors, [self._rows], count + own), self._rows.digests, digests, count
        )

    def _transfer(self, hits: Nearest, place: int, count: int) -> Transfer:
        rows = hits.rows[place][:count]
        present = rows >= 0
        labels = [self._labels[row] for row in rows[present].tolist()]
        similarity = hits.similarity[place][:count][present]
        if not labels:
            return Transfer([] if self.task.problem is Problem.MULTI_LABEL else 0, 0.0)
        return transfer(labels, similarity, self.task.problem, len(self.task.classes))

    def _vectors(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        part = MeanRows(self._means, rows)
        vectors = np.empty((len(rows), self._means.dim), np.float32)
        vectors[part.order] = part[0 : len(rows)]
        return vectors


def _without_self(
    hits: Nearest, references: NDArray[np.uint8], queries: NDArray[np.uint8], count: int
) -> Nearest:
    """The hits but the queries themselves; -1 fills up where too few remain."""
    is_self = (references[hits.rows] == queries[:, None, :]).all(2)
    order = np.argsort(is_self, axis=1, kind="stable")
    rows = np.where(is_self, -1, hits.rows)
    return Nearest(
        np.take_along_axis(rows, order, 1)[:, :count],
        np.take_along_axis(hits.similarity, order, 1)[:, :count],
    )
