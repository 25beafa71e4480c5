"""The report of one training: a page, and each of its figures as SVG and PNG."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

from ..encoders import registry
from ..tasks import Problem
from ..training.baseline_report import MODELS, BaselineReport
from ..training.runs import capitalize
from ..training.seeds import between
from ..training.uncertainty import origin
from .charts import IN_UNITS, NAMES, POINTS, curves, dots, is_monitored, scatter
from .classes import (
    CLASSES,
    class_bars,
    confused_pairs,
    confusion_chart,
    describe_omissions,
)
from .error_groups import by_confidence, by_length, by_truth, error_chart
from .figures import Chart, save_figure
from .glossary import add_glossary
from .material import ATTENTION, Material
from .methods import commands, methods, provenance
from .page import Page
from .reliability import certainty_section
from .residues import letters_chart, line_chart, track_view
from .row_errors import ERRORS
from .settings import settings_in_words
from .structure_view import view_assets, view_markup
from .thresholds import (
    CURVES,
    curve_classes,
    precision_recall_chart,
    protein_centric_chart,
    roc_chart,
)

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


def write_report(material: Material, folder: Path) -> list[Path]:
    """Write the report of one training.

    Parameters
    ----------
    material : Material
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
    task, run = material.run.task, material.run
    seeds = f"{len(material.runs)} seeds" if len(material.runs) > 1 else "one seed"
    structure = "+".join(run.config["adapter"]["alphabets"]) or "none"
    report = Report(
        Page(
            f"{task['name']}: {material.name}",
            f"{registry.title(run.fingerprint)}, structure {structure}, {seeds}",
        ),
        folder,
    )
    _summary(report, material)
    _metrics(report, material)
    if material.baselines is not None:
        add_baselines(report.page, material.baselines)
    _learning(report, material)
    _predictions(report, material)
    _certainty(report, material)
    _along(report, material)
    _errors(report, material)
    _data(report.page, material)
    _repeat(report.page, material)
    return report.write(REPORT)


def _summary(report: Report, material: Material) -> None:
    run = material.run
    monitor = NAMES.get(material.monitor, material.monitor)
    together = f" ({len(material.runs)} seeds together)" if len(material.runs) > 1 else ""
    report.page.figures(
        {
            f"{material.split} {monitor}": f"{material.mean(material.monitor):.3f}",
            "95 % interval": between(material.intervals[material.monitor], 3),
            f"{material.split} proteins": f"{material.proteins:,}",
            "kept epoch": ", ".join(str(run.best_epoch) for run in material.runs),
            f"time of an epoch{together}": f"{run.timings['seconds_per_epoch']:.1f} s",
        }
    )
    for caution in material.cautions:
        report.page.caution(caution.paragraph)
    for note in material.notes:
        report.page.note(note)


def _metrics(report: Report, material: Material) -> None:
    page, several = report.page, len(material.runs) > 1
    over = origin(len(material.runs), folds=bool(material.learning))
    page.section("Scores")
    report.chart(
        dots([material]),
        "metrics",
        f"Each metric on {material.split} with its 95 % interval ({over}).",
    )
    splits = [name for name in dict.fromkeys(("valid", material.split)) if name in material.values]
    head = ["metric", *splits]
    rows = []
    for name, bounds in material.intervals.items():
        means = [material.mean(name, split) for split in splits]
        spread = [material.deviation(name)] if several else []
        rows.append([NAMES.get(name, name), *means, *spread, between(bounds)])
    seeds = [f"deviation over {len(material.runs)} seeds"] if several else []
    units = [NAMES[name] for name in IN_UNITS if name in material.intervals]
    note = f"{' and '.join(units)} in units of {material.run.task['classes'][0]}." if units else ""
    page.table([*head, *seeds, f"95 % interval ({material.split})"], rows, note)
    add_glossary(page, material.intervals)


def add_baselines(page: Page, baselines: BaselineReport, what: str = "") -> None:
    """Add what simple models reach on the same rows to a page.

    Parameters
    ----------
    page : Page
    baselines : BaselineReport
    what : str
        What they are compared with, where a page has several.
    """
    monitor = NAMES.get(baselines.monitor, baselines.monitor)
    page.section("Simple models on the same rows" + (f": {what}" if what else ""))
    head = ["model", "what it is", f"{baselines.split} {monitor}", "95 % interval"]
    rows = []
    for name, metrics in baselines.metrics.items():
        value = metrics[baselines.split][baselines.monitor]
        defined = None if value != value else value
        rows.append([name, MODELS[name], defined, between(baselines.intervals[name])])
    page.table(head, rows, baselines.sentence + ".")


def _learning(report: Report, material: Material) -> None:
    report.page.section("Learning")
    seeds = " Each line is a seed." if len(material.runs) > 1 else ""
    if material.learning:
        seeds = " Each line is a fold's training; the run itself was then trained on all rows."
    if is_monitored(material):
        report.chart(
            curves([material], "monitor"),
            "learning",
            f"What chose the epoch; the ring marks the one that was kept.{seeds}",
        )
    else:
        report.page.note("No epoch was scored on valid: training was told when to stop.")
    report.chart(curves([material], "loss"), "loss", f"Loss on train, mean of each epoch.{seeds}")


def _predictions(report: Report, material: Material) -> None:
    seeds = len(material.runs)
    pooled = f" Counts of {seeds} seeds together." if seeds > 1 else ""
    if material.problem.is_regression:
        report.page.section("Predicted against true")
        unit = "residues" if material.problem.per_residue else "proteins"
        sample = f" {POINTS:,} of them, drawn at random." if _count(material) > POINTS else ""
        report.chart(
            scatter(material),
            "scatter",
            f"Each point is one of the {material.split} {unit}; on the dashed line both are equal."
            f"{sample}",
        )
        return
    report.page.section("Classes")
    _class_charts(report, material, pooled)
    _class_table(report.page, material)


def _class_charts(report: Report, material: Material, pooled: str) -> None:
    """Matrix or protein-centric curve, curves over thresholds, bars."""
    seed_lines = " Each line is a seed." if len(material.runs) > 1 else ""
    if material.problem is Problem.MULTI_LABEL:
        report.chart(
            protein_centric_chart(material),
            "protein-centric",
            "Precision (over proteins with a prediction) against recall (over all), as in CAFA; "
            f"rings are F1max, the number its mean over seeds.{seed_lines}",
        )
    else:
        report.chart(
            confusion_chart(material),
            "confusion",
            f"True against predicted on {material.split}.{pooled}{describe_omissions(material)}",
        )
        _confused(report.page, material)
    if curved := curve_classes(material):
        classes = _which_curves(material, curved)
        report.chart(roc_chart(material), "roc", f"ROC curve of {classes}.{seed_lines}")
        report.chart(
            precision_recall_chart(material),
            "precision-recall",
            f"Precision against recall of {classes}.{seed_lines}",
        )
    else:
        report.page.note(f"No ROC curve: no class of {material.split} has both hits and misses.")
    report.chart(
        class_bars(material),
        "classes",
        f"By class, the most frequent first: F1 (bar), precision and recall (marks)."
        f"{describe_omissions(material)}",
    )


def _which_curves(material: Material, curved: list[int]) -> str:
    """The classes that have curves, in words."""
    if len(curved) == 1:
        return f"{material.classes[curved[0]].name} against the rest"
    scope = f"the {CURVES} most frequent of " if len(curved) < len(material.classes) else ""
    return f"{scope}{len(material.classes):,} classes, each against the rest"


def _confused(page: Page, material: Material) -> None:
    """The pairs of classes confused most, which a matrix of 25 of 1,000 classes cannot show."""
    pairs = confused_pairs(material)
    if len(material.classes) > 2 and pairs:
        page.heading("Most confused")
        rows = [[true, predicted, count, f"{share:.1%}"] for true, predicted, count, share in pairs]
        pooled = (
            f" Counts of {len(material.runs)} seeds together." if len(material.runs) > 1 else ""
        )
        note = f"Of all {len(material.classes):,} classes, the most frequent first.{pooled}"
        page.table(["true", "predicted instead", "times", "of the true class"], rows, note)


def _count(material: Material) -> int:
    return len(material.predicted[0].labels)


def _class_table(page: Page, material: Material) -> None:
    seeds = len(material.runs)
    occur = sorted((c for c in material.classes if c.true or c.said), key=lambda c: -c.true)
    rows = [
        [c.name, c.true // seeds, round(c.said / seeds),
         c.precision, c.recall, c.f1, c.auprc]
        for c in occur[: 4 * CLASSES]
    ]  # fmt: skip
    hidden = len(material.classes) - len(rows)
    absent = len(material.classes) - len(occur)
    note = "Counts of true and predicted are the mean over seeds. " if seeds > 1 else ""
    if hidden:
        note += (
            f"{hidden:,} of {len(material.classes):,} classes are not shown, {absent:,} of which "
            f"are neither true nor predicted."
        )
    page.heading("Each class")
    heads = ["class", "true", "predicted", "precision", "recall", "F1", "AUPRC"]
    page.table(heads, rows, note)


def _certainty(report: Report, material: Material) -> None:
    section = certainty_section(material)
    if section is None:
        return
    report.page.section("How sure one prediction is", section.text)
    report.page.table(["what", "value", ""], section.rows)
    if section.chart is not None:
        report.chart(
            section.chart,
            "reliability",
            "How often the most probable class is right against its probability, in bins of 1/15; "
            "on the dashed line both are equal. Circles are as large as their bins are full.",
        )


def _along(report: Report, material: Material) -> None:
    if not material.tracks:
        return
    page, relative = report.page, material.track_title == ATTENTION
    text = "How much each residue counts in the pooled protein; 1 is the mean." if relative else ""
    title = capitalize(material.track_title)
    page.section(f"{title} over residues", text)
    page.once(view_assets(three_d=any(track.structure for track in material.tracks)))
    for track in material.tracks:
        page.heading(f"{track.id} · {track.reason}")
        page.text(
            f"True: {track.label}. Predicted: {track.prediction}. {len(track.sequence):,} residues."
        )
        page.chart(line_chart(track, material.track_title, relative), f"{title} along {track.id}.")
        page.html(view_markup(track_view(track, material.track_title, relative)))
        name = re.sub(r"[^A-Za-z0-9._-]+", "_", track.id)[:80]
        report.figure(letters_chart(track, material.track_title, relative), f"residues-{name}")


def _errors(report: Report, material: Material) -> None:
    if material.rows is None:
        return
    report.page.section(
        "Where errors concentrate",
        f"Mean error ({ERRORS[material.problem]}) of groups of {material.split} proteins, with "
        "95 % intervals.",
    )
    truth = "true value" if material.problem.is_regression else "true class"
    titles = {"length": "length (residues)", "confidence": "mean pLDDT", "truth": truth}
    groups = {
        "length": by_length(material),
        "confidence": by_confidence(material),
        "truth": by_truth(material),
    }
    for trait, trait_groups in groups.items():
        if trait_groups:
            caption = f"By {titles[trait]}."
            report.chart(error_chart(material, trait_groups), f"errors-{trait}", caption)
    if not groups["confidence"]:
        report.page.note("No pLDDT is stored for these proteins.")


def _data(page: Page, material: Material) -> None:
    run = material.run
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
    if len(material.runs) > 1:
        seeds = (str(run.config["fit"]["seed"]) for run in material.runs)
        settings["seed"] = ", ".join(seeds)
    page.table(["setting", "value"], [list(pair) for pair in settings.items()])
    page.heading("Timings")
    page.table(
        ["what", "value"],
        [[n.replace("_", " "), f"{v:,.3f}"] for n, v in run.timings.items()],
        "In seconds; wait share is the share of an epoch spent waiting for data.",
    )


def _repeat(page: Page, material: Material) -> None:
    page.section("Repeat and cite")
    for command in commands(material):
        page.code(command)
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td><code>{escape(value)}</code></td></tr>"
        for name, value in provenance(material)
    )
    page.html(f'<table class="long"><tbody>{rows}</tbody></table>')
    page.heading("Methods, to paste")
    page.code(methods(material))
    page.heading("Please cite")
    page.code("\n".join(material.citations))
