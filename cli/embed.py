"""``sesstore embed``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sesstore.memory import size

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
    from sesstore.encoders.base import Encoder
    from sesstore.jobs.embedding.embed import EmbedReport
    from sesstore.jobs.embedding.missing_proteins import EmbedPlan
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
    from sesstore.encoders import registry
    from sesstore.encoders.folder_spec import is_folder_name
    from sesstore.encoders.layer_names import parse_layers
    from sesstore.jobs.embedding.partition import Partition, select
    from sesstore.jobs.embedding.structure_source import coverage_note, structure_source
    from sesstore.jobs.inputs import check_inputs
    from sesstore.sharing.cache import url_of

    if workers is not None and engine == "local":
        raise click.UsageError("--workers belongs to --engine ray")
    # Means may come from residues that were imported, by no encoder of ours.
    name = plm if reduction else registry.short_name(plm)
    if layers is not None and "@" in plm:
        raise click.UsageError(f"'{plm}' names a layer already. Leave --layer out")
    if layers is not None:
        parse_layers(layers, registry.spec(plm))
    if is_folder_name(plm):
        output.note(
            f"{plm} runs by its library's forward, on padded batches: slow beside the encoders of "
            f"`sesstore plms`"
        )
    part = None if partition is None else Partition.parse(partition, os.environ)
    if url_of(store_path) is None:
        check_inputs(what, tasks_at(store_path))

    # These import torch, which takes seconds: a wrong name is known before.
    from sesstore.jobs.cluster.connection import Cluster, connected
    from sesstore.jobs.cluster.ray_embed import embed_on_ray, encoder_for_workers
    from sesstore.jobs.embedding.embed import embed
    from sesstore.jobs.embedding.means import MeanEncoder, mean_encoder, means_of
    from sesstore.jobs.embedding.missing_proteins import plan_embedding
    from sesstore.jobs.proteinfiles import checked_proteins

    store = store_to_write(store_path, output, create=bool(what) and part is None)
    proteins: Iterable[Protein] | None = None
    if what:
        proteins = checked_proteins(store, what, lambda text: output.note(f"warning: {text}"))
    if part is not None:
        proteins = partition_proteins = select(store, proteins, part)
        output.note(f"partition {part}: {len(partition_proteins):,} sequences")
    elif "SLURM_ARRAY_TASK_ID" in os.environ:
        output.note("this task of a Slurm job array does all; its part only: --partition slurm")
    options: dict[str, Any] = {"weights": weights, "long": long_policy, "precision": precision}
    options["layers"] = layers
    structure = structure_source(store, name, source, min_plddt)
    if structure is not None and engine == "ray":
        raise click.UsageError(
            f"{plm} reads the store's structure tokens, which Ray's workers have not. Use "
            f"--partition instead"
        )
    cluster = Cluster(address, workers, threads or 1)
    with connected(cluster) if engine == "ray" else nullcontext() as ray:
        run: Callable[..., EmbedReport]
        if ray is None:
            load: Callable[..., Encoder] = partial(
                registry.load, name, device=device, threads=threads, structure=structure, **options
            )
            if reduction:
                load = partial(means_of, store, name, load)
            encoder = load()
            reference = partial(load, precision="fp32")
            run = partial(embed, store, encoder, make_reference=reference)
        else:
            encoder, make_encoder, gpus = encoder_for_workers(
                ray, name, cluster, device=device, **options
            )
            if reduction:
                encoder, make_encoder = MeanEncoder(encoder), partial(mean_encoder, make_encoder)
            run = partial(embed_on_ray, store, encoder, make_encoder, cluster=cluster, gpus=gpus)
            run = partial(run, location=url_of(store_path))  # a folder's workers take its own path
        # Proteins of a partition are known to the store, and must not be written by many machines.
        plan = plan_embedding(store, encoder, proteins, dtype=dtype, all_stored=part is not None)
        say_plan(plan, encoder.name, output, url_of(store_path))
        if structure is not None and plan.todo:
            output.note(coverage_note(store, structure.name, plan.todo.digests))
        report = run(dtype=dtype, plan=plan, progress=output)
    say_report(report, output)
    output.result(asdict(report))
    if report.failed:
        raise click.exceptions.Exit(1)


def say_plan(plan: EmbedPlan, plm: str, output: Output, url: str | None = None) -> None:
    """Say what is about to be done, to a folder or to a URL."""
    if not plan.todo:
        output.note(
            f"all {plan.already_stored:,} sequences are already embedded with {plm}: nothing to do"
        )
        return
    place = f"in {url}" if url else f"on disk ({size(plan.free_bytes)} free)"
    output.note(
        f"{len(plan.todo):,} of {plan.proteins:,} sequences to embed with {plm}: "
        f"{plan.residues:,} residues, {size(plan.bytes)} {place}"
    )


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
