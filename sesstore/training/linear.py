"""Linear models of features: ridge regression and penalised logistic regression.

What few labelled proteins can support, and what an adapter has to beat. The penalty is chosen by
cross-validation on the training rows alone, in which a sequence never stands on both sides. The
predictions of that cross-validation are kept: they say of each training row what a model says that
has not seen it (Wolpert 1992, doi:10.1016/S0893-6080(05)80023-1).

Shapes: N rows, F features, C outputs (classes; 1 for regression), R principal axes. All arithmetic
is in float64. Models are fitted along the principal axes of the training rows, found once for all
penalties: ridge is a division there, and logistic regression is so well conditioned that few steps
suffice, however many labels there are: Newton's where unknowns are few, else those of L-BFGS.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ..errors import InputError
from ..tasks import Problem

FOLDS = 5
PENALTIES = tuple(10.0 ** (power / 2) for power in range(4, -9, -1))
"""Penalties that are tried, from strong to weak: of squared weights, against the mean loss."""
WORSE = 1.02
"""No weaker penalty is tried once the loss is this many times the best one."""
ITERATIONS = 100
BIAS_PENALTY = 2e-6
"""Of squared biases: a class that a fold lacks would drive its bias to minus infinity."""
TOLERANCE = 1e-12
"""Of the loss: Newton's method ends where a step promises less."""
NEWTON_UNKNOWNS, NEWTON_WORK = 256, 1 << 15
"""Most unknowns of a logistic regression, and most of them times rows, that Newton's method takes:
its few steps are then over before L-BFGS has taken its many."""
MOST_ROWS, MOST_TARGETS = 20_000, 4_000_000
"""Rows, and rows times outputs, that a model is fitted to: seconds to a minute of one core."""


@dataclass(frozen=True, eq=False)
class LinearModel:
    """Logits, or standardised values, as an affine map of features.

    Parameters
    ----------
    weight : Tensor, shape=(F, C), dtype=float64
    bias : Tensor, shape=(C,), dtype=float64
    penalty : float
        The one that was chosen.
    held_out : Tensor, shape=(N, C), dtype=float64
        For each training row the output of the model that was fitted without its fold.
    """

    weight: Tensor
    bias: Tensor
    penalty: float
    held_out: Tensor

    def outputs(self, features: Tensor) -> Tensor:
        """Return logits, or standardised values; shape=(N, C)."""
        return features.double() @ self.weight + self.bias


def fit_linear(
    features: Tensor,
    labels: Tensor,
    problem: Problem,
    n_outputs: int,
    folds: NDArray[np.int64],
    emphasis: Tensor | None = None,
) -> LinearModel:
    """Fit a linear model, its penalty chosen by cross-validation.

    Parameters
    ----------
    features : Tensor, shape=(N, F)
        Of the training rows. They are standardised here, and the model takes them as they are.
    labels : Tensor
        Standardised numbers [N] for regression, classes [N], or 0 and 1 [N, C].
    problem : Problem
        Decides the loss: squared error, cross-entropy, or binary cross-entropy a label.
    n_outputs : int
        Number C of outputs.
    folds : ndarray, shape=(N,), dtype=int64
        Fold of each row, see `fold_rows`.
    emphasis : Tensor, shape=(F,), optional
        Factor of each standardised feature: one with a large factor is penalised less, one with 0
        is left out.

    Returns
    -------
    LinearModel

    Raises
    ------
    InputError
        There are fewer than two folds.
    """
    if len(np.unique(folds)) < 2:
        raise InputError(
            "a linear model needs training rows of two sequences at least, to choose its penalty"
        )
    center, scale = features.double().mean(0), features.double().std(0)
    scale = torch.where(scale > 1e-9, scale, 1.0)
    factors = torch.ones_like(scale) if emphasis is None else emphasis.double()
    nonzero = factors > 0
    inputs = ((features.double() - center) / scale * factors)[:, nonzero]
    targets = _targets(labels, problem, n_outputs)
    penalty, held_out = _cross_validated(inputs, targets, problem, torch.from_numpy(folds))
    axes = _principal_axes(inputs)
    along, bias = _fit(axes, targets, problem, penalty)
    coefficients = axes.directions @ along
    bias = bias - axes.center @ coefficients
    weight = torch.zeros(len(scale), targets.shape[1], dtype=torch.float64)
    weight[nonzero] = coefficients * (factors / scale)[nonzero, None]
    return LinearModel(weight, bias - center @ weight, penalty, held_out)


def draw_rows(digests: NDArray[np.uint8], n_outputs: int) -> NDArray[np.int64]:
    """Choose the rows to fit to: all, or some at random where they are too many.

    Parameters
    ----------
    digests : ndarray, shape=(N, 32), dtype=uint8
        Sequence of each row. Rows of a sequence are taken together.
    n_outputs : int

    Returns
    -------
    ndarray, dtype=int64
        Rows in order, about `MOST_ROWS` or `MOST_TARGETS` / C of them if there are more.
    """
    row_limit = min(MOST_ROWS, max(MOST_TARGETS // n_outputs, 2))
    if len(digests) <= row_limit:
        return np.arange(len(digests))
    unique, sequence = np.unique(digests, axis=0, return_inverse=True)
    count = max(row_limit * len(unique) // len(digests), 2)
    sample = np.random.default_rng(0).choice(len(unique), count, replace=False)
    return np.flatnonzero(np.isin(sequence.reshape(-1), sample))


def fold_rows(
    digests: NDArray[np.uint8], labels: Sequence[object], *, folds: int = FOLDS, seed: int = 0
) -> NDArray[np.int64]:
    """Assign rows to folds: equal sequences to the same, labels spread evenly.

    Parameters
    ----------
    digests : ndarray, shape=(N, 32), dtype=uint8
        Sequence of each row.
    labels : sequence, length N
        What can be sorted is spread over the folds; the first label of a sequence counts.
    folds : int
        At most so many; no more than there are sequences.
    seed : int
        Of the order of rows with equal labels.

    Returns
    -------
    ndarray, shape=(N,), dtype=int64
    """
    _, first, sequence = np.unique(digests, axis=0, return_index=True, return_inverse=True)
    chance = np.random.default_rng(seed).random(len(first))
    keys = [labels[row] for row in first]
    order = sorted(range(len(first)), key=lambda place: (keys[place], chance[place]))
    fold = np.empty(len(first), np.int64)
    fold[order] = np.arange(len(first)) % min(folds, len(first))
    assigned: NDArray[np.int64] = fold[sequence.reshape(-1)]
    return assigned


def _targets(labels: Tensor, problem: Problem, n_outputs: int) -> Tensor:
    if problem.is_regression:
        return labels.double()[:, None]
    if problem is Problem.MULTI_LABEL:
        return labels.double()
    return F.one_hot(labels.long(), n_outputs).double()


@dataclass(frozen=True, eq=False)
class _Axes:
    """The principal axes of training rows.

    Parameters
    ----------
    center : Tensor, shape=(F,)
        Mean of the rows.
    directions : Tensor, shape=(F, R)
        Orthonormal; R is N or F, whichever is less, or lower where rows depend on each other.
    places : Tensor, shape=(N, R)
        Of the rows along each axis, from the center.
    """

    center: Tensor
    directions: Tensor
    places: Tensor

    def of(self, inputs: Tensor) -> Tensor:
        """Return the places of other rows; shape=(n, R)."""
        return (inputs - self.center) @ self.directions


def _principal_axes(inputs: Tensor) -> _Axes:
    """By the eigenvectors of the smaller of the two products of the rows with themselves."""
    center = inputs.mean(0)
    x = inputs - center
    rows, width = x.shape
    if rows >= width:
        directions = torch.linalg.eigh(x.T @ x).eigenvectors
    else:
        squares, places = torch.linalg.eigh(x @ x.T)
        nonzero = squares > 1e-12 * squares.max().clamp(min=1e-12)
        directions = x.T @ (places[:, nonzero] / squares[nonzero].sqrt())
    return _Axes(center, directions, x @ directions)


def _cross_validated(
    inputs: Tensor, targets: Tensor, problem: Problem, folds: Tensor
) -> tuple[float, Tensor]:
    """The penalty of least held-out loss, and the held-out outputs under it."""
    best = (float("inf"), PENALTIES[0], torch.zeros_like(targets))
    parts = [(folds != fold, folds == fold) for fold in range(int(folds.max()) + 1)]
    axes = [_principal_axes(inputs[train]) for train, _ in parts]
    projected = [
        fold_axes.of(inputs[test]) for fold_axes, (_, test) in zip(axes, parts, strict=True)
    ]
    starts: list[tuple[Tensor, Tensor] | None] = [None] * len(parts)
    for penalty in PENALTIES:
        held_out = torch.zeros_like(targets)
        for place, (train, test) in enumerate(parts):
            fitted = _fit(axes[place], targets[train], problem, penalty, starts[place])
            starts[place] = fitted
            held_out[test] = projected[place] @ fitted[0] + fitted[1]
        loss = float(_loss(held_out, targets, problem))
        if loss < best[0]:
            best = (loss, penalty, held_out)
        elif loss > best[0] * WORSE:
            break
    return best[1:]


def _fit(
    axes: _Axes,
    targets: Tensor,
    problem: Problem,
    penalty: float,
    start: tuple[Tensor, Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """Weights along the axes [R, C], and the outputs at their center [C]."""
    if problem.is_regression:
        return _ridge(axes.places, targets, penalty)
    return _logistic(axes.places, targets, problem, penalty, start)


def _ridge(places: Tensor, targets: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
    mean = targets.mean(0)
    weight = places.T @ (targets - mean)
    return weight / ((places**2).sum(0) + penalty * len(places))[:, None], mean


def _logistic(
    places: Tensor,
    targets: Tensor,
    problem: Problem,
    penalty: float,
    start: tuple[Tensor, Tensor] | None,
) -> tuple[Tensor, Tensor]:
    """All outputs together, from how often each class occurs, or a neighbour's fit."""
    share = (targets.sum(0) + 0.5) / (len(targets) + 1)
    if start is None:
        prior = torch.logit(share) if problem is Problem.MULTI_LABEL else share.log()
        start = torch.zeros(places.shape[1], targets.shape[1], dtype=places.dtype), prior
    unknowns = (places.shape[1] + 1) * targets.shape[1]
    if unknowns <= NEWTON_UNKNOWNS and unknowns * len(targets) <= NEWTON_WORK:
        return _by_newton(places, targets, problem, penalty, start)
    return _by_lbfgs(places, targets, problem, penalty, start)


def _by_newton(
    places: Tensor, targets: Tensor, problem: Problem, penalty: float, start: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """By Newton's method, a step halved while it leads uphill; the bias is a weight of ones."""
    rows, several = len(targets), problem is Problem.MULTI_LABEL
    inputs = torch.cat([places, places.new_ones(rows, 1)], 1)
    shrinkage = torch.full((inputs.shape[1], 1), penalty, dtype=places.dtype)
    shrinkage[-1] = BIAS_PENALTY
    diagonal = shrinkage.expand(-1, targets.shape[1]).flatten()

    def objective(weight: Tensor) -> tuple[float, Tensor]:
        outputs = inputs @ weight
        penalised = _loss(outputs, targets, problem) + (shrinkage * weight**2).sum() / 2
        return float(penalised), outputs

    weight = torch.cat([start[0], start[1][None]])
    value, outputs = objective(weight)
    for _ in range(ITERATIONS):
        probabilities = outputs.sigmoid() if several else outputs.softmax(1)
        gradient = inputs.T @ (probabilities - targets) / rows + shrinkage * weight
        if several:
            curvature = torch.diag_embed(probabilities * (1 - probabilities))
        else:
            pairs = probabilities[:, :, None] * probabilities[:, None, :]
            curvature = torch.diag_embed(probabilities) - pairs
        hessian = torch.einsum("nr,ncd,ns->rcsd", inputs, curvature / rows, inputs)
        hessian = hessian.reshape(len(diagonal), -1) + torch.diag(diagonal)
        step = torch.linalg.solve(hessian, gradient.flatten()).reshape(weight.shape)
        decrease = float((step * gradient).sum())
        if decrease < TOLERANCE:
            break
        factor = 1.0
        following, outputs = objective(weight - step)
        while following > value - decrease * factor / 10_000 and factor > 1e-6:
            factor /= 2
            following, outputs = objective(weight - factor * step)
        weight, value = weight - factor * step, following
    return weight[:-1], weight[-1]


def _by_lbfgs(
    places: Tensor, targets: Tensor, problem: Problem, penalty: float, start: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """By L-BFGS, for many unknowns.

    Weights are searched in units of the loss's curvature where all predictions are the class's
    share, so that labels rare and frequent, and axes long and short, are alike to the search.
    """
    rows, several = len(targets), problem is Problem.MULTI_LABEL
    share = (targets.sum(0) + 0.5) / (rows + 1)
    curvature = share * (1 - share)
    unit = ((places**2).mean(0)[:, None] * curvature + penalty).rsqrt()
    bias_unit = curvature.rsqrt()
    weight, bias = start[0] / unit, start[1] / bias_unit
    search = torch.optim.LBFGS(
        [weight, bias], max_iter=ITERATIONS, history_size=10, tolerance_grad=1e-5,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def loss() -> Tensor:
        scaled_weight, constant = weight * unit, bias * bias_unit
        outputs = places @ scaled_weight + constant
        probabilities = outputs.sigmoid() if several else outputs.softmax(1)
        error = (probabilities - targets) / rows
        weight.grad = (places.T @ error + penalty * scaled_weight) * unit
        bias.grad = (error.sum(0) + BIAS_PENALTY * constant) * bias_unit
        shrinkage = penalty * (scaled_weight**2).sum() / 2 + BIAS_PENALTY * (constant**2).sum() / 2
        return _loss(outputs, targets, problem) + shrinkage

    search.step(loss)  # type: ignore[no-untyped-call]
    return weight * unit, bias * bias_unit


def _loss(outputs: Tensor, targets: Tensor, problem: Problem) -> Tensor:
    """Mean loss of a row."""
    if problem.is_regression:
        return ((outputs - targets) ** 2).mean() / 2
    if problem is Problem.MULTI_LABEL:
        pairs = F.binary_cross_entropy_with_logits(outputs, targets, reduction="none")
        return pairs.sum(1).mean()
    return F.cross_entropy(outputs, targets)
