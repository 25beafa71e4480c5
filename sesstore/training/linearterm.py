"""The linear term: what a linear model says of a protein, to which the adapter adds.

::

    logits = linear(mean embedding, amino-acid composition, log length) + adapter(X, s)

The linear model is the mean of three: of embeddings alone, of composition and length alone, and of
both. Which of them is best differs from task to task, and few labels cannot tell; their mean is
about as good as the best.

With few labelled proteins the linear model is about as good as anything; the adapter's last layer
begins at zero, so that training begins at the linear model and learns what it lacks. In training a
row's term is what a linear model says that was fitted without that row's sequence: the adapter then
sees the errors that the model makes on new proteins, not the smaller ones on proteins it knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ..errors import InputError, MissingFileError
from ..store.atomic_files import replace_file
from ..streaming.composition import LETTERS, Compositions
from ..streaming.means import mean_embeddings
from ..streaming.reader import SplitData
from ..tasks import Task
from .linear import draw_rows, fit_linear, fold_rows
from .losses import label_scale
from .runs import LINEAR, Run

EMPHASES = ((1.0, 0.0, 0.0), (0.0, 1.0, 1.0), (1.0, 10.0, 30.0))
"""Weights of standardised means, composition and log length, for each of the models.

There are hundreds of means and one length: alike, a penalty would leave little of the length."""
AT_ONCE = 8192
"""Rows whose features are in memory together."""


@dataclass(frozen=True, eq=False)
class LinearTerm:
    """A fitted linear model of proteins.

    Parameters
    ----------
    weight : Tensor, shape=(d + LETTERS + 1, C), dtype=float64
    bias : Tensor, shape=(C,), dtype=float64
    penalties : tuple of float
        Of the weights of each model, see `linear.fit_linear`.
    rows : int
        Train rows that the models were fitted to.
    """

    weight: Tensor
    bias: Tensor
    penalties: tuple[float, ...] = ()
    rows: int = 0

    def __call__(self, data: SplitData, compositions: Compositions) -> Tensor:
        """Return the term of each row; shape=(N, C), dtype=float32."""
        return self.of_rows(data, compositions, np.arange(len(data)))

    def of_rows(
        self, data: SplitData, compositions: Compositions, rows: NDArray[np.int64]
    ) -> Tensor:
        """Return the term of some rows."""
        parts = np.split(rows, range(AT_ONCE, len(rows), AT_ONCE))
        outputs = [features(data, compositions, part) @ self.weight + self.bias for part in parts]
        return torch.cat(outputs).float()

    def to_json(self) -> dict[str, Any]:
        """What a run's record says of it."""
        return {"penalties": list(self.penalties), "rows": self.rows}

    def save(self, run: Run) -> None:
        """Write the model into a run's folder, in one step."""
        replace_file(run.path / LINEAR, save({"weight": self.weight, "bias": self.bias}))


def load_term(run: Run) -> LinearTerm | None:
    """Read the linear term of a run; None if it has none.

    Raises
    ------
    MissingFileError, InputError
        It has one, and the file is absent, broken, or of another shape.
    """
    if not run.linear:
        return None
    file = run.path / LINEAR
    if not file.is_file():
        raise MissingFileError(
            f"the run's linear term is missing: there is no '{file}'. Copy the run's whole folder"
        )
    try:
        tensors = load(file.read_bytes())
        weight, bias = tensors["weight"], tensors["bias"]
    except (SafetensorError, KeyError) as problem:
        raise InputError(f"'{file}' does not hold this run's linear term: {problem}") from None
    shape = run.config["adapter"]
    expected_shape = (shape["dim"] + LETTERS + 1, shape["n_outputs"])
    if weight.shape != expected_shape or bias.shape != expected_shape[1:]:
        raise InputError(
            f"'{file}' does not hold this run's linear term: it is of shape {tuple(weight.shape)}, "
            f"not {expected_shape}"
        )
    return LinearTerm(
        weight, bias, tuple(run.linear.get("penalties", ())), run.linear.get("rows", 0)
    )


def term_of(
    term: LinearTerm | None, data: SplitData, compositions: Compositions | None
) -> Tensor | None:
    """Return what a run's linear term says of each row, None if it has none.

    Raises
    ------
    InputError
        It has one, and there are no compositions.
    """
    if term is None:
        return None
    if compositions is None:
        raise InputError("the run has a linear term, which needs compositions of the proteins")
    return term(data, compositions)


def fit_term(
    task: Task, data: SplitData, compositions: Compositions
) -> tuple[LinearTerm, Tensor] | None:
    """Fit the linear term of a task whose proteins have labels.

    Parameters
    ----------
    task : Task
    data : SplitData
        Its train rows.
    compositions : Compositions
        Of their proteins.

    Returns
    -------
    tuple of LinearTerm and Tensor, shape=(N, C), dtype=float32, or None
        The term, and what it is of each train row: by a fit without that row's sequence. None where
        there is nothing to choose a penalty by, as all rows are of one sequence.
    """
    labels, scale = data.all_labels(), label_scale(task)
    if scale:
        labels = (labels - scale["mean"]) / scale["std"]
    rows = draw_rows(data.digests, task.n_outputs)
    folds = fold_rows(data.digests[rows], labels[rows].tolist())
    if len(np.unique(folds)) < 2:
        return None
    widths = torch.tensor([data.embeddings.dim, LETTERS, 1])
    inputs = features(data, compositions, rows)
    models = [
        fit_linear(
            inputs, labels[rows], task.problem, task.n_outputs, folds,
            torch.tensor(emphasis).repeat_interleave(widths),
        )
        for emphasis in EMPHASES
    ]  # fmt: skip
    weight, bias, held_out = (
        torch.stack([getattr(model, part) for model in models]).mean(0)
        for part in ("weight", "bias", "held_out")
    )
    term = LinearTerm(weight, bias, tuple(model.penalty for model in models), len(rows))
    not_sampled = np.setdiff1d(np.arange(len(data)), rows)
    train = torch.empty(len(data), task.n_outputs)
    train[rows] = held_out.float()
    if len(not_sampled):
        train[not_sampled] = term.of_rows(data, compositions, not_sampled)
    return term, train


def features(data: SplitData, compositions: Compositions, rows: NDArray[np.int64]) -> Tensor:
    """Mean embedding, composition and log length of some rows; [n, d + LETTERS + 1], float64."""
    means = mean_embeddings(data.embeddings, data.rows[rows])
    lengths = torch.from_numpy(data.lengths[rows]).double().log()[:, None]
    return torch.cat([means.double(), compositions(data.digests[rows]).double(), lengths], 1)
