"""``sesstore tokens``."""

from __future__ import annotations

from pathlib import Path

import click

from .options import output_options, store_option
from .output import Output, duration


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
@click.option("--workers", type=click.IntRange(1), help="Processes; one a core by default.")
@store_option
@output_options
def command(
    paths: tuple[Path, ...],
    source: str,
    chain: str | None,
    sequences: Path | None,
    workers: int | None,
    store_path: Path,
    output: Output,
) -> None:
    """Turn structures (PDB, mmCIF, also .gz; files or folders) into 3Di, DSSP and pLDDT tokens.

    Tokens are aligned to the sequence the store knows under the structure's id, else to the
    structure's own; unresolved residues are masked.

    \b
    Example:
      sesstore tokens models/ --source alphafold2
      sesstore tokens 1aki.cif.gz --source pdb --chain A
    """
    from sesstore.datasets.fasta import read_fasta
    from sesstore.jobs.tokenize import tokenize
    from sesstore.store import Store
    from sesstore.structures.tokenise import structure_files

    given = list(read_fasta(sequences)) if sequences else []
    files = structure_files(paths)
    report = tokenize(
        Store.open(store_path, create=True),
        files,
        source,
        chain=chain,
        sequences=given,
        workers=workers,
        progress=output,
    )
    output.line(
        f"{source}: {report.chains:,} chains of {report.structures:,} structures, "
        f"{report.residues:,} residues ({report.coverage:.1%} resolved), "
        f"{len(report.failed):,} failed in {duration(report.seconds)}"
    )
    for name, reason in report.failed.items():
        output.line(f"  failed: {name}: {reason}")
    output.result(report.to_json())
    if report.failed:
        raise click.exceptions.Exit(1)
