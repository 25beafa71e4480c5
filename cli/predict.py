"""``sesstore predict``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from .options import output_options, source_option, store_option, weights_option
from .output import Output


@click.command("predict")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("files", nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), help="Table to write: .csv, .tsv, .jsonl.")
@source_option
@weights_option
@click.option("--device", help="For the encoder.")
@store_option
@output_options
def command(
    run: Path,
    files: tuple[str, ...],
    out: Path | None,
    source: str | None,
    weights: Path | None,
    device: str | None,
    store_path: Path,
    output: Output,
) -> None:
    """Predict with RUN for the proteins of FILES: FASTA, structures, folders of them, tasks.

    What is not embedded or tokenised yet is so first, into the store. Without --out the table goes
    to standard output as CSV.

    \b
    Example:
      sesstore predict runs/deeploc_binary/... new.fasta --out new.csv
      sesstore predict runs/deeploc_binary/... models/ --source alphafold2
    """
    from sesstore.jobs.predict import check_format, predict_files, write_csv, write_rows
    from sesstore.store import Store

    if out is not None:
        check_format(out)
    report, rows = predict_files(
        Store.open(store_path, create=True),
        run,
        files,
        source=source,
        weights=weights,
        device=device,
        progress=output,
    )
    if out is not None:
        write_rows(rows, out)
        report.out = str(out)
        output.line(f"{report.proteins:,} predictions written to {out}")
    elif not output.as_json:
        write_csv(rows, sys.stdout)
    output.note(
        f"{report.task} by {report.encoder}: {report.proteins:,} proteins, "
        f"{report.with_structure:,} with structure, {len(report.failed):,} failed"
    )
    for name, reason in report.failed.items():
        output.note(f"  failed: {name}: {reason}")
    output.result(vars(report))
    if report.failed:
        raise click.exceptions.Exit(1)
