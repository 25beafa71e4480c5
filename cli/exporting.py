"""``sesstore export``."""

from __future__ import annotations

from pathlib import Path

import click

from sesstore.errors import InputError

from .options import (
    EMBEDDING_FORMATS,
    output_options,
    plm_option,
    source_option,
    store_option,
    writable,
)
from .output import Output

_TASKS = ("ses-adapter", "ses-adapter-csv")


@click.command("export")
@click.argument("format_name", metavar="FORMAT", type=click.Choice([*EMBEDDING_FORMATS, *_TASKS]))
@click.argument("out", type=click.Path(path_type=Path), callback=writable)
@click.option("--reduce", type=click.Choice(["mean"]), help="One vector a protein: the mean.")
@click.option("--ids", type=click.Path(path_type=Path), help="Only these: one id a line, or FASTA.")
@click.option("--task", help="Only the proteins of this task; ses-adapter needs it.")
@plm_option
@source_option
@store_option
@output_options
def command(
    format_name: str,
    out: Path,
    reduce: str | None,
    ids: Path | None,
    task: str | None,
    plm: str | None,
    source: str | None,
    store_path: Path,
    output: Output,
) -> None:
    """Write embeddings, or a task's rows, in a format other tools read.

    FORMAT is one of uniprot, bio_embeddings, biotrainer, scikit-bio (HDF5 files), fairesm, npy
    (folders); or ses-adapter, ses-adapter-csv (a folder with a task's sequences, structure tokens
    and labels, which `sesstore add` reads again). OUT must not exist.

    \b
    Example:
      sesstore export uniprot per-residue.h5 --plm esm2_t33
      sesstore export npy means/ --reduce mean --ids wanted.txt
      sesstore export ses-adapter ec/ --task ec --source alphafold2
    """
    from sesstore.exchange.export import export_embeddings, export_task
    from sesstore.store import Store

    store = Store.open(store_path)
    if format_name in _TASKS:
        if task is None or ids is not None or reduce is not None:
            raise InputError(
                f"{format_name} writes the rows of a whole task. Name it with --task, without "
                f"--ids or --reduce"
            )
        if plm is not None:
            raise InputError(f"{format_name} has no embeddings. Leave --plm and --layer out")
        result = vars(export_task(store, format_name, out, task, source=source, progress=output))
    else:
        if source is not None:
            raise InputError(f"{format_name} has no structure tokens. Leave --source out")
        result = vars(
            export_embeddings(
                store, format_name, out, plm=plm, task=task, ids=ids, reduce=reduce, progress=output
            )
        )
    output.line(f"wrote {result['written']:,} {result['unit']} to {out}")
    output.result(result)
