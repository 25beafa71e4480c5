"""``sesstore predict``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import output_options, source_option, store_option, weights_option
from .output import Output

if TYPE_CHECKING:
    from sesstore.jobs.predict import PredictReport


@click.command("predict")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("files", nargs=-1, required=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Table to write: .csv, .tsv, .jsonl or .parquet [parquet].",
)
@source_option
@weights_option
@click.option("--device", help="For the encoder.")
@click.option(
    "--no-store",
    is_flag=True,
    help="Store nothing that is computed on the way. For very many proteins.",
)
@store_option
@output_options
def command(
    run: Path,
    files: tuple[str, ...],
    out: Path | None,
    source: str | None,
    weights: Path | None,
    device: str | None,
    no_store: bool,
    store_path: Path,
    output: Output,
) -> None:
    """Predict with RUN for the proteins of FILES: FASTA, structures, folders of them, tasks.

    RUN is the folder `sesstore train` printed; of several seeds the mean is given. FILES may be
    `-`: FASTA on standard input. Rows come in the order of the input, one a record, and are written
    as they come, so a million proteins need no more memory than a thousand. Without --out the table
    goes to standard output as CSV.

    What is not embedded or tokenised yet is so first, and stays in the store; with --no-store it
    does not, and no store is needed.

    \b
    Example:
      sesstore predict runs/deeploc_binary/... new.fasta --out new.csv
      sesstore predict runs/deeploc_binary/... models/ --source alphafold2
      zcat proteome.fasta.gz | sesstore predict runs/... - --no-store --out all.parquet
    """
    from sesstore.jobs.asked import STDIN, Given
    from sesstore.jobs.predict import PredictOptions, prediction, store_for, write_predictions
    from sesstore.jobs.tables import check_format

    if out is not None:
        check_format(out)
    store = store_for(store_path, keep=not no_store)
    given = Given(files, stdin=sys.stdin.buffer if STDIN in files else None)
    options = PredictOptions(source, weights, device, keep=not no_store)
    with prediction(run, given, store, options, progress=output) as predicted, output.rows() as to:
        report = write_predictions(predicted, out or to)
    say_report(report, output)
    output.result(vars(report))
    if report.failed:
        raise click.exceptions.Exit(1)


def say_report(report: PredictReport, output: Output) -> None:
    """Say what was predicted, what it rests on, and what failed."""
    if report.out is not None:
        output.line(f"{report.proteins:,} predictions written to {report.out}")
    stored = "" if report.kept or not report.embedded else ", none of them stored"
    output.note(
        f"{report.task} by {report.encoder}: {report.proteins:,} proteins, "
        f"{report.with_structure:,} with structure, {report.embedded:,} embedded now{stored}, "
        f"{len(report.failed):,} failed"
    )
    for name, reason in report.failed.items():
        output.note(f"  failed: {name}: {reason}")
