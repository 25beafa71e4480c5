"""``sesstore gc``."""

from __future__ import annotations

from pathlib import Path

import click

from sesstore.memory import size

from .options import output_options, store_option
from .output import Output

_HOUR = 3600.0


@click.command("gc")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option("--set-aside", is_flag=True, help="Also delete what `repair` set aside.")
@click.option(
    "--older-than",
    type=click.FloatRange(0),
    show_default="60; a day where the store is a URL",
    help="Leave alone what changed within this many minutes.",
)
@store_option
@output_options
def command(
    dry_run: bool, set_aside: bool, older_than: float | None, store_path: Path, output: Output
) -> None:
    """Remove what killed writers left behind.

    What a living writer on this machine has in hand is left alone. In object storage that cannot be
    told, so there only what is old goes, by the clock of the storage: give it longer than a writer
    takes to send a segment. A push that ends meanwhile sends again what it lacks then.

    \b
    Example:
      sesstore gc --dry-run
      sesstore gc --set-aside
      sesstore gc --store s3://our-lab/embeddings --dry-run
    """
    from sesstore.sharing.cache import url_of
    from sesstore.sharing.cleanup import DAY, remote_gc
    from sesstore.store import Store
    from sesstore.store.compaction import gc

    url = url_of(store_path)
    seconds = (DAY if url else _HOUR) if older_than is None else 60 * older_than
    if url:
        report = remote_gc(url, older_than=seconds, set_aside=set_aside, dry_run=dry_run)
    else:
        store = Store.open(store_path)
        report = gc(store, older_than=seconds, set_aside=set_aside, dry_run=dry_run)
    for name in report.removed:
        output.line(f"{'would remove' if dry_run else 'removed'} {name}")
    verb = "would be freed" if dry_run else "freed"
    output.line(f"{len(report.removed):,} leftovers, {size(report.bytes)} {verb}")
    output.result({**report.to_json(), "dry_run": dry_run})
