"""``sesstore add``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .data_options import own_data_options
from .options import output_options, source_option, store_option
from .output import Output
from .stores import store_to_write

if TYPE_CHECKING:
    from sesstore.datasets.user_data import UserData
    from sesstore.jobs.add import AddReport


@click.command("add")
@click.argument("what")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="A published task's files: the folder or zip archive a benchmark publishes, a folder with "
    "train, valid and test files, or one file with a split column. Without, they are fetched from "
    "the Hugging Face hub, which has those with structure tokens.",
)
@source_option
@own_data_options
@click.option(
    "--allow-partial",
    is_flag=True,
    help="Mask a protein's tokens where their number is not that of its residues.",
)
@click.option(
    "--replace",
    "replacing",
    is_flag=True,
    help="Replace a task of that name although it predicts something else.",
)
@store_option
@output_options
def command(
    what: str,
    data: Path | None,
    source: str | None,
    user_data: UserData,
    allow_partial: bool,
    replacing: bool,
    store_path: Path,
    output: Output,
) -> None:
    """Put WHAT into the store: a published task by name, or your own file.

    A file is a table with a label for each sequence (CSV, TSV, Excel, JSON), FASTA with labels in
    its headers (biotrainer) or in a second file (FLIP), a folder of these, plain FASTA to embed, or
    UniProt accessions (uniprot:P69905,P68871 or uniprot:list.txt). Columns and kind of labels are
    guessed and said; where the file has no splits they are made by clusters of similar sequences.
    Everything is checked before anything is stored.

    Published tasks are SES-Adapter's (deeploc_binary, ec, ...), flip_DATA_SPLIT, flip2_DATA_SPLIT,
    proteingym_ASSAY and peer_TASK; the beginning of a name lists those there are (add flip_gb1).

    \b
    Example:
      sesstore add deeploc_binary --source alphafold2
      sesstore add deeploc_binary --data DIR --source alphafold2
      sesstore add flip_gb1_two_vs_rest --data splits/gb1
      sesstore add mydata.csv --task-type regression --label Tm --drop-unlabelled
      sesstore add sequences.fasta --targets sampled.fasta --mask mask.fasta
      sesstore add proteome.fasta.gz
      sesstore add uniprot:P69905,P68871
    """
    from sesstore.jobs.add import add, load

    loaded = load(what, data=data, source=source, allow_partial=allow_partial, user_data=user_data)
    store = store_to_write(store_path, output)
    report = add(store, loaded, replacing=replacing, progress=output)
    say_added(report, bool(getattr(loaded, "findings", None)), output)
    output.result(asdict(report))


def say_added(report: AddReport, has_findings: bool, output: Output) -> None:
    """Say what was added; `found` says that the doctor knows more of it."""
    for note in report.notes:
        output.note(note)
    for warning in report.warnings:
        output.note(f"warning: {warning}")
    if has_findings:
        output.note(f"`sesstore doctor {report.task}` says which, why it matters and what to do")
    label = f"task {report.task}: " if report.task else ""
    output.line(
        f"{label}{report.proteins:,} rows, {report.sequences:,} sequences new to the store, "
        f"{report.tokens:,} proteins' tokens added"
    )
    if report.splits:
        output.table(["split", "rows"], list(report.splits.items()))
