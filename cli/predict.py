"""``sesstore predict``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from sesstore.errors import MissingFileError

from .options import (
    device_option,
    output_options,
    source_option,
    store_option,
    weights_option,
    writable,
)
from .output import Output

if TYPE_CHECKING:
    from sesstore.jobs.predicting.predict import PredictReport
    from sesstore.jobs.predicting.structure_values import WrittenStructures
    from sesstore.store import Store


@click.command("predict")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("files", metavar="WHAT...", nargs=-1, required=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    callback=writable,
    help="Table to write: .csv, .tsv, .jsonl or .parquet [parquet].",
)
@click.option(
    "--bfactors",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write the structures into, what is predicted of residues (or the attention on "
    "them) as B-factors.",
)
@source_option
@weights_option
@device_option
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
    bfactors: Path | None,
    source: str | None,
    weights: Path | None,
    device: str | None,
    no_store: bool,
    store_path: Path,
    output: Output,
) -> None:
    """Predict with RUN for WHAT: FASTA, structures, folders of them, tasks, sequences as text,
    accessions (uniprot:P69905,... or afdb:P69905,...).

    RUN is the folder `sesstore train` printed; of several seeds the mean is given. WHAT may be `-`:
    FASTA on standard input. Rows come in the order of the input, one a record, and are written as
    they come, so a million proteins need no more memory than a thousand. Without --out the table
    goes to standard output as CSV; with --json its rows are in the object.

    What is not embedded or tokenised yet is so first, and stays in the store where that can be
    written; with --no-store it does not, and no store is needed.

    \b
    Example:
      sesstore predict runs/deeploc_binary/... new.fasta --out new.csv
      sesstore predict runs/deeploc_binary/... MKVLAAGIVGLCAKAYLERA
      sesstore predict runs/deeploc_binary/... models/ --source alphafold2
      sesstore predict runs/burial/... models/ --source pdb --out new.csv --bfactors coloured/
      zcat proteome.fasta.gz | sesstore predict runs/... - --no-store --out all.parquet
    """
    from sesstore.jobs.inputs import check_inputs
    from sesstore.jobs.predicting.tables import check_format
    from sesstore.training.seeds import runs_at

    runs_at(run)
    if out is not None:
        check_format(out)
    store, keep = _store(store_path, not no_store, output)
    check_inputs(files, store.tasks() if store else [], sequences=True)

    # These import torch, which takes seconds: a wrong name is known before.
    from sesstore.jobs.predicting.predict import PredictOptions, prediction, write_predictions
    from sesstore.jobs.predicting.prediction_inputs import STDIN, InputSpec
    from sesstore.jobs.predicting.structure_values import check_structures, write_structures
    from sesstore.jobs.predicting.tables import RowList

    spec = InputSpec(files, stdin=sys.stdin.buffer if STDIN in files else None)
    options = PredictOptions(
        source, weights, device, keep=keep, onto_structures=bfactors is not None
    )
    listed = RowList() if output.as_json and out is None else None
    with prediction(run, spec, store, options, progress=output) as predicted, output.rows() as to:
        if bfactors is not None:
            check_structures(predicted.structure_files)
        report = write_predictions(predicted, out or listed or to)
    further: dict[str, object] = {} if listed is None else {"rows": listed.rows}
    if bfactors is not None:
        written = write_structures(
            predicted.structure_files, predicted.residue_values, bfactors, predicted.meaning
        )
        report.failed.update(written.failed)
        further["bfactors"] = vars(written)
        say_structures(written, output)
    say_report(report, output)
    output.result({**vars(report), **further})
    if report.failed:
        raise click.exceptions.Exit(1)


def _store(store_path: Path, keep: bool, output: Output) -> tuple[Store | None, bool]:
    """The store to predict with, if any, and whether it can keep what is computed."""
    from sesstore.store import Store

    if store_path.exists():
        store = Store.open(store_path)
        if keep and not os.access(store_path, os.W_OK | os.X_OK):
            output.note(f"'{store_path}' cannot be written: what is computed is not kept")
            keep = False
        return store, keep
    origin = click.get_current_context().get_parameter_source("store_path")
    if keep and origin is not ParameterSource.DEFAULT:
        raise MissingFileError(
            f"there is no store at '{store_path}'. Name another, or say --no-store"
        )
    if keep:
        output.note(f"there is no store at '{store_path}': what is computed is not kept")
    return None, False


def say_structures(written: WrittenStructures, output: Output) -> None:
    """Say what stands on the structures."""
    output.note(
        f"{len(written.files):,} structures written to {written.folder}, B-factors are "
        f"{written.meaning}"
    )
    output.note(
        f"{written.residues:,} residues have a value, {written.without:,} have none "
        f"({written.none:g}), {written.unresolved:,} of the proteins' are unresolved"
    )


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
    if report.far:
        output.note(
            f"caution: {report.far:,} of {report.proteins:,} proteins are farther from every "
            f"training protein than 99 % of those are from each other (column far): nothing like "
            f"them was learned from, and no other column knows it"
        )
    for name, reason in report.failed.items():
        output.note(f"  failed: {name}: {reason}")
