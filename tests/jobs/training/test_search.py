"""A search proposes settings, and goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from sesstore.errors import InputError, MissingExtraError, StoppedError
from sesstore.jobs.inputs import Inputs
from sesstore.jobs.training import search as module
from sesstore.jobs.training.search import search
from sesstore.jobs.training.sweep import Range
from sesstore.progress import SILENT

from .conftest import GRID_CONFIG, PLAIN


def test_a_search_is_told_the_monitor_on_valid(
    errors: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("optuna")
    made, begin = [], module._study
    monkeypatch.setattr(module, "_study", lambda *args: made.append(begin(*args)) or made[0])
    args = (errors, SPACE, PLAIN, replace(GRID_CONFIG, seed=2))
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


SPACE = {
    "lr": (Range(1e-4, 1e-2),),
    "pooling": ("mean", "attention1d"),
    "dropout": (Range(0, 0.5),),
}


def test_a_search_tries_so_many_settings(inputs: Inputs, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    report = search(inputs, SPACE, PLAIN, GRID_CONFIG, trials=8, out=tmp_path / "s")
    tried = [entry["setting"] for entry in report.settings]
    assert len(tried) == 8
    assert len({setting["lr"] for setting in tried}) == 8
    assert all(1e-4 <= s["lr"] <= 1e-2 and 0 <= s["dropout"] <= 0.5 for s in tried)
    assert {setting["pooling"] for setting in tried} == {"mean", "attention1d"}
    assert json.loads((tmp_path / "s" / "sweep.json").read_text())["adapters"] == 8
    with pytest.raises(InputError, match="holds a sweep"):
        search(inputs, SPACE, PLAIN, GRID_CONFIG, trials=8, out=tmp_path / "s")


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
    whole = search(inputs, SPACE, PLAIN, GRID_CONFIG, trials=9, out=tmp_path / "whole")
    args = (inputs, SPACE, PLAIN, GRID_CONFIG)
    with pytest.raises(StoppedError, match="resume=True"):
        search(*args, trials=9, out=tmp_path / "s", progress=Signalling())
    finished = {p.parent.parent.name for p in (tmp_path / "s").rglob("run.json")}
    assert finished == {f"trial-{n:03d}" for n in range(module.TOGETHER)}
    longer = replace(GRID_CONFIG, epochs=3)
    with pytest.raises(InputError, match=r"other settings: fit\.epochs \(2 then, 3 now\)"):
        search(inputs, SPACE, PLAIN, longer, trials=9, out=tmp_path / "s", resume=True)
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
    report = search(
        inputs, space, PLAIN, GRID_CONFIG, trials=4, out=tmp_path / "s", progress=Noting()
    )
    assert {entry["setting"]["pooling"] for entry in report.settings} == {"mean"}
    left_out = 4 - len(report.settings)
    assert any(f"{left_out} of 4 settings are not possible" in note for note in notes)
    with pytest.raises(InputError, match="no setting that was tried is possible"):
        search(inputs, {"pooling": ("max",)}, PLAIN, GRID_CONFIG, trials=2, out=tmp_path / "t")


def test_without_optuna(inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"sesstore\[sweep\]"):
        search(inputs, SPACE, PLAIN, GRID_CONFIG, trials=2, out=tmp_path / "s")
