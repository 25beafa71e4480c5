"""What training lowers: the mean loss of a batch, as a sum over its parts.

Every loss is a weighted sum over items (proteins, or residues that have a label) divided by the
items' total weight, so a batch cut into parts has the same gradient as the whole. Items without a
label are multiplied away and not left out: how many there are, only the host knows, and a GPU would
have to be waited for to tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ..errors import InputError
from ..streaming.reader import is_labelled
from ..tasks import IGNORED, Problem, Task

BALANCED = "balanced"


@dataclass(frozen=True, eq=False)
class Loss:
    """Loss of a problem.

    Parameters
    ----------
    problem : Problem
        Cross-entropy for classes, binary cross-entropy for several labels, squared error of
        standardised values for regression.
    scale : mapping
        ``mean`` and ``std`` of a regression's train labels.
    class_weights : Tensor, shape=(C,), optional
        Weight of an item by its class; of positives, where there are several labels.
    focal : float
        Exponent of focal loss (Lin et al. 2017, arXiv 1708.02002); 0 for none.
    """

    problem: Problem
    scale: Mapping[str, float] = field(default_factory=dict)
    class_weights: Tensor | None = None
    focal: float = 0.0

    def weight(self, labels: Tensor) -> float:
        """Total weight of a batch's items: what the sum of losses is divided by.

        Parameters
        ----------
        labels : Tensor
            As `Batch.labels_on_host`.
        """
        if self.problem is Problem.MULTI_LABEL:
            return float(labels.numel())
        labelled = labels[is_labelled(labels)]
        if self.problem.is_regression or self.class_weights is None:
            return float(len(labelled))
        return float(self.class_weights[labelled].sum())

    def total(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Sum of the weighted losses of all labelled items.

        Parameters
        ----------
        logits : Tensor, shape=(B, C) or (T, C)
        labels : Tensor
            As `Batch.labels`.
        """
        weights = None
        if self.class_weights is not None:
            weights = _moved(self.class_weights, logits.device, logits.dtype)
        if self.problem is Problem.MULTI_LABEL:
            terms = F.binary_cross_entropy_with_logits(
                logits, labels, pos_weight=weights, reduction="none"
            )
            if not self.focal:
                return terms.sum()
            return self._focused(terms, _chance_of(labels, logits.sigmoid())).sum()
        if self.problem.is_regression:
            labelled = is_labelled(labels)
            scaled = (labels - self.scale["mean"]) / self.scale["std"]
            values, scaled = logits[:, 0].where(labelled, 0), scaled.where(labelled, 0)
            return F.mse_loss(values, scaled, reduction="sum")
        terms = F.cross_entropy(
            logits, labels, weight=weights, ignore_index=IGNORED, reduction="none"
        )
        if not self.focal:
            return terms.sum()
        one_hot = labels[:, None] == torch.arange(logits.shape[1], device=labels.device)
        return self._focused(terms, logits.softmax(-1).where(one_hot, 0).sum(-1)).sum()

    def _focused(self, losses: Tensor, chance: Tensor) -> Tensor:
        return losses * (1 - chance) ** self.focal


def _chance_of(labels: Tensor, positive: Tensor) -> Tensor:
    """Probability given to what is true."""
    return torch.where(labels > 0, positive, 1 - positive)


@lru_cache(maxsize=16)
def _moved(weights: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Weights where they are needed: copied once, as a copy is waited for."""
    return weights.to(device, dtype)


def flat_labels(task: Task, split: str) -> Tensor:
    """Return the labels of a split's rows, or labelled residues, one after another.

    Returns
    -------
    Tensor
        Classes or values [N]; of several labels 0 and 1 [N, C].
    """
    rows = task.split(split).labels
    if task.problem is Problem.MULTI_LABEL:
        marks = torch.zeros(len(rows), task.n_outputs)
        for place, labels in enumerate(rows):
            marks[place, list(labels)] = 1
        return marks
    if not rows:
        return torch.zeros(0)
    flat = torch.cat([torch.as_tensor(row).reshape(-1) for row in rows])
    return flat[is_labelled(flat)]


def label_scale(task: Task) -> dict[str, float]:
    """Mean and standard deviation of the train labels of a regression; empty for classes."""
    if not task.problem.is_regression:
        return {}
    values = flat_labels(task, "train").double()
    std = float(values.std()) if len(values) > 1 else 0.0
    return {"mean": float(values.mean()), "std": std or 1.0}


def class_weights(task: Task, choice: str | tuple[float, ...] | None) -> Tensor | None:
    """Return the weight of each class.

    Parameters
    ----------
    task : Task
        Whose train labels are counted.
    choice : "balanced", tuple of float or None
        Balanced weights are inverse to how often a class occurs, 1 on average over items; with
        several labels, negatives over positives of each.

    Raises
    ------
    InputError
        The task is a regression, or the number of weights is not the number of classes.
    """
    if choice is None:
        return None
    if task.problem.is_regression:
        raise InputError("class weights do not fit a regression. Leave them out")
    if choice != BALANCED:
        if isinstance(choice, str) or len(choice) != task.n_outputs:
            raise InputError(f"give {task.n_outputs} class weights, or '{BALANCED}'; got {choice}")
        return torch.tensor(choice, dtype=torch.float32)
    labels = flat_labels(task, "train")
    if task.problem is Problem.MULTI_LABEL:
        positive = labels.sum(0).clamp(min=1)
        return (len(labels) - positive).clamp(min=1) / positive
    counts = torch.bincount(labels, minlength=task.n_outputs).clamp(min=1)
    return counts.sum() / (task.n_outputs * counts)


class RunningLoss:
    """Sums of losses over rows since the last check, for each of several learners.

    A GPU works on while the host prepares what comes next; reading a number makes the host wait
    until everything it asked for is done. So sums stay on the GPU until somebody wants to see them.

    Parameters
    ----------
    count : int
        Learners.
    device : torch.device
        Where their losses are.
    """

    def __init__(self, count: int, device: torch.device) -> None:
        # Apple's devices have no float64.
        sum_device = device if device.type == "cuda" else torch.device("cpu")
        self._sums = torch.zeros(count, dtype=torch.float64, device=sum_device)
        self._each = self._sums.unbind()
        self._rows = np.zeros(count)

    def add(self, place: int, loss: Tensor, rows: int) -> None:
        """Add a batch of so many rows with this mean loss; nothing is waited for."""
        self._each[place].add_(loss.to(self._sums.device), alpha=rows)
        self._rows[place] += rows

    def fetch(self) -> NDArray[np.float64]:
        """Wait for the device, and return sums and rows: shape=(learners, 2)."""
        return np.stack([self._sums.cpu().numpy(), self._rows], 1)

    def restore(self, values: Sequence[Sequence[float]]) -> None:
        """Go on from what `fetch` returned."""
        sums, rows = np.array(values, np.float64).T
        self._sums.copy_(torch.from_numpy(sums.copy()))
        self._rows = rows.copy()

    def clear(self, places: Sequence[int]) -> None:
        """Begin anew for some learners."""
        for place in places:
            self._each[place].zero_()
            self._rows[place] = 0
