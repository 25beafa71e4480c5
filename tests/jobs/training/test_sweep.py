"""Grids and searches on one stream, with one record."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from types import SimpleNamespace

import pytest

from sesstore.errors import InputError, UnknownNameError
from sesstore.jobs.inputs import Inputs
from sesstore.jobs.training.sweep import Range, combinations, setting_name, sweep, sweep_folder
from sesstore.jobs.training.train import train
from sesstore.training.fit_config import FitConfig
from sesstore.training.runs import Run

from .conftest import GRID_CONFIG, PLAIN


def test_a_grid_is_one_stream_one_table_one_record(inputs: Inputs, tmp_path: Path) -> None:
    grid = {"lr": (1e-3, 5e-3), "pooling": ("mean", "attention1d")}
    report = sweep(inputs, grid, PLAIN, GRID_CONFIG, seeds=2, out=tmp_path / "s")
    assert report.adapters == 8
    tried = [(e["setting"]["lr"], e["setting"]["pooling"]) for e in report.settings]
    assert len(set(tried)) == 4
    values = [e["metrics"]["valid"]["accuracy"] for e in report.settings]
    assert values == sorted(values, reverse=True)
    record = json.loads((tmp_path / "s" / "sweep.json").read_text())
    assert [e["interval"] for e in record["settings"]] == [e["interval"] for e in report.settings]
    one = next(e for e in report.settings if e["setting"] == {"lr": 5e-3, "pooling": "mean"})
    alone = train(
        inputs, {**PLAIN, "pooling": "mean"}, FitConfig(**{**vars(GRID_CONFIG), "lr": 5e-3}),
        seeds=2, out=tmp_path / "alone",
    )  # fmt: skip
    assert one["metrics"] == alone.metrics


def test_of_an_error_the_lowest_on_valid_is_first(errors: Inputs, tmp_path: Path) -> None:
    grid = {"lr": (1e-9, 3e-2, 1e-3), "pooling": ("mean", "attention1d")}
    shape = {**PLAIN, "head": "paper"}  # or some settings may all be the linear term alone
    report = sweep(errors, grid, shape, replace(GRID_CONFIG, seed=3), seeds=2, out=tmp_path / "s")
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


def test_every_setting_has_a_folder_of_its_own() -> None:
    grid = {"lr": (1e-4, 1.5e-4, 0.00012), "alphabets": ((), ("dssp",), ("foldseek", "dssp"))}
    names = [setting_name(setting) for setting in combinations(grid)]
    assert len(set(names)) == len(names) == 9
    assert names[-1] == "lr=0.00012,alphabets=foldseek+dssp"
    assert (names[0], setting_name({})) == ("lr=0.0001,alphabets=none", "only")
    assert len(combinations({"heads": (2, 2, 4)})) == 2
    near = [setting_name({"lr": rate}) for rate in (1e-4, 1.0000001e-4)]
    assert near == ["lr=0.0001", "lr=0.00010000001"]


def test_sweeps_that_begin_in_one_second_have_folders_of_their_own(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = sweep_folder(SimpleNamespace(task=SimpleNamespace(name="toy")), None, resume=False)
    assert folder.parent == Path("runs/toy")
    assert re.fullmatch(r"sweep-\d{8}-\d{6}-\d{3}", folder.name)


def test_what_a_grid_refuses(inputs: Inputs, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="colour"):
        sweep(inputs, {"colour": (1,)}, PLAIN, GRID_CONFIG, out=tmp_path / "s")
    with pytest.raises(InputError, match="--search"):
        sweep(inputs, {"lr": (Range(0.1, 0.2),)}, PLAIN, GRID_CONFIG, out=tmp_path / "s")
    with pytest.raises(InputError, match="from less to more"):
        Range(2, 1)
    assert not (tmp_path / "s").exists()
