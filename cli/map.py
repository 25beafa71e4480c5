"""``sesstore map``."""

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
    from sesstore.jobs.predicting.protein_map import ProteinMap


@click.command("map")
@click.argument("where", metavar="[TASK|FILE|STORE]", required=False)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    callback=writable,
    default=Path("map.html"),
    show_default=True,
    help="A page (.html), a table (.csv, .tsv, .jsonl, .parquet), AnnData (.h5ad [map]) or "
    "ProtSpace (.parquetbundle [parquet]).",
)
@click.option(
    "--method",
    type=click.Choice(["auto", "pca", "umap"]),
    default="auto",
    show_default="umap where it is installed [map], else pca",
    help="How proteins are laid out.",
)
@click.option(
    "--table",
    "tables",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Columns to colour by, joined by id, such as what `sesstore predict` wrote; may be "
    "repeated.",
)
@plm_option
@weights_option
@device_option
@store_option
@output_options
def command(
    where: str | None,
    out: Path,
    method: str,
    tables: tuple[Path, ...],
    plm: str | None,
    weights: Path | None,
    device: str | None,
    store_path: Path,
    output: Output,
) -> None:
    """Draw proteins as a map: near each other where their mean embeddings are.

    The page is one file that needs no network: colour by any column, find an id, point at a protein
    for its nearest ones, draw a lasso around some and save them as FASTA or CSV. Without an
    argument all that the store has embedded is drawn. What has no mean yet gets one first.

    \b
    Example:
      sesstore map deeploc_binary
      sesstore map new.fasta --table predictions.csv --out new.html
      sesstore map --plm esm2_t33 --out lab.h5ad
    """
    from sesstore.store import Store

    store = Store.open(store_path)

    from sesstore.jobs.predicting.protein_map import (
        MapOptions,
        check_map_file,
        map_proteins,
        write_map,
    )

    check_map_file(out)
    options = MapOptions(method, tables, plm, weights, device)
    proteins = map_proteins(store, where, options, progress=output)
    if out.suffix == ".html":
        from sesstore.reports.map_page import write_map_page

        write_map_page(
            out,
            proteins.name,
            proteins.caption,
            proteins.proteins,
            proteins.points,
            dict(proteins.columns),
            proteins.nearest,
            proteins.notes(),
        )
    else:
        write_map(proteins, out)
    _say(proteins, output)
    output.line(f"map of {len(proteins.proteins):,} proteins written to {out}")
    output.result({**proteins.to_json(), "out": str(out)})
    if proteins.failed:
        raise click.exceptions.Exit(1)


def _say(proteins: ProteinMap, output: Output) -> None:
    for note in proteins.notes():
        output.note(note)
    for name, reason in proteins.failed.items():
        output.note(f"  failed: {name}: {reason}")
