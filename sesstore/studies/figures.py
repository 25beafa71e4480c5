"""One figure a study, drawn by altair from the rows of its table.

Nothing is computed here: a figure shows what the record holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..reports.figures import charting
from .study_record import StudyReport

if TYPE_CHECKING:
    import altair as alt


def interval_chart(
    report: StudyReport,
    colour: str | None = None,
    rows: Sequence[dict[str, Any]] | None = None,
) -> alt.LayerChart:
    """Score of each arm with its 95 % interval, in the table's order.

    Parameters
    ----------
    report : StudyReport
    colour : str, optional
        Column whose values are told apart by colour.
    rows : sequence of dict, optional
        Of the table; all by default.
    """
    vega = charting()
    rows_shown = [
        {**row, "colour": str(row.get(colour or "") or "none")} for row in rows or report.rows
    ]
    base = vega.Chart(vega.Data(values=[_flat(row) for row in rows_shown])).encode(
        y=vega.Y("arm:N", sort=None, title=None)
    )
    if colour:
        base = base.encode(color=vega.Color("colour:N", title=colour))
    bars = base.mark_rule(strokeWidth=2).encode(
        x=vega.X("low:Q", scale=vega.Scale(zero=False), title=_title(report)), x2="high:Q"
    )
    points = base.mark_point(filled=True, size=90, opacity=1).encode(x="score:Q")
    chart: alt.LayerChart = (bars + points).properties(height=26 * len(rows_shown))
    return chart


def size_chart(report: StudyReport) -> alt.LayerChart:
    """Score against parameters, a colour for each number of heads."""
    return _against(report, "parameters", "parameters of the adapter", "heads", "heads")


def scaling_chart(report: StudyReport) -> alt.LayerChart:
    """Score against seconds an epoch, a colour for each encoder."""
    return _against(report, "seconds_per_epoch", "seconds an epoch", "encoder", "encoder")


def quality_chart(report: StudyReport) -> list[alt.TopLevelMixin]:
    """Sources with their intervals; under them score by degree of each way of degrading."""
    degraded = [row for row in report.rows if row.get("degree") is not None]
    sources = [row for row in report.rows if row.get("degree") is None]
    upper = interval_chart(report, rows=sources)
    if not degraded:
        return [upper]
    vega = charting()
    plain, clean = sources[0]["score"], sources[1]
    units = {"noise": "share of tokens replaced", "coordinates": "Angstrom", "plddt": "threshold"}
    panels = []
    for kind, unit in units.items():
        rows = [_flat(row) for row in degraded if row["tokens"] == kind]
        if not rows:
            continue
        if kind == "noise":
            begins = {"degree": 0, **{key: clean[key] for key in ("arm", "score", "low", "high")}}
            rows += [{**begins, "when": when} for when in {row["when"]: None for row in rows}]
        base = vega.Chart(vega.Data(values=rows)).encode(
            x=vega.X("degree:Q", title=f"{kind}: {unit}"),
            color=vega.Color("when:N", title="degraded at"),
        )
        score = vega.Y("score:Q", scale=vega.Scale(zero=False), title=_title(report))
        level = vega.Chart(vega.Data(values=[{"plain": plain, "said": "no structure"}])).encode(
            y="plain:Q"
        )
        panels.append(
            (
                base.mark_rule(opacity=0.5).encode(y="low:Q", y2="high:Q")
                + base.mark_line(point=True).encode(y=score)
                + level.mark_rule(strokeDash=[4, 4])
                + level.mark_text(align="right", dy=-7).encode(x=vega.value("width"), text="said:N")
            ).properties(height=220)
        )
    return [upper, *panels]


def layers_chart(report: StudyReport) -> alt.LayerChart:
    """Score on test with its interval, and on valid, over the layers.

    A mean of the last K has a mark of its own, at the last layer.
    """
    vega = charting()
    last = max((row["layer"] for row in report.rows if isinstance(row["layer"], int)), default=0)
    points = [
        {**_flat(row), "layer": depth, "split": split, "score": row[key], "kind": kind}
        for row in report.rows
        for depth, kind in [
            (row["layer"], row["model"])
            if isinstance(row["layer"], int)
            else (last, f"{row['model']}, {row['layer']}")
        ]
        for split, key in ((report.split, "score"), ("valid", "valid"))
    ]
    tested = [point for point in points if point["split"] == report.split]
    x = vega.X("layer:Q", title="layer", axis=vega.Axis(tickMinStep=1))
    colour = vega.Color("kind:N", title=None)
    lines = (
        vega.Chart(vega.Data(values=points))
        .mark_line(point=True)
        .encode(
            x=x,
            y=vega.Y("score:Q", scale=vega.Scale(zero=False), title=report.monitor),
            color=colour,
            strokeDash=vega.StrokeDash("split:N", title=None, sort=[report.split, "valid"]),
        )
    )
    bars = (
        vega.Chart(vega.Data(values=tested))
        .mark_rule(opacity=0.5)
        .encode(x=x, y="low:Q", y2="high:Q", color=colour)
    )
    chart: alt.LayerChart = (bars + lines).properties(height=300)
    return chart


def convergence_chart(report: StudyReport) -> alt.LayerChart:
    """Mean of the monitor on valid after each epoch; the line is the plain adapter's best."""
    vega = charting()
    points = [
        {"adapter": row["arm"], "epoch": epoch, "score": value}
        for row in report.rows
        for epoch, value in row["curve"]
    ]
    values = [point["score"] for point in points if point["adapter"] == report.rows[0]["arm"]]
    best = min(values) if report.monitor in ("rmse", "mae") else max(values)
    lines = (
        vega.Chart(vega.Data(values=points))
        .mark_line(point=True)
        .encode(
            x=vega.X("epoch:Q", title="epoch", axis=vega.Axis(tickMinStep=1)),
            y=vega.Y("score:Q", scale=vega.Scale(zero=False), title=f"valid {report.monitor}"),
            color=vega.Color("adapter:N", sort=None, title=None),
        )
    )
    level = vega.Chart(vega.Data(values=[{"best": best}])).mark_rule(strokeDash=[4, 4])
    chart: alt.LayerChart = (lines + level.encode(y="best:Q")).properties(height=300)
    return chart


def cost_chart(report: StudyReport) -> alt.LayerChart | alt.Chart:
    """Seconds spent after each epoch, from the store and with the PLM in the loop."""
    vega = charting()
    last = report.rows[-1]
    if "epoch" not in last:
        bars: alt.Chart = (
            vega.Chart(vega.Data(values=report.rows))
            .mark_bar()
            .encode(x=vega.X("seconds:Q"), y=vega.Y("stage:N", sort=None, title=None))
        )
        return bars
    names = {"store": "from the store", "loop": "PLM in the loop"}
    points = [
        {
            "way": names[method],
            "epoch": epoch,
            "seconds": last["start"][method] + epoch * last["epoch"][method],
        }
        for method in names
        for epoch in range(int(report.settings["fit"]["epochs"]) + 1)
    ]
    chart: alt.Chart = (
        vega.Chart(vega.Data(values=points))
        .mark_line(point=True)
        .encode(
            x=vega.X("epoch:Q", title="epochs trained", axis=vega.Axis(tickMinStep=1)),
            y=vega.Y("seconds:Q", title="seconds in all"),
            color=vega.Color("way:N", sort=None, title=None),
        )
        .properties(height=300)
    )
    return chart


def _against(
    report: StudyReport, key: str, title: str, colour: str, heading: str
) -> alt.LayerChart:
    vega = charting()
    base = vega.Chart(vega.Data(values=[_flat(row) for row in report.rows])).encode(
        x=vega.X(f"{key}:Q", scale=vega.Scale(type="log", nice=False, padding=20), title=title),
        color=vega.Color(f"{colour}:N", title=heading),
    )
    y = vega.Y("score:Q", scale=vega.Scale(zero=False), title=_title(report))
    chart: alt.LayerChart = (
        base.mark_rule(opacity=0.5).encode(y="low:Q", y2="high:Q")
        + base.mark_point(filled=True, size=90, opacity=1).encode(
            y=y, tooltip=["arm:N", f"{key}:Q", "score:Q"]
        )
    ).properties(height=300)
    return chart


def _title(report: StudyReport) -> str:
    return f"{report.split} {report.monitor}"


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """A row as Vega takes it: no lists, None where there is no number."""
    return {
        key: None if isinstance(value, float) and value != value else value
        for key, value in row.items()
        if not isinstance(value, list | dict)
    }
