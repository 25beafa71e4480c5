"""The definition of each metric, for rows that count any number of times.

A metric of a split has each protein once; one of a resample, for intervals, has each as often as it
was drawn. Each metric is first prepared from what was predicted, then computed for any number of
resamples by a few products and running sums, hundreds of times as fast as scoring the drawn rows
anew. Where a class does not occur, means are over the classes that do, as in scikit-learn.

For ranking metrics with over `THRESHOLDS` different scores of positives (thousands of proteins
with many labels) every few of these are taken together in resamples; the error is below their
share.

Shapes: D resamples, R proteins, N scores (one a protein, or one a labelled residue), C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

from ..tasks import Problem

Values = NDArray[np.float64]
Resampled = Callable[[Values], Values]
"""From how often each protein was drawn [D, R] to the metric [D]; NaN where it is not defined."""

THRESHOLDS = 2000
"""Most thresholds of a ranking metric of resamples."""


@dataclass(frozen=True, eq=False)
class Rows:
    """What was predicted, by protein.

    Parameters
    ----------
    scores : ndarray, shape=(N, C) or (N,), dtype=float64
        Probabilities, or values.
    labels : ndarray, shape=(N,) or (N, C)
        What is true.
    rows : ndarray, shape=(N,), dtype=int64
        Protein of each, from 0 to R - 1.
    thresholds : int, optional
        Most thresholds of a ranking metric; by default every score of a positive is one.
    """

    scores: Values
    labels: NDArray[Any]
    rows: NDArray[np.int64]
    thresholds: int | None = None

    @property
    def count(self) -> int:
        """Number R of proteins."""
        return int(self.rows.max()) + 1

    def table(
        self, columns: NDArray[np.int64], width: int, rows: NDArray[np.int64] | None = None
    ) -> coo_array:
        """Count pairs of a protein and a column; sparse, shape=(width, R)."""
        rows = self.rows if rows is None else rows
        return coo_array((np.ones(len(rows)), (columns, rows)), (width, self.count)).tocsr()


def _ratio(above: Values, below: Values, otherwise: float = 0.0) -> Values:
    """``above / below``, and `otherwise` where that is zero."""
    out = np.full(above.shape, otherwise)
    np.divide(above, below, out=out, where=below != 0)
    return out


def _mean_where(values: Values, counts: NDArray[np.bool_]) -> Values:
    """Mean over the classes that count."""
    return _ratio((values * counts).sum(-1), counts.sum(-1).astype(float), np.nan)


# -- classes ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Counts:
    """Of each class: rightly predicted, predicted, and true; shape=(D, C)."""

    hits: Values
    predicted: Values
    true: Values

    @property
    def occurs(self) -> NDArray[np.bool_]:
        return self.predicted + self.true > 0

    @property
    def f1(self) -> Values:
        return _ratio(2 * self.hits, self.predicted + self.true)

    @property
    def micro(self) -> _Counts:
        return _Counts(*(part.sum(-1) for part in (self.hits, self.predicted, self.true)))


def _mcc(c: _Counts) -> Values:
    """Matthews correlation of several classes (Gorodkin 2004), from the margins."""
    total, right = c.true.sum(1), c.hits.sum(1)
    above = right * total - (c.predicted * c.true).sum(1)
    spread = [total**2 - (part**2).sum(1) for part in (c.predicted, c.true)]
    return _ratio(above, np.sqrt(spread[0] * spread[1]))


_OF_COUNTS: dict[str, Callable[[_Counts], Values]] = {
    "accuracy": lambda c: _ratio(c.hits.sum(1), c.true.sum(1)),
    "balanced_accuracy": lambda c: _mean_where(_ratio(c.hits, c.true), c.true > 0),
    "mcc": _mcc,
    "f1": lambda c: _mean_where(c.f1, c.occurs),
    "f1_micro": lambda c: c.micro.f1,
    "precision": lambda c: _mean_where(_ratio(c.hits, c.predicted), c.occurs),
    "recall": lambda c: _mean_where(_ratio(c.hits, c.true), c.occurs),
}

_OF_PAIRS = {
    "f1": _OF_COUNTS["f1"],
    "f1_micro": _OF_COUNTS["f1_micro"],
    "precision": lambda c: _ratio(c.micro.hits, c.micro.predicted),
    "recall": lambda c: _ratio(c.micro.hits, c.micro.true),
}


def _counted(
    tables: tuple[coo_array, coo_array, coo_array], metric: Callable[[_Counts], Values]
) -> Resampled:
    return lambda weights: metric(_Counts(*((table @ weights.T).T for table in tables)))


def _classes(data: Rows, metric: Callable[[_Counts], Values]) -> Resampled:
    predicted, width = data.scores.argmax(1), data.scores.shape[1]
    hit = predicted == data.labels
    hits = data.table(predicted[hit], width, data.rows[hit])
    tables = (hits, data.table(predicted, width), data.table(data.labels.astype(np.int64), width))
    return _counted(tables, metric)


def _pairs(data: Rows, metric: Callable[[_Counts], Values]) -> Resampled:
    predicted, true = data.scores > 0.5, data.labels > 0
    width = predicted.shape[1]

    def table(cells: NDArray[np.bool_]) -> coo_array:
        row, column = np.nonzero(cells)
        return data.table(column, width, data.rows[row])

    return _counted((table(predicted & true), table(predicted), table(true)), metric)


# -- rankings ---------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Curve:
    """At thresholds, falling: positives and negatives at or above, and negatives above; (D, T)."""

    hits: Values
    false: Values
    above: Values
    negatives: Values

    @property
    def precision_recall(self) -> Values:
        """Area as scikit-learn's ``average_precision_score`` defines it."""
        steps = np.diff(self.hits, axis=1, prepend=0)
        area = (steps * _ratio(self.hits, self.hits + self.false)).sum(1)
        return _ratio(area, self.hits[:, -1], np.nan)

    @property
    def roc(self) -> Values:
        """Share of pairs of a positive and a negative in the right order; ties count half."""
        steps = np.diff(self.hits, axis=1, prepend=0)
        below = self.negatives[:, None] - (self.false + self.above) / 2
        return _ratio((steps * below).sum(1), self.hits[:, -1] * self.negatives, np.nan)


def _thresholds(positive: Values, most: int | None) -> Values:
    """Scores of positives, each once, falling; thinned out beyond `most`."""
    distinct: Values = np.unique(positive)[::-1]
    if most is None or len(distinct) <= most:
        return distinct
    thresholds: Values = distinct[np.linspace(0, len(distinct) - 1, most).round().astype(int)]
    return thresholds


def _curve(data: Rows, scores: Values, truth: NDArray[np.bool_]) -> Callable[[Values], _Curve]:
    """Curve of one class against the rest; recall changes at scores of positives alone."""
    falling = _thresholds(scores[truth], data.thresholds)
    width, rising = len(falling), -falling
    at = np.searchsorted(rising, -scores, "left")  # the first threshold that takes it in
    over = np.searchsorted(rising, -scores, "right")  # the first below it

    def table(place: NDArray[np.int64], cells: NDArray[np.bool_]) -> coo_array:
        selection = cells & (place < width)
        return data.table(place[selection], width, data.rows[selection])

    tables = table(at, truth), table(at, ~truth), table(over, ~truth)
    negatives = np.bincount(data.rows[~truth], minlength=data.count).astype(float)

    def of(weights: Values) -> _Curve:
        hits, false, above = ((part @ weights.T).T.cumsum(1) for part in tables)
        return _Curve(hits, false, above, weights @ negatives)

    return of


def _area(data: Rows, kind: str) -> Resampled:
    """Area under a curve: of class 1 if there are two, else the mean over classes that have one."""
    width = data.scores.shape[1]
    classes = [1] if width == 2 else range(width)
    truths = [(k, data.labels == k) for k in classes]
    curves = [_curve(data, data.scores[:, k], truth) for k, truth in truths if truth.any()]

    def metric(weights: Values) -> Values:
        areas = np.array([getattr(curve(weights), kind) for curve in curves])
        areas = areas.reshape(len(curves), len(weights)).T
        return _mean_where(np.nan_to_num(areas), ~np.isnan(areas))

    return metric


def _area_of_pairs(data: Rows, kind: str) -> Resampled:
    truth = (data.labels > 0).ravel()
    if not truth.any():
        return lambda weights: np.full(len(weights), np.nan)
    rows = np.repeat(data.rows, data.scores.shape[1])
    flat = Rows(data.scores.ravel(), truth, rows, data.thresholds)
    curve = _curve(flat, flat.scores, truth)
    return lambda weights: np.asarray(getattr(curve(weights), kind), np.float64)


def protein_centric(data: Rows, falling: Values) -> Callable[[Values], tuple[Values, Values]]:
    """Prepare precision and recall, protein by protein, as CAFA has them.

    At a threshold, precision is averaged over the proteins with at least one prediction, recall
    over all proteins that have a label (Radivojac et al. 2013, doi:10.1038/nmeth.2340).

    Parameters
    ----------
    data : Rows
        Of a multi-label problem: one row a protein.
    falling : ndarray, shape=(T,)
        Thresholds: a label is predicted whose score is at least that.

    Returns
    -------
    callable
        From how often each protein was drawn [D, R] to precision and recall [D, T].
    """
    order = np.argsort(-data.scores, axis=1, kind="stable")
    ranked = np.take_along_axis(data.scores, order, 1)
    hits = np.take_along_axis(data.labels > 0, order, 1).cumsum(1)
    positives, ranks = hits[:, -1:], np.arange(1, hits.shape[1] + 1)
    place = np.searchsorted(-falling, -ranked, "left")
    cells = place < len(falling)
    proteins = np.broadcast_to(data.rows[:, None], place.shape)[cells]

    def running(sums: Values) -> Resampled:
        """Sums over the drawn proteins, from what each further label of a protein adds to it."""
        steps = np.diff(sums, axis=1, prepend=0)[cells]
        table = coo_array((steps, (place[cells], proteins)), (len(falling), data.count)).tocsr()
        return lambda weights: (table @ weights.T).T.cumsum(1)

    precision, recall = running(hits / ranks), running(hits / positives.clip(1))
    has_predictions = running(np.ones(hits.shape))
    labelled = np.bincount(data.rows, positives[:, 0] > 0, minlength=data.count)

    def curve(weights: Values) -> tuple[Values, Values]:
        drawn_labelled = np.maximum((weights @ labelled)[:, None], 1)
        return _ratio(precision(weights), has_predictions(weights)), recall(
            weights
        ) / drawn_labelled

    return curve


def _f1max(data: Rows) -> Resampled:
    """The best F1 over all thresholds; between scores of positives it falls as they do."""
    truth = data.labels > 0
    if not truth.any():
        return lambda weights: np.zeros(len(weights))
    curve = protein_centric(data, _thresholds(data.scores[truth], data.thresholds))

    def metric(weights: Values) -> Values:
        precision, recall = curve(weights)
        best: Values = _ratio(2 * precision * recall, precision + recall).max(1)
        return best

    return metric


# -- numbers ----------------------------------------------------------------------------------


def _moments(data: Rows, metric: Callable[[dict[str, Values]], Values]) -> Resampled:
    """A metric of sums over what was drawn; centred first, for the sake of precision."""
    predicted, true = data.scores - data.scores.mean(), data.labels - data.labels.mean()
    error = data.scores - data.labels
    columns = {
        "n": np.ones(len(predicted)), "x": predicted, "y": true, "xx": predicted**2, "yy": true**2,
        "xy": predicted * true, "ee": error**2, "e": np.abs(error),
    }  # fmt: skip
    sums = {
        k: np.bincount(data.rows, column, minlength=data.count) for k, column in columns.items()
    }
    return lambda weights: metric({k: weights @ each for k, each in sums.items()})


def _correlation(s: dict[str, Values]) -> Values:
    above = s["n"] * s["xy"] - s["x"] * s["y"]
    spread = (s["n"] * s["xx"] - s["x"] ** 2) * (s["n"] * s["yy"] - s["y"] ** 2)
    # Rounding leaves a trace where all drawn values are equal.
    is_defined = spread > 1e-12 * (s["n"] ** 2 * s["xx"] * s["yy"])
    return np.where(is_defined, above / np.sqrt(np.where(is_defined, spread, 1)), np.nan).clip(
        -1, 1
    )


def _r2(s: dict[str, Values]) -> Values:
    spread = s["yy"] - s["y"] ** 2 / s["n"]
    return 1 - _ratio(s["ee"], np.where(spread > 1e-12 * s["yy"], spread, 0), np.nan)


def _spearman(data: Rows) -> Resampled:
    """Correlation of ranks, which are drawn anew with each resample; equal values share theirs."""
    sides = []
    for values in (data.scores, data.labels):
        distinct, place = np.unique(values, return_inverse=True)
        sides.append((data.table(place, len(distinct)), place))

    def metric(draws: Values) -> Values:
        weights, ranks = draws[:, data.rows], []
        for table, place in sides:
            drawn_each = (table @ draws.T).T
            rank = drawn_each.cumsum(1) - (drawn_each - 1) / 2
            ranks.append(rank[:, place])
        middle = (weights.sum(1, keepdims=True) + 1) / 2
        x, y = (rank - middle for rank in ranks)
        spread = [(weights * part**2).sum(1) for part in (x, y)]
        return _ratio((weights * x * y).sum(1), np.sqrt(spread[0] * spread[1]), np.nan)

    return metric


_SINGLE: dict[str, Callable[[Rows], Resampled]] = {
    **{name: partial(_classes, metric=metric) for name, metric in _OF_COUNTS.items()},
    "auroc": partial(_area, kind="roc"),
    "auprc": partial(_area, kind="precision_recall"),
}
_MULTI: dict[str, Callable[[Rows], Resampled]] = {
    "f1max": _f1max,
    "auprc": partial(_area_of_pairs, kind="precision_recall"),
    "auroc": partial(_area_of_pairs, kind="roc"),
    **{name: partial(_pairs, metric=metric) for name, metric in _OF_PAIRS.items()},
}
_REGRESSION: dict[str, Callable[[Rows], Resampled]] = {
    "spearman": _spearman,
    "pearson": partial(_moments, metric=_correlation),
    "rmse": partial(_moments, metric=lambda s: np.sqrt(s["ee"] / s["n"])),
    "mae": partial(_moments, metric=lambda s: s["e"] / s["n"]),
    "r2": partial(_moments, metric=_r2),
}

DEFINITIONS: dict[Problem, dict[str, Callable[[Rows], Resampled]]] = {
    Problem.SINGLE_LABEL: _SINGLE,
    Problem.RESIDUE_SINGLE_LABEL: _SINGLE,
    Problem.MULTI_LABEL: _MULTI,
    Problem.REGRESSION: _REGRESSION,
    Problem.RESIDUE_REGRESSION: _REGRESSION,
}
"""By problem and name: what makes a metric ready for any resamples of some rows."""
