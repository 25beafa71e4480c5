"""Charts of scores: learning curves, metrics with intervals, predicted against true values.

Each takes findings and returns an altair chart without a width: pages and files choose it. Several
trainings are told apart by colour, seeds of one are lines of one colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..training.runs import Run
from .figures import Chart, charting
from .material import Material

POINTS = 4000
"""Points of a scatter; of more, so many are drawn at random."""

IN_UNITS = ("rmse", "mae")
"""Metrics in units of what is predicted, which do not belong on an axis from 0 to 1."""

NAMES = {
    "accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "mcc": "MCC",
    "f1": "F1 (macro)", "f1_micro": "F1 (micro)", "precision": "precision", "recall": "recall",
    "auroc": "AUROC", "auprc": "AUPRC", "f1max": "F1max", "spearman": "Spearman",
    "pearson": "Pearson", "rmse": "RMSE", "mae": "MAE", "r2": "R²",
}  # fmt: skip
"""Metrics as people write them."""


def curves(materials: Sequence[Material], figure: str) -> Chart:
    """Draw a figure of each epoch: ``"loss"``, or the monitor on valid; the kept epoch is marked.

    Parameters
    ----------
    materials : sequence of Material
        Trainings of one task.
    figure : str
        ``"loss"`` or ``"monitor"``.
    """
    alt = charting()
    rows = [
        {
            "run": material.name,
            "seed": f"{material.name}, {_line(run)}",
            "epoch": entry["epoch"],
            "value": entry["loss"] if figure == "loss" else entry["valid"][material.monitor],
            "kept": bool(entry.get("best")) and entry["epoch"] == run.best_epoch,
        }
        for material in materials
        for run in material.learning or material.runs
        for entry in run.history
        if figure == "loss" or material.monitor in entry["valid"]
    ]
    last = max(row["epoch"] for row in rows)
    ticks = list(range(1, last + 1, max(-(-last // 12), 1)))
    monitor = NAMES.get(materials[0].monitor, materials[0].monitor)
    title = "training loss" if figure == "loss" else f"{monitor} on valid"
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("epoch:Q", title="epoch", axis=alt.Axis(values=ticks, format="d")),
        y=alt.Y("value:Q", title=title, scale=alt.Scale(zero=False)),
        detail="seed:N",
        tooltip=["seed:N", "epoch:Q", alt.Tooltip("value:Q", title=title, format=".4f")],
        **_coloured(alt, materials),
    )
    line = base.mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=24))
    ring = base.mark_point(size=110, strokeWidth=2, filled=False)
    chart: Chart = (line + ring.transform_filter("datum.kept")).properties(height=240)
    return chart


def is_monitored(material: Material) -> bool:
    """Whether any epoch was scored on valid: none is where a training was told when to stop."""
    histories = [run.history for run in material.learning or material.runs]
    return any(material.monitor in entry["valid"] for history in histories for entry in history)


def _line(run: Run) -> str:
    """What a line is of: a seed, and of a cross-validation a fold."""
    seed = f"seed {run.config['fit']['seed']}"
    folds = [part for part in run.path.parts[-2:] if part.startswith("fold-")]
    return f"{folds[0].replace('-', ' ')}, {seed}" if folds else seed


def dots(materials: Sequence[Material]) -> Chart:
    """Each metric's mean with its 95 % interval; those in units of what is predicted left out."""
    alt = charting()
    names = [name for name in materials[0].values[materials[0].split] if name not in IN_UNITS]
    rows = [
        {
            "run": material.name,
            "metric": NAMES.get(name, name),
            "value": material.mean(name),
            "low": material.intervals[name][0],
            "high": material.intervals[name][1],
        }
        for material in materials
        for name in names
        if not np.isnan([material.mean(name), *material.intervals[name]]).any()
    ]
    offset = {"yOffset": alt.YOffset("run:N", sort=None)} if len(materials) > 1 else {}
    y = alt.Y("metric:N", title=None, sort=[NAMES.get(n, n) for n in names])
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=y,
        **offset,
        **_coloured(alt, materials),
        tooltip=_interval_tooltip(alt, "metric", materials),
    )
    interval = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q"), x2="high:Q")
    scale = alt.Scale(zero=False, nice=True)
    x = alt.X("value:Q", title=f"{materials[0].split}, 95 % interval", scale=scale)
    height = max(26, 14 * len(materials)) * len({row["metric"] for row in rows})
    dot = base.mark_circle(size=70, opacity=1).encode(x=x)
    chart: Chart = (interval + dot).properties(height=height)
    return chart


def _interval_tooltip(alt: Any, column: str, materials: Sequence[Material]) -> list[Any]:
    numbers = [alt.Tooltip(f"{name}:Q", format=".4f") for name in ("value", "low", "high")]
    return [*(["run:N"] if len(materials) > 1 else []), f"{column}:N", *numbers]


def _coloured(alt: Any, materials: Sequence[Material]) -> dict[str, Any]:
    if len(materials) == 1:
        return {}
    legend = alt.Legend(title=None, columns=1, labelLimit=300)
    return {"color": alt.Color("run:N", sort=None, legend=legend)}


def scatter(material: Material) -> Chart:
    """Predicted against true values, the mean over seeds, with the line where both are equal."""
    alt = charting()
    true = material.predicted[0].labels.double().numpy()
    predicted = np.mean([run.scores.double().numpy() for run in material.predicted], axis=0)
    place = np.arange(len(true))
    if len(place) > POINTS:
        place = np.random.default_rng(0).choice(place, POINTS, replace=False)
    rows = [{"true": float(true[i]), "predicted": float(predicted[i])} for i in place]
    low, high = float(min(true.min(), predicted.min())), float(max(true.max(), predicted.max()))
    unit = material.run.task["classes"][0]
    scale = alt.Scale(domain=[low, high], zero=False)
    points = (
        alt.Chart(alt.Data(values=rows))
        .mark_circle(size=28, opacity=0.45)
        .encode(
            x=alt.X("true:Q", title=f"true {unit}", scale=scale),
            y=alt.Y("predicted:Q", title="predicted", scale=scale),
            tooltip=[alt.Tooltip(f"{n}:Q", format=".4g") for n in ("true", "predicted")],
        )
    )
    ends = alt.Data(values=[{"true": v, "predicted": v} for v in (low, high)])
    equal = alt.Chart(ends).mark_line(style="aside").encode(x="true:Q", y="predicted:Q")
    chart: Chart = (equal + points).properties(height=380)
    return chart
