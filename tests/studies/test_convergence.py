"""How many epochs a goal takes, and how many times as fast that is."""

from __future__ import annotations

from pathlib import Path

import pytest

from sesstore.studies import convergence
from sesstore.studies.study import Study
from sesstore.studies.study_settings import Place
from sesstore.training.runs import Run


def test_how_many_times_as_fast(of_histories) -> None:
    """The plain adapter's best came in epoch 4; with structure it was as good in epoch 2."""
    study, plain, fast, never = of_histories
    for name, runs in (("fast", fast), ("never", never)):
        convergence._add(study, name, [runs], [plain])
    quick, slow = study.report.rows
    assert (quick["speedup"], quick["epochs"], quick["plain_best_epoch"]) == (2.0, 2.0, 4)
    assert (quick["reached"], slow["reached"]) == ("1 of 1", "0 of 1")
    assert (slow["speedup"], slow["epochs"]) == (0.0, None)
    assert "2.00 times as fast" in study.report.findings[0]


@pytest.fixture
def of_histories(store, settings, out, monkeypatch):
    """A study, and runs of which only the history counts."""
    study = Study("x", "?", store, settings, Place(out), {})
    monkeypatch.setattr(study, "compare", lambda *_: None)
    monkeypatch.setattr(
        study, "row", lambda *_, **__: study.report.rows.append({}) or study.report.rows[-1]
    )

    def run(*values: float) -> Run:
        best = [value == max(values[: n + 1]) for n, value in enumerate(values)]
        history = [
            {"epoch": n, "valid": {"accuracy": value}, "best": first}
            for n, (value, first) in enumerate(zip(values, best, strict=True), 1)
        ]
        return Run(out, {}, {}, None, None, {}, {}, history, {})  # type: ignore[arg-type]

    return study, run(0.1, 0.2, 0.3, 0.6), run(0.3, 0.6, 0.7, 0.5), run(0.1, 0.1, 0.1, 0.1)


def test_epochs_to_a_goal(tmp_path: Path) -> None:
    history = [{"epoch": i, "valid": {"accuracy": v, "rmse": -v}} for i, v in ((1, 0.5), (2, 0.8))]
    run = Run(tmp_path, {}, {}, None, None, {}, {}, history, {})  # type: ignore[arg-type]
    assert convergence.epochs_to(run, "accuracy", 0.5) == 1
    assert convergence.epochs_to(run, "accuracy", 0.6) == 2
    assert convergence.epochs_to(run, "accuracy", 0.9) is None
    assert convergence.epochs_to(run, "rmse", -0.6) == 2
    assert convergence.best_of(run, "rmse") == -0.8


def test_ratios_are_said_with_what_never_came() -> None:
    sentence = convergence._speedup_sentence([2, None, 8], [4, 6, 8], [2.0, 0.0, 1.0])
    assert sentence.startswith("1.00 times as fast (median over 3 seeds; 0.00 to 2.00)")
    assert "; 1 of 3 seeds never were and count as 0 times as fast" in sentence
    assert "signed-rank p = 1 for a ratio of 1" in sentence  # of +1 and -1
    single = convergence._speedup_sentence([2, 8], [4, 8], [2.0, 1.0])
    assert single == "1.50 times as fast (median over 2 seeds; 1.00 to 2.00)"


def test_as_good_as_the_goal_is_enough(tmp_path: Path) -> None:
    history = [{"epoch": i, "valid": {"rmse": v}} for i, v in ((1, 0.9), (2, 0.5), (3, 0.6))]
    run = Run(tmp_path, {}, {}, None, None, {}, {}, history, {})  # type: ignore[arg-type]
    assert convergence.epochs_to(run, "rmse", 0.5) == 2
    assert convergence.best_of(run, "rmse") == 0.5


def test_the_plain_adapter_is_told_by_itself_and_the_masked_one_is_a_control(
    of_histories, monkeypatch
) -> None:
    study, plain, fast, _ = of_histories
    kinds: dict[str, bool] = {}
    compared: list[tuple[str, str]] = []

    def row(name, factors, runs, *, control):
        kinds[name] = control
        study.report.rows.append({**factors, "runs": runs})
        return study.report.rows[-1]

    monkeypatch.setattr(study, "row", row)
    monkeypatch.setattr(study, "compare", lambda one, other: compared.append((one[0], other[0])))
    for name, run in ((convergence.PLAIN, plain), (convergence.MASKED, fast), ("with x", fast)):
        convergence._add(study, name, [run, run], [plain, plain])
    assert kinds == {"no structure": False, "with masked tokens": True, "with x": False}
    assert compared == [("with masked tokens", "no structure"), ("with x", "no structure")]
    assert study.report.findings[0] == ("Without structure the best on valid came at epochs 4, 4")
    assert study.report.findings[2].startswith(
        "with x as good on valid as the plain adapter's best: 2.00 times as fast"
    )
    assert [row["reached"] for row in study.report.rows] == ["2 of 2"] * 3
    assert [row["speedup"] for row in study.report.rows] == [1.0, 2.0, 2.0]
    assert study.report.rows[1]["curve"] == [(1, 0.3), (2, 0.6), (3, 0.7), (4, 0.5)]
