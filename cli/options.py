"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from .output import Output

Command = TypeVar("Command", bound=Callable[..., Any])

store_option = click.option(
    "--store",
    "store_path",
    type=click.Path(path_type=Path),
    envvar="SESSTORE_STORE",
    default=Path("store"),
    show_default="./store",
    show_envvar=True,
    help="The store's folder; train, sweep and evaluate also take a URL.",
)

plm_option = click.option("--plm", help="Encoder, such as esm2_t33 or near (see `sesstore plms`).")

weights_option = click.option(
    "--weights", type=click.Path(path_type=Path), help="The encoder's weights file."
)

source_option = click.option(
    "--source", help="Where the structures come from: alphafold2, esmfold, pdb, ..."
)


def output_options(command: Command) -> Command:
    """Add ``--json`` and ``--quiet``, and hand the command an `Output` as ``output``."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for machines.")
    @click.option("--quiet", "-q", is_flag=True, help="No progress and no notes.")
    @wraps(command)
    def with_output(*args: Any, as_json: bool, quiet: bool, **kwargs: Any) -> Any:
        # Of the processes that torchrun starts, the first speaks.
        mute = os.environ.get("RANK", "0") != "0"
        return command(*args, output=Output(as_json=as_json, quiet=quiet, mute=mute), **kwargs)

    return with_output  # type: ignore[return-value]


def comma_list(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Click callback: ``"a,b"`` to ``("a", "b")``; ``"none"`` to ``()``."""
    if value is None:
        return None
    words = tuple(word.strip() for word in value.split(",") if word.strip())
    return () if words == ("none",) else words
