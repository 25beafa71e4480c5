"""``sesstore fit``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .beside import say_baselines, say_cautions
from .data_options import own_data_options
from .options import output_options, plm_option, source_option, store_option, writable
from .output import Output
from .report import report_option
from .stores import store_to_write

if TYPE_CHECKING:
    from sesstore.datasets.user_data import UserData


@click.command("fit")
@click.argument("what")
@plm_option
@source_option
@own_data_options
@click.option(
    "--folds",
    type=click.IntRange(0),
    help="Cross-validate with so many; 0: one training on the splits there are [default: 5 where "
    "the data have no splits and fewer than 1,000 rows, else 0].",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    callback=writable,
    help="Folder for the run [default: runs/TASK/fit-...].",
)
@report_option
@store_option
@output_options
def command(
    what: str,
    plm: str | None,
    source: str | None,
    user_data: UserData,
    folds: int | None,
    out: Path | None,
    report: bool,
    store_path: Path,
    output: Output,
) -> None:
    """Make a predictor of WHAT, a file of labelled proteins: add, embed, train, compare, report.

    Does what these commands do with their defaults, and says which: add, embed (by the store's
    encoder, else the small one called near), train, and report where [report] is installed. Few
    rows without splits are cross-validated. Run again it goes on from what is there; changed data
    make another run.

    \b
    Example:
      sesstore fit mydata.csv
      sesstore fit mydata.csv --label Tm --plm esm2_t33
      sesstore predict runs/mydata/fit-... new.fasta
    """
    from sesstore.api.fitting import plan_fit, simple_models, train_plan
    from sesstore.api.stores import OpenStore
    from sesstore.jobs.add import add

    from .add import say_added
    from .report import after_training
    from .train import say_report

    store = OpenStore(store_to_write(store_path, output), output)
    plan = plan_fit(what, store, plm=plm, source=source, folds=folds, out=out, user_data=user_data)
    output.note("step by step this is:")
    for words in plan.commands:
        output.note(f"  `{words}`")
    added = add(store.store, plan.loaded, progress=output)
    say_added(added, bool(plan.loaded.findings), output)
    trained = train_plan(plan, store)
    say_report(trained, output)
    beside = simple_models(plan, store)
    say_baselines(beside, output)
    say_cautions(trained.cautions, output)
    page = after_training(trained.run, store.store, output) if report else None
    output.line(f"predict with it: `sesstore predict {plan.out} new.fasta`")
    output.result(
        {
            "run": trained.run,
            "commands": list(plan.commands),
            "added": asdict(added),
            "trained": trained.to_json(),
            "baselines": beside.to_json(),
            "report": page,
        }
    )
