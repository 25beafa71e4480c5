"""``sesstore evaluate``."""

from __future__ import annotations

from pathlib import Path

import click

from .opening import store_with
from .options import output_options, source_option, store_option
from .output import Output


@click.command("evaluate")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("task", required=False)
@click.option("--split", default="test", show_default=True, help="Which rows.")
@source_option
@store_option
@output_options
def command(
    run: Path,
    task: str | None,
    split: str,
    source: str | None,
    store_path: Path,
    output: Output,
) -> None:
    """Measure RUN, the folder `sesstore train` printed, on TASK (its own by default).

    With --source the structures may be another's than it was trained on.

    \b
    Example:
      sesstore evaluate runs/deeploc_binary/... --split valid
      sesstore evaluate runs/deeploc_binary/... deeploc_binary --source esmfold
    """
    from sesstore.jobs.evaluate import evaluate_run
    from sesstore.training.runs import Run

    trained = Run.load(run)
    store = store_with(store_path, task or trained.task["name"], trained.fingerprint.digest, output)
    report = evaluate_run(store, run, task, split, source=source, progress=output)
    rows = [[name, f"{value:.4f}"] for name, value in report.metrics.items()]
    output.table(["metric", "value"], rows, title=f"{report.task}, {report.split}: {report.rows:,}")
    output.result(vars(report))
