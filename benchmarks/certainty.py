"""Do sets and intervals hold the truth nine times in ten, and are probabilities what they say?

Trains adapters on each set of ``../shared/data`` (NEAR, no structure), or takes trained runs; all
that says how sure a prediction is was learned on valid and is told on test.

::

    python -m benchmarks.certainty --data ../shared/data --json
    python -m benchmarks.certainty --run runs/deeploc_binary/... --run runs/ec/...
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.epoch import machine
from benchmarks.small_sets import DATA, SETS, SOURCE
from sesstore.jobs.add import add, load
from sesstore.jobs.training.train import prepare, train
from sesstore.store import Store
from sesstore.training.certainty import certainty_of, mean_prediction, score_certainty
from sesstore.training.learner import FitConfig
from sesstore.training.seeds import runs_at


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument(
        "--run", type=Path, action="append", help="A trained run; several are fine."
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs = options.run or trained(Path(folder), options.data, options.seeds)
        table = [measure(run) for run in runs]
    ratios = {
        f"{row['task']}_{name}": row[name]
        for row in table
        for name in ("coverage", "ece_before", "ece_after")
        if row[name] is not None
    }
    if options.json:
        print(json.dumps({"machine": machine(), "table": table, "ratios": ratios}))
        return
    if not table:
        print(f"skipped: there are no data in {options.data}")
    for row in table:
        print(
            "  ".join(
                f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()
            )
        )


def trained(folder: Path, data: Path, seeds: int) -> Iterator[Path]:
    """Train on each set that is there; yield the runs."""
    for name in SETS:
        if (data / name).is_dir():
            store = Store.open(folder / name, create=True)
            add(store, load(name, data=data / name / SOURCE, source=SOURCE))
            inputs = prepare(store, name, plm="near", alphabets=())
            out = folder / f"{name}-run"
            train(inputs, {}, FitConfig(), seeds=seeds, out=out)
            yield out


def measure(run: Path) -> dict[str, Any]:
    """Certainty of a run on test."""
    runs = runs_at(run)
    certainty = certainty_of(runs)
    score = score_certainty(certainty, mean_prediction(runs, "test"))
    return {
        "task": runs[0].task["name"],
        "seeds": len(runs),
        "temperature": certainty.temperature,
        **score.to_json(),
    }


if __name__ == "__main__":
    main()
