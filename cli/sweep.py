"""``sesstore sweep``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .opening import store_with
from .options import output_options, plm_option, source_option, store_option, weights_option
from .output import Output, duration

if TYPE_CHECKING:
    from sesstore.jobs.sweep import SweepReport


def _several(
    read: Callable[[str], Any],
) -> Callable[[click.Context, click.Parameter, str | None], tuple[Any, ...] | None]:
    """Make a callback that reads ``"a,b"`` value by value."""

    def callback(_: click.Context, parameter: click.Parameter, text: str | None) -> Any:
        if text is None:
            return None
        try:
            return tuple(read(word.strip()) for word in text.split(",") if word.strip())
        except ValueError:
            raise click.BadParameter(f"'{text}' is no list of values", param=parameter) from None

    return callback


def _structure(word: str) -> tuple[str, ...]:
    named = {"none": (), "both": ("foldseek", "dssp")}
    return named[word] if word in named else tuple(word.split("+"))


@click.command("sweep")
@click.argument("task")
@plm_option
@weights_option
@click.option("--lr", callback=_several(float), help="Learning rates, such as 1e-4,5e-4.")
@click.option(
    "--structure",
    callback=_several(_structure),
    help="Such as none,foldseek,dssp,both; tokens together with a plus: foldseek+dssp.",
)
@click.option("--pooling", callback=_several(str), help="Of attention1d, mean, light_attention.")
@click.option("--heads", callback=_several(int), help="Numbers of attention heads.")
@click.option("--width", callback=_several(int), help="Widths to project embeddings to.")
@click.option("--dropout", callback=_several(float), help="In the head.")
@source_option
@click.option("--epochs", type=click.IntRange(1), default=7, show_default=True)
@click.option("--patience", type=click.IntRange(1), default=5, show_default=True)
@click.option("--batch-tokens", type=click.IntRange(1), default=8192, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="Of each.")
@click.option("--device", help="cpu, cuda, ...; the best there is by default.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the sweep.")
@click.option("--resume", is_flag=True, help="Go on with an interrupted sweep in --out.")
@store_option
@output_options
def command(
    task: str,
    plm: str | None,
    weights: Path | None,
    lr: tuple[float, ...] | None,
    structure: tuple[tuple[str, ...], ...] | None,
    pooling: tuple[str, ...] | None,
    heads: tuple[int, ...] | None,
    width: tuple[int, ...] | None,
    dropout: tuple[float, ...] | None,
    source: str | None,
    epochs: int,
    patience: int,
    batch_tokens: int,
    seed: int,
    seeds: int,
    device: str | None,
    out: Path | None,
    resume: bool,
    store_path: Path,
    output: Output,
) -> None:
    """Train every combination of the values given on TASK, all on one stream of batches.

    \b
    Example:
      sesstore sweep deeploc_binary --structure none,foldseek,dssp,both --seeds 5
      sesstore sweep deeploc_binary --lr 1e-4,5e-4 --pooling mean,attention1d
    """
    from sesstore.jobs.sweep import sweep
    from sesstore.jobs.train import prepare
    from sesstore.training.learner import FitConfig

    given = {
        "lr": lr,
        "alphabets": structure,
        "pooling": pooling,
        "heads": heads,
        "width": width,
        "dropout": dropout,
    }
    grid = {name: values for name, values in given.items() if values is not None}
    inputs = prepare(
        store_with(store_path, task, plm, output),
        task,
        plm=plm,
        weights=weights,
        alphabets=[name for names in structure or (("foldseek", "dssp"),) for name in names],
        source=source,
        device=device,
        progress=output,
    )
    config = FitConfig(
        epochs=epochs, patience=patience, batch_tokens=batch_tokens, seed=seed, device=device
    )
    report = sweep(inputs, grid, {}, config, seeds=seeds, out=out, resume=resume, progress=output)
    say_report(report, output)
    output.result(vars(report))


def say_report(report: SweepReport, output: Output) -> None:
    """Say how good each setting is, the best on valid first."""
    from sesstore.jobs.sweep import named

    split = "test" if "test" in report.settings[0]["metrics"] else "valid"
    rows = []
    for entry in report.settings:
        low, high = entry["interval"]
        row = [named(entry["setting"])]
        for name in dict.fromkeys(("valid", split)):
            value, std = entry["metrics"][name][report.monitor], entry["std"].get(name, {})
            row.append(f"{value:.4f}" + (f" ± {std[report.monitor]:.4f}" if std else ""))
        rows.append([*row, f"{low:.4f} to {high:.4f}", entry["epochs"]])
    seeds = len(report.settings[0]["runs"])
    output.table(
        ["setting", *dict.fromkeys(("valid", split)), f"95 % interval ({split})", "epochs"],
        rows,
        title=f"{report.task}: {report.monitor}, mean ± deviation over {seeds} seeds",
    )
    output.line(
        f"{report.adapters} adapters on one stream, {duration(report.seconds_per_epoch)} an epoch; "
        f"record: {report.run}/sweep.json"
    )
