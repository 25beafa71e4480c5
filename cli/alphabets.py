"""``sesstore alphabets``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from .options import output_options, store_option
from .output import Output
from .stores import store_to_write


@click.command("alphabets")
@click.argument("files", metavar="[FILE...]", nargs=-1, type=click.Path(path_type=Path))
@store_option
@output_options
def command(files: tuple[Path, ...], store_path: Path, output: Output) -> None:
    """List the alphabets of structure tokens, or declare those of some files in the store.

    A FILE is TOML: a name, and letters (or a number of codes); aliases for what other tools write;
    and where its tokens follow from those of another, how. It travels with the store.

    \b
    Example:
      sesstore alphabets
      sesstore alphabets bends.toml        # name = "bends", letters = "STB"
      sesstore tokens bends.fasta --import fasta --alphabet bends --source pdb
    """
    from sesstore.alphabets import ALPHABETS
    from sesstore.store import Store
    from sesstore.store.alphabet_files import read_toml

    if files or store_path.exists():
        declared = [read_toml(file) for file in files]
        store = store_to_write(store_path, output) if files else Store.open(store_path)
        for alphabet in declared:
            store.declare(alphabet)
    output.table(
        ["alphabet", "states", "follows from"],
        [
            [
                alphabet.name,
                alphabet.letters or f"{alphabet.codes:,} codes",
                f"{alphabet.of.alphabet}: {_groups(alphabet.of.groups)}" if alphabet.of else "",
            ]
            for alphabet in ALPHABETS.values()
        ],
    )
    output.result({"alphabets": [alphabet.to_json() for alphabet in ALPHABETS.values()]})


def _groups(groups: Mapping[str, str]) -> str:
    return ", ".join(f"{letter} = {group}" for letter, group in groups.items())
