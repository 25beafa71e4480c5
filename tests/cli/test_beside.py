"""What stands beside a result on the terminal."""

from __future__ import annotations

from pathlib import Path

from sesstore_cli.beside import after_training_baselines, say_baselines, say_cautions
from sesstore_cli.output import Output
from sesstore_cli.report import after_training

from sesstore.store import Store
from sesstore.training.baseline_report import MODELS, BaselineReport
from sesstore.training.runs import Caution


def test_every_figure_of_simple_models_is_in_its_place(shown) -> None:
    names = list(MODELS)[:2]
    metrics = {name: {"valid": {"mcc": 0.9}, "test": {"mcc": v}} for name, v in
               zip(names, (0.25, float("nan")), strict=True)}  # fmt: skip
    intervals = {names[0]: (0.125, 0.5), names[1]: (float("nan"), float("nan"))}
    seconds = {names[0]: 1.25, names[1]: 150.0}
    report = BaselineReport("test", "mcc", metrics, intervals, seconds, names[0], 0.125, -0.25, 0.5)
    assert shown(say_baselines, report) == [
        "simple model what it is test mcc 95 % interval time",
        f"{names[0]} {MODELS[names[0]]} 0.2500 0.1250 to 0.5000 1.2 s",
        f"{names[1]} {MODELS[names[1]]} not defined - 2 min",
        report.sentence,
    ]


def test_cautions_say_what_to_do(shown) -> None:
    caution = Caution("small", "3 proteins in test", "add more")
    assert shown(say_cautions, [caution]) == [f"caution: {caution.line}"]
    assert "3 proteins in test" in caution.line
    assert "Add more" in caution.line


def test_of_several_processes_the_first_measures_and_draws(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("RANK", "1")
    store = Store.create(tmp_path / "store")
    assert after_training_baselines("no run", store, Output()) is None
    assert after_training("no run", store, Output()) is None
