"""``sesstore diff``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import output_options, store_option
from .output import Output

if TYPE_CHECKING:
    from sesstore.store.diff import EmbeddingsDifference, StoresDifference

_LISTED = 10


@click.command("diff")
@click.argument("left", metavar="A")
@click.argument("right", metavar="B")
@store_option
@output_options
def command(left: str, right: str, store_path: Path, output: Output) -> None:
    """Compare two stores, or the outputs of two encoders of one store.

    A and B are folders of stores; or encoders of --store, by name or the start of a fingerprint.
    Exit status 1 if they differ.

    \b
    Example:
      sesstore diff store /shared/lab-store
      sesstore diff 3fa1 9c20 --store store
    """
    from sesstore.store import Store
    from sesstore.store.diff import compare_embeddings, compare_stores

    if Path(left).is_dir() and Path(right).is_dir():
        stores = compare_stores(Store.open(left), Store.open(right), progress=output)
        _say_stores(stores, output)
        result, are_equal = stores.to_json(), stores.same
    else:
        store = Store.open(store_path)
        views = store.embeddings(left), store.embeddings(right)
        difference = compare_embeddings(*views, progress=output)
        _say_embeddings([difference], output)
        are_equal = not (difference.largest or difference.only_left or difference.only_right)
        result = {**difference.to_json(), "same": are_equal}
    output.line("the same" if are_equal else "they differ")
    output.result(result)
    if not are_equal:
        raise click.exceptions.Exit(1)


def _say_stores(difference: StoresDifference, output: Output) -> None:
    only_left, only_right, common = difference.proteins
    rows: list[list[Any]] = [
        ["sequences", f"{only_left:,} only A, {only_right:,} only B, {common:,} in both"]
    ]
    rows += [[f"tokens {name}", change] for name, change in difference.tokens.items()]
    rows += [[f"task {name}", change] for name, change in difference.tasks.items()]
    rows += [[f"embeddings {name}", change] for name, change in difference.encoders.items()]
    output.table(["what", "A against B"], rows)
    _say_embeddings(difference.embeddings, output)


def _say_embeddings(differences: list[EmbeddingsDifference], output: Output) -> None:
    for difference in differences:
        output.table(
            [difference.left, difference.right],
            [
                ["proteins in both", f"{len(difference.proteins):,}"],
                ["only in A / only in B", f"{difference.only_left:,} / {difference.only_right:,}"],
                ["largest absolute difference", f"{difference.largest:.3g}"],
                ["mean absolute difference", f"{difference.mean:.3g}"],
                ["smallest cosine of a residue", f"{difference.cosine:.6f}"],
            ],
        )
        worst = sorted((p for p in difference.proteins if p.largest), key=lambda p: -p.largest)[
            :_LISTED
        ]
        if worst:
            output.table(
                ["protein", "residues", "largest", "mean", "cosine"],
                [
                    [p.digest[:12], p.residues, f"{p.largest:.3g}", f"{p.mean:.3g}", p.cosine]
                    for p in worst
                ],
                title=f"differ most ({sum(bool(p.largest) for p in difference.proteins):,} differ)",
            )
