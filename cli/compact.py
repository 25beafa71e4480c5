"""``sesstore compact``."""

from __future__ import annotations

from pathlib import Path

import click

from sesstore.memory import size

from .options import output_options, plm_option, store_option
from .output import Output


@click.command("compact")
@plm_option
@click.option(
    "--target-mb",
    type=click.IntRange(1),
    default=2048,
    show_default=True,
    help="Segments smaller than half of this are merged, up to this size (in MB).",
)
@store_option
@output_options
def command(plm: str | None, target_mb: int, store_path: Path, output: Output) -> None:
    """Merge small segments into larger ones and drop duplicates.

    Safe at any time: readers and writers go on, and an interruption loses nothing.

    \b
    Example:
      sesstore compact
      sesstore compact --plm esm2_t33
    """
    from sesstore.store import Store
    from sesstore.store.compaction import compact

    report = compact(
        Store.open(store_path), plm, target_bytes=target_mb * 1_000_000, progress=output
    )
    output.line(
        f"{report.segments_before:,} segments became {report.segments_after:,}; "
        f"{report.duplicates:,} duplicates dropped, {size(max(0, report.bytes_freed))} freed"
    )
    for name in report.set_aside:
        output.line(f"not sesstore's, and kept: {store_path / name}")
    output.result(report.to_json())
