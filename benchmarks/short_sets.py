"""Are the defaults as good as scikit-learn on a few hundred short proteins?

Sets as a laboratory brings them, cut from ``../shared/data``: melting temperatures and locations of
short proteins, with random splits. For each split an adapter with all settings left to sesstore,
beside ridge or logistic regression on mean embeddings, with penalties by cross-validation, by
scikit-learn itself. The encoder is NEAR.

::

    python -m benchmarks.short_sets --data ../shared/data --json
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sesstore.jobs.inputs import Inputs
from sesstore.jobs.training.train import train
from sesstore.store import Store
from sesstore.streaming.composition import StoredCompositions
from sesstore.streaming.means import mean_embeddings
from sesstore.tasks import Problem, Task, part_of, pooled
from sesstore.training.fit_config import FitConfig
from sesstore.training.metrics import compute
from sesstore.training.runs import Run

from .small_sets import DATA, SOURCE, STRUCTURES, Place, filled

ALPHAS = np.logspace(-1, 5, 25)


@dataclass(frozen=True)
class ShortSet:
    """Few proteins of a set of ``../shared/data``.

    Parameters
    ----------
    name : str
    task : str
    metric : str
    longest : int
        Residues of a protein.
    counts : tuple of int
        Train, valid and test rows.
    structure : str
        A key of `small_sets.STRUCTURES`.
    first : bool
        Whether the rows are the first of the files, always the same, and only splits are drawn.
    """

    name: str
    task: str
    metric: str
    longest: int
    counts: tuple[int, int, int]
    structure: str
    first: bool


SETS = (
    ShortSet("Tm, first 240", "thermostability", "spearman", 399, (192, 24, 24), "none", True),
    ShortSet("Tm, drawn", "thermostability", "spearman", 9999, (190, 48, 100), "none", False),
    ShortSet("location, first 250", "deeploc_binary", "mcc", 399, (160, 40, 50), "both", True),
    ShortSet("location, drawn", "deeploc_binary", "mcc", 399, (160, 40, 150), "none", False),
)


def main() -> None:
    """Train each set's splits and print a row for each set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--store", type=Path, help="where NEAR's embeddings are kept")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--first-draw", type=int, default=0)
    parser.add_argument("--device")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"skipped: there is no '{options.data}' with thermostability and deeploc_binary")
        return
    with tempfile.TemporaryDirectory() as folder:
        place = Place(options.store or Path(folder) / "store", "near", options.device)
        store = filled(options.data, ["thermostability", "deeploc_binary"], place)
        draws = range(options.first_draw, options.first_draw + options.draws)
        rows = [row_of(store, short, draws, options.device) for short in SETS]
    if options.json:
        print(json.dumps({row["set"]: row["difference"] for row in rows}))
        return
    print("| set | train rows | metric | adapter | scikit-learn | difference |")
    print("|---|---:|---|---:|---:|---:|")
    for row in rows:
        print(
            f"| {row['set']} | {row['rows']} | {row['metric']} | {row['adapter']:.3f} | "
            f"{row['linear']:.3f} | {row['difference']:+.3f} ± {row['error']:.3f} |"
        )


def row_of(
    store: Store, short: ShortSet, draws: Sequence[int], device: str | None
) -> dict[str, Any]:
    """Mean scores over splits of adapter and scikit-learn; mean difference, with its error."""
    pairs = []
    for draw in draws:
        task = split_task(store, short, draw)
        pair = adapter_score(store, task, short, draw, device), linear_score(store, task, short)
        print(f"{short.name}, draw {draw}: adapter {pair[0]:.3f}, scikit-learn {pair[1]:.3f}")
        pairs.append(pair)
    gaps = [adapter - linear for adapter, linear in pairs]
    return {
        "set": short.name,
        "rows": short.counts[0],
        "metric": short.metric,
        "adapter": statistics.fmean(adapter for adapter, _ in pairs),
        "linear": statistics.fmean(linear for _, linear in pairs),
        "difference": statistics.fmean(gaps),
        "error": statistics.stdev(gaps) / len(gaps) ** 0.5 if len(gaps) > 1 else 0.0,
    }


def split_task(store: Store, short: ShortSet, draw: int) -> Task:
    """The set's rows, split at random."""
    task = store.task(short.task)
    lengths = {protein.digest: len(protein) for protein in store.proteins()}
    all_rows = pooled(task)
    short_rows = [
        row for row, digest in enumerate(all_rows.digests)
        if lengths[digest.tobytes()] <= short.longest
    ]  # fmt: skip
    count = sum(short.counts)
    rows = np.array(short_rows[:count] if short.first else short_rows)
    rows = np.random.default_rng([7, draw]).permutation(rows)[:count]
    names = ("train", "valid", "test")
    edges = np.cumsum(short.counts)[:-1]
    splits = dict(
        zip(names, (part_of(all_rows, part) for part in np.split(rows, edges)), strict=True)
    )
    return replace(task, splits=splits)


def adapter_score(
    store: Store, task: Task, short: ShortSet, draw: int, device: str | None
) -> float:
    """Score on test of a training with the defaults."""
    alphabets = STRUCTURES[short.structure]
    inputs = Inputs(
        task, store.embeddings(), store.tokens(SOURCE), alphabets, StoredCompositions(store)
    )
    config = FitConfig(seed=draw, device=device)
    with tempfile.TemporaryDirectory() as folder:
        train(inputs, {"alphabets": alphabets}, config, out=Path(folder) / "run")
        return defined(Run.load(Path(folder) / "run").metrics["test"][short.metric])


def linear_score(store: Store, task: Task, short: ShortSet) -> float:
    """Score on test of scikit-learn on mean embeddings; fitted to train."""
    view = store.embeddings()
    means = {
        name: mean_embeddings(view, view.find(task.split(name).digests)).numpy()
        for name in ("train", "test")
    }
    labels = {name: np.array(task.split(name).labels) for name in means}
    if task.problem is Problem.REGRESSION:
        model = make_pipeline(StandardScaler(), RidgeCV(ALPHAS))
        model.fit(means["train"], labels["train"])
        scores = torch.from_numpy(model.predict(means["test"]))
    else:
        penalties = LogisticRegressionCV(Cs=20, cv=5, max_iter=2000)
        model = make_pipeline(StandardScaler(), penalties)
        model.fit(means["train"], labels["train"])
        scores = torch.from_numpy(model.predict_proba(means["test"]))
    truth = torch.from_numpy(labels["test"])
    return defined(compute([short.metric], task.problem, scores, truth)[short.metric])


def defined(score: float) -> float:
    """A score; 0 where a correlation is not defined, for a constant prediction orders nothing."""
    return 0.0 if score != score else score


if __name__ == "__main__":
    main()
