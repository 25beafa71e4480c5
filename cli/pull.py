"""``sesstore pull``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sesstore.memory import size

from .options import comma_list, output_options, store_option
from .output import Output

if TYPE_CHECKING:
    from sesstore.sharing.pull_context import PullReport

_CONFLICT_LINES = 5


@click.command("pull")
@click.argument("address", metavar="URL")
@click.option("--task", "tasks", multiple=True, help="Only this task and its proteins; repeatable.")
@click.option(
    "--ids",
    type=click.Path(path_type=Path),
    help="Only the proteins in this list: one id (or digest) a line, or FASTA.",
)
@click.option("--plm", "plms", callback=comma_list, help="Only these encoders, or none.")
@click.option("--source", "sources", callback=comma_list, help="Only these tokens, or none.")
@store_option
@output_options
def command(
    address: str,
    tasks: tuple[str, ...],
    ids: Path | None,
    plms: tuple[str, ...] | None,
    sources: tuple[str, ...] | None,
    store_path: Path,
    output: Output,
) -> None:
    """Bring into the store what URL has: all of it, or only what is needed.

    URL is a folder, s3://, gs://, az://, https:// or http://. Every byte is checked on arrival.
    With --task, --ids or --plm only the parts that are needed are fetched. An interrupted pull goes
    on where it stopped. For a server that asks for a token, put it into a file and name that in
    SESSTORE_TOKEN_FILE. Exit status 1 if a task or tokens are different here (they stay).

    \b
    Example:
      sesstore pull https://lab.example.org/store --task ec --plm esm2_t33
      sesstore pull s3://our-lab/embeddings --ids wanted.txt
    """
    from sesstore.exchange.selection import read_ids
    from sesstore.sharing.pull import pull
    from sesstore.sharing.pull_context import Selection

    listed = tuple(read_ids(ids)) if ids else ()
    report = pull(store_path, address, Selection(tasks, listed, plms, sources), progress=output)
    say_pull(report, output)
    output.result(report.to_json())
    if report.conflicts:
        raise click.exceptions.Exit(1)


def say_pull(report: PullReport, output: Output) -> None:
    """Say what came."""
    segments = f"{report.segments:,} whole segments and parts of {report.partial_segments:,}"
    output.line(
        f"{report.source}: {size(report.bytes)} moved; new here: {report.proteins:,} sequences, "
        f"tokens of {report.tokens:,}, {report.embeddings:,} embeddings ({segments}), "
        f"tasks: {', '.join(report.tasks) or 'none'}"
    )
    if report.missing:
        output.line(f"  {report.missing:,} proteins have no embedding there: `sesstore embed`")
    for name in report.conflicts[:_CONFLICT_LINES]:
        output.line(f"  {name} is different here, and stays as it is here")
    if len(report.conflicts) > _CONFLICT_LINES:
        output.line(f"  and {len(report.conflicts) - _CONFLICT_LINES:,} more (see --json)")
