"""``sesstore merge``."""

from __future__ import annotations

from pathlib import Path

import click

from .options import output_options, store_option
from .output import Output
from .pull import say_pull


@click.command("merge")
@click.argument("sources", metavar="STORE...", nargs=-1, required=True)
@store_option
@output_options
def command(sources: tuple[str, ...], store_path: Path, output: Output) -> None:
    """Take into the store everything that other stores have: set union.

    The others are not changed. A task or tokens that are different here stay as they are, are
    named, and make the exit status 1.

    \b
    Example:
      sesstore merge /scratch/part1/store /scratch/part2/store
    """
    from sesstore.sharing.pull import merge
    from sesstore.store import Store

    stores = [Store.open(path) for path in sources]
    reports = []
    for store in stores:
        report = merge(store_path, store, progress=output)
        say_pull(report, output)
        reports.append(report.to_json())
    output.result({"merged": reports})
    if any(report["conflicts"] for report in reports):
        raise click.exceptions.Exit(1)
