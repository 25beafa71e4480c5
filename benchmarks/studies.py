"""What do the paper's questions come to on real data? The studies, end to end, on 2 cores.

On the labelled proteins in ``../shared/data`` with the encoder NEAR: tasks and tokens of both
sources go into a scratch store, all is embedded once, then (1) the ablation on deeploc_binary, (2)
AlphaFold2 against ESMFold and against random noise, (3) EC (F1max) and Thermostability (Spearman)
trained end to end. What is finished is not done again, so an interrupted run goes on. Adapters
are narrow (``--width``), so that all ends within the hour.

::

    python -m benchmarks.studies --json
    python -m benchmarks.studies --rows 24 --seeds 2 --epochs 1 --plm blosum62 --out DIR    # a look
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from sesstore.datasets.load import LoadedTask
from sesstore.encoders import registry
from sesstore.jobs.add import add, load
from sesstore.jobs.embedding.embed import embed
from sesstore.jobs.training.train import prepare, summary
from sesstore.store import Store
from sesstore.studies import ablation, quality
from sesstore.studies.arms import Arm, Trial, train_trial
from sesstore.studies.study import ALPHABET_NAMES
from sesstore.studies.study_record import StudyReport
from sesstore.studies.study_settings import Place, StudySettings
from sesstore.training.fit_config import FitConfig

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
TASK, FIRST, SECOND = "deeploc_binary", "alphafold2", "esmfold"
SETS = ((TASK, SECOND), (TASK, FIRST), ("ec", FIRST), ("thermostability", FIRST))
"""Tasks and sources; of two sources of a task, the rows are those of the one added last."""

FURTHER = {"ec": 3, "thermostability": 3}
"""Tasks trained end to end, and how many times as many epochs they get: they are small."""

Result = TypeVar("Result")


@dataclass
class Bench:
    """The studies at work.

    Parameters
    ----------
    out : path
        Folder for the store and the studies.
    plm : str
    seeds : int
    fit : FitConfig
    shape : dict of str to int
        Width and heads of the adapters.
    """

    out: Path
    plm: str
    seeds: int
    fit: FitConfig
    shape: dict[str, int]
    seconds: dict[str, float] = field(default_factory=dict)
    table: list[dict[str, Any]] = field(default_factory=list)

    @property
    def few_seeds(self) -> int:
        """Seeds of everything but the ablation."""
        return min(self.seeds, 3)

    def timed(self, name: str, work: Callable[[], Result]) -> Result:
        """Do something, and note how long it took."""
        say(f"{name} ...")
        began = time.perf_counter()
        result = work()
        self.seconds[name] = time.perf_counter() - began
        say(f"{name}: {self.seconds[name]:.0f} s")
        return result

    def fill(self, data: Path, rows: int | None) -> Store:
        """Make the store: tasks, tokens of both sources, embeddings."""
        store = Store.open(self.out / "store", create=True)

        def tasks() -> None:
            for task, source in SETS:
                folder = data / task / source
                files = folder if rows is None else first_rows(folder, self.out / "few", rows)
                loaded = load(task, data=files, source=source)
                assert isinstance(loaded, LoadedTask)
                add(store, loaded)

        self.timed("adding tasks and tokens", tasks)
        encoder = registry.load(self.plm)
        self.timed(f"embedding with {encoder.name}", lambda: embed(store, encoder))
        return store

    def study(self, name: str, work: Callable[[StudySettings, Place], StudyReport]) -> StudyReport:
        """Run a study, or what is left of it."""
        is_ablation = name == "ablation"
        sources, seeds = (
            (FIRST,) if is_ablation else (FIRST, SECOND),
            self.seeds if is_ablation else self.few_seeds,
        )
        settings = StudySettings(TASK, self.plm, sources, seeds, self.shape, self.fit)
        place = Place(self.out / name, resume=True)
        report = self.timed(f"study {name}", lambda: work(settings, place))
        for row in report.rows:
            self.table.append(result(name, TASK, report.monitor, row["arm"], row))
        for sentence in report.findings:
            say(f"  {sentence}")
        return report

    def further(self, store: Store, name: str) -> None:
        """Train a task without and with structure, end to end."""
        fit = replace(self.fit, epochs=self.fit.epochs * FURTHER[name])
        arms = [
            Arm(arm, {}, {**self.shape, "alphabets": kinds})
            for arm, kinds in (("no structure", ()), (FIRST, ALPHABET_NAMES))
        ]
        inputs = prepare(store, name, plm=self.plm, alphabets=ALPHABET_NAMES, source=FIRST)
        trial = Trial(name, inputs, arms, fit, self.few_seeds)
        runs = self.timed(f"training {name}", lambda: train_trial(trial, self.out / "trained"))
        for arm, arm_runs in runs.items():
            monitor, group = inputs.task.monitor, summary(self.out, arm_runs)
            score, std = group.metrics["test"][monitor], group.std.get("test", {}).get(monitor)
            bounds = dict(zip(("low", "high"), group.interval, strict=True))
            row = {"score": score, "std": std, "seeds": len(arm_runs), **bounds}
            self.table.append(result("trained", name, monitor, arm, row))


def main() -> None:
    """Run the studies and print what they found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=Path("studies"))
    parser.add_argument("--plm", default="near")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--heads", type=int, default=1)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--rows", type=int, help="only so many rows of each file")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not options.data.is_dir():
        say(f"skipped: there is no '{options.data}' with deeploc_binary, ec and thermostability")
        if options.json:
            print(json.dumps({"machine": machine(), "table": [], "ratios": {}, "skipped": True}))
        return
    fit = FitConfig(epochs=options.epochs, lr=options.lr)
    shape = {"width": options.width, "heads": options.heads}
    bench = Bench(options.out, options.plm, options.seeds, fit, shape)
    ratios = run(bench, options.data, options.rows)
    say(f"all in {sum(bench.seconds.values()) / 60:.1f} minutes; pages: {options.out}/*/study.html")
    if options.json:
        report = {"machine": machine(), "table": bench.table, "ratios": ratios}
        print(json.dumps({**report, "seconds": bench.seconds}))
        return
    for row in bench.table:
        std = "" if row["std"] is None else f" ± {row['std']:.4f}"
        interval = f"{row['low']:.4f} to {row['high']:.4f}"
        print(
            f"{row['study']:9} {row['task']:16} {row['metric']:9} {row['arm']:34} "
            f"{row['score']:.4f}{std}  ({interval})"
        )


def run(bench: Bench, data: Path, rows: int | None) -> dict[str, float]:
    """Do everything; return differences by name."""
    store = bench.fill(data, rows)
    first = bench.study("ablation", lambda s, p: ablation.run(store, s, p))
    degrading = quality.Degrading(rates=(0.1, 0.25, 0.5, 1.0), when=("test",))
    second = bench.study("quality", lambda s, p: quality.run(store, s, p, degrading=degrading))
    for name in FURTHER:
        bench.further(store, name)
    return {
        f"{comparison['one']} - {comparison['other']}": comparison["difference"]
        for report in (first, second)
        for comparison in report.comparisons
    }


def first_rows(folder: Path, out: Path, count: int) -> Path:
    """Write the first rows of each split of a data set."""
    cut_folder = out / folder.parent.name / folder.name
    cut_folder.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("*.jsonl"):
        with file.open() as lines:
            (cut_folder / file.name).write_text("".join(islice(lines, count)))
    return cut_folder


def result(study: str, task: str, metric: str, arm: str, row: dict[str, Any]) -> dict[str, Any]:
    """A row of the table: a score on test."""
    figures = {key: row[key] for key in ("score", "std", "low", "high", "seeds")}
    return {"study": study, "task": task, "metric": metric, "arm": arm, **figures}


def machine() -> dict[str, Any]:
    """Where this ran."""
    return {"cores": len(os.sched_getaffinity(0)), "processor": platform.processor()}


def say(text: str) -> None:
    """Say a line on standard error."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
