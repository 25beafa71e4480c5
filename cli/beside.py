"""What stands beside a result: cautions, and what simple models reach."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .output import Output, between, duration

if TYPE_CHECKING:
    from sesstore.store import Store
    from sesstore.training.baseline_report import BaselineReport
    from sesstore.training.runs import Caution


baselines_option = click.option(
    "--baselines/--no-baselines",
    default=True,
    envvar="SESSTORE_BASELINES",
    show_envvar=True,
    help="Set what simple models reach on the same rows beside the result.",
)


def after_training_baselines(run: str, store: Store, output: Output) -> dict[str, Any] | None:
    """Measure simple models on a training's rows and say what they reach."""
    if os.environ.get("RANK", "0") != "0":
        return None
    from sesstore.jobs.training.baselines import measure_baselines

    report = measure_baselines(store, Path(run))
    say_baselines(report, output)
    return report.to_json()


def say_baselines(report: BaselineReport, output: Output) -> None:
    """Say what simple models reach, and which is better."""
    from sesstore.training.baseline_report import MODELS

    rows = [
        [
            name,
            MODELS[name],
            _number(metrics[report.split][report.monitor]),
            between(report.intervals[name]),
            duration(report.seconds[name]),
        ]
        for name, metrics in report.metrics.items()
    ]
    head = ["simple model", "what it is", f"{report.split} {report.monitor}", "95 % interval"]
    output.table([*head, "time"], rows)
    output.line(report.sentence)


def say_cautions(cautions: Sequence[Caution], output: Output) -> None:
    """Say what is off with a result, and what to do."""
    for caution in cautions:
        output.line(f"caution: {caution.line}")


def _number(value: float) -> str:
    return f"{value:.4f}" if value == value else "not defined"
