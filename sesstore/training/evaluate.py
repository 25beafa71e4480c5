"""Predictions of an adapter, and how good they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..adapter.model import Adapter
from ..errors import FingerprintMismatchError, InputError
from ..progress import SILENT, Progress
from ..store import Embeddings, Tokens
from ..streaming.loader import Loader
from ..streaming.plan import plan_in_order
from ..streaming.reader import SplitData, is_labelled
from ..tasks import Problem, Split, Task
from .checkpoint import load_adapter
from .metrics import compute
from .runs import Run

EVALUATION_TOKENS = 16384
"""Residues of a batch without gradients."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Predictions on labelled rows.

    Parameters
    ----------
    metrics : dict of str to float
        Over all rows.
    ids : tuple of str
        Of the rows.
    scores : Tensor
        Probabilities [N, C] or values [N]; for residue problems of all labelled residues.
    labels : Tensor
        What is true, alike.
    """

    metrics: dict[str, float]
    ids: tuple[str, ...]
    scores: Tensor
    labels: Tensor


def split_data(
    task: Task,
    split: Split,
    embeddings: Embeddings,
    tokens: Tokens | None,
    config: Mapping[str, Any],
) -> SplitData:
    """Rows of a split, as a run with these settings (its ``config``) reads them."""
    return SplitData(
        embeddings,
        tokens,
        split.digests,
        alphabets=config["adapter"]["alphabets"],
        labels=split.labels,
        problem=task.problem,
        n_classes=task.n_outputs,
        min_plddt=config["fit"]["min_plddt"],
    )


@torch.inference_mode()
def predict_scores(
    adapter: Adapter,
    data: SplitData,
    problem: Problem,
    scale: Mapping[str, float],
    progress: Progress = SILENT,
) -> list[Tensor]:
    """Predict for all rows, in their order.

    Parameters
    ----------
    adapter : Adapter
        In evaluation mode.
    data : SplitData
        Rows.
    problem : Problem
        Decides what logits become.
    scale : mapping
        ``mean`` and ``std`` regression was standardised with.

    Returns
    -------
    list of Tensor, length N
        For each row probabilities [C] or a value [], for residue problems [L, C] or [L].
    """
    device = adapter.norm.weight.device
    found: list[Tensor] = []
    plan = plan_in_order(data.lengths, EVALUATION_TOKENS)
    with progress.stage("predicting", int(data.lengths.sum()), "residues") as bar:
        for batch in Loader(data, plan, device):
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                logits = adapter(batch)
            scores = _scores(logits.float().cpu(), problem, scale)
            found += torch.split(scores, list(batch.lengths)) if problem.per_residue else scores
            bar.advance(len(batch.values))
    return found


def evaluate_adapter(
    adapter: Adapter, task: Task, split: Split, data: SplitData, scale: Mapping[str, float]
) -> Evaluation:
    """Score an adapter on the rows of a split."""
    adapter.eval()
    rows = predict_scores(adapter, data, task.problem, scale)
    scores = torch.cat(rows) if task.problem.per_residue else torch.stack(rows)
    labels = data.all_labels()
    if task.problem.per_residue:
        known = is_labelled(labels)
        scores, labels = scores[known], labels[known]
    metrics = compute(task.metrics, task.problem, scores, labels)
    return Evaluation(metrics, split.ids, scores, labels)


def evaluate(
    run: Run, task: Task, split: str, embeddings: Embeddings, tokens: Tokens | None
) -> Evaluation:
    """Score a trained run on a split of a task.

    Parameters
    ----------
    run : Run
        Trained on embeddings by the same encoder.
    task : Task
        The run's task, or another with the same problem and classes.
    split : str
        Which of its splits.
    embeddings : Embeddings
        The store's view.
    tokens : Tokens or None
        Of the run's source.

    Raises
    ------
    FingerprintMismatchError
        The embeddings are another encoder's.
    InputError
        The task is not of the kind the run was trained for.
    """
    check_encoder(run, embeddings)
    if (run.task["problem"], len(run.task["classes"])) != (str(task.problem), len(task.classes)):
        raise InputError(
            f"the run predicts {run.task['problem']} with {len(run.task['classes'])} classes; "
            f"task '{task.name}' is {task.problem} with {len(task.classes)}"
        )
    rows = task.split(split)
    data = split_data(task, rows, embeddings, tokens, run.config)
    return evaluate_adapter(load_adapter(run), task, rows, data, run.scale)


def check_encoder(run: Run, embeddings: Embeddings) -> None:
    """Raise `FingerprintMismatchError` unless a run was trained on this encoder's embeddings."""
    try:
        run.fingerprint.check_same(embeddings.provenance.fingerprint)
    except FingerprintMismatchError as problem:
        raise FingerprintMismatchError(f"run and embeddings: {problem}") from None


def _scores(logits: Tensor, problem: Problem, scale: Mapping[str, float]) -> Tensor:
    if problem.is_regression:
        return logits[:, 0] * scale["std"] + scale["mean"]
    if problem is Problem.MULTI_LABEL:
        return logits.sigmoid()
    return logits.softmax(-1)
