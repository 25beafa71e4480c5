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
    if format_name in _TASKS:
        if task is None or ids is not None or reduce is not None:
            raise InputError(
                f"{format_name} writes the rows of a whole task. Name it with --task, without "
                f"--ids or --reduce"
            )
        if plm is not None:
            raise InputError(f"{format_name} has no embeddings. Leave --plm and --layer out")
        result = _task(format_name, out, task, source, store_path, output)
    else:
        if source is not None:
            raise InputError(f"{format_name} has no structure tokens. Leave --source out")
        result = _embeddings(format_name, out, reduce, ids, task, plm, store_path, output)
    output.line(f"wrote {result['written']:,} {result['unit']} to {out}")
    output.result(result)


def _embeddings(
    format_name: str,
    out: Path,
    reduce: str | None,
    ids: Path | None,
    task: str | None,
    plm: str | None,
    store_path: Path,
    output: Output,
) -> dict[str, object]:
    from sesstore.exchange.formats import format_named, stored_embeddings, write_whole
    from sesstore.exchange.selection import check_ids, select_proteins
    from sesstore.store import Store

    store, export_format = Store.open(store_path), format_named(format_name)
    view = store.embeddings(plm)
    proteins = select_proteins(store, view, task=task, ids=ids)
    if export_format.keyed_by == "id":
        check_ids(proteins)
    pairs = stored_embeddings(
        store, view, proteins, mean=reduce == "mean", progress=output, total=len(proteins)
    )
    fingerprint = view.provenance.fingerprint
    count = write_whole(
        out, lambda path: export_format.write(path, pairs, view.dim, fingerprint.layer)
    )
    return {
        "out": str(out),
        "format": format_name,
        "encoder": fingerprint.encoder,
        "fingerprint": fingerprint.short,
        "layer": fingerprint.layer,
        "reduce": reduce,
        "written": count,
        "unit": "proteins",
    }


def _task(
    format_name: str, out: Path, task: str, source: str | None, store_path: Path, output: Output
) -> dict[str, object]:
    from sesstore.exchange.formats import write_whole
    from sesstore.exchange.sesadapter import write_sesadapter
    from sesstore.store import Store

    store = Store.open(store_path)
    rows, style = store.task(task), "csv" if format_name.endswith("csv") else "jsonl"
    if source is None and len(store.sources()) == 1:
        source = store.sources()[0]
    if source is None and store.sources():
        raise InputError(
            f"the store has tokens of several sources. Name one with --source: "
            f"{', '.join(store.sources())}"
        )
    count = write_whole(
        out, lambda p: write_sesadapter(p, store, rows, source, style=style, progress=output)
    )
    return {
        "out": str(out),
        "format": format_name,
        "task": task,
        "source": source,
        "written": count,
        "unit": "rows",
    }
