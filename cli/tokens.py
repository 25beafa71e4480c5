"""``sesstore tokens``."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .matching import say_matching
from .options import engine_options, flags_of, output_options, store_option, weights_option
from .output import Output, duration
from .stores import store_to_write

if TYPE_CHECKING:
    from sesstore.jobs.tokenizing.token_report import TokenReport

_LISTED = 10
"""Failures shown in full; the list has all."""

_REMARKS = 3
"""Examples shown of each remark; --json has ten."""

_FORMATS = (
    "foldseek-db",
    "foldseek-tsv",
    "dssp",
    "saprot",
    "3di-fasta",
    "dssp-fasta",
    "ss3-fasta",
    "fasta",
    "codes",
)


_APART = (
    ("format_", "--import", ("chain", "dssp", "workers", "stride")),
    ("trajectory", "--trajectory", ("workers", "head")),
    (
        "head",
        "--prostt5",
        ("chain", "sequences", "dssp", "workers", "format_", "alphabet", "only_known"),
    ),
)
"""Parameter, its option, and parameters that would say nothing beside it."""


@click.command("tokens")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
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
@click.option(
    "--trajectory",
    type=click.Path(path_type=Path),
    help="Take the frames of a simulation as conformers: .xtc, .trr, .dcd, .nc, ...",
)
@click.option(
    "--topology", type=click.Path(path_type=Path), help="The trajectory's .pdb, .gro, .prmtop, ..."
)
@click.option(
    "--stride",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Every so many frames of the trajectory.",
)
@click.option(
    "--import",
    "format_",
    type=click.Choice(_FORMATS),
    help="PATHS are ready tokens of another tool, in this format.",
)
@click.option("--alphabet", help="Of the tokens, with --import fasta or codes: esm3, ...")
@click.option(
    "--only-known",
    is_flag=True,
    help="With --import: leave out proteins that are neither given nor in the store.",
)
@click.option(
    "--prostt5",
    "head",
    type=click.Path(path_type=Path),
    help="Predict 3Di from sequence with ProstT5 and this head (cnn_chkpnt/model.pt); PATHS are "
    "tasks or sequence files.",
)
@weights_option
@engine_options
@store_option
@output_options
def command(
    paths: tuple[Path, ...],
    source: str,
    chain: str | None,
    sequences: Path | None,
    dssp: str,
    workers: int | None,
    trajectory: Path | None,
    topology: Path | None,
    stride: int,
    format_: str | None,
    alphabet: str | None,
    only_known: bool,
    head: Path | None,
    weights: Path | None,
    engine: str,
    address: str | None,
    store_path: Path,
    output: Output,
) -> None:
    """Turn structures into 3Di, DSSP and pLDDT tokens, or import ready ones.

    PATHS are PDB, mmCIF, BinaryCIF or Foldcomp files (also .gz), folders of them, tar files,
    Foldcomp databases, or models of AlphaFold DB by accession (afdb:P69905,... or afdb:list.txt).
    Tokens are aligned to the sequence the store knows under the structure's id, else to the
    structure's own; unresolved residues are masked. Files that were done before are not done again.

    \b
    Example:
      sesstore tokens models/ --source alphafold2
      sesstore tokens UP000005640_9606_HUMAN_v4.tar --source alphafold2
      sesstore tokens afdb:P69905,P68871 --source alphafold2
      sesstore tokens models/ --source alphafold2 --engine ray --address auto
      sesstore tokens 1aki.cif.gz --source pdb --chain A
      sesstore tokens --trajectory run.xtc --topology top.pdb --source md
      sesstore tokens DB --import foldseek-db --source alphafold2 --only-known
      sesstore tokens esm3/ --import codes --alphabet esm3 --source alphafold2
      sesstore tokens deeploc_binary --prostt5 model.pt --source prostt5
    """
    from sesstore.datasets.fasta import read_fasta
    from sesstore.jobs.accessions import structure_paths
    from sesstore.jobs.cluster.connection import Cluster, connected
    from sesstore.jobs.cluster.ray_map import ordered_on_ray
    from sesstore.jobs.tokenizing.importtokens import import_tokens
    from sesstore.jobs.tokenizing.tokenize import tokenize, tokenize_trajectory
    from sesstore.sharing.cache import url_of
    from sesstore.structures.structure_files import structure_files
    from sesstore.structures.trajectory import Trajectory

    _check(paths, trajectory, topology, format_)
    _check_apart()
    if head is not None and engine == "ray":
        raise click.UsageError("--engine ray is for structure files; embed with it, then predict")
    if head is not None:
        _predict(paths, head, weights, source, store_path, output)
        return
    if only_known and format_ is None:
        raise click.UsageError("--only-known belongs to --import")
    if alphabet is not None and format_ is None:
        raise click.UsageError("--alphabet belongs to --import")
    entries = list(read_fasta(sequences)) if sequences else []
    files = structure_files(structure_paths(paths, output.note)) if format_ is None else []
    if engine == "ray" and not files:
        raise click.UsageError("--engine ray is for structure files")
    if engine == "ray":
        files = [file.absolute() for file in files]  # workers may stand elsewhere
    store = store_to_write(store_path, output)
    if trajectory is not None:
        report = tokenize_trajectory(
            store,
            Trajectory(trajectory, topology, stride),
            source,
            chain=chain,
            sequences=entries,
            dssp=dssp,
            progress=output,
        )
    elif format_ is not None:
        report = import_tokens(
            store,
            paths,
            source,
            format_,
            alphabet=alphabet,
            sequences=entries,
            only_known=only_known,
            progress=output,
        )
    else:
        cluster = Cluster(address, workers)
        with connected(cluster) if engine == "ray" else nullcontext() as ray:
            report = tokenize(
                store,
                files,
                source,
                chain=chain,
                sequences=entries,
                dssp=dssp,
                workers=workers,
                over=None if ray is None else partial(ordered_on_ray, ray, cluster),
                progress=output,
            )
    folder = Path() if url_of(store_path) else store.path / "tokens"
    report.write_failures(folder / f"{source}.failed.tsv")
    report.write_unmatched(folder / f"{source}.unmatched.tsv")
    _say(report, "structures" if format_ is None else "entries", output)
    fate = "left out" if only_known else "stored for their own sequences"
    say_matching(report, fate, output)
    output.result(report.to_json())
    if report.failed:
        raise click.exceptions.Exit(1)


def _predict(
    paths: tuple[Path, ...],
    head: Path,
    weights: Path | None,
    source: str,
    store_path: Path,
    output: Output,
) -> None:
    """Predict 3Di for tasks and sequence files."""
    from sesstore.encoders import registry
    from sesstore.jobs.proteinfiles import proteins_named
    from sesstore.jobs.tokenizing.predict3di import ENCODER, predict_3di
    from sesstore.sharing.cache import url_of
    from sesstore.store import Store

    if url_of(store_path):
        raise click.UsageError("--prostt5 reads embeddings: run it on a folder, and push that")
    store = Store.open(store_path, create=True)
    proteins = proteins_named(store, map(str, paths))
    encoder = registry.load(ENCODER, weights=weights)
    report = predict_3di(store, proteins, encoder, head, source=source, progress=output)
    report.write_failures(store.path / "tokens" / f"{source}.failed.tsv")
    _say(report, "proteins", output)
    output.result(report.to_json())
    if report.failed:
        raise click.exceptions.Exit(1)


def _check(
    paths: tuple[Path, ...], trajectory: Path | None, topology: Path | None, format_: str | None
) -> None:
    """Raise unless exactly one thing is asked for."""
    if bool(paths) == (trajectory is not None):
        raise click.UsageError("name structure files or folders, or one --trajectory")
    if trajectory is not None and format_ is not None:
        raise click.UsageError("--import takes PATHS, not a --trajectory")
    if topology is not None and trajectory is None:
        raise click.UsageError("--topology belongs to a --trajectory")


def _check_apart() -> None:
    """Raise for options that say nothing beside another, or without one."""
    for name, flag, apart in _APART:
        if flags_of([name]) and (flags := flags_of(apart)):
            raise click.UsageError(f"{flag} takes no {', '.join(flags)}")
    for name, owner, flag in (("stride", "trajectory", "a --trajectory"),
                              ("weights", "head", "--prostt5")):  # fmt: skip
        if flags_of([name]) and not flags_of([owner]):
            raise click.UsageError(f"--{name} belongs to {flag}")


def _say(report: TokenReport, unit: str, output: Output) -> None:
    duplicates = f" ({report.already_stored:,} stored before)" if report.already_stored else ""
    new = f" ({report.new_sequences:,} new to the store)" if report.new_sequences else ""
    models = f", up to {report.conformers:,} conformers" if report.conformers > 1 else ""
    output.line(
        f"{report.source}: {report.chains:,} chains of {report.structures:,} {unit}{duplicates}, "
        f"{report.sequences:,} sequences{new}{models}, {report.residues:,} residues "
        f"({report.coverage:.1%} resolved), {len(report.failed):,} failed in "
        f"{duration(report.seconds)}"
    )
    rows = [list(row.values()) for row in report.table if row["chains"]]
    if rows and report.coverage < 1:
        output.table(list(report.table[0]), rows)
    if report.plddt:
        output.line(f"pLDDT for {report.plddt:,} of {report.chains + report.passed_over:,} chains")
    for kind, about in report.remarks.items():
        examples = "; ".join(about["examples"][:_REMARKS])
        ellipsis = "; ..." if about["count"] > _REMARKS else ""
        output.line(f"{kind}: {about['count']:,} ({examples}{ellipsis})")
    for reason in list(report.failed.values())[:_LISTED]:
        output.line(f"failed: {reason}")
    if report.failed:
        unlisted = len(report.failed) - _LISTED
        and_more = f"and {unlisted:,} more; " if unlisted > 0 else ""
        output.line(f"{and_more}list of failures: {report.failed_list}")
