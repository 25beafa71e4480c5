"""``sesstore train``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .beside import after_training_baselines, baselines_option, say_cautions
from .options import (
    comma_list,
    device_option,
    output_options,
    plm_option,
    precision_option,
    source_option,
    store_option,
    weights_option,
    writable,
)
from .output import Output, between, duration, number
from .report import after_training, report_option
from .setting_options import setting_options
from .stores import store_with

if TYPE_CHECKING:
    from sesstore.jobs.training.train import TrainReport


SHAPE = ("pooling", "heads", "width", "head", "dropout", "modality_dropout")
LEARNING = (
    "lr", "weight_decay", "epochs", "patience", "batch_tokens", "min_plddt", "schedule", "warmup",
    "clip",
)  # fmt: skip


@click.command("train")
@click.argument("task")
@plm_option
@weights_option
@precision_option
@click.option(
    "--structure",
    callback=comma_list,
    help="Structure tokens to use, or none [default: foldseek,dssp where the store has them].",
)
@source_option
@setting_options(*SHAPE, *LEARNING)
@click.option("--balanced", is_flag=True, help="Weigh classes by the inverse of their number.")
@setting_options("focal", "residency")
@click.option(
    "--measure-plm",
    is_flag=True,
    help="Measure what an epoch would cost with the PLM in the loop.",
)
@click.option(
    "--track",
    type=click.Choice(["tensorboard", "wandb", "trackio"]),
    help="Send each epoch's figures there [track].",
)
@click.option("--resume", is_flag=True, help="Go on with an interrupted training in --out.")
@click.option(
    "--folds",
    type=click.IntRange(2),
    help="Cross-validate: predict every row by a training without it, then train on all rows.",
)
@setting_options("seed")
@click.option("--seeds", type=click.IntRange(1), default=1, show_default=True, help="How many.")
@device_option
@click.option(
    "--out", type=click.Path(path_type=Path), callback=writable, help="Folder for the run."
)
@report_option
@baselines_option
@store_option
@output_options
def command(
    task: str,
    plm: str | None,
    weights: Path | None,
    precision: str | None,
    structure: tuple[str, ...] | None,
    source: str | None,
    balanced: bool,
    measure_plm: bool,
    track: str | None,
    resume: bool,
    folds: int | None,
    seeds: int,
    device: str | None,
    out: Path | None,
    report: bool,
    baselines: bool,
    store_path: Path,
    output: Output,
    **settings: Any,
) -> None:
    """Train a structure-aware adapter on TASK, a task of the store.

    Structures are of the source `sesstore add --source` named, unless --source names another; a
    task without any is trained without structure. Proteins that are not embedded yet are embedded
    first, in --precision if that is named: embeddings of several are kept apart. With --folds
    every protein is predicted by a training that has not seen it or its relatives, which says more
    of a few hundred rows than one split; the run is then trained on all of them. The run's folder
    holds its record (run.json) and weights; an interrupted training goes on with the same command,
    --out and --resume. --store may be an address (https://, s3://, ...): what the task needs is
    pulled into a cache.

    \b
    Example:
      sesstore train deeploc_binary --structure foldseek,dssp --seeds 3
      sesstore train deeploc_binary --plm esm2_t33 --structure none
      sesstore train mydata --folds 5
    """
    from sesstore.jobs.inputs import check_training

    if folds and track:
        raise click.UsageError("--track follows one training, and --folds are several")
    store = store_with(store_path, task, plm, output)
    check_training(
        store,
        task,
        plm=plm,
        weights=weights,
        precision=precision,
        alphabets=structure,
        source=source,
        out=out,
        resume=resume,
    )

    # These import torch, which takes seconds: a wrong name is known before.
    from sesstore.jobs.training.crossvalidation import cross_validate
    from sesstore.jobs.training.plm_cost import measure_plm as measure
    from sesstore.jobs.training.plm_cost import own_encoder
    from sesstore.jobs.training.train import prepare, train
    from sesstore.training.fit_config import FitConfig

    adapter = {name: settings.pop(name) for name in SHAPE}
    config = FitConfig(**settings, class_weights="balanced" if balanced else None, device=device)
    inputs = prepare(
        store,
        task,
        plm=plm,
        weights=weights,
        precision=precision,
        alphabets=structure,
        source=source,
        device=device,
        progress=output,
    )
    # Whether it can be had is known before hours of training.
    encoder = own_encoder(inputs, weights=weights, device=device) if measure_plm else None
    adapter["alphabets"] = inputs.alphabets
    work = (
        partial(cross_validate, store, inputs, adapter, config, folds)
        if folds
        else partial(train, inputs, adapter, config, track=track)
    )
    trained = work(seeds=seeds, out=out, resume=resume, progress=output)
    if encoder is not None:
        alone = trained.seconds_per_epoch / len(trained.runs)
        trained.plm_in_the_loop = measure(store, inputs, encoder, alone, config)
    say_report(trained, output)
    simple = after_training_baselines(trained.run, store, output) if baselines else None
    say_cautions(trained.cautions, output)
    page = after_training(trained.run, store, output) if report else None
    output.result({**trained.to_json(), "baselines": simple, "report": page})


def say_report(report: TrainReport, output: Output) -> None:
    """Say how good the adapter is, and how fast it learned."""
    from sesstore.training.uncertainty import origin

    if report.folds:
        _say_folds(report, output)
    else:
        rows = [
            [split, metric, _with_spread(report, split, metric), _between(report, split, metric)]
            for split, metrics in report.metrics.items()
            for metric in metrics
        ]
        title = f"{report.task}: the best epoch on valid{_seeds(report)}"
        output.table(["split", "metric", "value", "95 % interval"], rows, title=title)
        output.line(f"Intervals: {origin(len(report.runs))}.")
    train = report.coverage["train"]
    unmasked = ", ".join(
        f"{count / train['residues']:.1%} {name}" for name, count in train["unmasked"].items()
    )
    if unmasked:
        output.line(
            f"structure: {train['with_tokens']:,} of {train['proteins']:,} train proteins have "
            f"tokens (residues: {unmasked})"
        )
    together = f" ({len(report.runs)} seeds together)" if len(report.runs) > 1 else ""
    length = f"{report.epochs} epochs of {duration(report.seconds_per_epoch)}{together}"
    output.line(f"{length if report.epochs else 'the linear model alone'}; run: {report.run}")
    if cost := report.plm_in_the_loop:
        output.line(
            f"With {cost.encoder} in the loop an epoch of one seed would take "
            f"{duration(cost.epoch)}, "
            f"{cost.ratio:.1f} times as long (measured on {cost.measured_residues:,} residues)"
        )


def _say_folds(report: TrainReport, output: Output) -> None:
    """Say what the trainings of a cross-validation reach on rows they have not seen."""
    from sesstore.training.uncertainty import origin

    rows = [
        [
            metric,
            _with_spread(report, report.split, metric),
            _between(report, report.split, metric),
            " ".join(
                "-" if score is None or score != score else f"{score:.2f}" for score in values
            ),
        ]
        for metric, values in report.folds.items()
    ]
    folds = len(report.folds[report.monitor])
    proteins = report.coverage["train"]["proteins"]
    title = f"{report.task}: {proteins:,} proteins, each by a training that had not seen its fold"
    head = ["metric", f"all {folds} folds", "95 % interval", "each fold"]
    output.table(head, rows, title=f"{title}{_seeds(report)}")
    output.line(
        f"Intervals: {origin(len(report.runs), folds=True)}. The run was then trained on all rows; "
        f"its scores are those of the folds' trainings, which saw fewer."
    )


def _seeds(report: TrainReport) -> str:
    return f", mean ± deviation over {len(report.runs)} seeds" if len(report.runs) > 1 else ""


def _between(report: TrainReport, split: str, metric: str) -> str:
    if split != report.split:
        return ""
    return between(report.intervals[metric])


def _with_spread(report: TrainReport, split: str, metric: str) -> str:
    spread = report.std[split][metric] if report.std else None
    return number(report.metrics[split][metric], spread)
