"""``sesstore add``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from .options import output_options, source_option, store_option
from .output import Output


@click.command("add")
@click.argument("what")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Folder with train, valid and test files, or one file with a split column.",
)
@source_option
@click.option(
    "--allow-partial",
    is_flag=True,
    help="Mask a protein's tokens where their number is not that of its residues.",
)
@store_option
@output_options
def command(
    what: str,
    data: Path | None,
    source: str | None,
    allow_partial: bool,
    store_path: Path,
    output: Output,
) -> None:
    """Put WHAT into the store: a task by name, or the proteins of a FASTA file.

    Everything is checked before anything is stored. Tokens that come with the data go into the
    token store under --source.

    \b
    Example:
      sesstore add deeploc_binary --data DIR --source alphafold2
      sesstore add proteome.fasta.gz
    """
    from sesstore.jobs.add import add, load
    from sesstore.store import Store

    loaded = load(what, data=data, source=source, allow_partial=allow_partial)
    report = add(Store.open(store_path, create=True), loaded, progress=output)
    for warning in report.warnings:
        output.note(f"warning: {warning}")
    label = f"task {report.task}: " if report.task else ""
    output.line(
        f"{label}{report.proteins:,} rows, {report.sequences:,} sequences new to the store, "
        f"{report.tokens:,} proteins' tokens added"
    )
    if report.splits:
        output.table(["split", "rows"], list(report.splits.items()))
    output.result(asdict(report))
