"""Where errors concentrate: by length, by confidence of the structure, by what is true.

Each group's mean error comes with its 95 % interval by bootstrap over the group's proteins, so that
a group of three proteins does not look like a finding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..tasks import Problem
from .figures import Chart, charting
from .material import Material
from .row_errors import ERRORS

GROUPS = 5
DRAWS = 1000
CONFIDENCE = ((0, 50, "below 50"), (50, 70, "50 to 70"), (70, 90, "70 to 90"), (90, 101, "90 up"))
"""AlphaFold's classes of confidence (pLDDT)."""


@dataclass(frozen=True)
class Group:
    """Some proteins.

    Parameters
    ----------
    name : str
    count : int
        Proteins.
    error, low, high : float
        Mean error and its 95 % interval.
    """

    name: str
    count: int
    error: float
    low: float
    high: float


def by_length(material: Material) -> list[Group]:
    """Groups of about equal size, by number of residues."""
    assert material.rows is not None
    return _quantiles(material.rows.lengths.astype(float), material.rows.errors, "{:.0f} to {:.0f}")


def by_confidence(material: Material) -> list[Group]:
    """Groups by mean pLDDT; none where no pLDDT is stored."""
    assert material.rows is not None
    plddt, errors = material.rows.plddt, material.rows.errors
    masks = [(name, (plddt >= low) & (plddt < high)) for low, high, name in CONFIDENCE]
    return [_group(name, errors[mask]) for name, mask in masks if mask.any()]


def by_truth(material: Material) -> list[Group]:
    """Groups by true class, the most frequent ones; of values, groups of about equal size."""
    assert material.rows is not None
    errors, predicted = material.rows.errors, material.predicted[0]
    if material.problem.per_residue:
        return []
    labels = np.full((len(errors), *predicted.labels.shape[1:]), np.nan)
    labels[predicted.rows.numpy()] = predicted.labels.double().numpy()
    if material.problem is Problem.REGRESSION:
        return _quantiles(labels, errors, "{:.4g} to {:.4g}")
    names = material.run.task["classes"]
    multi = material.problem is Problem.MULTI_LABEL
    masks = [(n, labels[:, k] > 0 if multi else labels == k) for k, n in enumerate(names)]
    masks = sorted((m for m in masks if m[1].any()), key=lambda m: -int(m[1].sum()))
    return [_group(name, errors[mask]) for name, mask in masks[:15]]


def error_chart(material: Material, groups: list[Group]) -> Chart:
    """Mean error of each group, with its interval and its size."""
    alt = charting()
    rows = [
        {**vars(g), "name": f"{g.name} (n = {g.count:,})", "what": ERRORS[material.problem]}
        for g in groups
    ]
    y = alt.Y("name:N", title=None, sort=[row["name"] for row in rows])
    tooltip = ["name:N", *(alt.Tooltip(f"{n}:Q", format=".3f") for n in ("error", "low", "high"))]
    base = alt.Chart(alt.Data(values=rows)).encode(y=y, tooltip=tooltip)
    bars = base.mark_bar(style="soft-bar").encode(
        x=alt.X("error:Q", title=f"{ERRORS[material.problem]}")
    )
    rules = base.mark_rule(strokeWidth=2).encode(x="low:Q", x2="high:Q")
    chart: Chart = (bars + rules).properties(height=28 * len(rows))
    return chart


def _quantiles(
    values: NDArray[np.float64], errors: NDArray[np.float64], template: str
) -> list[Group]:
    defined = ~np.isnan(values) & ~np.isnan(errors)
    order = np.argsort(values[defined], kind="stable")
    material = []
    for part in np.array_split(order, GROUPS):
        if len(part):
            group_values = values[defined][part]
            name = template.format(group_values[0], group_values[-1])
            material.append(_group(name, errors[defined][part]))
    return material


def _group(name: str, errors: NDArray[np.float64]) -> Group:
    defined = errors[~np.isnan(errors)]
    if not len(defined):
        return Group(name, 0, float("nan"), float("nan"), float("nan"))
    picks = np.random.default_rng(0).integers(0, len(defined), (DRAWS, len(defined)))
    low, high = np.quantile(defined[picks].mean(1), [0.025, 0.975])
    return Group(name, len(defined), float(defined.mean()), float(low), float(high))
