"""Does structure make training converge in fewer epochs? The paper claims about twice as fast.

With a constant learning rate, no early stopping and no linear term (as in the paper; a falling rate
would say when its end comes, not when the adapter has learned), adapters with and without structure
learn from one stream. For each seed: the epoch at which the plain adapter reached its best on
valid, and the first at which the one with structure was as good. The same adapter on masked tokens
shows what its further layers do alone.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..store import Store
from ..training.metrics import HIGHER_IS_WORSE
from ..training.runs import Run
from .figures import convergence_chart
from .study import Study
from .study_record import StudyReport
from .study_settings import Place, StudySettings

QUESTION = "How many epochs does structure save?"
PLAIN, MASKED = "no structure", "with masked tokens"


def run(
    store: Store,
    settings: StudySettings,
    place: Place = Place(),  # noqa: B008 - frozen
) -> StudyReport:
    """Run the study.

    Parameters
    ----------
    store, settings, place
        See `StudySettings` and `Place`; all epochs are trained, at a constant rate.

    Returns
    -------
    StudyReport
        A row for the plain adapter, for the one with masked tokens, and for each source: epochs to
        the plain one's best.

    Raises
    ------
    InputError, StoppedError
        See `study.Study` and `arms.train_trial`.
    """
    fit = replace(settings.fit, patience=None, schedule="constant", warmup=0.0)
    settings = replace(settings, fit=fit, adapter={**settings.adapter, "head": "paper"})
    study = Study("convergence", QUESTION, store, settings, place, {})
    plain: list[Run] = []
    unread: list[Run] = []
    for source in study.sources():
        inputs, alphabets = study.inputs(source), study.alphabets(source)
        name = f"with {source}"
        arms = [study.arm(name, alphabets)]
        if not plain:
            arms.insert(0, study.arm(PLAIN, ()))
        runs = study.train(source, inputs, arms)
        if not plain:
            plain = runs[PLAIN]
            _add(study, PLAIN, plain, plain)
            arm = study.arm(MASKED, alphabets)
            unread = study.train_control(MASKED, inputs, source, "masked", [arm])[MASKED]
            _add(study, MASKED, unread, plain)
        _add(study, name, runs[name], plain)
        study.compare((name, runs[name]), (MASKED, unread))
    columns = {
        "structure": "adapter",
        "reached": "seeds that reached the plain best",
        "epochs": "epochs to it (median)",
        "speedup": "times as fast (median)",
    }
    return study.finish(columns, convergence_chart)


def _add(study: Study, name: str, runs: Sequence[Run], plain: Sequence[Run]) -> None:
    monitor = study.task.monitor
    epochs = [
        epochs_to(run, monitor, best_of(base, monitor))
        for run, base in zip(runs, plain, strict=True)
    ]
    plain_epochs = [base.best_epoch for base in plain]
    # A seed that never got there is slower than any that did: it counts as 0 times as fast.
    ratios = [b / n if n is not None else 0.0 for b, n in zip(plain_epochs, epochs, strict=True)]
    row = study.row(name, {"structure": name}, runs, control=name == MASKED)
    row |= {
        "reached": f"{sum(n is not None for n in epochs)} of {len(runs)}",
        "plain_best_epoch": statistics.median(plain_epochs),
        "epochs": float(statistics.median(math.inf if n is None else n for n in epochs)),
        "speedup": statistics.median(ratios),
        "curve": [
            (entries[0]["epoch"], statistics.fmean(entry["valid"][monitor] for entry in entries))
            for entries in zip(*(run.history for run in runs), strict=True)
        ],
    }
    if math.isinf(row["epochs"]):
        row["epochs"] = None
    if name == PLAIN:
        study.find(
            f"Without structure the best on valid came at epochs "
            f"{', '.join(map(str, plain_epochs))}"
        )
        return
    study.find(
        f"{name} as good on valid as the plain adapter's best: "
        f"{_speedup_sentence(epochs, plain_epochs, ratios)}"
    )
    study.compare((name, runs), (PLAIN, plain))


def _speedup_sentence(
    epochs: Sequence[int | None], plain_epochs: Sequence[int], ratios: Sequence[float]
) -> str:
    never = sum(n is None for n in epochs)
    sentence = (
        f"{statistics.median(ratios):.2f} times as fast (median over {len(ratios)} seeds; "
        f"{min(ratios):.2f} to {max(ratios):.2f})"
    )
    if never:
        sentence += f"; {never} of {len(epochs)} seeds never were and count as 0 times as fast"
    differing = [r - 1 for r in ratios if r != 1]
    if len(differing) > 1:
        from scipy.stats import wilcoxon  # on use: half a second to import

        sentence += f"; signed-rank p = {wilcoxon(differing).pvalue:.3g} for a ratio of 1"
    return sentence


def best_of(run: Run, monitor: str) -> float:
    """Best value of a metric on valid over a run's epochs."""
    values: list[Any] = [entry["valid"][monitor] for entry in run.history]
    return float(min(values) if monitor in HIGHER_IS_WORSE else max(values))


def epochs_to(run: Run, monitor: str, goal: float) -> int | None:
    """First epoch, from 1, at which a run was as good on valid as a goal; None if it never was."""
    for entry in run.history:
        value = entry["valid"][monitor]
        if value <= goal if monitor in HIGHER_IS_WORSE else value >= goal:
            return int(entry["epoch"])
    return None
