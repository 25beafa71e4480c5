"""What simple models reach on the same rows: what an adapter has to beat to be worth its place.

========== =====================================================================================
trivial    the mean of train, or how often each class occurs there
sequence   a linear model on amino-acid composition and length; on a residue's own amino acid
neighbours the labels of the nearest proteins by cosine of mean embeddings (not for residues)
linear     ridge or logistic regression on mean embeddings; on a residue's embedding
========== =====================================================================================

Every model is fitted on train and scored on the other splits by the metrics of the adapter. The
best is the one with the best monitor on valid, so that test chooses nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ..alphabets import AMINO_ACIDS
from ..streaming.composition import composition
from ..streaming.means import mean_embeddings
from ..streaming.plan import plan_in_order
from ..streaming.reader import SplitData, is_labelled
from ..tasks import Problem, Task
from .evaluate import scores_of
from .intervals import Predicted
from .linear import draw_rows, fit_linear, fold_rows
from .losses import label_scale
from .metrics import better, compute

TRIVIAL = "trivial"
NEIGHBOURS = (1, 3, 5, 10, 20)
"""Numbers of neighbours that are tried by cross-validation."""
TRAINING_RESIDUES = 20_000
"""Labelled residues, drawn at random, that a linear model of residues is fitted to."""
BATCH_RESIDUES = 16_384
QUERIES = 1024
"""Rows whose neighbours are searched at once."""

Outputs = Callable[["Rows"], Tensor]
"""From the rows of a split to logits, or standardised values; shape=(N, C)."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of a split: proteins, or the labelled residues of proteins.

    Parameters
    ----------
    data : SplitData
        With labels.
    sequences : sequence of str
        Of each protein row of the split.
    digests : ndarray, shape=(P, 32), dtype=uint8
        Of each protein row.
    per_residue : bool
        Whether each residue has a label of its own.
    means : Tensor, shape=(P, d), optional
        Mean embedding of each protein row, where it was read before.
    """

    data: SplitData
    sequences: Sequence[str]
    digests: NDArray[np.uint8]
    per_residue: bool
    means: Tensor | None = None

    def labels(self) -> Tensor:
        """Label of each row that has one."""
        labels = self.data.all_labels()
        return labels[is_labelled(labels)] if self.per_residue else labels

    def proteins(self) -> Tensor:
        """Protein row that each row is of; shape=(N,), dtype=int64."""
        rows = torch.arange(len(self.data))
        if not self.per_residue:
            return rows
        labelled = is_labelled(self.data.all_labels())
        return rows.repeat_interleave(torch.from_numpy(self.data.lengths))[labelled]

    def embeddings(self) -> Iterator[Tensor]:
        """Mean embeddings of proteins, or embeddings of labelled residues; [n, d] at a time."""
        if not self.per_residue:
            yield self._means
            return
        for index in plan_in_order(self.data.lengths, BATCH_RESIDUES).batches:
            batch = self.data.read(index)
            assert batch.labels is not None
            yield batch.values[is_labelled(batch.labels)].float()

    @cached_property
    def _means(self) -> Tensor:
        """Read once, as it takes a pass over the store and two models need it."""
        if self.means is not None:
            return self.means
        return mean_embeddings(self.data.embeddings, self.data.rows)

    def letters(self) -> Iterator[Tensor]:
        """Composition and log length of proteins, or the letter of labelled residues; [N, F]."""
        if self.per_residue:
            codes = np.concatenate([AMINO_ACIDS.encode(text) for text in self.sequences])
            labelled = is_labelled(self.data.all_labels())
            yield F.one_hot(torch.from_numpy(codes)[labelled].long(), AMINO_ACIDS.size).float()
            return
        shares = torch.stack([composition(text) for text in self.sequences])
        lengths = torch.tensor([len(text) for text in self.sequences], dtype=torch.float32)
        yield torch.cat([shares, lengths.log()[:, None]], 1)


@dataclass(frozen=True, eq=False)
class BaselineScore:
    """One simple model.

    Parameters
    ----------
    name : str
        See the table above.
    metrics : mapping of str to mapping
        For each split but train, metric to value.
    predicted : mapping of str to Predicted
        Of the same splits.
    seconds : float
        Of fitting and predicting.
    """

    name: str
    metrics: Mapping[str, Mapping[str, float]]
    predicted: Mapping[str, Predicted]
    seconds: float


def score_baselines(
    task: Task, splits: Mapping[str, Rows], *, models: Collection[str] = (), seed: int = 0
) -> list[BaselineScore]:
    """Fit and score simple models.

    Parameters
    ----------
    task : Task
    splits : mapping of str to Rows
        With ``train``; the others are scored.
    models : collection of str
        Which; all by default.
    seed : int
        Of folds, and of the residues that are drawn.

    Returns
    -------
    list of BaselineScore
        From the simplest to the most able.
    """
    problem, scale = task.problem, label_scale(task)
    fitting = _Fitting(task, splits["train"], seed)
    scores = []
    fits = {n: fit for n, fit in fitting.models().items() if not models or n in models}
    for name, fit in fits.items():
        began = time.perf_counter()
        outputs = fit()
        predicted = {
            split: Predicted(
                scores_of(outputs(rows).float(), problem, scale), rows.labels(), rows.proteins()
            )
            for split, rows in splits.items()
            if split != "train"
        }
        names = task.measures
        metrics = {s: compute(names, problem, p.scores, p.labels) for s, p in predicted.items()}
        scores.append(BaselineScore(name, metrics, predicted, time.perf_counter() - began))
    return scores


def best_baseline(scores: Sequence[BaselineScore], monitor: str) -> BaselineScore:
    """Return the model with the best monitor on valid; the trivial one where none is defined."""
    best = scores[0]
    for score in scores[1:]:
        value, record = score.metrics["valid"][monitor], best.metrics["valid"][monitor]
        if better(monitor, value, None if record != record else record):
            best = score
    return best


def trivial_logits(problem: Problem, labels: Tensor, n_outputs: int) -> Tensor:
    """Logits of how often each class occurs among some labels, or zero; shape=(C,)."""
    if problem.is_regression:
        return torch.zeros(1)
    if problem is Problem.MULTI_LABEL:
        return torch.logit((labels.sum(0) + 0.5) / (len(labels) + 1))
    counts = torch.bincount(labels.long(), minlength=n_outputs)
    return ((counts + 0.5) / (len(labels) + 1)).log()


class _Fitting:
    """The training rows, and how each model is fitted to them."""

    def __init__(self, task: Task, rows: Rows, seed: int) -> None:
        self.problem, self.n_outputs, self.rows = task.problem, task.n_outputs, rows
        labels = rows.labels()
        if task.problem.is_regression:
            scale = label_scale(task)
            labels = (labels - scale["mean"]) / scale["std"]
        self.labels = labels
        count = len(labels)
        sample = np.arange(count)
        if rows.per_residue and count > TRAINING_RESIDUES:
            sample = np.random.default_rng(seed).choice(count, TRAINING_RESIDUES, replace=False)
            sample.sort()
        self.chosen = torch.from_numpy(sample)
        self.digests = rows.digests[rows.proteins().numpy()[sample]]
        self.folds = fold_rows(self.digests, labels[self.chosen].tolist(), seed=seed)

    def models(self) -> dict[str, Callable[[], Outputs]]:
        """How each model is fitted, from the simplest to the most able."""
        models = {TRIVIAL: self.trivial, "sequence": self.sequence}
        if not self.rows.per_residue:
            models["neighbours"] = self.neighbours
        return {**models, "linear": self.linear}

    def trivial(self) -> Outputs:
        """The mean, or how often each class occurs."""
        logits = trivial_logits(self.problem, self.labels, self.n_outputs)
        return lambda rows: logits.expand(len(rows.labels()), -1)

    def sequence(self) -> Outputs:
        """A linear model of the sequence's letters."""
        return self._linear(Rows.letters)

    def linear(self) -> Outputs:
        """A linear model of embeddings."""
        return self._linear(Rows.embeddings)

    def neighbours(self) -> Outputs:
        """Mean label of the nearest training proteins; how many, by cross-validation."""
        train = F.normalize(torch.cat(list(self.rows.embeddings())), dim=1)
        targets, folds = self._targets(), torch.from_numpy(self.folds)
        nearest = _nearest(train, train, max(NEIGHBOURS), folds)
        losses = {
            k: float(((_vote(nearest, targets, k) - targets) ** 2).mean()) for k in NEIGHBOURS
        }
        count = min(losses, key=lambda k: losses[k])

        def outputs(rows: Rows) -> Tensor:
            queries = F.normalize(torch.cat(list(rows.embeddings())), dim=1)
            return self._logits(_vote(_nearest(queries, train, count), targets, count))

        return outputs

    def _linear(self, features: Callable[[Rows], Iterator[Tensor]]) -> Outputs:
        draw = draw_rows(self.digests, self.n_outputs)
        subset = self.chosen[draw]
        inputs, labels = torch.cat(list(features(self.rows)))[subset], self.labels[subset]
        model = fit_linear(inputs, labels, self.problem, self.n_outputs, self.folds[draw])
        return lambda rows: torch.cat([model.outputs(part) for part in features(rows)])

    def _targets(self) -> Tensor:
        if self.problem.is_regression:
            return self.labels[:, None].float()
        if self.problem is Problem.MULTI_LABEL:
            return self.labels
        return F.one_hot(self.labels.long(), self.n_outputs).float()

    def _logits(self, votes: Tensor) -> Tensor:
        if self.problem.is_regression:
            return votes
        share = votes.clamp(1e-4, 1 - 1e-4)
        return torch.logit(share) if self.problem is Problem.MULTI_LABEL else share.log()


def _nearest(queries: Tensor, train: Tensor, count: int, folds: Tensor | None = None) -> Tensor:
    """Training rows most similar to each query, nearest first; [N, count].

    With `folds` the queries are the training rows, and rows of a query's own fold do not count.
    """
    nearest = []
    for start in range(0, len(queries), QUERIES):
        similarity = queries[start : start + QUERIES] @ train.T
        if folds is not None:
            similarity[folds[start : start + QUERIES, None] == folds] = -2.0
        nearest.append(similarity.topk(min(count, len(train)), dim=1).indices)
    return torch.cat(nearest)


def _vote(nearest: Tensor, targets: Tensor, count: int) -> Tensor:
    """Mean target of the first `count` of each row's nearest training rows."""
    return targets[nearest[:, :count]].mean(1)
