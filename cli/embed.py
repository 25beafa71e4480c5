"""``sesstore embed``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import output_options, store_option, weights_option
from .output import Output, duration, size

if TYPE_CHECKING:
    from sesstore.jobs.embed import EmbedPlan, EmbedReport


@click.command("embed")
@click.argument("what", nargs=-1)
@click.option("--plm", required=True, help="Encoder, such as esm2_t33 or near.")
@weights_option
@click.option("--device", help="cpu, cuda, cuda:1, ...; the best there is by default.")
@click.option(
    "--dtype",
    type=click.Choice(["float16", "float32", "int8"]),
    default="float16",
    show_default=True,
    help="How values are stored.",
)
@click.option(
    "--long",
    "long_policy",
    type=click.Choice(["windows", "nterm"]),
    default="windows",
    show_default=True,
    help="Proteins beyond the window: overlapping windows, or the first window only.",
)
@store_option
@output_options
def command(
    what: tuple[str, ...],
    plm: str,
    weights: Path | None,
    device: str | None,
    dtype: str,
    long_policy: str,
    store_path: Path,
    output: Output,
) -> None:
    """Run a PLM once over WHAT: tasks of the store, or files (FASTA, JSON lines, CSV).

    With nothing named: over every protein the store knows and lacks. What is stored already is
    never computed again, so an interrupted run goes on where it stopped.

    \b
    Example:
      sesstore embed --plm esm2_t33
      sesstore embed --plm near proteome.fasta.gz
    """
    from sesstore.encoders import registry
    from sesstore.jobs.add import proteins_named
    from sesstore.jobs.embed import embed, plan_embedding
    from sesstore.store import Store

    spec = registry.spec(plm)
    store = Store.open(store_path, create=bool(what))
    proteins = proteins_named(store, what) if what else None
    encoder = registry.load(spec.name, weights=weights, device=device, long=long_policy)
    plan = plan_embedding(store, encoder, proteins, dtype=dtype)
    say_plan(plan, spec.name, output)
    report = embed(store, encoder, proteins, dtype=dtype, plan=plan, progress=output)
    say_report(report, output)
    output.result(asdict(report))
    if report.failed:
        raise click.exceptions.Exit(1)


def say_plan(plan: EmbedPlan, plm: str, output: Output) -> None:
    """Say what is about to be done."""
    if not plan.todo:
        output.note(
            f"all {plan.already_stored:,} sequences are already embedded with {plm}: nothing to do"
        )
        return
    output.note(
        f"{len(plan.todo):,} of {plan.proteins:,} sequences to embed with {plm}: "
        f"{plan.residues:,} residues, {size(plan.bytes)} on disk ({size(plan.free_bytes)} free)"
    )


def say_report(report: EmbedReport, output: Output) -> None:
    """Say what was done."""
    output.line(
        f"{report.encoder} {report.fingerprint}: {report.encoded:,} encoded, "
        f"{report.already_stored:,} already stored, {len(report.failed):,} failed "
        f"in {duration(report.seconds)}"
    )
    for label, reason in report.failed.items():
        output.line(f"  failed: {label}: {reason}")
