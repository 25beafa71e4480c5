"""Where errors concentrate: by length, by confidence of the structure, by what is true.

Each group's mean error comes with its 95 % interval by bootstrap over the group's proteins, so that
a group of three proteins does not look like a finding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..tasks import Problem
from ..training.findings import ERRORS, Findings
from .figures import Chart, charting

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


def by_length(found: Findings) -> list[Group]:
    """Groups of about equal size, by number of residues."""
    assert found.rows is not None
    return _quantiles(found.rows.lengths.astype(float), found.rows.errors, "{:.0f} to {:.0f}")


def by_confidence(found: Findings) -> list[Group]:
    """Groups by mean pLDDT; none where no pLDDT is stored."""
    assert found.rows is not None
    plddt, errors = found.rows.plddt, found.rows.errors
    masks = [(name, (plddt >= low) & (plddt < high)) for low, high, name in CONFIDENCE]
    return [_group(name, errors[mask]) for name, mask in masks if mask.any()]


def by_truth(found: Findings) -> list[Group]:
    """Groups by true class, the most frequent ones; of values, groups of about equal size."""
    assert found.rows is not None
    errors, one = found.rows.errors, found.predicted[0]
    if found.problem.per_residue:
        return []
    labels = np.full((len(errors), *one.labels.shape[1:]), np.nan)
    labels[one.rows.numpy()] = one.labels.double().numpy()
    if found.problem is Problem.REGRESSION:
        return _quantiles(labels, errors, "{:.4g} to {:.4g}")
    names = found.run.task["classes"]
    multi = found.problem is Problem.MULTI_LABEL
    masks = [(n, labels[:, k] > 0 if multi else labels == k) for k, n in enumerate(names)]
    masks = sorted((m for m in masks if m[1].any()), key=lambda m: -int(m[1].sum()))
    return [_group(name, errors[mask]) for name, mask in masks[:15]]


def where_chart(found: Findings, groups: list[Group]) -> Chart:
    """Mean error of each group, with its interval and its size."""
    alt = charting()
    rows = [
        {**vars(g), "name": f"{g.name} (n = {g.count:,})", "what": ERRORS[found.problem]}
        for g in groups
    ]
    y = alt.Y("name:N", title=None, sort=[row["name"] for row in rows])
    tooltip = ["name:N", *(alt.Tooltip(f"{n}:Q", format=".3f") for n in ("error", "low", "high"))]
    base = alt.Chart(alt.Data(values=rows)).encode(y=y, tooltip=tooltip)
    bars = base.mark_bar(style="soft-bar").encode(
        x=alt.X("error:Q", title=f"{ERRORS[found.problem]}")
    )
    rules = base.mark_rule(strokeWidth=2).encode(x="low:Q", x2="high:Q")
    made: Chart = (bars + rules).properties(height=28 * len(rows))
    return made


def _quantiles(values: NDArray[np.float64], errors: NDArray[np.float64], named: str) -> list[Group]:
    known = ~np.isnan(values) & ~np.isnan(errors)
    order = np.argsort(values[known], kind="stable")
    found = []
    for part in np.array_split(order, GROUPS):
        if len(part):
            inside = values[known][part]
            name = named.format(inside[0], inside[-1])
            found.append(_group(name, errors[known][part]))
    return found


def _group(name: str, errors: NDArray[np.float64]) -> Group:
    known = errors[~np.isnan(errors)]
    if not len(known):
        return Group(name, 0, float("nan"), float("nan"), float("nan"))
    picks = np.random.default_rng(0).integers(0, len(known), (DRAWS, len(known)))
    low, high = np.quantile(known[picks].mean(1), [0.025, 0.975])
    return Group(name, len(known), float(known.mean()), float(low), float(high))
