"""``sesstore card``."""

from __future__ import annotations

from pathlib import Path

import click

from .options import output_options, store_option
from .output import Output


@click.command("card")
@click.option("--title", help="Its heading; the name of the store's folder by default.")
@click.option("--show", is_flag=True, help="Print it as well.")
@store_option
@output_options
def command(title: str | None, show: bool, store_path: Path, output: Output) -> None:
    """Write the store's card, README.md: what is inside, licences, what to cite, how to use it.

    \b
    Example:
      sesstore card --title "Yeast, ESM-2 650M"
      sesstore card --show
    """
    from sesstore.store import Store
    from sesstore.store.card import write_card

    path = write_card(Store.open(store_path), title=title)
    if show:
        output.line(path.read_text(encoding="utf-8"))
    output.line(f"wrote {path}")
    output.result({"card": str(path)})
