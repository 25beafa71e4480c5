"""``sesstore status``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import output_options, plm_option, store_option
from .output import Output, duration, size

if TYPE_CHECKING:
    from sesstore.jobs.status import EncoderStatus

_SHOWN = 20


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
    from sesstore.jobs.inputs import chosen_encoder
    from sesstore.jobs.proteinfiles import proteins_named
    from sesstore.jobs.status import status
    from sesstore.store import Store

    store = Store.open(store_path)
    chosen = store.encoders() if plm is None else [chosen_encoder(store, plm)]
    encoders = [provenance for provenance in chosen if provenance is not None]
    proteins = proteins_named(store, what) if what else None
    found = status(store, encoders, proteins, partitions=partitions)
    for one in found:
        _say(one, output)
    if not found:
        output.line(f"nothing is embedded{f' by {plm}' if plm else ''} yet")
    output.result({"encoders": [one.to_json() for one in found]})


def _say(one: EncoderStatus, output: Output) -> None:
    rows = [
        ["proteins", f"{one.done:,} of {one.proteins:,}", _share(one.done, one.proteins)],
        [
            "residues",
            f"{one.residues_done:,} of {one.residues:,}",
            _share(one.residues_done, one.residues),
        ],
        ["segments", f"{one.segments:,}", f"{one.duplicates:,} embeddings twice"],
        ["last commit", one.last_commit or "-", ""],
    ]
    if one.seconds_left and one.residues_per_s:
        left = f"{duration(one.seconds_left)} left at that rate"
        rows.append(["rate", f"{one.residues_per_s:,.0f} residues/s", left])
    output.table(["embeddings", one.encoder, one.fingerprint], rows)
    for segment in one.unfinished:
        output.line(
            f"unfinished: {segment.path} ({size(segment.bytes)}, written to "
            f"{duration(segment.idle_seconds)} ago); if its writer died, `sesstore gc` removes it"
        )
    _say_partitions(one, output)


def _say_partitions(one: EncoderStatus, output: Output) -> None:
    if not one.partitions:
        return
    open_ones = [part for part in one.partitions if part.done < part.proteins]
    output.line(f"{len(one.partitions) - len(open_ones)} of {len(one.partitions)} partitions done")
    if open_ones:
        output.line(f"to do: {','.join(str(part.partition) for part in open_ones)}")
        output.table(
            ["partition", "proteins", "done", "residues", "done"],
            [list(vars(part).values()) for part in open_ones[:_SHOWN]],
        )


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"
