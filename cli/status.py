"""``sesstore status``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sesstore.memory import size

from .options import output_options, plm_option, store_option
from .output import Output, duration

if TYPE_CHECKING:
    from sesstore.jobs.embedding.status import EncoderStatus

_LISTED = 20


@click.command("status")
@click.argument("what", nargs=-1)
@plm_option
@click.option(
    "--partitions",
    type=click.IntRange(1),
    metavar="N",
    help="Say which of N partitions are not done yet.",
)
@store_option
@output_options
def command(
    what: tuple[str, ...],
    plm: str | None,
    partitions: int | None,
    store_path: Path,
    output: Output,
) -> None:
    """Say how much of WHAT is embedded, over all runs, partitions and machines.

    WHAT are tasks of the store or files; every protein the store knows, if nothing is named.

    \b
    Example:
      sesstore status
      sesstore status deeploc_binary --plm esm2_t36 --partitions 100
    """
    from sesstore.jobs.embedding.status import status
    from sesstore.jobs.inputs import chosen_encoder
    from sesstore.jobs.proteinfiles import proteins_named
    from sesstore.store import Store

    store = Store.open(store_path)
    candidates = store.encoders() if plm is None else [chosen_encoder(store, plm)]
    encoders = [provenance for provenance in candidates if provenance is not None]
    proteins = proteins_named(store, what) if what else None
    statuses = status(store, encoders, proteins, partitions=partitions)
    for encoder_status in statuses:
        _say(encoder_status, output)
    if not statuses:
        output.line(f"nothing is embedded{f' by {plm}' if plm else ''} yet")
    output.result({"encoders": [encoder_status.to_json() for encoder_status in statuses]})


def _say(encoder: EncoderStatus, output: Output) -> None:
    rows = [
        [
            "proteins",
            f"{encoder.done:,} of {encoder.proteins:,}",
            _share(encoder.done, encoder.proteins),
        ],
        [
            "residues",
            f"{encoder.residues_done:,} of {encoder.residues:,}",
            _share(encoder.residues_done, encoder.residues),
        ],
        ["segments", f"{encoder.segments:,}", f"{encoder.duplicates:,} embeddings twice"],
        ["last commit", encoder.last_commit or "-", ""],
    ]
    if encoder.seconds_left and encoder.residues_per_s:
        remaining = f"{duration(encoder.seconds_left)} left at that rate"
        rows.append(["rate", f"{encoder.residues_per_s:,.0f} residues/s", remaining])
    identity = f"{encoder.fingerprint}, layer {encoder.layer}"
    output.table(["embeddings", encoder.encoder, identity], rows)
    for segment in encoder.unfinished:
        output.line(
            f"unfinished: {segment.path} ({size(segment.bytes)}, written to "
            f"{duration(segment.idle_seconds)} ago); if its writer died, `sesstore gc` removes it"
        )
    _say_partitions(encoder, output)


def _say_partitions(encoder: EncoderStatus, output: Output) -> None:
    if not encoder.partitions:
        return
    open_ones = [part for part in encoder.partitions if part.done < part.proteins]
    output.line(
        f"{len(encoder.partitions) - len(open_ones)} of {len(encoder.partitions)} partitions done"
    )
    if open_ones:
        output.line(f"to do: {','.join(str(part.partition) for part in open_ones)}")
        output.table(
            ["partition", "proteins", "done", "residues", "done"],
            [list(vars(part).values()) for part in open_ones[:_LISTED]],
        )


def _share(part: int, total: int) -> str:
    return f"{part / total:.1%}" if total else "-"
