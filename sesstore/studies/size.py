"""How small may an adapter be? Heads and widths, and the smallest within 0.5 % of the best.

The paper's second experiment. All adapters learn from one stream. The best is chosen on valid, by
mean over seeds; what the table shows is measured on test, so the choice does not flatter itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import InputError
from ..jobs.inputs import Inputs
from ..store import Store
from ..training.metrics import HIGHER_IS_WORSE
from .arms import Arm, parameter_count
from .figures import size_chart
from .study import Study
from .study_record import StudyReport
from .study_settings import Place, StudySettings

QUESTION = "How small may the adapter be?"
WITHIN = 0.005
"""Share of the best score that a smaller adapter may lack."""


def run(
    store: Store,
    settings: StudySettings,
    place: Place = Place(),  # noqa: B008 - frozen
    *,
    heads: Sequence[int] = (1, 4, 8),
    widths: Sequence[int] = (16, 32, 64, 128, 256),
) -> StudyReport:
    """Run the study.

    Parameters
    ----------
    store, settings, place
        See `StudySettings` and `Place`; of several sources the first is used.
    heads : sequence of int
        Numbers of attention heads to try.
    widths : sequence of int
        Widths to project embeddings to; without projection is tried too.

    Returns
    -------
    StudyReport
        A row for each adapter, smallest first.

    Raises
    ------
    InputError, StoppedError
        See `study.Study` and `arms.train_trial`.
    """
    options = {"heads": list(heads), "widths": list(widths)}
    study = Study("size", QUESTION, store, settings, place, options)
    source = study.sources()[0]
    inputs, alphabets = study.inputs(source), study.alphabets(source)
    arms = [
        arm
        for width in (*widths, None)
        for count in heads
        if (arm := _arm(study, inputs, alphabets, count, width)) is not None
    ]
    if not arms:
        raise InputError("no number of heads divides any width. Choose others with --heads")
    runs = study.train(source, inputs, arms)
    arms.sort(key=lambda arm: parameter_count(inputs, arm))
    for arm in arms:
        row = study.row(arm.name, arm.factors, runs[arm.name])
        row["parameters"] = parameter_count(inputs, arm)
    best, small = choose(study.report.rows, study.task.monitor)
    smallest = f"{small['arm']} with {small['parameters']:,} parameters"
    study.find(
        f"The smallest adapter within {WITHIN:.1%} of the best on valid: {smallest}; the best is "
        f"{best['arm']} with {best['parameters']:,} (valid {small['valid']:.4f} and "
        f"{best['valid']:.4f})"
    )
    if small is not best:
        study.compare(*((name, runs[name]) for name in (small["arm"], best["arm"])))
    columns = {"width": "width", "heads": "heads", "parameters": "parameters", "valid": "valid"}
    return study.finish(columns, size_chart)


def choose(rows: Sequence[dict[str, Any]], monitor: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the best row on valid, and the one of fewest parameters within 0.5 % of it.

    Parameters
    ----------
    rows : sequence of dict
        With ``valid`` and ``parameters``.
    monitor : str
        Whether more is better.
    """
    sign = -1 if monitor in HIGHER_IS_WORSE else 1
    best = max(rows, key=lambda row: sign * row["valid"])
    enough = sign * best["valid"] - WITHIN * abs(best["valid"])
    near = [row for row in rows if sign * row["valid"] >= enough]
    return best, min(near, key=lambda row: (row["parameters"], -sign * row["valid"]))


def _arm(
    study: Study, inputs: Inputs, alphabets: Sequence[str], heads: int, width: int | None
) -> Arm | None:
    inner = width or inputs.embeddings.dim
    if inner % (2 * heads):
        study.miss(f"{heads} heads do not divide width {inner}, so that adapter was left out")
        return None
    name = f"width {inner}{'' if width else ' (no projection)'}, {heads} heads"
    arm = study.arm(name, alphabets, heads=heads, width=width)
    return Arm(name, {**arm.factors, "width": inner, "projected": bool(width)}, arm.adapter)
