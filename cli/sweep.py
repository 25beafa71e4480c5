"""``sesstore sweep``."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import (
    device_option,
    engine_options,
    output_options,
    plm_option,
    precision_option,
    several,
    source_option,
    store_option,
    weights_option,
    writable,
)
from .output import Output, between, duration
from .setting_options import setting_options, varied_options
from .stores import store_with

if TYPE_CHECKING:
    from sesstore.jobs.training.sweep import Range, SweepReport


def _structure(word: str) -> tuple[str, ...]:
    presets = {"none": (), "both": ("foldseek", "dssp")}
    return presets[word] if word in presets else tuple(word.split("+"))


def _number(word: str) -> float | Range:
    """Read ``0.1``, or ``0.1..0.5`` for a search."""
    from sesstore.errors import InputError
    from sesstore.jobs.training.sweep import Range

    low, dots, high = word.partition("..")
    ends = [float(end) for end in ((low, high) if dots else (low,))]
    try:
        return Range(*ends) if dots else ends[0]
    except InputError as problem:
        raise click.BadParameter(str(problem)) from None


@click.command("sweep")
@click.argument("task")
@plm_option
@weights_option
@precision_option
@varied_options(_number, lr="Learning rates, such as 1e-4,5e-4.")
@click.option(
    "--structure",
    "alphabets",
    callback=several(_structure),
    help="Such as none,foldseek,dssp,both; tokens together with a plus: foldseek+dssp.",
)
@varied_options(
    _number,
    pooling=None,
    heads="Numbers of attention heads.",
    width="Widths to project embeddings to.",
    head=None,
    dropout=None,
    modality_dropout="Shares of proteins that lose their tokens.",
    weight_decay=None,
    schedule=None,
    clip="Largest norms of the gradient.",
    focal="Exponents of focal loss.",
)
@click.option(
    "--search",
    type=click.IntRange(1),
    help="Try so many settings, chosen by Optuna among the values and ranges given [sweep].",
)
@source_option
@setting_options("epochs", "patience", "batch_tokens")
@click.option("--balanced", is_flag=True, help="Weigh classes by the inverse of their number.")
@setting_options("residency", "seed")
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="Of each.")
@device_option
@click.option(
    "--out", type=click.Path(path_type=Path), callback=writable, help="Folder for the sweep."
)
@click.option("--resume", is_flag=True, help="Go on with an interrupted sweep in --out.")
@engine_options
@click.option(
    "--workers",
    type=click.IntRange(1),
    help="With --engine ray: settings trained at once; one a GPU, or one a CPU, by default.",
)
@store_option
@output_options
def command(
    task: str,
    plm: str | None,
    weights: Path | None,
    precision: str | None,
    search: int | None,
    source: str | None,
    epochs: int | None,
    patience: int | None,
    batch_tokens: int | None,
    balanced: bool,
    residency: str,
    seed: int,
    seeds: int,
    device: str | None,
    out: Path | None,
    resume: bool,
    engine: str,
    address: str | None,
    workers: int | None,
    store_path: Path,
    output: Output,
    **varied: tuple[Any, ...] | None,
) -> None:
    """Train every combination of the values given on TASK, all on one stream of batches.

    With --search, settings are chosen among the values by what did well on valid before; numbers
    may then be ranges. With --engine ray each setting is a worker's, with a stream of its own.

    \b
    Example:
      sesstore sweep deeploc_binary --structure none,foldseek,dssp,both --seeds 5
      sesstore sweep deeploc_binary --lr 1e-4,5e-4 --pooling mean,attention1d
      sesstore sweep deeploc_binary --lr 1e-4,5e-4 --engine ray --address auto
      sesstore sweep deeploc_binary --search 30 --lr 1e-5..1e-2 --dropout 0..0.5 --seeds 1
    """
    from sesstore.jobs.inputs import check_training

    if engine == "ray" and search is not None:
        raise click.UsageError("--search tries one group after another: it takes no --engine ray")
    if engine == "local" and workers is not None:
        raise click.UsageError("--workers belongs to --engine ray")
    grid = {name: values for name, values in varied.items() if values is not None}
    alphabet_sets = varied["alphabets"]
    alphabets = (
        None if alphabet_sets is None else [name for names in alphabet_sets for name in names]
    )
    store = store_with(store_path, task, plm, output)
    check_training(
        store,
        task,
        plm=plm,
        weights=weights,
        precision=precision,
        alphabets=alphabets,
        source=source,
        out=out,
        resume=resume,
    )

    # These import torch, which takes seconds: a wrong name is known before.
    from sesstore.jobs.cluster.connection import Cluster, connected
    from sesstore.jobs.cluster.ray_sweep import sweep_on_ray
    from sesstore.jobs.training.search import search as search_among
    from sesstore.jobs.training.sweep import sweep
    from sesstore.jobs.training.train import prepare
    from sesstore.training.fit_config import FitConfig

    inputs = prepare(
        store,
        task,
        plm=plm,
        weights=weights,
        precision=precision,
        alphabets=alphabets,
        source=source,
        device=device,
        progress=output,
    )
    config = FitConfig(
        epochs=epochs,
        patience=patience,
        batch_tokens=batch_tokens,
        class_weights="balanced" if balanced else None,
        residency=residency,
        seed=seed,
        device=device,
    )
    cluster = Cluster(address, workers)
    with connected(cluster) if engine == "ray" else nullcontext() as ray:
        run: Callable[..., SweepReport] = sweep
        if search is not None:
            run = partial(search_among, trials=search)
        elif ray is not None:
            run = partial(sweep_on_ray, ray, cluster)
        adapter = {} if alphabet_sets else {"alphabets": inputs.alphabets}
        report = run(
            inputs, grid, adapter, config, seeds=seeds, out=out, resume=resume, progress=output
        )
    say_report(report, output)
    output.result(vars(report))


def say_report(report: SweepReport, output: Output) -> None:
    """Say how good each setting is, the best on valid first."""
    from sesstore.jobs.training.sweep import setting_name

    split = "test" if "test" in report.settings[0]["metrics"] else "valid"
    rows = []
    for entry in report.settings:
        varied = entry["setting"].items()
        row = [setting_name({name: value}).partition("=")[2] for name, value in varied] or ["only"]
        for name in dict.fromkeys(("valid", split)):
            value, std = entry["metrics"][name][report.monitor], entry["std"].get(name, {})
            row.append(f"{value:.4f}" + (f" ± {std[report.monitor]:.4f}" if std else ""))
        rows.append([*row, between(entry["interval"]), entry["epochs"]])
    seeds = len(report.settings[0]["runs"])
    output.table(
        [
            *(report.swept or ["setting"]),
            *dict.fromkeys(("valid", split)),
            f"95 % interval ({split})",
            "epochs",
        ],
        rows,
        title=f"{report.task}: {report.monitor}, mean ± deviation over {seeds} seeds",
    )
    output.line(
        f"{report.adapters} adapters, {duration(report.seconds_per_epoch)} an epoch; "
        f"record: {report.run}/sweep.json"
    )
