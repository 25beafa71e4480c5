"""What simple models reach, beside a training: shared by ``train`` and ``evaluate``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .output import Output, duration

if TYPE_CHECKING:
    from sesstore.store import Store


def after_training_baselines(run: str, store: Store, output: Output) -> dict[str, Any] | None:
    """Measure simple models on a training's rows and say what they reach."""
    if os.environ.get("RANK", "0") != "0":
        return None
    from sesstore.jobs.baselines import measure_baselines
    from sesstore.training.baseline_report import MODELS

    report = measure_baselines(store, Path(run))
    rows = [
        [
            name,
            MODELS[name],
            _number(metrics[report.split][report.monitor]),
            _between(*report.intervals[name]),
            duration(report.seconds[name]),
        ]
        for name, metrics in report.metrics.items()
    ]
    head = ["simple model", "what it is", f"{report.split} {report.monitor}", "95 % interval"]
    output.table([*head, "time"], rows)
    output.line(report.sentence)
    return report.to_json()


def _number(value: float) -> str:
    return f"{value:.4f}" if value == value else "not defined"


def _between(low: float, high: float) -> str:
    return f"{low:.4f} to {high:.4f}" if low == low else ""
