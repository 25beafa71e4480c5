"""What a study's page, figures and sentences show is what its record holds, each in its place."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from sesstore.studies import layers
from sesstore.studies.figures import (
    convergence_chart,
    cost_chart,
    interval_chart,
    layers_chart,
    quality_chart,
)
from sesstore.studies.page import _comparisons, _missing, caption, methods, seeds_of
from sesstore.studies.study import Study
from sesstore.studies.study_settings import Place
from sesstore.training.fit_config import FitConfig

from .conftest import report


class Written:
    """A page that keeps what it is given."""

    def __init__(self) -> None:
        self.tables: list[tuple[Any, ...]] = []
        self.texts: list[str] = []

    def section(self, title: str) -> None:
        self.texts.append(title)

    def text(self, text: str) -> None:
        self.texts.append(text)

    def table(self, heads, rows, note="") -> None:
        self.tables.append((heads, rows, note))


def test_each_number_of_a_comparison_is_under_its_head(tmp_path) -> None:
    made, page = report(tmp_path), Written()
    made.comparisons = [
        {"one": "a", "other": "b", "difference": 0.1, "low": 0.02, "high": 0.3, "p": 0.01,
         "q": 0.04, "better_seeds": 2, "seeds": 3},
    ]  # fmt: skip
    made.missing = ["what was not there"]
    _comparisons(page, made)
    _missing(page, made)
    ((heads, (row,), _),) = page.tables
    assert dict(zip(heads, row, strict=True)) == {
        "arm": "a", "against": "b", "difference": 0.1, "low": 0.02, "high": 0.3, "p": 0.01,
        "q": 0.04, "better seeds": "2 of 3",
    }  # fmt: skip
    assert page.texts[-1] == "what was not there"


def test_a_paragraph_says_what_was_done(tmp_path) -> None:
    made = report(tmp_path)
    made.settings = {"seeds": 5, "fit": {"lr": 0.0005, "schedule": "constant", "epochs": 7,
                                         "batch_tokens": 2048}}  # fmt: skip
    made.encoder = ["enc", "other"]
    assert methods(made).startswith(
        "Adapters (SES-Adapter, Tan et al. 2024) were trained on frozen per-residue embeddings of "
        "enc, other for toy (single_label), with AdamW at a learning rate of 0.0005 (constant), at "
        "most 7 epochs and 2,048 residues a batch; the best epoch was chosen by accuracy on valid. "
        "Each setting was trained with 5 seeds. Intervals of 95 % and two-sided tests"
    )
    assert caption(made) == (
        "test accuracy, mean over 5 seeds; lines are 95 % intervals (over proteins and 5 seeds)."
    )
    assert seeds_of(made) == ", 5 seeds"
    made.settings["seeds"] = 1
    assert "differences were not tested" in methods(made)
    made.rows = [{"stage": "embedding", "seconds": 1.0}]
    assert caption(made) == "Seconds on the machine named below."
    made.method = "As said."
    assert methods(made) == "As said."
    assert caption(made).endswith("over proteins.")


def rows_of(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of data of a chart and of its layers."""
    own = spec.get("data", {}).get("values", [])
    return [*own, *(row for layer in spec.get("layer", []) for row in rows_of(layer))]


def test_marks_stand_at_the_values_of_their_rows(tmp_path) -> None:
    pytest.importorskip("altair")
    made = report(tmp_path)
    spec = interval_chart(made, colour="tokens").to_dict()
    places = [(row["arm"], row["low"], row["score"], row["high"]) for row in rows_of(spec)]
    assert places == [(r["arm"], r["low"], r["score"], r["high"]) for r in made.rows]
    assert [row["colour"] for row in rows_of(spec)] == ["none", "pdb", "noise"]
    upper, noise = (chart.to_dict() for chart in quality_chart(made))
    assert [row["arm"] for row in rows_of(upper)] == ["no structure", "pdb"]
    degrees = {row["degree"]: row["score"] for row in rows_of(noise) if "degree" in row}
    assert degrees == {0: 0.7, 0.5: 0.6}  # noise begins at the tokens as they are
    assert {row["plain"] for row in rows_of(noise) if "plain" in row} == {0.5}
    curve = rows_of(convergence_chart(made).to_dict())
    assert [(r["epoch"], r["score"]) for r in curve if r.get("adapter") == "pdb"] == [
        (1, 0.1), (2, 0.2),
    ]  # fmt: skip
    assert [row["best"] for row in curve if "best" in row] == [0.2]
    errors = rows_of(convergence_chart(replace(made, monitor="rmse")).to_dict())
    assert [row["best"] for row in errors if "best" in row] == [0.1]


def test_seconds_add_up_over_epochs(tmp_path) -> None:
    pytest.importorskip("altair")
    made = report(tmp_path)
    made.settings["fit"]["epochs"] = 2
    made.rows = [{"stage": "a", "start": {"store": 9.0, "loop": 1.0},
                  "epoch": {"store": 2.0, "loop": 5.0}}]  # fmt: skip
    points = [(r["way"], r["epoch"], r["seconds"]) for r in rows_of(cost_chart(made).to_dict())]
    assert points == [
        ("from the store", 0, 9.0), ("from the store", 1, 11.0), ("from the store", 2, 13.0),
        ("PLM in the loop", 0, 1.0), ("PLM in the loop", 1, 6.0), ("PLM in the loop", 2, 11.0),
    ]  # fmt: skip


def test_layers_are_drawn_at_their_depth_on_both_splits(tmp_path) -> None:
    pytest.importorskip("altair")
    made = report(tmp_path)
    base = {"low": 0.1, "high": 0.9, "model": "linear probe"}
    made.rows = [
        {**base, "layer": 3, "score": 0.5, "valid": 0.25},
        {**base, "layer": "mean:2", "score": 0.75, "valid": 0.125},
    ]
    points = [row for row in rows_of(layers_chart(made).to_dict()) if "split" in row]
    lines = {(r["layer"], r["kind"], r["split"]): r["score"] for r in points}
    assert lines == {
        (3, "linear probe", "test"): 0.5, (3, "linear probe", "valid"): 0.25,
        (3, "linear probe, mean:2", "test"): 0.75, (3, "linear probe, mean:2", "valid"): 0.125,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("low", "high", "lower", "verdict"),
    [
        (0.1, 0.3, False, "which is better"),
        (0.1, 0.3, True, "which is worse"),
        (-0.3, -0.1, False, "which is worse"),
        (-0.3, -0.1, True, "which is better"),
        (-0.1, 0.1, True, "and the interval of that includes zero: they are not told apart"),
        (0.0, 0.1, False, "and the interval of that includes zero: they are not told apart"),
    ],
)
def test_two_layers_are_told_apart_by_test(monkeypatch, low, high, lower, verdict) -> None:
    monkeypatch.setattr(layers, "_interval_of_difference", lambda *_: (low, high))
    study = SimpleNamespace(
        report=SimpleNamespace(split="test", monitor="m"), lower_is_better=lower
    )
    scores = [
        SimpleNamespace(predicted={"test": None}, metrics={"test": {"m": value}, "valid": {}})
        for value in (0.75, 0.5)
    ]
    assert layers._difference(study, 3, 6, scores) == (
        f"On test layer 3 differs from layer 6, the deepest, by +0.2500 ({low:+.4f} to "
        f"{high:+.4f}), {verdict}"
    )


def test_of_equal_layers_the_shallower_is_best() -> None:
    rows = [{"layer": n, "valid": value} for n, value in ((1, 0.5), (2, 0.75), (3, 0.75))]
    assert layers._best_on_valid(rows, "accuracy")["layer"] == 2
    assert layers._best_on_valid(rows, "rmse")["layer"] == 1


@pytest.mark.parametrize(("source", "rate"), [("alphafold2", 5e-4), ("nowhere", 1e-3)])
def test_a_study_with_structure_is_taught_at_the_pace_of_structure(
    store, settings, out, source: str, rate: float
) -> None:
    """All arms of it, those without tokens as well, so that they differ by tokens alone."""
    settings = replace(settings, fit=FitConfig(epochs=2), sources=(source,))
    study = Study("x", "?", store, settings, Place(out), {})
    assert study.settings.fit.pace.lr == rate
    assert study.settings.fit.pace.epochs == 2
    assert study.report.settings["fit"]["lr"] == rate
