"""``sesstore embed``."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import (
    device_option,
    engine_options,
    layers_option,
    output_options,
    precision_option,
    store_option,
    weights_option,
)
from .output import Output, duration
from .stores import store_to_write, tasks_at

if TYPE_CHECKING:
    from sesstore.jobs.embedding.embed import EmbedReport
    from sesstore.proteins import Protein

_NAMED = 10
"""Proteins that failed for one reason are listed so far; --json has all."""


@click.command("embed")
@click.argument("what", nargs=-1)
@click.option(
    "--plm", required=True, help="Encoder, such as esm2_t33 or near; or hf:FOLDER, onnx:FILE."
)
@layers_option
@weights_option
@device_option
@click.option(
    "--dtype",
    type=click.Choice(["float16", "float32", "int8"]),
    default="float16",
    show_default=True,
    help="How values are stored.",
)
@click.option(
    "--reduce",
    "reduction",
    type=click.Choice(["mean"]),
    help="Keep one row a protein, the mean of its residues; stored residues are used.",
)
@click.option(
    "--long",
    "long_policy",
    type=click.Choice(["windows", "nterm"]),
    default="windows",
    show_default=True,
    help="Proteins beyond the window: overlapping windows, or the first window only.",
)
@precision_option
@click.option(
    "--source", help="For SaProt: whose 3Di tokens it reads; the store's only ones by default."
)
@click.option(
    "--min-plddt",
    type=click.IntRange(0, 100),
    default=0,
    help="For SaProt: mask tokens of residues below (its authors take 70 for AlphaFold2).",
)
@click.option(
    "--partition",
    metavar="I/N",
    help="Do only the I-th of N equal parts; 'slurm': that of this task of a job array.",
)
@engine_options
@click.option(
    "--workers",
    type=click.IntRange(1),
    help="With --engine ray: how many; one a GPU, or one a CPU, by default.",
)
@click.option(
    "--threads", type=click.IntRange(1), help="CPU threads: all cores by default; 1 a Ray worker."
)
@store_option
@output_options
def command(
    what: tuple[str, ...],
    plm: str,
    layers: str | None,
    weights: Path | None,
    device: str | None,
    dtype: str,
    reduction: str | None,
    long_policy: str,
    precision: str | None,
    source: str | None,
    min_plddt: int,
    partition: str | None,
    engine: str,
    address: str | None,
    workers: int | None,
    threads: int | None,
    store_path: Path,
    output: Output,
) -> None:
    """Run a PLM once over WHAT: tasks of the store, or files (FASTA, tables, JSON).

    With nothing named: over every protein the store knows and lacks. What is stored already is
    never computed again, so an interrupted run goes on where it stopped. One pass gives all layers
    that --layer names, and none runs that is not needed for them: --layer 6 of 12 takes half the
    time.

    With --reduce mean only the mean of each protein is kept, a thousandth of the bytes: enough for
    `sesstore search` and simple models, not for adapters.

    SaProt reads the 3Di tokens of --source beside the sequence. Proteins without any are not
    encoded; they are counted, and the exit status is 1.

    \b
    Example:
      sesstore embed --plm esm2_t33
      sesstore embed --plm near proteome.fasta.gz
      sesstore embed --plm esm2_t33 --reduce mean
      sesstore embed --plm esm2_t12 --layer 6,9,12 deeploc_binary
      sesstore embed --plm saprot_650m --source alphafold2
      sesstore embed --plm esm2_t36 --engine ray --address auto
      sesstore embed --plm esm2_t36 --partition 3/10
    """
    from sesstore.jobs.cluster.connection import Cluster
    from sesstore.jobs.embed_store import EmbedSettings, embed_store
    from sesstore.jobs.embedding.partition import Partition
    from sesstore.jobs.inputs import check_inputs
    from sesstore.jobs.proteinfiles import checked_proteins
    from sesstore.sharing.cache import url_of

    if workers is not None and engine == "local":
        raise click.UsageError("--workers belongs to --engine ray")
    part = None if partition is None else Partition.parse(partition, os.environ)
    settings = EmbedSettings(
        plm=plm,
        layers=layers,
        weights=weights,
        device=device,
        threads=threads,
        precision=precision,
        long=long_policy,
        dtype=dtype,
        means=reduction is not None,
        source=source,
        min_plddt=min_plddt,
        partition=part,
        cluster=Cluster(address, workers, threads or 1) if engine == "ray" else None,
    )
    url = url_of(store_path)
    if url is None:
        check_inputs(what, tasks_at(store_path))
    store = store_to_write(store_path, output, create=bool(what) and part is None)
    proteins: Iterable[Protein] | None = None
    if what:
        proteins = checked_proteins(store, what, lambda text: output.note(f"warning: {text}"))
    report = embed_store(store, settings, proteins, location=url, progress=output)
    say_report(report, output)
    output.result(asdict(report))
    if report.failed:
        raise click.exceptions.Exit(1)


def say_report(report: EmbedReport, output: Output) -> None:
    """Say what was done."""
    prints = [f"layer {layer} {short}" for layer, short in report.layers.items()]
    which = report.fingerprint if len(prints) == 1 else ", ".join(prints)
    output.line(
        f"{report.encoder} {which}: {report.encoded:,} encoded, "
        f"{report.already_stored:,} already stored, {len(report.failed):,} failed "
        f"in {duration(report.seconds)}"
    )
    by_reason: dict[str, list[str]] = {}
    for label, reason in report.failed.items():
        by_reason.setdefault(reason, []).append(label)
    for reason, labels in by_reason.items():
        more = f" and {len(labels) - _NAMED:,} more" if labels[_NAMED:] else ""
        output.line(f"  failed: {', '.join(labels[:_NAMED])}{more}: {reason}")
