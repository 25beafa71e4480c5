"""``sesstore repair``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import output_options, store_option
from .output import Output

if TYPE_CHECKING:
    from sesstore.store.repair import RepairReport

_SHOWN = 10


@click.command("repair")
@store_option
@output_options
def command(store_path: Path, output: Output) -> None:
    """Verify a store and set right what is wrong; say what has to be made again.

    Nothing is deleted: what is broken moves to set-aside/ inside the store. Run it while nobody
    writes. Exit status 1 if anything has to be made again.

    \b
    Example:
      sesstore repair
      sesstore repair --json > repaired.json
    """
    from sesstore.store.repair import repair

    report = repair(store_path, progress=output)
    for what, names in (("set aside", report.set_aside), ("rebuilt", report.rebuilt)):
        for name in names:
            output.line(f"{what}: {name}")
    lost = _say_lost(report, output)
    if not report.set_aside and not report.rebuilt:
        output.line("nothing was wrong")
    elif not lost:
        output.line("all is sound again, and nothing was lost")
    output.result({**report.to_json(), "lost": lost})
    if lost:
        raise click.exceptions.Exit(1)


def _say_lost(report: RepairReport, output: Output) -> bool:
    """Say what has to be made again, and how; whether there is anything."""
    for encoder, digests in report.embed_again.items():
        _list(output, f"embed again with {encoder} (`sesstore embed`)", digests)
    for source, digests in report.tokens_lost.items():
        _list(output, f"tokens lost of {source} (`sesstore tokens`)", digests)
    _list(output, "sequences lost (`sesstore add`)", report.sequences_lost)
    _list(output, "tasks lost (`sesstore add`)", report.tasks_lost)
    _list(output, "alphabets to declare again (`sesstore alphabets`)", report.alphabets_lost)
    _list(output, "segments that no longer say what they held", report.unlisted)
    return bool(
        report.embed_again
        or report.tokens_lost
        or report.sequences_lost
        or report.tasks_lost
        or report.alphabets_lost
        or report.unlisted
    )


def _list(output: Output, what: str, names: list[str]) -> None:
    if names:
        shown = ", ".join(name[:64] for name in names[:_SHOWN])
        more = f" and {len(names) - _SHOWN:,} more (see --json)" if len(names) > _SHOWN else ""
        output.line(f"{len(names):,} {what}: {shown}{more}")
