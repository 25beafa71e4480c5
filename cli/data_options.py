"""Options by which users say what their own data are; several commands share them."""

from __future__ import annotations

from functools import wraps
from pathlib import Path
from typing import Any

import click

from .options import Command

TYPES = ("single_label", "multi_label", "regression", "residue_single_label", "residue_regression")


OF_FILES = (
    "task_type", "sequence", "id_", "label", "split", "targets", "mask", "name", "seed",
    "split_by", "drop_unlabelled", "allow_partial",
)  # fmt: skip
"""Parameters of what is said of files alone."""


def own_data_options(command: Command) -> Command:
    """Add the options, and hand the command a `UserData` as ``user_data``."""

    @click.option(
        "--task-type", type=click.Choice(TYPES), help="Kind of the labels; guessed and said."
    )
    @click.option("--sequence", metavar="COLUMN", help="Column of the sequences.")
    @click.option("--id", "id_", metavar="COLUMN", help="Column of the names.")
    @click.option("--label", metavar="COLUMN", help="Column of the labels.")
    @click.option("--split", metavar="COLUMN", help="Column of train, valid and test.")
    @click.option(
        "--targets",
        type=click.Path(path_type=Path),
        help="FASTA file of the labels of residues (FLIP).",
    )
    @click.option(
        "--mask",
        type=click.Path(path_type=Path),
        help="FASTA file of 0 and 1: which residues have a label (FLIP).",
    )
    @click.option("--name", help="What to call your own task [default: the file's name].")
    @click.option(
        "--seed",
        type=click.IntRange(0),
        default=0,
        show_default=True,
        help="Of splits that have to be made.",
    )
    @click.option(
        "--split-by",
        metavar="random|cluster|position|COLUMN",
        help="What keeps rows on one side of splits that have to be made [default: cluster]. "
        "Variants of one protein: position, or random.",
    )
    @click.option(
        "--drop-unlabelled",
        is_flag=True,
        help="Leave out rows whose label is missing (empty, NA, NaN, >100, ...).",
    )
    @wraps(command)
    def with_own(
        *args: Any,
        task_type: str | None,
        sequence: str | None,
        id_: str | None,
        label: str | None,
        split: str | None,
        targets: Path | None,
        mask: Path | None,
        name: str | None,
        seed: int,
        drop_unlabelled: bool,
        split_by: str | None,
        **kwargs: Any,
    ) -> Any:
        from sesstore.datasets.columns import Columns
        from sesstore.datasets.user_data import UserData

        columns = Columns(sequence=sequence, id=id_, label=label, split=split)
        user_data = UserData(
            name, task_type, columns, targets, mask, seed, drop_unlabelled, split_by
        )
        return command(*args, user_data=user_data, **kwargs)

    return with_own  # type: ignore[return-value]
