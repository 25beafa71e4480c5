"""Several trainings of one task on one page: a table, metrics with intervals, learning curves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..encoders import registry
from ..errors import InputError
from ..training.pairs import adjusted, compare
from ..training.runs import capitalize
from ..training.seeds import between
from ..training.uncertainty import advice
from .charts import NAMES, curves, dots, is_monitored
from .glossary import add_glossary
from .material import Material
from .methods import commands
from .page import Page
from .run import Report
from .settings import settings_in_words

COMPARISON = "comparison.html"


def write_comparison(materials: Sequence[Material], folder: Path) -> list[Path]:
    """Write a page that compares trainings.

    Parameters
    ----------
    materials : sequence of Material
        Of one task, on the same rows.
    folder : path
        Takes ``comparison.html`` and ``figures/``.

    Returns
    -------
    list of path
        The page first, then the figures.

    Raises
    ------
    InputError
        They are of different tasks, or of different versions of one.
    MissingExtraError
        The extra ``[report]`` is not installed.
    """
    _check_same(materials)
    materials = _with_distinct_names(materials)
    task = materials[0].run.task
    report = Report(
        Page(f"{task['name']}: {len(materials)} trainings", _subtitle(materials)), folder
    )
    _scores(report, materials)
    _differences(report.page, materials)
    report.page.section("Learning")
    if monitored := [material for material in materials if is_monitored(material)]:
        report.chart(
            curves(monitored, "monitor"),
            "comparison-learning",
            "What chose the epoch; rings mark the ones that were kept. Each line is a seed.",
        )
    report.chart(curves(materials, "loss"), "comparison-loss", "Loss on train, mean of each epoch.")
    _settings(report.page, materials)
    report.page.section("Repeat")
    for material in materials:
        report.page.heading(material.name)
        for command in commands(material):
            report.page.code(command)
    report.page.section("Please cite")
    report.page.code(
        "\n".join(dict.fromkeys(c for material in materials for c in material.citations))
    )
    return report.write(COMPARISON)


def _check_same(materials: Sequence[Material]) -> None:
    for material in materials[1:]:
        for key in ("name", "data_digest"):
            reference, facts = materials[0].run.task[key], material.run.task[key]
            if reference != facts:
                subject = "tasks" if key == "name" else "versions of the task's data"
                raise InputError(
                    f"'{materials[0].run.path}' and '{material.run.path}' are of different "
                    f"{subject} ({str(reference)[:12]} and {str(facts)[:12]}), and "
                    f"cannot be compared"
                )
        if material.split != materials[0].split:
            raise InputError(
                f"'{material.run.path}' has no predictions on {materials[0].split} to compare"
            )


def _with_distinct_names(materials: Sequence[Material]) -> list[Material]:
    """Names that differ: those of several are numbered, by numbers that make no other's name."""
    counts = Counter(material.name for material in materials)
    renamed, numbers = [], Counter[str]()
    for material in materials:
        name = material.name
        if counts[name] > 1:
            numbers[name] += 1
            while f"{name} ({numbers[name]})" in counts:
                numbers[name] += 1
            name = f"{name} ({numbers[name]})"
        renamed.append(replace(material, name=name))
    return renamed


def _subtitle(materials: Sequence[Material]) -> str:
    split = materials[0].split
    proteins = f"{materials[0].proteins:,} {split} proteins"
    return f"{proteins}; 95 % intervals over them, and over seeds if several"


def _scores(report: Report, materials: Sequence[Material]) -> None:
    first = materials[0]
    report.page.section("Scores")
    report.chart(
        dots(materials), "comparison-metrics", f"Metrics on {first.split} with 95 % intervals."
    )
    reported = dict.fromkeys((first.monitor, *first.run.task["metrics"]))
    columns = ["training", "encoder", "structure", "seeds", *(NAMES.get(n, n) for n in reported)]
    rows = [
        [
            material.name,
            registry.title(material.run.fingerprint),
            "+".join(material.run.config["adapter"]["alphabets"]) or "none",
            len(material.runs),
            *(_with_interval(material, name) for name in reported),
        ]
        for material in materials
    ]
    report.page.table(
        columns, rows, "Mean over seeds ± deviation, then the 95 % interval of the mean."
    )
    add_glossary(report.page, reported)


def _with_interval(material: Material, name: str) -> str:
    deviation = material.deviation(name)
    spread = "" if deviation is None else f" ± {deviation:.3f}"
    return f"{material.mean(name):.3f}{spread} ({between(material.intervals[name], 3)})"


def _differences(page: Page, materials: Sequence[Material]) -> None:
    """Each training against the first, protein by protein and seed by seed."""
    first, *rivals = materials
    metric = first.monitor
    page.section(
        "Paired differences",
        f"{NAMES.get(metric, metric)} of each training minus that of {first.name}, on the same "
        f"{first.split} proteins.",
    )
    compared, unpaired = [], []
    for rival in rivals:
        arms = (rival.name, rival.predicted), (first.name, first.predicted)
        try:
            compared.append(compare(metric, first.problem, *arms))
        except InputError as problem:
            unpaired.append(str(problem))
    if compared:
        rows = [
            [
                c.one, c.difference, between((c.low, c.high), signed=True), c.p, c.q,
                f"{c.better_seeds} of {c.seeds}",
            ]
            for c in adjusted(compared)
        ]  # fmt: skip
        heads = ["training", "difference", "95 % interval", "p", "q", "better seeds"]
        page.table(
            heads,
            rows,
            "Intervals and two-sided p over proteins and seeds, q: false discovery rate. An "
            "interval that holds zero tells nothing apart.",
        )
    for sentence in dict.fromkeys(filter(None, (advice(c.seeds) for c in compared))):
        page.note(f"{capitalize(sentence)}.")
    for sentence in unpaired:
        page.note(f"Not compared: {sentence}.")


def _settings(page: Page, materials: Sequence[Material]) -> None:
    """What differs between the trainings."""
    settings = [_flat(material) for material in materials]
    names = list(dict.fromkeys(key for row in settings for key in row))
    differ = [name for name in names if len({str(row.get(name)) for row in settings}) > 1]
    page.section("What differs")
    if not differ:
        page.text("Nothing in their settings.")
        return
    rows = [[name, *(str(row.get(name)) for row in settings)] for name in differ]
    page.table(["setting", *(material.name for material in materials)], rows)


def _flat(material: Material) -> dict[str, Any]:
    run = material.run
    settings = {k: v for k, v in settings_in_words(run.config).items() if k != "seed"}
    return {
        "encoder": registry.title(run.fingerprint),
        "encoder's fingerprint": run.fingerprint.short,
        "structures": run.source or "none",
        **settings,
    }
