"""Linear models of features: ridge regression and penalised logistic regression.

What few labelled proteins can support, and what an adapter has to beat. The penalty is chosen by
cross-validation on the training rows alone, in which a sequence never stands on both sides. The
predictions of that cross-validation are kept: they say of each training row what a model says that
has not seen it (Wolpert 1992, doi:10.1016/S0893-6080(05)80023-1).

Shapes: N rows, F features, C outputs (classes; 1 for regression). All arithmetic is in float64.
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
    used = factors > 0
    inputs = ((features.double() - center) / scale * factors)[:, used]
    targets = _targets(labels, problem, n_outputs)
    penalty, held_out = _cross_validated(inputs, targets, problem, torch.from_numpy(folds))
    own, bias = _fit(inputs, targets, problem, penalty)
    weight = torch.zeros(len(scale), targets.shape[1], dtype=torch.float64)
    weight[used] = own * (factors / scale)[used, None]
    return LinearModel(weight, bias - center @ weight, penalty, held_out)


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


def _cross_validated(
    inputs: Tensor, targets: Tensor, problem: Problem, folds: Tensor
) -> tuple[float, Tensor]:
    """The penalty of least held-out loss, and the held-out outputs under it."""
    best = (float("inf"), PENALTIES[0], torch.zeros_like(targets))
    parts = [(folds != fold, folds == fold) for fold in range(int(folds.max()) + 1)]
    starts: list[tuple[Tensor, Tensor] | None] = [None] * len(parts)
    for penalty in PENALTIES:
        held_out = torch.zeros_like(targets)
        for place, (train, test) in enumerate(parts):
            fitted = _fit(inputs[train], targets[train], problem, penalty, starts[place])
            starts[place] = fitted
            held_out[test] = inputs[test] @ fitted[0] + fitted[1]
        loss = float(_loss(held_out, targets, problem))
        if loss < best[0]:
            best = (loss, penalty, held_out)
        elif loss > best[0] * WORSE:
            break
    return best[1:]


def _fit(
    inputs: Tensor,
    targets: Tensor,
    problem: Problem,
    penalty: float,
    start: tuple[Tensor, Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    if problem.is_regression:
        return _ridge(inputs, targets, penalty)
    return _logistic(inputs, targets, problem, penalty, start)


def _ridge(inputs: Tensor, targets: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
    """Closed form, by the smaller of the two normal equations."""
    center, mean = inputs.mean(0), targets.mean(0)
    x, y = inputs - center, targets - mean
    rows, width = x.shape
    if rows < width:
        kernel = x @ x.T + penalty * rows * torch.eye(rows, dtype=x.dtype)
        weight = x.T @ torch.linalg.solve(kernel, y)
    else:
        gram = x.T @ x + penalty * rows * torch.eye(width, dtype=x.dtype)
        weight = torch.linalg.solve(gram, x.T @ y)
    return weight, mean - center @ weight


def _logistic(
    inputs: Tensor,
    targets: Tensor,
    problem: Problem,
    penalty: float,
    start: tuple[Tensor, Tensor] | None,
) -> tuple[Tensor, Tensor]:
    """By L-BFGS, all outputs together; from how often each class occurs, or a neighbour's fit."""
    if start is None:
        share = (targets.sum(0) + 0.5) / (len(targets) + 1)
        prior = torch.logit(share) if problem is Problem.MULTI_LABEL else share.log()
        start = torch.zeros(inputs.shape[1], targets.shape[1], dtype=inputs.dtype), prior
    weight, bias = (value.clone().requires_grad_() for value in start)
    search = torch.optim.LBFGS([weight, bias], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        search.zero_grad()
        # A class that a fold lacks would drive its bias to minus infinity.
        shrinkage = penalty * (weight**2).sum() / 2 + 1e-6 * (bias**2).sum()
        value = _loss(inputs @ weight + bias, targets, problem) + shrinkage
        value.backward()  # type: ignore[no-untyped-call]
        return value

    search.step(loss)  # type: ignore[no-untyped-call]
    return weight.detach(), bias.detach()


def _loss(outputs: Tensor, targets: Tensor, problem: Problem) -> Tensor:
    """Mean loss of a row."""
    if problem.is_regression:
        return ((outputs - targets) ** 2).mean() / 2
    if problem is Problem.MULTI_LABEL:
        pairs = F.binary_cross_entropy_with_logits(outputs, targets, reduction="none")
        return pairs.sum(1).mean()
    return F.cross_entropy(outputs, targets)
