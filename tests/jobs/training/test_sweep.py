"""Grids and searches on one stream, with one record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest

from sesstore.encoders import registry
from sesstore.errors import InputError, MissingExtraError, StoppedError, UnknownNameError
from sesstore.jobs.embedding.embed import embed
from sesstore.jobs.inputs import Inputs
from sesstore.jobs.training import search as module
from sesstore.jobs.training.search import search
from sesstore.jobs.training.sweep import Range, combinations, setting_name, sweep
from sesstore.jobs.training.train import train
from sesstore.progress import SILENT
from sesstore.proteins import Protein
from sesstore.store import Store
from sesstore.tasks import Problem, Split, Task
from sesstore.training.fit_config import FitConfig
from sesstore.training.runs import Run

CONFIG = FitConfig(epochs=2, patience=2, batch_tokens=600, lr=3e-3)
PLAIN = {"alphabets": (), "width": 8}


@pytest.fixture
def inputs(store: Store, proteins: list[Protein]) -> Inputs:
    embed(store, registry.load("blosum62"), proteins)
    splits = {}
    for name, rows in (
        ("train", proteins[:24]),
        ("valid", proteins[24:32]),
        ("test", proteins[32:]),
    ):
        digests = np.frombuffer(b"".join(p.digest for p in rows), np.uint8).reshape(-1, 32)
        labels = [int(p.sequence.count("A") % 2) for p in rows]
        splits[name] = Split(tuple(p.id for p in rows), digests, labels)
    task = Task("toy", Problem.SINGLE_LABEL, ("a", "b"), splits, ("accuracy",), "accuracy")
    return Inputs(task, store.embeddings(), None)


def test_a_grid_is_one_stream_one_table_one_record(inputs: Inputs, tmp_path: Path) -> None:
    grid = {"lr": (1e-3, 5e-3), "pooling": ("mean", "attention1d")}
    report = sweep(inputs, grid, PLAIN, CONFIG, seeds=2, out=tmp_path / "s")
    assert report.adapters == 8
    tried = [(e["setting"]["lr"], e["setting"]["pooling"]) for e in report.settings]
    assert len(set(tried)) == 4
    values = [e["metrics"]["valid"]["accuracy"] for e in report.settings]
    assert values == sorted(values, reverse=True)
    record = json.loads((tmp_path / "s" / "sweep.json").read_text())
    assert [e["interval"] for e in record["settings"]] == [e["interval"] for e in report.settings]
    one = next(e for e in report.settings if e["setting"] == {"lr": 5e-3, "pooling": "mean"})
    alone = train(
        inputs, {**PLAIN, "pooling": "mean"}, FitConfig(**{**vars(CONFIG), "lr": 5e-3}),
        seeds=2, out=tmp_path / "alone",
    )  # fmt: skip
    assert one["metrics"] == alone.metrics


@pytest.fixture
def errors(inputs: Inputs) -> Inputs:
    """Lengths to predict, by a monitor of which less is better."""
    splits = {
        name: replace(split, labels=[float(n) for n in inputs.embeddings.lengths[rows]])
        for name, split in inputs.task.splits.items()
        for rows in [inputs.embeddings.find(split.digests)]
    }
    task = Task("length", Problem.REGRESSION, ("value",), splits, ("spearman", "rmse"), "rmse")
    return replace(inputs, task=task)


def test_of_an_error_the_lowest_on_valid_is_first(errors: Inputs, tmp_path: Path) -> None:
    grid = {"lr": (1e-9, 3e-2, 1e-3), "pooling": ("mean", "attention1d")}
    shape = {**PLAIN, "head": "paper"}  # or some settings may all be the linear term alone
    report = sweep(errors, grid, shape, replace(CONFIG, seed=3), seeds=2, out=tmp_path / "s")
    values = [entry["metrics"]["valid"]["rmse"] for entry in report.settings]
    assert values == sorted(values)
    assert len(set(values)) == 6
    assert report.monitor == "rmse"
    for entry in report.settings:
        runs = [Run.load(path) for path in entry["runs"]]
        for run in runs:
            assert run.config["fit"]["lr"] == entry["setting"]["lr"]
            assert run.config["adapter"]["pooling"] == entry["setting"]["pooling"]
            assert run.config["adapter"]["width"] == 8
        assert [run.config["fit"]["seed"] for run in runs] == [3, 4]
        mean = fmean(run.metrics["valid"]["rmse"] for run in runs)
        assert entry["metrics"]["valid"]["rmse"] == pytest.approx(mean)


def test_a_search_is_told_the_monitor_on_valid(
    errors: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("optuna")
    made, begin = [], module._study
    monkeypatch.setattr(module, "_study", lambda *args: made.append(begin(*args)) or made[0])
    args = (errors, SPACE, PLAIN, replace(CONFIG, seed=2))
    report = search(*args, trials=7, seeds=2, out=tmp_path / "s")
    by_lr = {entry["setting"]["lr"]: entry["metrics"]["valid"]["rmse"] for entry in report.settings}
    trials = {trial.params["lr"]: trial.value for trial in made[0].trials}
    assert trials == pytest.approx(by_lr)
    assert made[0].best_value == min(by_lr.values())
    assert report.settings[0]["metrics"]["valid"]["rmse"] == min(by_lr.values())
    assert begin("accuracy", 0).direction.name == "MAXIMIZE"
    first = [begin("rmse", seed).ask().suggest_float("lr", 1e-4, 1e-2, log=True) for seed in (2, 3)]
    assert first[0] == pytest.approx(next(iter(trials)))
    assert first[1] != first[0]


def test_every_setting_has_a_folder_of_its_own() -> None:
    grid = {"lr": (1e-4, 1.5e-4, 0.00012), "alphabets": ((), ("dssp",), ("foldseek", "dssp"))}
    names = [setting_name(setting) for setting in combinations(grid)]
    assert len(set(names)) == len(names) == 9
    assert names[-1] == "lr=0.00012,alphabets=foldseek+dssp"
    assert (names[0], setting_name({})) == ("lr=0.0001,alphabets=none", "only")
    assert len(combinations({"heads": (2, 2, 4)})) == 2


def test_what_a_grid_refuses(inputs: Inputs, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="colour"):
        sweep(inputs, {"colour": (1,)}, PLAIN, CONFIG, out=tmp_path / "s")
    with pytest.raises(InputError, match="--search"):
        sweep(inputs, {"lr": (Range(0.1, 0.2),)}, PLAIN, CONFIG, out=tmp_path / "s")
    with pytest.raises(InputError, match="from less to more"):
        Range(2, 1)
    assert not (tmp_path / "s").exists()


SPACE = {
    "lr": (Range(1e-4, 1e-2),),
    "pooling": ("mean", "attention1d"),
    "dropout": (Range(0, 0.5),),
}


def test_a_search_tries_so_many_settings(inputs: Inputs, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    report = search(inputs, SPACE, PLAIN, CONFIG, trials=8, out=tmp_path / "s")
    tried = [entry["setting"] for entry in report.settings]
    assert len(tried) == 8
    assert len({setting["lr"] for setting in tried}) == 8
    assert all(1e-4 <= s["lr"] <= 1e-2 and 0 <= s["dropout"] <= 0.5 for s in tried)
    assert {setting["pooling"] for setting in tried} == {"mean", "attention1d"}
    assert json.loads((tmp_path / "s" / "sweep.json").read_text())["adapters"] == 8
    with pytest.raises(InputError, match="holds a sweep"):
        search(inputs, SPACE, PLAIN, CONFIG, trials=8, out=tmp_path / "s")


class Signalling:
    """Progress that sends this process SIGTERM when the second group begins."""

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str) -> Iterator[object]:
        with SILENT.stage(name, total, unit) as stage:
            yield stage

    def note(self, text: str) -> None:
        if text.startswith(f"trials {module.TOGETHER + 1} to"):
            import os
            import signal

            os.kill(os.getpid(), signal.SIGTERM)


def test_an_interrupted_search_goes_on(inputs: Inputs, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    whole = search(inputs, SPACE, PLAIN, CONFIG, trials=9, out=tmp_path / "whole")
    args = (inputs, SPACE, PLAIN, CONFIG)
    with pytest.raises(StoppedError, match="resume=True"):
        search(*args, trials=9, out=tmp_path / "s", progress=Signalling())
    finished = {p.parent.parent.name for p in (tmp_path / "s").rglob("run.json")}
    assert finished == {f"trial-{n:03d}" for n in range(module.TOGETHER)}
    found = search(*args, trials=9, out=tmp_path / "s", resume=True)
    for one, other in zip(whole.settings, found.settings, strict=True):
        assert one["setting"] == other["setting"]
        assert one["metrics"] == other["metrics"]


def test_settings_that_are_not_possible_are_counted(inputs: Inputs, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    notes: list[str] = []

    class Noting(Signalling):
        def note(self, text: str) -> None:
            notes.append(text)

    space = {"pooling": ("mean", "max")}
    report = search(inputs, space, PLAIN, CONFIG, trials=4, out=tmp_path / "s", progress=Noting())
    assert {entry["setting"]["pooling"] for entry in report.settings} == {"mean"}
    left_out = 4 - len(report.settings)
    assert any(f"{left_out} of 4 settings are not possible" in note for note in notes)
    with pytest.raises(InputError, match="no setting that was tried is possible"):
        search(inputs, {"pooling": ("max",)}, PLAIN, CONFIG, trials=2, out=tmp_path / "t")


def test_without_optuna(inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"sesstore\[sweep\]"):
        search(inputs, SPACE, PLAIN, CONFIG, trials=2, out=tmp_path / "s")
