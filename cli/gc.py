"""``sesstore gc``."""

from __future__ import annotations

from pathlib import Path

import click

from .options import output_options, store_option
from .output import Output, size


@click.command("gc")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option("--set-aside", is_flag=True, help="Also delete what `repair` set aside.")
@click.option(
    "--older-than",
    type=click.FloatRange(0),
    default=60.0,
    show_default=True,
    help="Leave alone what changed within this many minutes.",
)
@store_option
@output_options
def command(
    dry_run: bool, set_aside: bool, older_than: float, store_path: Path, output: Output
) -> None:
    """Remove what killed writers left behind.

    What a living writer on this machine has in hand is left alone.

    \b
    Example:
      sesstore gc --dry-run
      sesstore gc --set-aside
    """
    from sesstore.store import Store
    from sesstore.store.compaction import gc

    report = gc(
        Store.open(store_path), older_than=60 * older_than, set_aside=set_aside, dry_run=dry_run
    )
    for name in report.removed:
        output.line(f"{'would remove' if dry_run else 'removed'} {name}")
    verb = "would be freed" if dry_run else "freed"
    output.line(f"{len(report.removed):,} leftovers, {size(report.bytes)} {verb}")
    output.result({**report.to_json(), "dry_run": dry_run})
