"""``sesstore report``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sesstore.errors import SesstoreError, StoreError
from sesstore.memory import size

from .options import output_options, store_option, writable
from .output import Output

if TYPE_CHECKING:
    from sesstore.store import Store


report_option = click.option(
    "--report/--no-report",
    default=True,
    envvar="SESSTORE_REPORT",
    show_envvar=True,
    help="Write report.html and figures at the end, where [report] is installed.",
)


@click.command("report")
@click.argument("runs", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "--protein",
    "proteins",
    multiple=True,
    help="Id of a protein to draw residue by residue; may be repeated "
    "[default: those with the smallest, median and largest loss].",
)
@click.option(
    "--structures",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Structures to show the drawn proteins on: a file, folder, tar file or afdb:P69905; may "
    "be repeated.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    callback=writable,
    help="Folder to write into [default: the run's; of several runs ./comparison].",
)
@store_option
@output_options
def command(
    runs: tuple[Path, ...],
    proteins: tuple[str, ...],
    structures: tuple[Path, ...],
    out: Path | None,
    store_path: Path,
    output: Output,
) -> None:
    """Write a page on RUN, the folder `sesstore train` printed, or one that compares several RUNs.

    The page is one file that needs no network; each figure also becomes an SVG and a PNG. The store
    is read for what is drawn protein by protein. Needs: pip install 'sesstore[report]'

    \b
    Example:
      sesstore report runs/deeploc_binary/... --protein Q9GKE8 --structures models/
      sesstore report runs/deeploc_binary/with runs/deeploc_binary/without --out compared
    """
    from sesstore.training.seeds import runs_at

    if len(runs) > 1 and (proteins or structures):
        option = "--protein" if proteins else "--structures"
        raise click.UsageError(
            f"{option} is for the report of one run", click.get_current_context()
        )
    for run in runs:
        runs_at(run)

    # These import torch, which takes seconds: a wrong name is known before.
    from sesstore.jobs.accessions import structure_paths
    from sesstore.reports.comparison import write_comparison
    from sesstore.reports.gather import gather, store_of
    from sesstore.reports.run import write_report

    if len(runs) == 1:
        paths = structure_paths(structures, output.note)
        store = store_of(store_path)
        material = gather(runs[0], store, proteins, structures=paths, progress=output)
        files, notes = write_report(material, out or runs[0]), material.notes
    else:
        store = store_of(store_path)
        several = [gather(run, store, rows=False) for run in runs]
        files, notes = write_comparison(several, out or Path("comparison")), ()
    for note in notes:
        output.note(note)
    output.line(f"{files[0]} ({size(files[0].stat().st_size)}), {len(files) - 1} figures")
    output.result(
        {
            "runs": [str(run) for run in runs],
            "report": str(files[0]),
            "figures": [str(file) for file in files[1:]],
            "notes": list(notes),
        }
    )


def after_training(run: str, store: Store, output: Output) -> str | None:
    """Write the report of a training just done, where the extra is installed; return its path."""
    from sesstore.reports.figures import available

    # Of the processes that torchrun starts, the first writes.
    if not available() or os.environ.get("RANK", "0") != "0":
        return None
    from sesstore.reports.gather import gather
    from sesstore.reports.run import write_report

    try:
        page = write_report(gather(Path(run), store), Path(run))[0]
    except (SesstoreError, OSError) as problem:
        raise StoreError(
            f"the run is whole, but its report could not be written: {problem}. Write it later "
            f"with `sesstore report {run}`"
        ) from problem
    output.line(f"report: {page}")
    return str(page)
