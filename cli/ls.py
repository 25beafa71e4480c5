"""``sesstore ls``."""

from __future__ import annotations

from pathlib import Path

import click

from sesstore.memory import size

from .options import output_options, store_option
from .output import Output


@click.command("ls")
@store_option
@output_options
def command(store_path: Path, output: Output) -> None:
    """List what a store holds, a line each.

    \b
    Example:
      sesstore ls --store /shared/lab-store
    """
    from sesstore.encoders import registry
    from sesstore.store import Store
    from sesstore.store.summary import summarise

    summary = summarise(Store.open(store_path))
    titles = registry.titles([e.provenance.fingerprint for e in summary.encoders])
    rows = [
        *(
            ["embeddings", title, f"{e.proteins:,} proteins", size(e.bytes)]
            for title, e in zip(titles, summary.encoders, strict=True)
        ),
        *(["tokens", s.source, f"{s.proteins:,} proteins", ""] for s in summary.sources),
        *(["task", t.name, f"{sum(t.splits.values()):,} rows", t.problem] for t in summary.tasks),
    ]
    output.line(f"{summary.path}: {summary.proteins:,} sequences")
    if rows:
        output.table(["what", "name", "holds", ""], rows)
    output.result(summary.to_json())
