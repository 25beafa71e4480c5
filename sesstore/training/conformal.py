"""Sets and intervals that hold the truth nine times in ten: split conformal prediction.

How wrong predictions on valid were decides how much to add to a new one; if new proteins are like
those of valid, the share that holds the truth is at least the level, whatever the model (Vovk et
al. 2005; Angelopoulos & Bates 2021, arXiv:2107.07511). A set holds the classes whose probability is
high enough (Sadinle et al. 2019, doi:10.1080/01621459.2017.1395341); where a protein has several
classes, all of them with that chance. An interval is a value plus or minus the same for all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..tasks import Problem

LEVEL = 0.9


@dataclass(frozen=True)
class Conformal:
    """What is added to predictions.

    Parameters
    ----------
    margin : float
        Classes from a probability of ``1 - margin`` on are in a set; half the width of an interval.
    level : float
        Share of new rows that are to hold the truth.
    rows : int
        Rows it was learned on; infinite margins of too few hold everything.
    """

    margin: float
    level: float
    rows: int

    def sets(self, scores: Tensor, problem: Problem) -> Tensor:
        """Which classes are in each row's set, shape=(N, C), dtype=bool.

        The most probable class always is, unless a row may have none.
        """
        members = scores >= 1 - self.margin
        if problem is not Problem.MULTI_LABEL:
            members = members.scatter(1, scores.argmax(1, keepdim=True), True)
        return members

    def bounds(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Lower and upper end of each value's interval."""
        return values - self.margin, values + self.margin

    def covered(self, scores: Tensor, labels: Tensor, problem: Problem) -> NDArray[np.bool_]:
        """Whether each row's set or interval holds the truth, shape=(N,)."""
        if problem.is_regression:
            return ((scores - labels).abs() <= self.margin).numpy()
        members = self.sets(scores, problem)
        if problem is Problem.MULTI_LABEL:
            return (members | (labels <= 0)).all(1).numpy()
        return members.gather(1, labels.long()[:, None])[:, 0].numpy()


def fit_conformal(
    scores: Tensor, labels: Tensor, problem: Problem, level: float = LEVEL
) -> Conformal:
    """Learn the margin.

    Parameters
    ----------
    scores : Tensor
        On valid: probabilities [N, C], or values [N].
    labels : Tensor
        Alike: classes [N], [N, C] of zeros and ones, or values [N].
    problem : Problem
    level : float
    """
    errors = nonconformity(scores, labels, problem)
    count = len(errors)
    rank = int(np.ceil((count + 1) * level))  # one more, as the new row is one of them
    margin = float("inf") if rank > count else float(np.sort(errors)[rank - 1])
    return Conformal(margin, level, count)


def nonconformity(scores: Tensor, labels: Tensor, problem: Problem) -> NDArray[np.float64]:
    """How far the truth is from each prediction, shape=(N,)."""
    if problem.is_regression:
        return (scores.double() - labels.double()).abs().numpy()
    if problem is Problem.MULTI_LABEL:
        lowest = torch.where(labels > 0, scores.double(), torch.ones_like(scores).double())
        return (1 - lowest.min(1).values).numpy()
    return (1 - scores.double().gather(1, labels.long()[:, None])[:, 0]).numpy()
