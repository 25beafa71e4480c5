"""``sesstore plan``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sesstore.memory import size

from .options import flags_of, layers_option, output_options, store_option, weights_option
from .output import Output, duration

if TYPE_CHECKING:
    from sesstore.encoders.registry import EncoderSpec
    from sesstore.jobs.embedding.plan import Throughput, WorkPlan
    from sesstore.jobs.embedding.protein_sets import ProteinSet
    from sesstore.store import Store


@click.command("plan")
@click.option("--plm", required=True, help="Encoder, such as esm2_t36 (see `sesstore plms`).")
@layers_option
@click.option(
    "--proteins",
    "what",
    required=True,
    help="swissprot, human, proteomes10m, uniref50 or uniref90; a file; or a task of the store.",
)
@click.option(
    "--price-per-gb",
    type=click.FloatRange(0),
    help="What moving a gigabyte costs you, in any currency.",
)
@click.option(
    "--measure", is_flag=True, help="Run the encoder for some seconds here, for CPU-hours."
)
@weights_option
@store_option
@output_options
def command(
    plm: str,
    layers: str | None,
    what: str,
    price_per_gb: float | None,
    measure: bool,
    weights: Path | None,
    store_path: Path,
    output: Output,
) -> None:
    """Reckon what embedding takes: work, GPU-hours, bytes, segments, transfer.

    Figures of named sets are rounded; those of a file or task are exact. GPU-hours are reckoned
    from peak figures and an assumed utilisation, and from what the store's own segments took where
    it has some by that encoder. Nothing is embedded.

    \b
    Example:
      sesstore plan --plm esm2_t36 --proteins uniref50
      sesstore plan --plm near --proteins proteome.fasta.gz --measure
    """
    from sesstore.encoders import registry
    from sesstore.encoders.layer_names import LAST, layers_of, parse_layers
    from sesstore.jobs.embedding.plan import plan_work
    from sesstore.jobs.embedding.protein_sets import protein_set
    from sesstore.store import Store

    if weights is not None and not measure:
        raise click.UsageError("--weights belongs to --measure")
    spec = registry.spec(plm)
    stored_layers = parse_layers(layers_of(plm, layers) or LAST, spec)
    # A store that was named has to be there: its tasks and its rates are what is asked for.
    is_needed = bool(flags_of({"store_path"})) or (store_path / "zarr.json").is_file()
    store = Store.open(store_path) if is_needed else None
    proteins = protein_set(what, store)
    measured = _measured(spec, proteins, store, weights, output, probe=measure)
    plan = plan_work(spec, proteins, measured, layers=stored_layers, price_per_gb=price_per_gb)
    say(plan, output)
    output.result(plan.to_json())


def _measured(
    spec: EncoderSpec,
    proteins: ProteinSet,
    store: Store | None,
    weights: Path | None,
    output: Output,
    *,
    probe: bool,
) -> list[Throughput]:
    """What the store's segments took, and what a probe does."""
    from sesstore.jobs.embedding.plan import measured_in

    rates = [] if store is None else measured_in(store, spec)
    if probe:
        from sesstore.jobs.embedding.throughput import measure_throughput

        output.note(f"running {spec.name} for some seconds")
        rates.append(measure_throughput(spec, proteins, weights=weights))
    return rates


def say(plan: WorkPlan, output: Output) -> None:
    """Print a plan."""
    about = "" if plan.exact else "about "
    noun = "layers" if len(plan.layers) > 1 else "layer"
    output.line(
        f"{plan.encoder}, {noun} {', '.join(map(str, plan.layers))}, over {plan.proteins_of} "
        f"({plan.source})"
    )
    output.line(
        f"{about}{plan.proteins:,} proteins, {plan.residues:,} residues, {plan.tokens:,} tokens, "
        f"{plan.flops:.2e} operations"
    )
    if plan.devices:
        rows = [
            [device.title, f"{device.hours:,.1f}", f"{device.segments:,}", device.basis]
            for device in plan.devices
        ]
        output.table(["device", "hours of one", "segments it writes", "basis"], rows)
    else:
        output.line("a lookup: it takes as long as writing the store")
    rows = [
        [
            dtype,
            size(volume),
            f"{plan.segments[dtype]:,}",
            duration(3600 * plan.transfer_hours[dtype]["1_gbit"]),
            duration(3600 * plan.transfer_hours[dtype]["10_gbit"]),
            *([f"{plan.transfer_price[dtype]:,.2f}"] if plan.transfer_price else []),
        ]
        for dtype, volume in plan.bytes.items()
    ]
    price = ["price of transfer"] if plan.transfer_price else []
    output.table(["stored as", "size", "full segments", "1 Gbit/s", "10 Gbit/s", *price], rows)
    output.line(
        f"means of proteins alone (`embed --reduce mean`): {size(plan.mean_bytes['float16'])} as "
        f"float16, {size(plan.mean_bytes['float32'])} as float32"
    )
    output.line(
        f"opened store: {size(plan.index_bytes)} of memory; sequences: "
        f"{size(plan.sequence_bytes)} on disk"
    )
