"""How good are the defaults on few labelled proteins, and are simple models better?

Draws of some train rows, with a quarter as many valid rows, from each set of ``../shared/data``;
all test rows are scored. For each draw adapters with all settings left to sesstore, without and
with structure, and the simple models of ``sesstore train``. The encoder is NEAR; embeddings are
computed once, into a store beside the results. A result is a line of the file; what is there is not
computed again, so that hours on a workstation may be spread over days. ``benchmarks/results`` holds
what was measured so far; remove the file when defaults change.

::

    python -m benchmarks.small_sets --data ../shared/data --jobs 2
    python -m benchmarks.small_sets --markdown            # only the table
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sesstore.datasets.load import LoadedTask
from sesstore.encoders import registry
from sesstore.jobs.add import add, load
from sesstore.jobs.embedding.embed import embed
from sesstore.jobs.inputs import Inputs
from sesstore.jobs.training.baselines import task_rows
from sesstore.jobs.training.train import train
from sesstore.store import Store
from sesstore.streaming.composition import StoredCompositions
from sesstore.tasks import Task, part_of
from sesstore.training.baselines import score_baselines
from sesstore.training.fit_config import FitConfig
from sesstore.training.metrics import HIGHER_IS_WORSE
from sesstore.training.runs import Run

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
RESULTS = Path(__file__).parent / "results" / "small_sets.jsonl"
SETS = ("deeploc_binary", "thermostability", "ec")
SIZES = (50, 100, 200, 500, 1000, 1728)
SOURCE = "alphafold2"
STRUCTURES = {"none": (), "both": ("foldseek", "dssp")}
BASELINES = ("trivial", "sequence", "neighbours", "linear")


@dataclass(frozen=True)
class Item:
    """Something to train: a set, how many of its train rows, which draw of them, and what on.

    Parameters
    ----------
    task : str
    rows : int
    draw : int
        Seed of the rows that are drawn, and of the training.
    model : str
        A key of `STRUCTURES`, or ``"baselines"``.
    """

    task: str
    rows: int
    draw: int
    model: str


@dataclass(frozen=True)
class Place:
    """Where the store is, and where to train."""

    store: Path
    plm: str
    device: str | None


def main() -> None:
    """Train what is missing, and print the table."""
    options = arguments().parse_args()
    if not options.markdown:
        if not options.data.is_dir():
            print(f"skipped: there is no '{options.data}' with {', '.join(options.sets)}")
            return
        place = Place(options.out.with_suffix(".store"), options.plm, options.device)
        measure(options, place)
    results = read(options.out)
    for line in markdown(results) if results else ["no results"]:
        print(line)


def arguments() -> argparse.ArgumentParser:
    """What can be given."""

    def words(text: str) -> list[str]:
        return text.split(",")

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--device", help="of trainings; the best there is by default")
    parser.add_argument("--plm", default="near")
    parser.add_argument("--sets", type=words, default=list(SETS))
    parser.add_argument("--sizes", type=words, default=[str(size) for size in SIZES])
    parser.add_argument("--structure", type=words, default=list(STRUCTURES))
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--markdown", action="store_true", help="print the table of what is there")
    return parser


def measure(options: argparse.Namespace, place: Place) -> None:
    """Compute what the file of results lacks, one process an item."""
    began = time.perf_counter()
    store = filled(options.data, options.sets, place)
    say(f"store: {time.perf_counter() - began:.0f} s")
    recorded = {item_of(result) for result in read(options.out)}
    all_items = items(
        store, options.sets, [int(n) for n in options.sizes], options.draws, options.structure
    )
    pending = [item for item in all_items if item not in recorded]
    say(f"{len(pending)} of {len(all_items)} to do, {options.jobs} at once")
    pool = ProcessPoolExecutor(options.jobs, get_context("spawn"), torch.set_num_threads, (1,))
    text = "".join(json.dumps(result) + "\n" for result in read(options.out))
    options.out.write_text(text)  # without a line that was cut off
    with pool, options.out.open("a") as file:
        futures = {pool.submit(results_of, item, place): item for item in pending}
        for count, future in enumerate(as_completed(futures), 1):
            for result in future.result():
                file.write(json.dumps(result) + "\n")
            file.flush()
            item, seconds = futures[future], time.perf_counter() - began
            say(f"{seconds:6.0f} s  {count}/{len(pending)}  {item}")


def filled(data: Path, sets: Sequence[str], place: Place) -> Store:
    """Return the store with the sets, their tokens and embeddings; makes what is missing."""
    store = Store.open(place.store, create=True)
    for name in sets:
        if name not in store.tasks():
            loaded = load(name, data=data / name / SOURCE, source=SOURCE)
            assert isinstance(loaded, LoadedTask)
            add(store, loaded)
    report = embed(store, registry.load(place.plm, device=place.device))
    assert not report.failed, report.failed
    return store


def items(
    store: Store,
    sets: Sequence[str],
    sizes: Sequence[int],
    draws: int,
    structure: Sequence[str],
) -> list[Item]:
    """Everything to train: draw by draw, the longest first."""
    sorted_items = []
    for name in sets:
        train_rows = len(store.task(name).split("train"))
        rows = sorted({min(size, train_rows) for size in sizes})
        models = ("baselines", *structure)
        sorted_items += [Item(name, *choice) for choice in product(rows, range(draws), models)]
    return sorted(sorted_items, key=lambda item: (item.draw, item.model != "both", -item.rows))


def results_of(item: Item, place: Place) -> list[dict[str, Any]]:
    """Train an item in a process of its own; a result each model."""
    store = open_store(place.store)
    task = draw_rows(store.task(item.task), item)
    if item.model == "baselines":
        return list(baseline_results(store, task, item))
    view, tokens = store.embeddings(), store.tokens(SOURCE)
    alphabets = STRUCTURES[item.model]
    inputs = Inputs(task, view, tokens, alphabets, StoredCompositions(store))
    config = FitConfig(seed=item.draw, device=place.device)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        train(inputs, {"alphabets": alphabets}, config, out=Path(folder) / "run")
        run = Run.load(Path(folder) / "run")
    extra = {"best_epoch": run.best_epoch, "epochs": run.history[-1]["epoch"]}
    return [result(item, task, run.metrics, time.perf_counter() - began, extra)]


@lru_cache
def open_store(path: Path) -> Store:
    """The store, opened once a process."""
    return Store.open(path)


def draw_rows(task: Task, item: Item) -> Task:
    """Some train rows, a quarter as many valid rows, all test rows."""
    splits = {"test": task.split("test")}
    for name, rows in (("train", item.rows), ("valid", -(-item.rows // 4))):
        split = task.split(name)
        chance = np.random.default_rng([item.draw, item.rows, name == "valid"])
        splits[name] = part_of(split, chance.permutation(len(split))[:rows])
    return replace(task, splits=splits)


def baseline_results(store: Store, task: Task, item: Item) -> Iterator[dict[str, Any]]:
    """A result for each simple model."""
    for score in score_baselines(task, task_rows(store, task, store.embeddings()), seed=item.draw):
        yield result(replace(item, model=score.name), task, score.metrics, score.seconds, {})


def result(
    item: Item, task: Task, metrics: Any, seconds: float, extra: dict[str, Any]
) -> dict[str, Any]:
    """A line of the file."""
    scores = {split: metrics[split][task.monitor] for split in ("valid", "test")}
    about = {"metric": task.monitor, "seconds": round(seconds, 1)}
    return {**asdict(item), **about, **scores, **extra, "metrics": dict(metrics["test"])}


def item_of(result: dict[str, Any]) -> Item:
    """What a result is of."""
    model = "baselines" if result["model"] in BASELINES else result["model"]
    return Item(result["task"], result["rows"], result["draw"], model)


def read(file: Path) -> list[dict[str, Any]]:
    """Results so far."""
    if not file.is_file():
        return []
    lines = file.read_text().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]  # the last may be cut off


def markdown(results: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Table of means and deviations over draws, and each adapter against the best simple model."""
    scores: dict[tuple[str, int], dict[str, dict[int, float]]] = {}
    for result in results:
        models = scores.setdefault((result["task"], result["rows"]), {})
        # A constant prediction has no rank correlation: it orders nothing.
        value = 0.0 if result["test"] != result["test"] else result["test"]
        models.setdefault(result["model"], {})[result["draw"]] = value
    metrics = {result["task"]: result["metric"] for result in results}
    columns = [
        name for name in (*BASELINES, *STRUCTURES) if any(name in m for m in scores.values())
    ]
    adapters = [name for name in columns if name in STRUCTURES]
    heads = [*(f"adapter, {c}" if c in STRUCTURES else c for c in columns)]
    yield "| set | rows | " + " | ".join([*heads, *(f"{a} - best" for a in adapters)]) + " |"
    yield "|---|---:|" + "---:|" * (len(columns) + len(adapters))
    for (task, rows), models in sorted(scores.items(), key=lambda pair: pair[0]):
        cells = [mean_and_deviation(models.get(name, {})) for name in columns]
        simple = {name: models[name] for name in BASELINES if name in models}
        cells += [against(models.get(name, {}), simple, metrics[task]) for name in adapters]
        yield f"| {task} ({metrics[task]}) | {rows:,} | " + " | ".join(cells) + " |"


def mean_and_deviation(values: dict[int, float]) -> str:
    """Mean ± deviation over draws."""
    if not values:
        return ""
    spread = f" ± {statistics.stdev(values.values()):.3f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values.values()):.3f}{spread}"


def against(values: dict[int, float], simple: dict[str, dict[int, float]], metric: str) -> str:
    """Mean difference to the simple model that is best on average, ± its standard error."""
    if not values or not simple:
        return ""
    sign = -1 if metric in HIGHER_IS_WORSE else 1
    best = max(simple.values(), key=lambda scores: sign * statistics.fmean(scores.values()))
    gaps = [value - best[draw] for draw, value in values.items() if draw in best]
    error = f" ± {statistics.stdev(gaps) / len(gaps) ** 0.5:.3f}" if len(gaps) > 1 else ""
    return f"{statistics.fmean(gaps):+.3f}{error}"


def say(text: str) -> None:
    """Say a line on standard error."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
