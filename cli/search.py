"""``sesstore search``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import (
    device_option,
    output_options,
    plm_option,
    store_option,
    weights_option,
    writable,
)
from .output import Output

if TYPE_CHECKING:
    from sesstore.jobs.predicting.neighbour_search import QueryResult, SearchReport

_LISTED = 20
"""Queries whose hits are shown to people; a table or JSON has all."""


@click.command("search")
@click.argument("queries", metavar="QUERY...", nargs=-1, required=True)
@click.option(
    "--in",
    "where",
    metavar="TASK|FILE|STORE",
    help="What is searched: a task, a file of sequences, another store's folder [default: all "
    "that the store has embedded].",
)
@click.option("--count", type=click.IntRange(1), default=10, show_default=True, help="Hits each.")
@click.option(
    "--transfer",
    metavar="TASK",
    help="Predict the labels of this task from its nearest training proteins.",
)
@click.option(
    "--approximate",
    is_flag=True,
    help="Search by an index instead of all proteins, for tens of millions of them [search].",
)
@click.option("--no-align", is_flag=True, help="Do not align the pairs for their identity.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    callback=writable,
    help="Table of all hits: .csv, .tsv, .jsonl or .parquet [parquet].",
)
@plm_option
@weights_option
@device_option
@store_option
@output_options
def command(
    queries: tuple[str, ...],
    where: str | None,
    count: int,
    transfer: str | None,
    approximate: bool,
    no_align: bool,
    out: Path | None,
    plm: str | None,
    weights: Path | None,
    device: str | None,
    store_path: Path,
    output: Output,
) -> None:
    """Find the proteins nearest to QUERY by cosine of mean embeddings.

    QUERY is an id of the store, a sequence, a file of sequences, or a task. Beside the similarity
    stands the identity of the aligned pair: high similarity with low identity is a lookalike or a
    remote relative, not a near one. What is searched and has no mean yet gets one first (see
    `sesstore embed --reduce mean`). Every protein is looked at, unless --approximate is given: it
    builds an index once, which finds nearly all of the nearest in milliseconds.

    With --transfer each query gets the label of its nearest training proteins, how reliable that is
    (0 to 1), and how often labels as reliable as that were right on the task's valid split.

    \b
    Example:
      sesstore search P69905
      sesstore search new.fasta --in deeploc_binary --out hits.csv
      sesstore search MKVLAAGIVGLCAKAYLERA --transfer deeploc_binary
    """
    from sesstore.store import Store

    store = Store.open(store_path)
    if transfer is not None:
        store.task(transfer)  # a wrong name is known before torch is imported

    from sesstore.jobs.predicting.neighbour_search import COLUMNS, SearchOptions, search_neighbours
    from sesstore.jobs.predicting.tables import check_format, open_table

    if out is not None:
        check_format(out)
    options = SearchOptions(count, transfer, not no_align, approximate, plm, weights, device)
    report = search_neighbours(store, queries, where, options, progress=output)
    if out is not None:
        with open_table(out, COLUMNS, {"encoder": report.encoder}) as table:
            for query in report.queries:
                table.write(query.rows())
        output.line(f"hits of {len(report.queries):,} queries written to {out}")
    else:
        _say_hits(report.queries, output)
    _say(report, output)
    output.result(report.to_json())
    if report.failed:
        raise click.exceptions.Exit(1)


def _say_hits(queries: list[QueryResult], output: Output) -> None:
    for query in queries[:_LISTED]:
        output.table(
            ["protein", "residues", "similarity", "identity", "aligned"],
            [
                [
                    hit.id,
                    hit.length,
                    f"{hit.similarity:.3f}",
                    "-" if hit.identity is None else f"{hit.identity:.0%}",
                    "-" if hit.coverage is None else f"{hit.coverage:.0%}",
                ]
                for hit in query.hits
            ],
            title=f"{query.id}, {query.length:,} residues",
        )
    if len(queries) > _LISTED:
        output.line(f"and {len(queries) - _LISTED:,} more queries: --out FILE takes all hits")


def _say(report: SearchReport, output: Output) -> None:
    if report.transfer is not None:
        about = report.transfer
        is_value = any(isinstance(query.label, float) for query in report.queries)
        output.table(
            ["query", about["task"], "reliability", "error on valid" if is_value else "right then"],
            [
                [
                    query.id,
                    ", ".join(query.label) if isinstance(query.label, list) else query.label,
                    query.reliability,
                    "-" if query.worth is None else query.worth,
                ]
                for query in report.queries[:_LISTED]
            ],
        )
        output.line(
            f"labels of {about['neighbours']} nearest of {about['training_proteins']:,} training "
            f"proteins; what a reliability is worth was measured on {about['calibrated_on']:,} "
            f"proteins of valid"
        )
    without = f", {report.without_mean:,} without an embedding not" if report.without_mean else ""
    how = ", approximately" if report.approximate else ""
    output.note(f"{report.searched:,} proteins searched by {report.encoder}{how}{without}")
    for name, reason in report.failed.items():
        output.note(f"  failed: {name}: {reason}")
