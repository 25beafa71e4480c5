"""``sesstore evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .beside import baselines_option, say_baselines, say_cautions
from .options import device_option, output_options, source_option, store_option
from .output import Output, between, number
from .stores import store_with

if TYPE_CHECKING:
    from sesstore.jobs.training.evaluate import EvaluateReport
    from sesstore.training.perclass import ClassScore

LISTED = 15
"""Classes in a table on the terminal."""


@click.command("evaluate")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("task", required=False)
@click.option("--split", help="Which rows [default: test; of a cross-validation: out-of-fold].")
@source_option
@device_option
@baselines_option
@store_option
@output_options
def command(
    run: Path,
    task: str | None,
    split: str | None,
    source: str | None,
    device: str | None,
    baselines: bool,
    store_path: Path,
    output: Output,
) -> None:
    """Measure RUN, the folder `sesstore train` printed, on TASK (its own by default).

    Of a training by several seeds the mean is printed, and counts of classes are of all seeds.
    Prints every metric of the problem with its 95 % interval, then each class, and for single
    labels the confusion matrix; beside them what simple models reach that are fitted to the rows
    the run was trained on. A cross-validated run is measured on all rows of its task, as they were
    predicted unseen. With --source the structures may be another's than it was trained
    on. On the --device it was trained on the numbers are those of the training.

    \b
    Example:
      sesstore evaluate runs/deeploc_binary/... --split valid
      sesstore evaluate runs/deeploc_binary/... deeploc_binary --source esmfold
    """
    from sesstore.jobs.inputs import chosen_source
    from sesstore.training.runs import FOLDS, default_split
    from sesstore.training.seeds import runs_at

    trained = runs_at(run)[0]
    name = task or trained.task["name"]
    store = store_with(store_path, name, trained.fingerprint.digest, output)
    if (split or default_split(trained, name)) != FOLDS:
        store.task(name).split(split or "test")
    if trained.source:
        chosen_source(store, source or trained.source)

    # This imports torch, which takes seconds: a wrong name is known before.
    from sesstore.jobs.training.evaluate import evaluate_run

    report = evaluate_run(
        store,
        run,
        task,
        split,
        source=source,
        device=device,
        baselines=baselines,
        progress=output,
    )
    say_report(report, output)
    if report.baselines is not None:
        say_baselines(report.baselines, output)
    say_cautions(report.cautions, output)
    output.result(report.to_json())


def say_report(report: EvaluateReport, output: Output) -> None:
    """Say how good a run is: metrics, then classes."""
    from sesstore.training.metrics import explain
    from sesstore.training.runs import FOLDS
    from sesstore.training.uncertainty import origin

    rows = [
        [name, number(value), between(report.intervals[name])]
        for name, value in report.metrics.items()
    ]
    title = f"{report.task}, {report.split}: {report.rows:,} proteins"
    if report.seeds > 1:
        title += f", mean over {report.seeds} seeds"
    output.table(["metric", "value", "95 % interval"], rows, title=title)
    output.line(f"Intervals: {origin(report.seeds, folds=report.split == FOLDS)}.")
    for name, sentence in explain(report.metrics).items():
        output.line(f"  {name}: {sentence}")
    classes = [c for c in report.per_class if c.true or c.said]
    classes.sort(key=lambda c: -c.true)
    if classes:
        output.table(
            ["class", "true", "predicted", "precision", "recall", "F1", "AUPRC"],
            [_row(c) for c in classes[:LISTED]],
            title=f"By class, the most frequent first: {counted(report)}",
        )
    if unlisted := len(report.per_class) - len(classes[:LISTED]):
        never = len(report.per_class) - len(classes)
        output.line(
            f"{unlisted:,} more classes are in --json "
            f"({never:,} of them neither true nor predicted)"
        )
    if 0 < len(report.confusion) <= LISTED:
        names = [c.name for c in report.per_class]
        matrix = [[name, *row] for name, row in zip(names, report.confusion, strict=True)]
        title = f"Confusion matrix: {counted(report)}"
        output.table(["true \\ predicted", *names], matrix, title=title)


def counted(report: EvaluateReport) -> str:
    """What the counts of a report are of."""
    unit = "labelled residues" if report.problem.startswith("residue") else "proteins"
    sums = f", summed over {report.seeds} seeds" if report.seeds > 1 else ""
    return f"counts are of {unit}{sums}"


def _row(c: ClassScore) -> list[object]:
    shares = (c.precision, c.recall, c.f1, c.auprc)
    return [c.name, c.true, c.said, *(None if share != share else share for share in shares)]
