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
from ..training.seeds import between
from ..training.uncertainty import advice
from .charts import NAMES, curves, dots
from .material import Material
from .methods import commands
from .page import Page
from .run import Report
from .settings import settings_in_words

COMPARISON = "comparison.html"


def write_comparison(found: Sequence[Material], folder: Path) -> list[Path]:
    """Write a page that compares trainings.

    Parameters
    ----------
    found : sequence of Material
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
    _check_same(found)
    found = _told_apart(found)
    task = found[0].run.task
    report = Report(Page(f"{task['name']}: {len(found)} trainings", _subtitle(found)), folder)
    _scores(report, found)
    _differences(report.page, found)
    report.page.section("Learning")
    report.chart(
        curves(found, "monitor"),
        "comparison-learning",
        "What chose the epoch; rings mark the ones that were kept. Each line is a seed.",
    )
    report.chart(curves(found, "loss"), "comparison-loss", "Loss on train, mean of each epoch.")
    _settings(report.page, found)
    report.page.section("Repeat")
    for each in found:
        report.page.heading(each.name)
        for command in commands(each):
            report.page.code(command)
    report.page.section("Please cite")
    report.page.code("\n".join(dict.fromkeys(c for each in found for c in each.citations)))
    return report.write(COMPARISON)


def _check_same(found: Sequence[Material]) -> None:
    for each in found[1:]:
        for key in ("name", "data_digest"):
            mine, theirs = found[0].run.task[key], each.run.task[key]
            if mine != theirs:
                what = "tasks" if key == "name" else "versions of the task's data"
                raise InputError(
                    f"'{found[0].run.path}' and '{each.run.path}' are of different {what} "
                    f"({str(mine)[:12]} and {str(theirs)[:12]}), and cannot be compared"
                )
        if each.split != found[0].split:
            raise InputError(f"'{each.run.path}' has no predictions on {found[0].split} to compare")


def _told_apart(found: Sequence[Material]) -> list[Material]:
    """Names that differ: with the folder's parent where they do not."""
    counts = Counter(each.name for each in found)
    named, seen = [], Counter[str]()
    for each in found:
        name = each.name
        if counts[name] > 1:
            seen[name] += 1
            name = f"{name} ({seen[name]})"
        named.append(replace(each, name=name))
    return named


def _subtitle(found: Sequence[Material]) -> str:
    split = found[0].split
    proteins = f"{found[0].proteins:,} {split} proteins"
    return f"{proteins}; 95 % intervals over them, and over seeds if several"


def _scores(report: Report, found: Sequence[Material]) -> None:
    first = found[0]
    report.page.section("Scores")
    report.chart(
        dots(found), "comparison-metrics", f"Metrics on {first.split} with 95 % intervals."
    )
    reported = dict.fromkeys((first.monitor, *first.run.task["metrics"]))
    columns = ["training", "encoder", "structure", "seeds", *(NAMES.get(n, n) for n in reported)]
    rows = [
        [
            each.name,
            registry.title(each.run.fingerprint),
            "+".join(each.run.config["adapter"]["alphabets"]) or "none",
            len(each.runs),
            *(_with_interval(each, name) for name in reported),
        ]
        for each in found
    ]
    report.page.table(
        columns, rows, "Mean over seeds ± deviation, then the 95 % interval of the mean."
    )


def _with_interval(each: Material, name: str) -> str:
    deviation = each.deviation(name)
    spread = "" if deviation is None else f" ± {deviation:.3f}"
    return f"{each.mean(name):.3f}{spread} ({between(each.intervals[name], 3)})"


def _differences(page: Page, found: Sequence[Material]) -> None:
    """Each training against the first, protein by protein and seed by seed."""
    first, *others = found
    metric = first.monitor
    page.section(
        "Paired differences",
        f"{NAMES.get(metric, metric)} of each training minus that of {first.name}, on the same "
        f"{first.split} proteins.",
    )
    compared, unpaired = [], []
    for other in others:
        arms = (other.name, other.predicted), (first.name, first.predicted)
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
        page.note(f"{sentence[0].upper()}{sentence[1:]}.")
    for sentence in unpaired:
        page.note(f"Not compared: {sentence}.")


def _settings(page: Page, found: Sequence[Material]) -> None:
    """What differs between the trainings."""
    each = [_flat(one) for one in found]
    names = list(dict.fromkeys(key for row in each for key in row))
    differ = [name for name in names if len({str(row.get(name)) for row in each}) > 1]
    page.section("What differs")
    if not differ:
        page.text("Nothing in their settings.")
        return
    rows = [[name, *(str(row.get(name)) for row in each)] for name in differ]
    page.table(["setting", *(one.name for one in found)], rows)


def _flat(one: Material) -> dict[str, Any]:
    run = one.run
    settings = {k: v for k, v in settings_in_words(run.config).items() if k != "seed"}
    return {
        "encoder": registry.title(run.fingerprint),
        "encoder's fingerprint": run.fingerprint.short,
        "structures": run.source or "none",
        **settings,
    }
