"""``sesstore demo``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sesstore.memory import size

from .options import output_options, writable
from .output import Output, duration

if TYPE_CHECKING:
    from sesstore.jobs.demo import DemoReport


@click.command("demo")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    callback=writable,
    default=Path("demo"),
    show_default="./demo",
    help="Folder for the store and the runs.",
)
@output_options
def command(out: Path, output: Output) -> None:
    """Go the whole way on 50 bundled PDB chains: tokenise, embed, train, compare. No network.

    The task is burial: is a residue buried or exposed?

    \b
    Example:
      sesstore demo
    """
    from sesstore.jobs.demo import demo

    report = demo(out, progress=output)
    _say_results(report, output)
    _say_times(report, output)
    output.result(report.to_json())


def _say_results(report: DemoReport, output: Output) -> None:
    rows = []
    for name, result in report.results.items():
        test, std = result.metrics["test"], result.std["test"]
        rows.append(
            [name, *(f"{test[m]:.3f} ± {std[m]:.3f}" for m in ("accuracy", "mcc", "auroc"))]
        )
    output.table(
        ["adapter", "accuracy", "MCC", "AUROC"],
        rows,
        title="Buried or exposed: residues of test chains, mean ± deviation over 3 seeds",
    )


def _say_times(report: DemoReport, output: Output) -> None:
    rows = [[stage, duration(seconds)] for stage, seconds in report.seconds.items()]
    output.table(["stage", "took"], rows)
    epoch = report.epoch
    output.line(
        f"An epoch took {duration(epoch['from_the_store'])} from the store. With the encoder in "
        f"the loop it would take {duration(epoch['encoder_in_the_loop'])}: "
        f"{epoch['ratio']:.1f} times as long, for the smallest encoder there is."
    )
    contents = report.summary
    encoder, tokens = contents["encoders"][0], contents["sources"][0]
    output.line(
        f"The store {report.store} holds {contents['proteins']:,} sequences, "
        f"{encoder['residues']:,} residues by {encoder['encoder']} ({size(encoder['bytes'])}), and "
        f"{tokens['source']} tokens of {tokens['proteins']:,} proteins. "
        f"Look: sesstore info --store {report.store}"
    )
