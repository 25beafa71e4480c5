"""The report of one training: a page, and each of its figures as SVG and PNG."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

from ..tasks import Problem
from ..training.baseline_report import MODELS, BaselineReport
from ..training.findings import ERRORS, Findings
from ..training.seeds import between
from .charts import IN_UNITS, NAMES, POINTS, curves, dots, scatter
from .classes import (
    CLASSES,
    class_bars,
    confused_pairs,
    confusion_chart,
    left_out,
)
from .figures import Chart, save_figure
from .methods import commands, methods, provenance
from .page import Page
from .residues import blocks, letters_chart, line_chart
from .settings import settings_in_words
from .thresholds import (
    CURVES,
    curve_classes,
    precision_recall_chart,
    protein_centric_chart,
    roc_chart,
)
from .where import by_confidence, by_length, by_truth, where_chart

REPORT = "report.html"


class Report:
    """A page whose charts are also files.

    Parameters
    ----------
    page : Page
    folder : path
        Its figures go into ``figures`` there.
    """

    def __init__(self, page: Page, folder: Path) -> None:
        self.page, self.folder = page, folder
        self.files: list[Path] = []

    def chart(self, chart: Chart, name: str, caption: str) -> None:
        """Add a chart to the page and to the figures, under a name."""
        self.page.chart(chart, caption)
        self.figure(chart, name)

    def figure(self, chart: Chart, name: str) -> None:
        """Add a figure that is too wide for a page."""
        self.files += save_figure(chart, self.folder / "figures" / name)

    def write(self, name: str) -> list[Path]:
        """Write the page; return it and all figures."""
        return [self.page.write(self.folder / name), *self.files]


def write_report(found: Findings, folder: Path) -> list[Path]:
    """Write the report of one training.

    Parameters
    ----------
    found : Findings
    folder : path
        Takes ``report.html`` and ``figures/``.

    Returns
    -------
    list of path
        The page first, then the figures.

    Raises
    ------
    MissingExtraError
        The extra ``[report]`` is not installed.
    """
    task, run = found.run.task, found.run
    seeds = f"{len(found.runs)} seeds" if len(found.runs) > 1 else "one seed"
    structure = "+".join(run.config["adapter"]["alphabets"]) or "none"
    report = Report(
        Page(
            f"{task['name']}: {found.name}",
            f"{run.fingerprint.encoder}, structure {structure}, {seeds}",
        ),
        folder,
    )
    _summary(report, found)
    _metrics(report, found)
    if found.baselines is not None:
        _baselines(report.page, found.baselines)
    _learning(report, found)
    _predictions(report, found)
    _along(report, found)
    _where(report, found)
    _data(report.page, found)
    _repeat(report.page, found)
    return report.write(REPORT)


def _summary(report: Report, found: Findings) -> None:
    run, proteins = found.run, found.run.coverage[found.split]["proteins"]
    monitor = NAMES.get(found.monitor, found.monitor)
    together = f" ({len(found.runs)} seeds together)" if len(found.runs) > 1 else ""
    report.page.figures(
        {
            f"{found.split} {monitor}": f"{found.mean(found.monitor):.3f}",
            "95 % interval": between(found.intervals[found.monitor], 3),
            f"{found.split} proteins": f"{proteins:,}",
            "kept epoch": ", ".join(str(each.best_epoch) for each in found.runs),
            f"time of an epoch{together}": f"{run.timings['seconds_per_epoch']:.1f} s",
        }
    )
    for caution in found.cautions:
        report.page.caution(caution.line)
    for note in found.notes:
        report.page.note(note)


def _metrics(report: Report, found: Findings) -> None:
    page, several = report.page, len(found.runs) > 1
    page.section("Scores")
    report.chart(
        dots([found]),
        "metrics",
        f"Each metric on {found.split} with its 95 % interval (bootstrap over proteins).",
    )
    head = ["metric", *(["valid"] if found.split != "valid" else []), found.split]
    rows = []
    for name, bounds in found.intervals.items():
        means = [found.mean(name, split) for split in dict.fromkeys(("valid", found.split))]
        spread = [found.deviation(name)] if several else []
        rows.append([NAMES.get(name, name), *means, *spread, between(bounds)])
    seeds = [f"deviation over {len(found.runs)} seeds"] if several else []
    units = [NAMES[name] for name in IN_UNITS if name in found.intervals]
    note = f"{' and '.join(units)} in units of {found.run.task['classes'][0]}." if units else ""
    page.table([*head, *seeds, f"95 % interval ({found.split})"], rows, note)


def _baselines(page: Page, baselines: BaselineReport) -> None:
    """What simple models reach on the same rows."""
    monitor = NAMES.get(baselines.monitor, baselines.monitor)
    page.section("Simple models on the same rows")
    head = ["model", "what it is", f"{baselines.split} {monitor}", "95 % interval"]
    rows = []
    for name, metrics in baselines.metrics.items():
        value = metrics[baselines.split][baselines.monitor]
        defined = None if value != value else value
        rows.append([name, MODELS[name], defined, between(baselines.intervals[name])])
    page.table(head, rows, baselines.sentence + ".")


def _learning(report: Report, found: Findings) -> None:
    report.page.section("Learning")
    seeds = " Each line is a seed." if len(found.runs) > 1 else ""
    report.chart(
        curves([found], "monitor"),
        "learning",
        f"What chose the epoch; the ring marks the one that was kept.{seeds}",
    )
    report.chart(curves([found], "loss"), "loss", f"Loss on train, mean of each epoch.{seeds}")


def _predictions(report: Report, found: Findings) -> None:
    seeds = len(found.runs)
    pooled = f" Counts of {seeds} seeds together." if seeds > 1 else ""
    if found.problem.is_regression:
        report.page.section("Predicted against true")
        what = "residues" if found.problem.per_residue else "proteins"
        many = f" {POINTS:,} of them, drawn at random." if _count(found) > POINTS else ""
        report.chart(
            scatter(found),
            "scatter",
            f"Each point is one of the {found.split} {what}; on the dashed line both are equal."
            f"{many}",
        )
        return
    report.page.section("Classes")
    _class_charts(report, found, pooled)
    _class_table(report.page, found)


def _class_charts(report: Report, found: Findings, pooled: str) -> None:
    """Matrix or protein-centric curve, curves over thresholds, bars."""
    seed_lines = " Each line is a seed." if len(found.runs) > 1 else ""
    if found.problem is Problem.MULTI_LABEL:
        report.chart(
            protein_centric_chart(found),
            "protein-centric",
            "Precision (over proteins with a prediction) against recall (over all), as in CAFA; "
            f"rings are F1max, the number its mean over seeds.{seed_lines}",
        )
    else:
        report.chart(
            confusion_chart(found),
            "confusion",
            f"True against predicted on {found.split}.{pooled}{left_out(found)}",
        )
        _confused(report.page, found)
    if curved := curve_classes(found):
        which = _which_curves(found, curved)
        report.chart(roc_chart(found), "roc", f"ROC curve of {which}.{seed_lines}")
        report.chart(
            precision_recall_chart(found),
            "precision-recall",
            f"Precision against recall of {which}.{seed_lines}",
        )
    else:
        report.page.note(f"No ROC curve: no class of {found.split} has both hits and misses.")
    report.chart(
        class_bars(found),
        "classes",
        f"By class, the most frequent first: F1 (bar), precision and recall (marks)."
        f"{left_out(found)}",
    )


def _which_curves(found: Findings, curved: list[int]) -> str:
    """The classes that have curves, in words."""
    if len(curved) == 1:
        return f"{found.classes[curved[0]].name} against the rest"
    more = f"the {CURVES} most frequent of " if len(curved) < len(found.classes) else ""
    return f"{more}{len(found.classes):,} classes, each against the rest"


def _confused(page: Page, found: Findings) -> None:
    """The pairs of classes confused most, which a matrix of 25 of 1,000 classes cannot show."""
    pairs = confused_pairs(found)
    if len(found.classes) > 2 and pairs:
        page.heading("Most confused")
        rows = [[true, said, count, f"{share:.1%}"] for true, said, count, share in pairs]
        pooled = f" Counts of {len(found.runs)} seeds together." if len(found.runs) > 1 else ""
        note = f"Of all {len(found.classes):,} classes, the most frequent first.{pooled}"
        page.table(["true", "predicted instead", "times", "of the true class"], rows, note)


def _count(found: Findings) -> int:
    return len(found.predicted[0].labels)


def _class_table(page: Page, found: Findings) -> None:
    seeds = len(found.runs)
    occur = sorted((c for c in found.classes if c.true or c.said), key=lambda c: -c.true)
    rows = [
        [c.name, c.true // seeds, round(c.said / seeds),
         c.precision, c.recall, c.f1, c.auprc]
        for c in occur[: 4 * CLASSES]
    ]  # fmt: skip
    left = len(found.classes) - len(rows)
    never = len(found.classes) - len(occur)
    note = "Counts of true and predicted are the mean over seeds. " if seeds > 1 else ""
    if left:
        note += (
            f"{left:,} of {len(found.classes):,} classes are not shown, {never:,} of which are "
            f"neither true nor predicted."
        )
    page.heading("Each class")
    heads = ["class", "true", "predicted", "precision", "recall", "F1", "AUPRC"]
    page.table(heads, rows, note)


def _along(report: Report, found: Findings) -> None:
    if not found.along:
        return
    page, relative = report.page, found.drawn == "attention"
    text = "How much each residue counts in the pooled protein; 1 is the mean." if relative else ""
    title = found.drawn[0].upper() + found.drawn[1:]
    page.section(f"{title} over residues", text)
    for one in found.along:
        page.heading(f"{one.id} · {one.why}")
        page.text(f"True: {one.true}. Predicted: {one.said}. {len(one.sequence):,} residues.")
        page.chart(line_chart(one, found.drawn, relative), f"{title} along {one.id}.")
        shown = ", ".join({"foldseek": "3Di", "dssp": "DSSP"}.get(n, n) for n in one.tokens)
        under = f" Under it {shown} (# is masked)." if shown else ""
        page.note(f"The sequence, shaded by {found.drawn}.{under}")
        page.html(blocks(one, relative))
        name = re.sub(r"[^A-Za-z0-9._-]+", "_", one.id)[:80]
        report.figure(letters_chart(one, found.drawn, relative), f"residues-{name}")


def _where(report: Report, found: Findings) -> None:
    if found.rows is None:
        return
    report.page.section(
        "Where errors concentrate",
        f"Mean error ({ERRORS[found.problem]}) of groups of {found.split} proteins, with 95 % "
        "intervals.",
    )
    truth = "true value" if found.problem.is_regression else "true class"
    titles = {"length": "length (residues)", "confidence": "mean pLDDT", "truth": truth}
    groups = {
        "length": by_length(found), "confidence": by_confidence(found), "truth": by_truth(found)
    }  # fmt: skip
    for what, each in groups.items():
        if each:
            caption = f"By {titles[what]}."
            report.chart(where_chart(found, each), f"errors-{what}", caption)
    if not groups["confidence"]:
        report.page.note("No pLDDT is stored for these proteins.")


def _data(page: Page, found: Findings) -> None:
    run = found.run
    page.section("Data and settings")
    rows = []
    for split, c in run.coverage.items():
        shares = [f"{n / max(c['residues'], 1):.1%}" for n in c["unmasked"].values()]
        rows.append([split, c["proteins"], c["residues"], c["with_tokens"], *shares])
    unmasked = next(iter(run.coverage.values()))["unmasked"]
    columns = [
        "split",
        "proteins",
        "residues",
        "with structure",
        *(f"{n} unmasked" for n in unmasked),
    ]
    page.table(columns, rows)
    page.heading("Settings")
    settings = settings_in_words(run.config)
    if len(found.runs) > 1:
        seeds = (str(each.config["fit"]["seed"]) for each in found.runs)
        settings["seed"] = ", ".join(seeds)
    page.table(["setting", "value"], [list(pair) for pair in settings.items()])
    page.heading("Timings")
    page.table(
        ["what", "value"],
        [[n.replace("_", " "), f"{v:,.3f}"] for n, v in run.timings.items()],
        "In seconds; wait share is the share of an epoch spent waiting for data.",
    )


def _repeat(page: Page, found: Findings) -> None:
    page.section("Repeat and cite")
    for command in commands(found):
        page.code(command)
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td><code>{escape(value)}</code></td></tr>"
        for name, value in provenance(found)
    )
    page.html(f'<table class="long"><tbody>{rows}</tbody></table>')
    page.heading("Methods, to paste")
    page.code(methods(found))
    page.heading("Please cite")
    page.code("\n".join(found.citations))
