"""A study as files people look at: ``figure.svg``, ``figure.png`` and ``study.html``."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..progress import Progress
from ..reports.figures import WIDTH, available, charting, save_figure
from ..reports.glossary import add_glossary
from ..reports.page import Page
from ..reports.run import add_baselines
from ..training.baseline_report import BaselineReport
from ..training.runs import Caution
from ..training.uncertainty import origin
from .study_record import StudyReport

if TYPE_CHECKING:
    import altair as alt

PAGE, FIGURE = "study.html", "figure"
Chart = Callable[[StudyReport], "alt.TopLevelMixin | list[alt.TopLevelMixin]"]
CITATION = "Tan et al. 2024, doi:10.1021/acs.jcim.4c00689 (SES-Adapter)"


def write_page(
    report: StudyReport,
    chart: Chart,
    progress: Progress,
) -> None:
    """Write figure and page; where the extra is not installed, say so.

    Parameters
    ----------
    report : StudyReport
        Complete.
    chart : callable
        Draws its figure, or the parts of it.
    progress : Progress
        Told if there is nothing to draw with.
    """
    if not available():
        progress.note(
            "no figure and no page were written, the table is there. For them: "
            "pip install 'sesstore[report]', then the same command with --resume"
        )
        return
    figure, folder = chart(report), Path(report.run)
    charts = figure if isinstance(figure, list) else [figure]
    save_figure(under_each_other(charts), folder / FIGURE)
    page = Page(f"{report.study}: {report.question}", _subtitle(report))
    page.section("What was found")
    # The sentences of comparisons come last, and have a table of their own here.
    for sentence in report.findings[: len(report.findings) - len(report.comparisons)]:
        page.text(sentence)
    for caution in report.cautions:
        page.caution(Caution(**caution).paragraph)
    for part in charts[:-1]:
        page.chart(part)
    page.chart(charts[-1], caption(report))
    page.section("Table")
    columns, rows = report.table()
    page.table(columns, rows)
    if any(report.monitor in column for column in columns):
        add_glossary(page, [report.monitor])
    for baseline in report.baselines:
        facts = {f.name: baseline[f.name] for f in fields(BaselineReport)}
        add_baselines(page, BaselineReport(**facts), f"{baseline['arm']}, {baseline['encoder']}")
    _comparisons(page, report)
    _missing(page, report)
    _method(page, report)
    page.write(folder / PAGE)


def under_each_other(charts: list[alt.TopLevelMixin]) -> alt.TopLevelMixin:
    """One chart of several, for a file; on a page each is as wide as the screen."""
    if len(charts) == 1:
        return charts[0]
    wide = [part.properties(width=WIDTH) for part in charts]  # type: ignore[attr-defined]
    joined: alt.TopLevelMixin = charting().vconcat(*wide)
    return joined


def caption(report: StudyReport) -> str:
    """What the figure shows."""
    if report.method:
        return f"{report.split} {report.monitor}; lines are 95 % intervals over proteins."
    if any("low" in row for row in report.rows):
        return (
            f"{report.split} {report.monitor}, mean over {report.settings['seeds']} seeds; lines "
            f"are 95 % intervals ({origin(report.settings['seeds'])})."
        )
    return "Seconds on the machine named below."


def methods(report: StudyReport) -> str:
    """Return a paragraph for a paper: what was done, in words."""
    if report.method:
        return report.method
    fit, task = report.settings["fit"], report.provenance["task"]
    encoders = [report.encoder] if isinstance(report.encoder, str) else report.encoder
    return (
        f"Adapters (SES-Adapter, Tan et al. 2024) were trained on frozen per-residue embeddings of "
        f"{', '.join(encoders)} for {task['name']} ({task['problem']}), with AdamW at a learning "
        f"rate of {fit['lr']:g} ({fit['schedule']}), at most {fit['epochs']} epochs and "
        f"{fit['batch_tokens']:,} residues a batch; the best epoch was chosen by "
        f"{report.monitor} on valid. Each setting was trained with {report.settings['seeds']} "
        f"seeds. {_tests(report.settings['seeds'])}"
    )


def _tests(seeds: int) -> str:
    """How intervals and tests were made."""
    if seeds == 1:
        return (
            "Intervals of 95 % are by bootstrap over proteins and of that one seed; differences "
            "were not tested, as the scatter of seeds cannot be known from one."
        )
    return (
        "Intervals of 95 % and two-sided tests of differences, paired by protein and seed, are "
        "Student's: the variance is the covariance of seeds over proteins (bootstrap) and the "
        "variance between seeds over their number, degrees of freedom of both are averaged by "
        "their share of it. P values were adjusted for all comparisons by Benjamini and Hochberg."
    )


def _subtitle(report: StudyReport) -> str:
    encoders = report.encoder if isinstance(report.encoder, str) else ", ".join(report.encoder)
    return f"{report.task}, {encoders}{'' if report.method else seeds_of(report)}"


def seeds_of(report: StudyReport) -> str:
    """How many seeds each row is the mean of, in words."""
    return f", {report.settings['seeds']} seeds"


def _comparisons(page: Page, report: StudyReport) -> None:
    if not report.comparisons:
        return
    page.section("Paired comparisons")
    rows: list[list[Any]] = [
        [
            comparison["one"],
            comparison["other"],
            comparison["difference"],
            comparison["low"],
            comparison["high"],
            comparison["p"],
            comparison["q"],
            f"{comparison['better_seeds']} of {comparison['seeds']}",
        ]
        for comparison in report.comparisons
    ]
    heads = ["arm", "against", "difference", "low", "high", "p", "q", "better seeds"]
    page.table(heads, rows, "low and high: 95 % over proteins and seeds; q: false discovery rate.")


def _missing(page: Page, report: StudyReport) -> None:
    if report.missing:
        page.section("What this study could not answer here")
        for sentence in report.missing:
            page.text(sentence)


def _method(page: Page, report: StudyReport) -> None:
    page.section("To repeat and to cite")
    page.code(report.provenance["command"])
    page.code(methods(report))
    cited = [report.provenance["task"]["citation"]]
    cited += [provenance["citation"] for provenance in report.provenance["encoders"].values()]
    for source in dict.fromkeys([CITATION, *filter(None, cited)]):
        page.text(source)
    page.heading("Settings and provenance")
    page.code(json.dumps(report.to_json()["settings"], indent=1))
    page.code(json.dumps(report.provenance, indent=1))
