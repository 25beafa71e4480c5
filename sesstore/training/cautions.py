"""What is off with a result, said aloud with what to do: a number alone does not show it.

=========================== =================================================================
constant_predictions        predictions hardly differ between proteins
one_class                   all are predicted to be of one class
no_better_than_trivial      not told from the mean, or from how often each class occurs
small_splits                fewer than 20 proteins in valid or test (under 5: no interval)
rare_classes                classes with fewer than 5 train rows
one_class_in_valid, ...     all rows of a split are of one class, or have one value
still_learning              the train loss was still falling at the last update, valid with it
linear_alone                the adapter added nothing on valid: the linear model predicts alone
=========================== =================================================================

What follows from the data alone is found where data are checked (`datasets.checklabels`), so that
`add` and `doctor` say the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..datasets.checklabels import SMALL, check_labels
from ..datasets.findings import Finding
from ..errors import InputError
from ..tasks import Problem, Task
from .baselines import trivial_logits
from .evaluate import scores_of
from .fit_config import FitConfig
from .intervals import FEWEST_PROTEINS, Predicted, resample
from .losses import flat_labels, label_scale
from .metrics import HIGHER_IS_WORSE, compute
from .runs import FOLDS, Caution, Run

NEARLY_CONSTANT = 0.1
"""Deviation of predicted values, as a share of that of the true ones, that is next to nothing."""
STEADY = 0.05
"""A probability that differs less than this between proteins is next to constant."""
FALLING = 0.1
"""Share of the loss's fall that falls to the second half of training, if it is still falling. It is
0.18 where the loss falls by the same amount with each step under a cosine schedule, and 0.01 after
60 epochs on 190 proteins."""
LATE = 0.75
"""Share of a training from which on a best score on valid says that more may help."""
DRAWS = 200
CORRELATIONS = ("spearman", "pearson")
"""Of constant predictions, which order nothing, they are not defined: counted as 0 here."""
_FROM_DATA = ("rare_classes", "one_class_in_", "constant_in_")


def check_monitor(task: Task) -> None:
    """Raise `InputError` where the monitor on valid is the same whatever is predicted, or none.

    Correlations need two values, AUROC and MCC two classes: without, no epoch is the best.
    """
    labels = flat_labels(task, "valid")
    if len(torch.unique(labels)) > 1:
        return
    truth = labels
    if not task.problem.is_regression and task.problem is not Problem.MULTI_LABEL:
        truth = torch.nn.functional.one_hot(labels.long(), task.n_outputs)
    right, wrong = (
        compute([task.monitor], task.problem, scores.double(), labels)[task.monitor]
        for scores in (truth, 1 - truth)
    )
    if right == right and right != wrong:
        return
    if not len(labels):
        why = "no valid row has a label"
    elif task.problem is Problem.MULTI_LABEL:
        why = "no valid row has a label" if not labels.any() else "all valid rows have all labels"
    else:
        value = float(labels[0])
        label = f"{value:g}" if task.problem.is_regression else f"'{task.classes[int(value)]}'"
        why = f"all {len(task.splits['valid']):,} valid rows are labelled {label}"
    raise InputError(
        f"{task.monitor} on valid cannot choose an epoch of '{task.name}': {why}. Add the data "
        f"with other splits (`sesstore add` with --split-by or another --seed), or measure on all "
        f"rows: `sesstore train {task.name} --folds 5`"
    )


def run_cautions(
    task: Task,
    predicted: Mapping[str, Predicted],
    history: Sequence[Mapping[str, Any]],
    config: FitConfig,
) -> tuple[Caution, ...]:
    """What is off with a run.

    Parameters
    ----------
    task : Task
        With the rows it was trained on.
    predicted : mapping of str to Predicted
        By split; the last one is reported. Empty where all rows were trained on.
    history : sequence of mapping
        See `Run.history`.
    config : FitConfig
    """
    judged = [prediction_cautions(task, s, [predicted[s]]) for s in list(predicted)[-1:]]
    return (
        *(caution for cautions in judged for caution in cautions),
        *learning_cautions(history, config),
        *data_cautions(task),
    )


def prediction_cautions(
    task: Task, split: str, predicted: Sequence[Predicted]
) -> tuple[Caution, ...]:
    """What is off with predictions on a split, the mean over seeds.

    Parameters
    ----------
    task : Task
        Whose train rows say what the trivial predictor says.
    split : str
        Name of the rows.
    predicted : sequence of Predicted
        One a seed.
    """
    checks = (_spread(task, split, predicted), _against_trivial(task, split, predicted))
    return tuple(caution for caution in checks if caution is not None)


def learning_cautions(
    history: Sequence[Mapping[str, Any]], config: FitConfig
) -> tuple[Caution, ...]:
    """Say so if the adapter added nothing, or was still learning at the end.

    A train loss that falls while valid was best long before is no sign of too short a training: the
    adapter learns its training set by heart.

    Parameters
    ----------
    history : sequence of mapping
        See `Run.history`.
    config : FitConfig
        Complete, see `FitConfig.completed`.
    """
    if config.stop_after is not None or not history:
        return ()
    if [entry["epoch"] for entry in history if entry.get("best")] == [0]:
        text = (
            "on valid the adapter is not clearly better than the linear model it adds to: this run "
            "predicts with the linear model alone"
        )
        todo = "use it as it is; more labelled proteins, or more of them in valid, may show a gain"
        return (Caution("linear_alone", text, todo),)
    losses = [entry["loss"] for entry in history]
    last = history[-1]["epoch"]
    if len(losses) < 2 or last < config.pace.epochs:
        return ()
    best = max((entry["epoch"] for entry in history if entry.get("best")), default=last)
    if best < LATE * last:
        return ()
    fall = losses[0] - losses[-1]
    if fall <= 0:
        return ()
    middle = losses[len(losses) // 2 - 1]
    if (middle - losses[-1]) / fall < FALLING:
        return ()
    text = (
        f"the train loss was still falling at the last update ({middle:.3g} to {losses[-1]:.3g} in "
        f"the second half of training)"
    )
    todo = f"train longer, and see whether valid follows: --epochs {2 * config.pace.epochs}"
    return (Caution("still_learning", text, todo),)


def data_cautions(task: Task) -> tuple[Caution, ...]:
    """What of the rows is too few, or all alike."""
    findings = check_labels(task)
    small = [finding for finding in findings if finding.what.startswith("small_")]
    odd = [finding for finding in findings if finding.what.startswith(_FROM_DATA)]
    cautions = [Caution(finding.what, _in_words(finding), finding.todo) for finding in odd]
    if small:
        sizes = ", ".join(f"{f.count:,} in {f.what.removeprefix('small_')}" for f in small)
        text = f"fewer than {SMALL} proteins to choose or to measure by: {sizes}"
        cautions.append(Caution("small_splits", text, small[0].todo))
    return tuple(cautions)


def _in_words(finding: Finding) -> str:
    count = f": {finding.count:,}" if finding.what == "rare_classes" else ""
    return f"{finding.title}{count} ({', '.join(finding.examples)})"


def common_cautions(runs: Sequence[Run]) -> tuple[Caution, ...]:
    """Cautions of several runs, each kind once, with how many runs it is of."""
    by_kind: dict[str, list[Caution]] = {}
    for run in runs:
        for caution in run.cautions:
            by_kind.setdefault(caution.what, []).append(caution)
    merged = []
    for kind, group in by_kind.items():
        first, is_shared = group[0], len({caution.text for caution in group}) == 1
        share = (
            "" if is_shared and len(group) == len(runs) else f"{len(group)} of {len(runs)} runs: "
        )
        merged.append(Caution(kind, f"{share}{first.text}", first.todo))
    return tuple(merged)


def _spread(task: Task, split: str, predicted: Sequence[Predicted]) -> Caution | None:
    """Whether all predictions are about the same, though the labels differ."""
    labels = predicted[0].labels.double()
    scores = torch.stack([run.scores.double() for run in predicted]).mean(0)
    if len(labels) < 2 or bool((labels == labels[0]).all()):
        return None
    todo = (
        f"train longer (--epochs) or at a higher rate (--lr), and read the simple models beside "
        f"it; `sesstore doctor {task.name}` says whether labels mislead"
    )
    if task.problem.is_regression:
        share = float(scores.std() / labels.std())
        if share >= NEARLY_CONSTANT:
            return None
        text = (
            f"predictions on {split} are nearly constant: they deviate by {share:.0%} of what the "
            f"true values do"
        )
        return Caution("constant_predictions", text, todo)
    if task.problem is Problem.MULTI_LABEL:
        if float((scores.amax(0) - scores.amin(0)).max()) >= STEADY:
            return None
        text = f"predictions on {split} are nearly constant: no label's probability differs by 0.05"
        return Caution("constant_predictions", text, todo)
    classes = torch.unique(scores.argmax(1))
    if len(classes) > 1:
        return None
    text = f"all predictions on {split} are of one class, '{task.classes[int(classes[0])]}'"
    return Caution("one_class", text, f"{todo}; --balanced gives rare classes more weight")


def _against_trivial(task: Task, split: str, predicted: Sequence[Predicted]) -> Caution | None:
    """Whether the monitor is told from that of the trivial predictor, by a paired bootstrap."""
    monitor = task.monitor
    if len(torch.unique(predicted[0].rows)) < FEWEST_PROTEINS:
        return None
    trivial = _trivial(task, predicted[0])
    sign = -1 if monitor in HIGHER_IS_WORSE else 1
    differences = sign * (_draws(task, predicted) - _draws(task, [trivial]))
    differences = differences[~np.isnan(differences)]
    if not len(differences) or float(np.quantile(differences, 0.025)) > 0:
        return None
    value = float(np.mean([_score(task, run) for run in predicted]))
    trivial_score = _score(task, trivial)
    verdict = (
        "is no better than" if sign * (value - trivial_score) <= 0 else "is not surely better than"
    )
    method = "the mean" if task.problem.is_regression else "how often each class occurs in train"
    text = (
        f"{split} {monitor} {value:.3f} {verdict} the trivial predictor's {trivial_score:.3f} "
        f"({method})"
    )
    todo = "take it as no result: look for more or better labels, or try another encoder"
    if split != FOLDS:
        todo += f", or measure on all rows with `sesstore train {task.name} --folds 5`"
    return Caution("no_better_than_trivial", text, todo)


def _trivial(task: Task, predicted: Predicted) -> Predicted:
    """What the train labels alone say of the same rows."""
    labels = flat_labels(task, "train")
    logits = trivial_logits(task.problem, labels, task.n_outputs)
    count = len(predicted.labels)
    scores = scores_of(logits.expand(count, -1), task.problem, label_scale(task))
    return replace(predicted, scores=scores)


def _draws(task: Task, predicted: Sequence[Predicted]) -> NDArray[np.float64]:
    """The monitor on resamples."""
    draws = resample([task.monitor], task.problem, predicted, draws=DRAWS)[task.monitor]
    return np.nan_to_num(draws, nan=0.0) if task.monitor in CORRELATIONS else draws


def _score(task: Task, predicted: Predicted) -> float:
    value = compute([task.monitor], task.problem, predicted.scores, predicted.labels)[task.monitor]
    return 0.0 if task.monitor in CORRELATIONS and value != value else value
