"""``sesstore tokens``."""

from __future__ import annotations

from pathlib import Path

import click

from .options import output_options, store_option
from .output import Output, duration

_SHOWN = 10
"""Failures shown in full; the list has all."""


@click.command("tokens")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--source", required=True, help="Where the structures come from: alphafold2, esmfold, pdb, ..."
)
@click.option("--chain", help="Take only the chain of this name; all protein chains by default.")
@click.option(
    "--sequences",
    type=click.Path(path_type=Path),
    help="FASTA with the sequences to align to, by id; what the store knows by default.",
)
@click.option(
    "--dssp",
    type=click.Choice(["mdtraj", "mkdssp"]),
    default="mdtraj",
    show_default=True,
    help="What assigns DSSP states; mkdssp is a program of its own.",
)
@click.option("--workers", type=click.IntRange(1), help="Processes; one a core by default.")
@store_option
@output_options
def command(
    paths: tuple[Path, ...],
    source: str,
    chain: str | None,
    sequences: Path | None,
    dssp: str,
    workers: int | None,
    store_path: Path,
    output: Output,
) -> None:
    """Turn structures into 3Di, DSSP and pLDDT tokens.

    PATHS are PDB, mmCIF or BinaryCIF files (also .gz), folders of them, or tar files. Tokens are
    aligned to the sequence the store knows under the structure's id, else to the structure's own;
    unresolved residues are masked. Files that were done before are not done again.

    \b
    Example:
      sesstore tokens models/ --source alphafold2
      sesstore tokens UP000005640_9606_HUMAN_v4.tar --source alphafold2
      sesstore tokens 1aki.cif.gz --source pdb --chain A
    """
    from sesstore.datasets.fasta import read_fasta
    from sesstore.jobs.tokenize import tokenize
    from sesstore.store import Store

    given = list(read_fasta(sequences)) if sequences else []
    report = tokenize(
        Store.open(store_path, create=True),
        paths,
        source,
        chain=chain,
        sequences=given,
        dssp=dssp,
        workers=workers,
        progress=output,
    )
    before = f" ({report.already_stored:,} done before)" if report.already_stored else ""
    output.line(
        f"{source}: {report.chains:,} chains of {report.structures:,} structures{before}, "
        f"{report.residues:,} residues ({report.coverage:.1%} resolved), "
        f"{len(report.failed):,} failed in {duration(report.seconds)}"
    )
    if report.chains:
        columns = ("resolved", "chains", "residues", "masked")
        output.table(columns, [[row[name] for name in columns] for row in report.table])
    for reason in list(report.failed.values())[:_SHOWN]:
        output.line(f"failed: {reason}")
    if report.failed:
        more = len(report.failed) - _SHOWN
        and_more = f"and {more:,} more; " if more > 0 else ""
        output.line(f"{and_more}list of failures: {report.failed_list}")
    output.result(report.to_json())
    if report.failed:
        raise click.exceptions.Exit(1)
