"""``sesstore push``."""

from __future__ import annotations

from pathlib import Path

import click

from sesstore.memory import size

from .options import output_options, store_option
from .output import Output


@click.command("push")
@click.argument("address", metavar="URL")
@store_option
@output_options
def command(address: str, store_path: Path, output: Output) -> None:
    """Bring to URL everything the store has and it has not.

    URL is a folder (it becomes a store, and any web server can hand it out), or s3://bucket/prefix,
    gs://bucket/prefix or az://container/prefix, with credentials from the environment. An
    interrupted push goes on where it stopped; pushing twice moves nothing. Exit status 1 if a task
    is different there (it stays as it is).

    \b
    Example:
      sesstore push /shared/lab-store
      sesstore push s3://our-lab/embeddings
    """
    from sesstore.sharing.push import push
    from sesstore.store import Store

    report = push(Store.open(store_path), address, progress=output)
    output.line(
        f"{report.to}: {size(report.bytes)} moved; new there: {report.segments:,} segments, "
        f"{report.bundles:,} bundles of sequences and tokens, {report.tasks:,} tasks"
    )
    for name in report.conflicts:
        output.line(f"  task {name} is different there, and stays as it is there")
    output.line(f"take it from there with: sesstore pull {report.to}")
    output.result(report.to_json())
    if report.conflicts:
        raise click.exceptions.Exit(1)
